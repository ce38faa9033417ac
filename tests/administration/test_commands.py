"""The command line of administration, on a database that no server is in charge of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.administration.commands import classes, on_or_off
from server.domain.policy import Classes
from tests.administration.desk import Desk

ADDRESS = "ana@demo.example"


def files(folder: Path) -> bytes:
    """Return all that stands in the files of a folder."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def test_an_organisation_is_created_and_shown_with_its_policies(desk: Desk) -> None:
    await desk.done("org", "create", "acme", "--name", "Acme", "--password-length", 45,
                    "--password-age", "1d", "--password-classes", "upper,digit",
                    "--directory", "on")  # fmt: skip

    shown = await desk.done("org", "show", "ACME")

    assert re.findall(r"^(.+?)  +(\S+)$", shown, re.MULTILINE) == [
        ("ORGANISATION", "acme"),
        ("name", "Acme"),
        ("password length", "45"),
        ("password classes", "upper,digit"),
        ("password age", "1d"),
        ("password history", "0"),
        ("session lifetime", "30d"),
        ("session idle", "7d"),
        ("sessions a member", "20"),
        ("directory", "on"),
        ("second factor", "optional"),
    ]


async def test_what_is_not_named_stays_as_it_is(desk: Desk) -> None:
    await desk.done("org", "create", "acme", "--name", "Acme", "--password-age", "90d")

    shown = await desk.done("org", "set", "acme", "--session-idle", "15m", "--directory", "on")

    assert re.search(r"password age +90d", shown)
    assert re.search(r"session idle +15m", shown)
    assert re.search(r"directory +on", shown)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--password-length", 8), "below the server's floor of 12"),
        (("--password-length", 500), "nobody could type"),
        (("--session-lifetime", "1d", "--session-idle", "2d"), "idle limit"),
        (("--sessions-max", 0), "from 1 to 1000"),
    ],
)
async def test_a_policy_that_cannot_be_is_refused_with_the_reason_and_nothing_changes(
    desk: Desk, flags: tuple[object, ...], why: str
) -> None:
    await desk.done("org", "create", "acme", "--name", "Acme")
    before = await desk.done("org", "show", "acme")

    said = await desk.run("org", "set", "acme", *flags)

    assert said.code == 1
    assert why in said.err
    assert await desk.done("org", "show", "acme") == before


async def test_handles_are_unique_and_listed(desk: Desk) -> None:
    await desk.done("org", "create", "acme", "--name", "Acme")
    await desk.done("org", "create", "umbra", "--name", "Umbra")

    again = await desk.run("org", "create", "Acme", "--name", "Another")

    assert again.code == 1
    assert (await desk.done("org", "list")).splitlines()[1:] == ["acme    Acme", "umbra   Umbra"]


@pytest.mark.embedded
async def test_an_invitation_is_shown_once_and_stored_as_a_digest(
    desk: Desk, tmp_path: Path
) -> None:
    await desk.done("org", "create", "acme", "--name", "Acme")

    token = (await desk.done("member", "invite", "acme", ADDRESS)).splitlines()[-1]

    listed = await desk.done("member", "invitations", "acme")
    stored = files(tmp_path)
    assert re.fullmatch(r"cli_[\w-]{43}", token)
    assert ADDRESS in listed
    assert token not in listed
    assert token.encode() not in stored
    assert ADDRESS.encode() in stored


@pytest.mark.embedded
async def test_a_withdrawn_invitation_is_gone_from_the_database(desk: Desk, tmp_path: Path) -> None:
    await desk.done("org", "create", "acme", "--name", "Acme")
    await desk.done("member", "invite", "acme", ADDRESS)

    said = await desk.done("member", "uninvite", "acme", ADDRESS.upper())

    stored = files(tmp_path)
    assert said == "Invitations withdrawn: 1.\n"
    assert ADDRESS.encode() not in stored


async def test_visitors_are_not_invited_from_here(desk: Desk) -> None:
    await desk.done("org", "create", "acme", "--name", "Acme")

    said = await desk.run("member", "invite", "acme", ADDRESS, "--role", "visitor")

    assert said.code == 2


async def test_a_file_of_people_is_invited_whole_or_not_at_all(desk: Desk, tmp_path: Path) -> None:
    await desk.done("org", "create", "acme", "--name", "Acme")
    file = tmp_path / "people.csv"
    file.write_text(f"address,role\n{ADDRESS},\nnobody,king\n", encoding="utf-8")

    refused = await desk.run("member", "import", "acme", file)
    nobody = await desk.done("member", "invitations", "acme")
    file.write_text(f"address,role\n{ADDRESS},\nbob@demo.example,manager\n", encoding="utf-8")
    drawn = await desk.done("member", "import", "acme", file)

    assert (refused.code, refused.out) == (1, "")
    assert "Line 3" in refused.err
    assert len(nobody.splitlines()) == 1
    assert re.fullmatch(
        rf"address,invitation\n{ADDRESS},cli_.{{43}}\nbob@demo.example,cli_.{{43}}\n", drawn
    )


async def test_a_file_that_is_no_text_is_refused(desk: Desk, tmp_path: Path) -> None:
    await desk.done("org", "create", "acme", "--name", "Acme")
    (tmp_path / "people.csv").write_bytes(b"address\n\xff\xfe")

    said = await desk.run("member", "import", "acme", tmp_path / "people.csv")

    assert (said.code, said.err) == (1, "cloison: The file is not text in UTF-8.\n")


@pytest.mark.parametrize("act", ["disable", "enable", "remove"])
async def test_who_is_no_member_is_not_found(desk: Desk, act: str) -> None:
    await desk.done("org", "create", "acme", "--name", "Acme")

    said = await desk.run("member", act, "acme", ADDRESS, *(["--erase"] * (act == "remove")))

    assert (said.code, said.err) == (1, "cloison: `acme` has no such member.\n")


async def test_an_organisation_that_is_not_there_is_named(desk: Desk) -> None:
    said = await desk.run("member", "list", "nowhere")

    assert (said.code, said.err) == (1, "cloison: There is no organisation 'nowhere'.\n")


async def test_a_removal_must_be_said_to_erase(desk: Desk) -> None:
    await desk.done("org", "create", "acme", "--name", "Acme")

    said = await desk.run("member", "remove", "acme", ADDRESS)

    assert said.code == 1
    assert "cannot be undone" in said.err


def test_classes_are_named() -> None:
    assert classes("lower, Other") == Classes.LOWER | Classes.OTHER
    assert classes("none") == Classes.NONE
    with pytest.raises(ValueError, match="Classes are"):
        classes("runes")


def test_a_switch_is_on_or_off() -> None:
    assert (on_or_off("on"), on_or_off("off")) == (True, False)
    with pytest.raises(ValueError, match="on or off"):
        on_or_off("maybe")
