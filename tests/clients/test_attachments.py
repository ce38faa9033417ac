"""Files in a conversation, against the real server; and where they land on this machine."""

from __future__ import annotations

import asyncio
import os
import re
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest

from clients.attachments import harmless_name, opened, save, size_in_words, split_path, target_of
from clients.carrying import Carrier
from clients.failures import Misuse, Stopped
from clients.rendering import render
from clients.roster import Roster
from tests import files
from tests.clients.events import ANA, message
from tests.clients.furnished import Furnished
from tests.clients.test_conversation import talking

FILE = bytes(range(256)) * 1_200


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


async def test_a_file_goes_along_with_a_message_and_is_saved_by_who_reads_it(
    furnished: Furnished, tmp_path: Path
) -> None:
    source, home = tmp_path / "my plan.pdf", tmp_path / "home"
    source.write_bytes(FILE)
    home.mkdir()
    async with (
        talking(furnished, furnished.ana) as ana,
        talking(furnished, furnished.bob) as bob,
    ):
        await bob.paper.until_asked("Share in Design team> ")
        await ana.paper.until_asked("Share in Design team> ")

        ana.paper.type(f'/attach "{source}" see page 3')

        await bob.paper.until("Ana: see page 3")
        await bob.paper.until("      + my plan.pdf (300.0 KiB): /save ")
        line = next(one for one in bob.paper.lines if "/save" in one)
        number = re.sub(r".*/save ", "", line)
        bob.paper.type(f"/save {number} {home}")
        await bob.paper.until(f"Saved {home / 'my plan.pdf'}")
        assert _files(home) == {"my plan.pdf": FILE}
        bob.paper.type(f"/save {number} {home}")
        await bob.paper.until("is there already")
        bob.paper.type(f"/save {number} {home / 'again'}", f"/save {number}9")
        await bob.paper.until(f"Saved {home / 'again'}")
        await bob.paper.until("brings no file")
    assert _files(home) == {"my plan.pdf": FILE, "again": FILE}


async def test_in_a_private_thread_it_is_the_same(furnished: Furnished, tmp_path: Path) -> None:
    source, target = tmp_path / "note.txt", tmp_path / "saved.txt"
    source.write_bytes(b"between us")
    async with (
        talking(furnished, furnished.ana) as ana,
        talking(furnished, furnished.bob) as bob,
    ):
        await ana.paper.until_asked("Share in Design team> ")
        ana.paper.type("/private Bob")
        await ana.paper.until_asked("Privately to Bob in Design team> ")
        bob.paper.type("/private Ana")
        await bob.paper.until_asked("Privately to Ana in Design team> ")

        ana.paper.type(f"/attach {source}")

        await bob.paper.until("Ana: note.txt")
        bob.paper.type(f"/save 2 {target}")
        await bob.paper.until("Saved ")
    assert target.read_bytes() == b"between us"


