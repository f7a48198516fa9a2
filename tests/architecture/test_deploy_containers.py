"""The compose file and the images: who reaches whom, who holds which secret, what an image has.

No container is started here. The compose file is read as YAML, and held against the settings,
certificates and addresses that it names.
"""

import itertools
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.auditor.config import AuditorSettings
from gateway.host.settings import Settings
from gateway.server.config import GatewaySettings
from gateway.server.proxy import GatewayProcess, ToProcesses, processes_file
from gateway.witness.config import WitnessSettings
from keys.config import AuthoritySettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "gateway" / "deploy"
COMPOSE = DEPLOY / "compose"
CONTAINERFILE = DEPLOY / "containers" / "Containerfile"
FILE: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
SETTINGS: dict[str, type[Settings]] = {
    "gateway": GatewaySettings,
    "authority": AuthoritySettings,
    "auditor": AuditorSettings,
    "witness": WitnessSettings,
}
SERVERS = {
    "gateway-0": "gateway", "gateway-1": "gateway", "authority-0": "authority",
    "authority-1": "authority", "auditor": "auditor", "witness": "witness",
}  # fmt: skip


def names(entries: Any) -> set[str]:
    """Of networks, secrets or configs, in either form that compose knows."""
    return {one if isinstance(one, str) else one["source"] for one in entries or ()}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights_and_bounds(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", service["user"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "max-size" in service["logging"]["options"]
    assert not {"privileged", "pid", "network_mode", "cap_add", "devices"} & service.keys()
    assert "stop_grace_period" in service
    assert service["profiles"], "nothing starts on a host that is not its own"
    if name in SERVERS:
        assert service["ulimits"] == {"core": 0, "memlock": -1, "nofile": 16384}
        assert service["mem_limit"] == service["memswap_limit"]
        port = SETTINGS[SERVERS[name]].model_fields["port"].default
        assert f"127.0.0.1:{port}/health/ready" in service["healthcheck"]["test"][-1]


def test_each_service_reaches_what_it_must_and_no_other() -> None:
    met = set()
    for one, other in itertools.combinations(sorted(SERVICES), 2):
        if set(SERVICES[one]["networks"]) & set(SERVICES[other]["networks"]):
            met.add((re.sub(r"-\d$", "", one), re.sub(r"-\d$", "", other)))
    assert met == {
        ("gateway", "proxy"), ("gateway", "gateway"), ("authority", "authority"),
        ("gateway", "gateway-database"), ("authority", "gateway"),
        ("authority", "authority-database"), ("auditor", "gateway"), ("gateway", "witness"),
    }  # fmt: skip
    outside = {name for name, how in FILE["networks"].items() if not how.get("internal")}
    assert outside == {"counters"}
    assert [name for name in SERVICES if "counters" in SERVICES[name]["networks"]] == ["proxy"]
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["proxy"]


def test_every_secret_is_one_service_s_and_what_is_named_exists() -> None:
    holders: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        assert names(service.get("configs")) <= FILE["configs"].keys()
        assert set(service["networks"]) <= FILE["networks"].keys()
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in FILE["volumes"]
        for secret in names(service.get("secrets")):
            holders.setdefault(secret, set()).add(re.sub(r"-\d$", "", name))
    assert holders.keys() == FILE["secrets"].keys()
    assert all(len(held) == 1 for held in holders.values()), holders
    for file in FILE["configs"].values():
        path = COMPOSE / file["file"]
        assert path.suffix == ".pem" or path.exists(), path
    assert all(one["file"].startswith("./secrets/") for one in FILE["secrets"].values())


@pytest.mark.parametrize("name", SERVERS)
def test_shipped_settings_are_settings_and_name_what_is_there(name: str) -> None:
    role, service = SERVERS[name], SERVICES[name]
    given = tomllib.loads((COMPOSE / "settings" / f"{role}.toml").read_text())
    assert given.keys() <= SETTINGS[role].model_fields.keys()
    there = {f"/run/secrets/{secret}" for secret in names(service["secrets"])}
    there |= {config["target"] for config in service["configs"]} | {"/var/lib/sealmatch"}
    named = set(re.findall(r"/(?:run|etc|var)/[\w./-]+", " ".join(map(str, given.values()))))
    assert named <= there
    assert given["tls_key"] in named, "off loopback there is no plain HTTP"


def test_the_lines_between_servers_are_those_that_both_ends_have() -> None:
    settings = {
        role: tomllib.loads((COMPOSE / "settings" / f"{role}.toml").read_text())
        for role in SETTINGS
    }
    assert settings["gateway"]["authority_url"] == settings["authority"]["public_urls"]
    assert settings["gateway"]["auditor_url"] == settings["auditor"]["public_urls"]
    gateways = {n: s for n, s in SERVICES.items() if SERVERS.get(n) == "gateway"}
    listed = [
        f"{s['environment']['SEALMATCH_GATEWAY_SHARD']}={s['networks']['processes']['ipv4_address']}:8470"
        for s in gateways.values()
    ]
    expected = processes_file(
        [GatewayProcess.parse(one) for one in listed], ToProcesses("ca.pem", "gateway.internal")
    )
    assert (COMPOSE / "settings" / "processes.conf").read_text() == expected
    proxy = SERVICES["proxy"]["networks"]["processes"]["ipv4_address"]
    assert settings["gateway"]["proxies"] == proxy


def test_images_come_from_the_locks_and_run_as_nobody_in_particular() -> None:
    text = CONTAINERFILE.read_text()
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    named = {stage.split()[2]: stage for stage in stages}
    targets = {SERVICES[name]["build"]["target"] for name in SERVICES if "build" in SERVICES[name]}
    assert targets == {"gateway", "authority", "observer", "proxy"}
    for target in targets:
        stage = named[target]
        while "USER " not in stage:
            stage = named[stage.split()[0]]
        assert re.search(r"^USER 10001:10001$", stage, re.MULTILINE)
    for line in re.findall(r"^RUN .*\binstall\b.*$", text, re.MULTILINE):
        assert "--require-hashes" in line or "--no-index" in line or "apt-get" in line
    for copied in re.findall(r"^COPY (?!--)(.*) /", text, re.MULTILINE):
        for path in copied.split():
            assert path.startswith("dist/") or (ROOT / path).exists(), path


@pytest.mark.parametrize("image", ["gateway", "authority"])
def test_an_image_has_pinned_packages_and_none_that_reads_a_picture(image: str) -> None:
    lock = (CONTAINERFILE.parent / f"{image}.lock").read_text()
    whole = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^([a-z0-9-]+==\S+)", lock, re.MULTILINE)
    assert len(pins) > 30
    assert all(f"{pin} \\" in whole for pin in pins), "run make lock"
    assert not re.search(r"^(opencv|onnx|insightface|pillow|pytest)", lock, re.MULTILINE)
