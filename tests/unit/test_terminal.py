"""Commands on terminals that cannot show every character."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import INCONCLUSIVE, register
from gateway.main import main
from gateway.wire.errors import LivenessNotPossible


def _terminal(monkeypatch: pytest.MonkeyPatch, name: str, encoding: str) -> io.BytesIO:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, name, io.TextIOWrapper(shown, encoding, write_through=True))
    return shown


def _command(tmp_path: Path, *more: str) -> list[str]:
    files = ("--trust", "trust.json", "--id-number-file", "number", "--receipt", "r.cose")
    paths = [one if one[0] == "-" else str(tmp_path / one) for one in files]
    return ["register", *paths, "--id-type", "passport", "--live", "camera:0", *more]


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_what_a_terminal_lacks_is_replaced(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> Any:
        print("请看着镜头", file=sys.stderr)
        raise LivenessNotPossible("too few actions are left")

    out = _terminal(monkeypatch, "stdout", encoding)
    err = _terminal(monkeypatch, "stderr", encoding)
    with pytest.raises(UnicodeEncodeError):
        print("请看着镜头")  # the control
    monkeypatch.setattr(register, "_register", refused)
    (tmp_path / "number").write_text("L898902C3")
    given = _command(tmp_path, "--id-portrait", "portrait.jpg", "--language", "zh")
    assert main(given) == INCONCLUSIVE
    assert out.getvalue().startswith(b"INCONCLUSIVE\n")
    assert b"advice: ???" in out.getvalue()
    assert b"?????" in err.getvalue()
