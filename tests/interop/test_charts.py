"""The Helm charts, rendered with Go's ``text/template`` as Helm does, and read as Kubernetes would.

No cluster is here. What a chart says is held against the product: its settings, the proxy's table,
Pod Security's level "restricted".
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.auditor.config import AuditorSettings
from gateway.host.installed import version
from gateway.server.config import GatewaySettings
from gateway.server.proxy import GatewayProcess, ToProcesses, processes_file
from gateway.witness.config import WitnessSettings
from keys.config import AuthoritySettings

CHARTS = Path(__file__).parents[2] / "gateway" / "deploy" / "helm"
RENDERER = Path(__file__).parent / "charts" / "render.go"
CASES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "gateway": ("sealmatch-gateway", {}, GatewaySettings),
    "authority": ("sealmatch-authority", {}, AuthoritySettings),
    "auditor": ("sealmatch-observer", {"role": "auditor"}, AuditorSettings),
    "witness": ("sealmatch-observer", {"role": "witness", "settings": ""}, WitnessSettings),
}
Documents = list[dict[str, Any]]
Render = Callable[..., Documents]


class NotRendered(Exception):
    pass


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Render:
    """The objects of a chart, with some values changed."""
    if shutil.which("go") is None:
        reason = "Go is not installed (apt-get install golang-go)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    scratch = tmp_path_factory.mktemp("charts")
    go = {
        "GO111MODULE": "off",
        "GOCACHE": str(scratch / "cache"),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }
    build = ["go", "build", "-o", str(scratch / "render"), str(RENDERER)]
    subprocess.run(build, env={**os.environ, **go}, check=True)

    def rendered(chart: str, **changed: Any) -> Documents:
        directory = CHARTS / chart
        about = yaml.safe_load((directory / "Chart.yaml").read_text())
        task = {
            "directory": str(directory),
            "values": yaml.safe_load((directory / "values.yaml").read_text()) | changed,
            "chart": {"Name": about["name"], "AppVersion": about["appVersion"]},
            "release": {"Name": "shop"},
        }
        command, text = [scratch / "render"], json.dumps(task)
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotRendered(done.stderr)
        files = json.loads(done.stdout).values()
        return [one for text in files for one in yaml.safe_load_all(text) if one]

    return rendered


def of_kind(documents: Documents, kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in documents if one["kind"] == kind}


def pods(documents: Documents) -> Iterator[dict[str, Any]]:
    for one in documents:
        if one["kind"] in ("StatefulSet", "Deployment"):
            yield one["spec"]["template"]


@pytest.mark.parametrize("case", CASES)
def test_pods_are_restricted_and_reach_what_is_named(case: str, render: Render) -> None:
    chart, changed, _ = CASES[case]
    documents = render(chart, **changed)
    assert not of_kind(documents, "Secret"), "the operator makes them"
    for pod in pods(documents):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        account = spec["securityContext"]
        assert (account["runAsNonRoot"], account["runAsUser"]) == (True, 10001)
        assert account["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        for container in [*spec["containers"], *spec.get("initContainers", ())]:
            confined = container["securityContext"]
            assert confined["allowPrivilegeEscalation"] is False
            assert confined["readOnlyRootFilesystem"] is True
            assert confined["capabilities"] == {"drop": ["ALL"]}
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            claimed = {"data"} if container["name"] != "proxy" else set()
            assert mounted <= {volume["name"] for volume in spec["volumes"]} | claimed
        labels = pod["metadata"]["labels"].items()
        policies = of_kind(documents, "NetworkPolicy").values()
        chosen = [p for p in policies if p["spec"]["podSelector"]["matchLabels"].items() <= labels]
        assert any({"Ingress", "Egress"} <= set(p["spec"]["policyTypes"]) for p in chosen)
        for policy in chosen:
            assert "0.0.0.0/0" not in json.dumps(policy["spec"].get("egress"))


@pytest.mark.parametrize("case", CASES)
def test_settings_of_a_chart_are_settings(case: str, render: Render) -> None:
    chart, changed, kind = CASES[case]
    documents = render(chart, **changed)
    (server,) = (pod for pod in pods(documents) if "initContainers" in pod["spec"])
    (container,) = server["spec"]["containers"]
    prefix = kind.prefix.upper() + "_"
    given = {e["name"].removeprefix(prefix).lower() for e in container["env"]}
    assert given - {"credentials_directory"} <= kind.model_fields.keys()
    (said,) = (m["data"][f"{case}.toml"] for m in of_kind(documents, "ConfigMap").values()
               if f"{case}.toml" in m["data"])  # fmt: skip
    written = tomllib.loads(said).keys()
    assert written <= kind.model_fields.keys()
    assert not written & given, "said twice"
    port = kind.model_fields["port"].default
    assert container["ports"][0]["containerPort"] == port
    about = yaml.safe_load((CHARTS / chart / "Chart.yaml").read_text())
    assert about["appVersion"] == version()


def test_the_proxy_routes_to_as_many_processes_as_there_are(render: Render) -> None:
    documents = render("sealmatch-gateway", processes=18)
    named = [f"shop-gateway-{number}" for number in range(18)]
    expected = processes_file(
        [GatewayProcess.parse(f"{number}={name}:8470") for number, name in enumerate(named)],
        ToProcesses("/run/tls/ca.crt", "gateway.internal"),
    )
    assert of_kind(documents, "ConfigMap")["shop-proxy"]["data"]["processes.conf"] == expected
    services = of_kind(documents, "Service")
    for name in named:
        chosen = services[name]["spec"]["selector"]
        assert chosen["statefulset.kubernetes.io/pod-name"] == name
    gateway = of_kind(documents, "StatefulSet")["shop-gateway"]["spec"]
    assert gateway["replicas"] == 18
    (shard,) = (e for e in gateway["template"]["spec"]["containers"][0]["env"]
                if e["name"] == "SEALMATCH_GATEWAY_SHARD")  # fmt: skip
    assert "pod-index" in shard["valueFrom"]["fieldRef"]["fieldPath"]
    for wrong in (0, 257):
        with pytest.raises(NotRendered, match="from 1 to 256"):
            render("sealmatch-gateway", processes=wrong)


def test_a_key_of_the_processes_is_not_in_the_proxy(render: Render) -> None:
    (proxy,) = of_kind(render("sealmatch-gateway"), "Deployment").values()
    (ca,) = (v for v in proxy["spec"]["template"]["spec"]["volumes"] if v["name"] == "ca")
    assert [item["key"] for item in ca["secret"]["items"]] == ["ca.crt"]


def test_what_a_ceremony_made_is_laid_where_the_server_wants_it(
    render: Render, tmp_path: Path
) -> None:
    (server,) = pods(render("sealmatch-authority"))
    (lay,) = server["spec"]["initContainers"]
    program = re.sub(r'"/(var/lib/sealmatch|run/laid)', rf'"{tmp_path}/\1', lay["command"][2])
    data, laid = tmp_path / "var/lib/sealmatch/data", tmp_path / "run/laid"
    data.parent.mkdir(parents=True)
    laid.mkdir(parents=True)
    for times in ("first", "second"):
        for name in ("keystore.sealed", "trust.json", "caps.mark"):
            (laid / name).write_text(times)
        subprocess.run([sys.executable, "-c", program], check=True)
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
    found = {file.name: file.read_text() for file in data.iterdir()}
    assert found == {"keystore.sealed": "second", "trust.json": "second", "caps.mark": "first"}
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in data.iterdir())
