from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from clients.failures import SignInNeeded
from clients.tokens import Identity, Stored, Tokens, directory_of

ANA = Identity("https://cloison.example", "acme", "ana@acme.example")
SESSION = Stored(ANA, "cls_token", ends_at=1_000)


def test_a_session_is_remembered_until_it_ends(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "cloison")
    tokens.save(SESSION)

    assert tokens.load(ANA, now=999) == SESSION
    assert tokens.load(ANA, now=1_000) is None
    assert list((tmp_path / "cloison").iterdir()) == []


def test_a_session_is_for_its_owner_s_eyes_only(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "cloison")

    tokens.save(SESSION)

    (file,) = (tmp_path / "cloison").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "cloison").stat().st_mode) == 0o700


def test_a_file_name_tells_nobody_who_signed_in_where(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)

    tokens.save(SESSION)

    (file,) = tmp_path.iterdir()
    assert not {"acme", "ana", "cloison.example"} & set(file.name.replace("-", ".").split("."))


def test_a_session_that_others_can_read_is_not_trusted(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    tokens.save(SESSION)
    (file,) = tmp_path.iterdir()
    file.chmod(0o640)

    with pytest.raises(SignInNeeded, match="Others can read"):
        tokens.load(ANA, now=0)


def test_a_link_in_the_place_of_a_session_is_not_followed(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "real")
    tokens.save(SESSION)
    (file,) = (tmp_path / "real").iterdir()
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / file.name).symlink_to(file)

    assert Tokens(tmp_path / "fake").load(ANA, now=0) is None


def test_a_session_is_kept_by_server_organisation_and_address(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    tokens.save(SESSION)

    for other in (
        replace(ANA, server="https://other.example"),
        replace(ANA, organisation="other"),
        replace(ANA, address="bob@acme.example"),
    ):
        assert tokens.load(other, now=0) is None


def test_a_newer_session_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    tokens.save(SESSION)

    tokens.save(replace(SESSION, token="cls_newer"))

    loaded = tokens.load(ANA, now=0)
    assert loaded is not None
    assert loaded.token == "cls_newer"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_session_is_forgotten(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    tokens.save(SESSION)

    tokens.forget(ANA)
    tokens.forget(ANA)

    assert tokens.load(ANA, now=0) is None


def test_who_is_signed_in_to_a_server_is_known(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "cloison")
    assert tokens.known(ANA.server) == []
    tokens.save(SESSION)

    assert tokens.known(ANA.server) == [ANA]
    assert tokens.known("https://other.example") == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"token": 1}', "null"])
def test_a_broken_file_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    tokens = Tokens(tmp_path)
    tokens.save(SESSION)
    (file,) = tmp_path.iterdir()
    file.write_text(text)

    assert tokens.load(ANA, now=0) is None


def test_sessions_are_kept_where_the_convention_for_state_says() -> None:
    assert directory_of({"XDG_STATE_HOME": "/state"}) == Path("/state/cloison")
    assert directory_of({"XDG_STATE_HOME": "relative"}) == directory_of({})
    assert directory_of({}).parts[-3:] == (".local", "state", "cloison")
