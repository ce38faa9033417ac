"""Attachments: files of this device that go along with messages, and where those of others land.

What a sender calls a file is text of theirs: it is shown safely, and chooses neither a folder nor a
file that is there already. Decides no transfer. Invariants: a file that is saved lies where this
person said, under a name that they saw, and over nothing; what is there under its name is whole.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from clients.failures import Misuse
from clients.wire import Frame

#: The longest name of a file that the server takes, in characters.
NAME_CHARS_MAX: Final = 120
#: The longest name that file systems take, in bytes, less what a partial file adds to it.
_NAME_BYTES_MAX: Final = 200
#: Marks of paths, of wildcards, of pipes: on one system or another they mean something else.
_MARKS: Final = frozenset('/\\:*?"<>|')
#: Names that Windows gives to devices, whatever follows them.
_DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", "clock$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789"}
)
_UNITS: Final = ("bytes", "KiB", "MiB", "GiB")


def harmless_name(said: str | None, attachment: str) -> str:
    """Return what to call a file on this machine, from what its sender called it.

    It is one part of a path, visible, of no device, and bounded; without a name it is its id.
    """
    kept = "".join(_harmless(one) for one in unicodedata.normalize("NFC", said or ""))
    clean = " ".join(kept.split()).strip(". ")
    stem, dot, ending = clean.rpartition(".")
    if not dot or len(ending.encode()) > _NAME_BYTES_MAX // 4:
        stem, dot, ending = clean, "", ""
    stem = _shortened(stem, _NAME_BYTES_MAX - len((dot + ending).encode()))
    name = stem + dot + ending
    if not name.strip("._ "):
        return f"attachment-{_plain(attachment)}"
    return f"_{name}" if name.partition(".")[0].strip().lower() in _DEVICES else name


def _harmless(character: str) -> str:
    if character in _MARKS:
        return "_"
    hidden = unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return "" if hidden else character


def _shortened(text: str, most: int) -> str:
    if len(text.encode()) <= most:
        return text
    return text.encode()[:most].decode(errors="ignore").rstrip(". ")


def _plain(identifier: str) -> str:
    return "".join(one for one in identifier if one.isascii() and one.isalnum())[:26]


def size_in_words(size: int) -> str:
    """Return a number of bytes as people say it."""
    amount, unit = float(size), 0
    while amount >= 1_024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1_024, unit + 1
    return f"{size} {_UNITS[0]}" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


def split_path(said: str) -> tuple[str, str]:
    """Return the path at the beginning of what was typed, in quotes or not, and what follows."""
    if said[:1] in {'"', "'"}:
        path, closed, rest = said[1:].partition(said[0])
        if not closed:
            raise Misuse(f"The path begins with {said[0]} and does not end with it.")
        return path, rest.strip()
    path, _, rest = said.partition(" ")
    return path, rest.strip()


@contextmanager
def opened(path: str) -> Iterator[tuple[BinaryIO, int, str]]:
    """Open a file to be sent; return it, its size and its name. Raises Misuse."""
    source = Path(path).expanduser()
    try:
        # Without waiting: a pipe that nobody writes to must not hang this client.
        descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        raise Misuse(f"Cannot read {path}: {_why(error)}.") from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise Misuse(f"{path} is not a file.")
    with os.fdopen(descriptor, "rb") as file:
        yield file, found.st_size, harmless_name(source.name, "file")[:NAME_CHARS_MAX].rstrip(". ")


def is_folder(said: str) -> bool:
    """Say whether a path names a folder that there is."""
    return Path(said).expanduser().is_dir()


def target_of(said: str, view: Frame) -> Path:
    """Return where a file is to be saved: a folder or a file that was named, or this folder."""
    name = harmless_name(view.get("name"), str(view["attachment"]))
    if not said:
        return Path(name)
    chosen = Path(said).expanduser()
    return chosen / name if chosen.is_dir() else chosen


def save(target: Path, fill: Callable[[BinaryIO], None]) -> None:
    """Have ``fill`` write a file, and let it take its name once it is whole. Raises Misuse.

    What is there already stays as it is, even if it came to be in the meantime.
    """
    partial = target.with_name(f".{target.name}.{os.urandom(4).hex()}.partial")
    if os.path.lexists(target):  # before anything is fetched in vain
        raise _taken(target)
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                fill(file)
            _take_name(partial, target)
        finally:
            with suppress(FileNotFoundError):
                partial.unlink()
    except FileExistsError:
        raise _taken(target) from None
    except OSError as error:
        raise Misuse(f"Cannot save {target}: {_why(error)}.") from None


def _taken(target: Path) -> Misuse:
    return Misuse(f"{target} is there already: say /save N PATH with another place.")


def _take_name(partial: Path, target: Path) -> None:
    """Give a file its name unless that is taken: a link never replaces anything."""
    try:
        os.link(partial, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        partial.replace(target)


def _why(error: Exception) -> str:
    number: Any = getattr(error, "errno", None)
    return os.strerror(number) if number else "that is no path"
