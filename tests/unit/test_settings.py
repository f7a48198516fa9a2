"""Server settings: a file, then the environment; what is wrong is named and never repeated."""

from pathlib import Path

import pytest

from gateway.host.settings import BadConfiguration
from keys.config import AuthoritySettings

PREFIX = "SEALMATCH_AUTHORITY_"


def read(text: str | None, tmp_path: Path, **variables: str) -> AuthoritySettings:
    path = None
    if text is not None:
        path = tmp_path / "settings.toml"
        path.write_text(text)
    environment = {PREFIX + name: value for name, value in variables.items()}
    return AuthoritySettings.read(path, environment)


def test_defaults_and_the_one_required_field(tmp_path: Path) -> None:
    settings = read('data_dir = "/data"', tmp_path)
    assert settings.data_dir == Path("/data")
    assert settings.trust_file == Path("/data/trust.json")
    assert (settings.party, settings.host, settings.port) == ("authority", "127.0.0.1", 8471)
    assert (settings.session_seconds, settings.max_sessions) == (300, 2000)
    with pytest.raises(BadConfiguration, match="data_dir"):
        read("", tmp_path)


def test_the_environment_wins(tmp_path: Path) -> None:
    settings = read(
        'data_dir = "/file"\nport = 1\nparty = "from-file"',
        tmp_path,
        DATA_DIR="/variable",
        PORT="2",
    )
    assert (settings.data_dir, settings.port) == (Path("/variable"), 2)
    assert settings.party == "from-file"


def test_the_environment_alone_will_do(tmp_path: Path) -> None:
    assert read(None, tmp_path, DATA_DIR="/d", SESSION_SECONDS="60").session_seconds == 60


def test_other_programs_variables_are_left_alone() -> None:
    settings = AuthoritySettings.read(
        None, {"SEALMATCH_AUTHORITY_DATA_DIR": "/d", "SEALMATCH_GATEWAY_PORT": "7", "PORT": "8"}
    )
    assert settings.port == 8471


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("port = -1", "port"),
        ("port = 65536", "port"),
        ('port = "hunter2"', "port"),
        ("session_seconds = 29", "session_seconds"),
        ("session_seconds = 901", "session_seconds"),
        ("max_sessions = 0", "max_sessions"),
        ('he_engine = "hunter2"', "he_engine"),
        ('party = "Hunter2!"', "party"),
        ('pepper = "hunter2"', "pepper"),
    ],
)
def test_wrong_fields_are_named_and_values_not_repeated(
    tmp_path: Path, line: str, field: str
) -> None:
    with pytest.raises(BadConfiguration, match=field) as caught:
        read(f'data_dir = "/d"\n{line}', tmp_path)
    assert "hunter2" not in str(caught.value).lower()
    assert caught.value.__suppress_context__


ONE, OTHER = "ab" * 32, "cd" * 32


@pytest.mark.parametrize(
    ("text", "accepted"), [("", set()), (ONE, {ONE}), (f"{ONE},{OTHER}", {ONE, OTHER})]
)
def test_the_policies_that_an_authority_decides_by(
    tmp_path: Path, text: str, accepted: set[str]
) -> None:
    settings = read(f'data_dir = "/d"\npolicies = "{text}"', tmp_path)
    assert settings.accepted_policies == accepted


@pytest.mark.parametrize("text", ["ab", ONE.upper(), f"{ONE},", f",{ONE}", f"{ONE} {OTHER}", "any"])
def test_a_list_of_policies_that_is_none_does_not_mean_any(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadConfiguration, match="policies"):
        read(f'data_dir = "/d"\npolicies = "{text}"', tmp_path)


def test_several_wrong_fields_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="max_sessions, port"):
        read('data_dir = "/d"\nport = -1\nmax_sessions = 0', tmp_path)


@pytest.mark.parametrize("text", ["port = ", "[", 'port = "\\q"'])
def test_what_is_not_toml_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadConfiguration, match="not valid TOML"):
        read(text, tmp_path)


def test_a_file_that_is_not_text_is_said(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(b'party = "\xff"')
    with pytest.raises(BadConfiguration, match="not valid TOML"):
        AuthoritySettings.read(path, {})


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="No such file"):
        AuthoritySettings.read(tmp_path / "nothing.toml", {})


def test_every_field_is_documented() -> None:
    text = AuthoritySettings.describe()
    for name, field in AuthoritySettings.model_fields.items():
        assert f"{name} ({PREFIX}{name.upper()}, " in text
        assert field.description
        assert field.description in text
    assert "data_dir (SEALMATCH_AUTHORITY_DATA_DIR, required)" in text