async def test_what_cannot_be_sent_or_saved_says_why_and_leaves_nothing(
    furnished: Furnished, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.mkfifo(home / "pipe")
    async with (
        await furnished.person(furnished.bob) as bob,
        talking(furnished, furnished.ana) as ana,
    ):
        seq, attachment = await files.share(bob, furnished.sphere, FILE)
        await ana.paper.until_asked("Share in Design team> ")
        ana.paper.type(
            f"/attach {home / 'none'}", f"/attach {home}", f"/attach {home / 'pipe'}",
            '/attach "open', "/save x", f"/save {seq} {home / 'no' / 'folder'}",
        )  # fmt: skip
        for words in (
            "none: No such file", f"{home} is not a file", "pipe is not a file",
            "does not end with it", "Say /save N [PATH]", "Cannot save",
        ):  # fmt: skip
            await ana.paper.until(words)
        await bob.call("delete", sphere=furnished.sphere, message=seq)
        await ana.paper.until("is erased by its author")
        assert not ana.paper.holds("plan.txt")
        carrier = Carrier(furnished.house.url, await furnished.house.token(furnished.ana))
        view = {"attachment": attachment, "size": len(FILE), "digest": "0" * 64}
        with pytest.raises(Exception, match="not for you"):
            await asyncio.to_thread(save, home / "late", lambda file: carrier.fetch(view, file))
    assert _files(home) == {}


async def test_what_is_not_the_file_that_was_shared_is_not_saved(
    furnished: Furnished, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    async with await furnished.person(furnished.bob) as bob:
        _, attachment = await files.share(bob, furnished.sphere, FILE)
        carrier = Carrier(furnished.house.url, str(bob.token))
        for size, digest in ((len(FILE), "0" * 64), (5, "0" * 64), (len(FILE) + 1, "0" * 64)):
            view = {"attachment": attachment, "size": size, "digest": digest}
            with pytest.raises(Stopped):
                await asyncio.to_thread(_fetched, carrier, view, home / "wrong")
        with pytest.raises(Stopped):
            carrier.fetch({"attachment": "../../sign-out", "size": 1, "digest": ""}, BytesIO())
    assert _files(home) == {}


def _fetched(carrier: Carrier, view: dict[str, object], target: Path) -> None:
    save(target, lambda file: carrier.fetch(view, file))


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("plan.pdf", "plan.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("/etc/passwd", "_etc_passwd"),
        ("C:\\Windows\\x.exe", "C__Windows_x.exe"),
        (".bashrc", "bashrc"),
        ("...", "attachment-abc"),
        ("", "attachment-abc"),
        (None, "attachment-abc"),
        ("a\x1b[2J\nb\u202e.txt", "a[2Jb.txt"),
        ("con.txt", "_con.txt"),
        ("NUL", "_NUL"),
        ("x" * 400 + ".pdf", "x" * 196 + ".pdf"),
        ("é" * 300, "é" * 100),
    ],
)
def test_a_name_of_others_is_one_part_of_a_path_and_nothing_more(
    said: str | None, name: str
) -> None:
    assert harmless_name(said, "abc/..") == name


def _theirs(file: BinaryIO) -> None:
    file.write(b"theirs")


def test_a_file_is_saved_over_nothing_not_even_over_a_link(tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / "link"
    victim.write_bytes(b"mine")
    link.symlink_to(tmp_path / "elsewhere")

    for target in (victim, link):
        with pytest.raises(Misuse, match="already"):
            save(target, _theirs)

    assert _files(tmp_path) == {"victim": b"mine"}
    assert link.is_symlink()


def test_what_comes_to_be_while_a_file_is_fetched_stays(tmp_path: Path) -> None:
    target = tmp_path / "plan.pdf"

    def fill(file: BinaryIO) -> None:
        _theirs(file)
        target.write_bytes(b"mine")

    with pytest.raises(Misuse, match="already"):
        save(target, fill)

    assert _files(tmp_path) == {"plan.pdf": b"mine"}


def test_a_saved_file_is_its_owners_alone(tmp_path: Path) -> None:
    save(tmp_path / "plan.pdf", _theirs)

    assert (tmp_path / "plan.pdf").stat().st_mode & 0o777 == 0o600


def test_where_a_file_lands_is_what_was_said(tmp_path: Path) -> None:
    view = {"attachment": "a" * 26, "name": "plan.pdf"}

    assert target_of("", view) == Path("plan.pdf")
    assert target_of(str(tmp_path), view) == tmp_path / "plan.pdf"
    assert target_of(str(tmp_path / "other"), view) == tmp_path / "other"


@pytest.mark.parametrize(
    ("said", "path", "words"),
    [
        ("plan.pdf", "plan.pdf", ""),
        ("plan.pdf see this", "plan.pdf", "see this"),
        ('"my plan.pdf" see this', "my plan.pdf", "see this"),
        ("'my plan.pdf'", "my plan.pdf", ""),
    ],
)
def test_a_path_comes_first_in_quotes_if_it_has_spaces(said: str, path: str, words: str) -> None:
    assert split_path(said) == (path, words)


def test_sizes_are_said_as_people_say_them() -> None:
    said = [size_in_words(size) for size in (0, 1_023, 1_024, 26_214_400, 2**40)]

    assert said == ["0 bytes", "1023 bytes", "1.0 KiB", "25.0 MiB", "1024.0 GiB"]


def test_a_name_of_a_file_cannot_draw_on_the_screen() -> None:
    view = {"attachment": "a" * 26, "size": 5, "digest": "", "name": "a\x1b[2J\u202eb\n-- x --"}
    event = message(4, ANA) | {"attachments": [view, {**view, "name": None}]}

    lines = render(event, Roster())

    assert lines[1] == "      + a<U+001B>[2J<U+202E>b<U+000A>-- x -- (5 bytes): /save 4"
    assert lines[2] == "      + (a file without a name) (5 bytes): /save 4"


def test_a_file_to_send_is_opened_by_its_last_name(tmp_path: Path) -> None:
    (tmp_path / ".profile").write_bytes(b"12345")

    with opened(str(tmp_path / ".profile")) as (file, size, name):
        assert (file.read(), size, name) == (b"12345", 5, "profile")
