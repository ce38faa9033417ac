"""Tokens: the sessions that this device remembers, one private file each.

Decides where they are kept and who may read them; never talks to the server. Invariant: a token is
only ever in a file that its owner alone can read, in a directory that its owner alone can list;
a file that others could read is refused, not trusted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from clients.failures import SignInNeeded

#: A file of ours is under a kilobyte: a larger one is not ours.
_FILE_BYTES_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Identity:
    """Which server, which organisation, which address."""

    server: str
    organisation: str
    address: str

    def file_name(self) -> str:
        """Return a name that tells nothing to whoever sees a listing of the directory."""
        text = f"{self.server}\n{self.organisation}\n{self.address}"
        return hashlib.sha256(text.encode()).hexdigest()[:32] + ".json"


@dataclass(frozen=True, slots=True)
class Stored:
    """A session that is remembered; ``ends_at`` is in milliseconds since 1970."""

    identity: Identity
    token: str
    ends_at: int


class Tokens:
    """The directory of sessions."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def save(self, stored: Stored) -> None:
        """Remember a session, in place of an older one. Raises OSError."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory.chmod(0o700)
        target = self._directory / stored.identity.file_name()
        fresh = target.with_suffix(f".{os.getpid()}.new")
        fresh.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(fresh, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(stored), file)
        fresh.replace(target)

    def load(self, identity: Identity, now: int) -> Stored | None:
        """Return the session of ``identity``, unless there is none or it ended before ``now``."""
        stored = self._read(self._directory / identity.file_name())
        if stored is None or stored.identity != identity:
            return None
        if stored.ends_at <= now:
            self.forget(identity)
            return None
        return stored

    def forget(self, identity: Identity) -> None:
        """Remove a session from this device."""
        with contextlib.suppress(OSError):
            (self._directory / identity.file_name()).unlink()

    def known(self, server: str) -> list[Identity]:
        """Return who is signed in to ``server`` on this device."""
        with contextlib.suppress(OSError):
            files = sorted(self._directory.glob("*.json"))
            found = [stored.identity for stored in map(self._read, files) if stored is not None]
            return [identity for identity in found if identity.server == server]
        return []

    def _read(self, path: Path) -> Stored | None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return None
        with os.fdopen(descriptor, encoding="utf-8") as file:
            _check_private(path, os.fstat(file.fileno()))
            return _parse(file.read(_FILE_BYTES_MAX))


def directory_of(environ: Mapping[str, str]) -> Path:
    """Return where the sessions are kept, by the XDG convention for state."""
    # The convention: a path that is not absolute is to be ignored.
    stated = environ.get("XDG_STATE_HOME", "")
    parent = Path(stated) if stated.startswith("/") else Path.home() / ".local" / "state"
    return parent / "cloison"


def _check_private(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise SignInNeeded(
            f"Others can read the session in {path}: it is not safe any more."
            " Sign out everywhere if in doubt, remove that file, and sign in again: `sign-in`."
        )


def _parse(text: str) -> Stored | None:
    # A file cut short by a full disk is as good as none: one signs in again.
    try:
        whole = json.loads(text)
        identity = Identity(**whole["identity"])
        return Stored(identity, str(whole["token"]), int(whole["ends_at"]))
    except (ValueError, KeyError, TypeError):
        return None
