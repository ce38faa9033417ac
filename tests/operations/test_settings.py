"""Settings: from where they come, in which order, and how wrong ones are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server import cli
from server.settings import Settings
from server.sources import SettingsUnreadable, strangers


def load(**flags: Any) -> Settings:
    """Return the settings of this environment, with flags on top."""
    return Settings(**flags)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Start a server with wrong settings; return what it said."""
    assert cli.main(["serve", *arguments]) == 2
    return capsys.readouterr().err


def test_the_stronger_source_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "cloison.toml"
    config.write_text(
        'port = 1\nhost = "::1"\nlog_level = "error"\norigins = ["https://a.example"]'
    )
    secret = tmp_path / "host"
    secret.write_text("::2\n")
    monkeypatch.setenv("CLOISON_CONFIG", str(config))
    monkeypatch.setenv("CLOISON_HOST_FILE", str(secret))
    monkeypatch.setenv("CLOISON_LOG_LEVEL", "debug")

    settings = load(port=4)

    assert (settings.port, settings.log_level, settings.host) == (4, "debug", "::2")
    assert settings.origins == ("https://a.example",)


def test_a_secret_may_come_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DATABASE_URL", "sqlite+aiosqlite:///x"), ("ORIGINS", '["https://b"]')):
        (tmp_path / name).write_text(f"{value}\n")
        monkeypatch.setenv(f"CLOISON_{name}_FILE", str(tmp_path / name))

    settings = load()

    assert settings.database_url == "sqlite+aiosqlite:///x"
    assert settings.origins == ("https://b",)


def test_a_value_given_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOISON_DATABASE_URL_FILE", str(tmp_path / "x"))
    monkeypatch.setenv("CLOISON_DATABASE_URL", "sqlite+aiosqlite:///x")

    with pytest.raises(SettingsUnreadable, match="set one"):
        load()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PORT", "70000", "CLOISON_PORT: Input should be less than or equal to 65535"),
        ("DRAIN_S", "soon", "CLOISON_DRAIN_S: "),
        ("ORIGINS", "https://a.example", '"origins"'),
        ("LOG_LEVEL", "chatty", "CLOISON_LOG_LEVEL: "),
        ("TLS_KEY", "/etc/hosts", "TLS needs both tls_certificate and tls_key"),
        ("TLS_CERTIFICATE", "/nowhere.pem", "CLOISON_TLS_CERTIFICATE: "),
        ("DATABASE_URL_FILE", "/nowhere", "CLOISON_DATABASE_URL_FILE: the file cannot be read"),
        ("CONFIG", "/nowhere", "CLOISON_CONFIG: the file cannot be read"),
        ("DATABASE_URL", "mysql://u:hunter2@h/d", "not supported"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    reason: str,
) -> None:
    monkeypatch.setenv(f"CLOISON_{name}", value)

    said = refusal(capsys)

    assert reason in said
    assert "hunter2" not in said


def test_an_unknown_key_and_broken_toml_in_the_file_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOISON_CONFIG", "")
    config = tmp_path / "cloison.toml"
    config.write_text("prot = 1")
    unknown = refusal(capsys, "--config", str(config))
    config.write_text('port = "hunter2\n')
    broken = refusal(capsys, "--config", str(config))

    assert "CLOISON_PROT: Extra inputs are not permitted" in unknown
    assert "not valid TOML" in broken
    assert "hunter2" not in broken


def test_a_slip_in_the_name_of_a_variable_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOISON_PROT", "1")
    monkeypatch.setenv("CLOISON_PASSWORD", "a client's")

    assert strangers(Settings) == ["CLOISON_PROT"]
