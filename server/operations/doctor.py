"""Doctor: what is wrong with this installation, and what to do about it.

Decides what is a fault. Looks at files, at the database and at the machine, changes nothing, and
may be run beside the server. Invariant: a fault is told by what to do, and never by what a table
holds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from server.clock import SystemClock
from server.operations import core_dumps, machine
from server.operations import open_files as files
from server.settings import Settings
from storage import examination
from storage.database import is_embedded

Faults = Iterator[str]
Check = Callable[[Settings], Faults]

#: Bytes free below which a day's messages, or the copy that a migration makes, may not fit.
DISK_FREE_MIN = 512 * 1024 * 1024
#: How far ahead of the clock what was stored may be: two machines' clocks differ by less.
CLOCK_SLACK_MS = 5 * 60 * 1000
#: A clock before this release was made is not set: 2026-01-01.
CLOCK_MIN_MS = 1_767_225_600_000
#: A journal is a few megabytes, and twice a large batch, unless a reader holds it up.
JOURNAL_BYTES_MAX = 64 * 1024 * 1024
#: File systems of other machines.
NETWORKED = ("nfs", "cifs", "smb", "9p", "ceph", "glusterfs")
#: File systems that write elsewhere what they overwrite.
COPYING = frozenset({"btrfs", "zfs", "bcachefs"})


def examine(settings: Settings, _chosen: argparse.Namespace) -> int:
    """Print a line a fault, or one for each thing that is well; return 1 if there was a fault.

    Advice is what this installation could do without danger, and would do better without.
    """
    code = 0
    checks, advices = _chosen_for(settings)
    for name, check in checks.items():
        faults = _found(check, settings)
        for fault in faults:
            print(f"FAULT  {name}: {fault}")
            code = 1
        if not faults:
            print(f"ok     {name}")
    for name, check in advices.items():
        for advice in _found(check, settings):
            print(f"advice {name}: {advice}")
    return code


def _chosen_for(settings: Settings) -> tuple[Mapping[str, Check], Mapping[str, Check]]:
    """Return what there is to look at: SQLite's files, or PostgreSQL; and the broker."""
    checks, advices = _of_the_store(settings)
    if settings.broker_url is not None:
        from server.operations.doctor_broker import broker  # noqa: PLC0415  # its library

        checks = {**checks, "broker": broker}
    return checks, advices


def _of_the_store(settings: Settings) -> tuple[Mapping[str, Check], Mapping[str, Check]]:
    if is_embedded(settings.url):
        return CHECKS, ADVICE
    from server.operations import doctor_postgres as postgres  # noqa: PLC0415  # its library

    machines = {"open files": open_files, "clock": time_is_set}
    advices = {name: ADVICE[name] for name in ("memory", "clock", "exposure")}
    return postgres.CHECKS | machines, postgres.ADVICE | advices


def _found(check: Check, settings: Settings) -> list[str]:
    try:
        return list(check(settings))
    except (OSError, examination.Unreadable) as error:
        return [f"it cannot be looked at: {error}"]


def permissions(settings: Settings) -> Faults:
    """Whatever holds words or keys is the server's user's alone."""
    for folder in (settings.data_dir, settings.keys_path.parent):
        if not folder.is_dir():
            yield f"{folder} is not there: start the server once, or set the folder right."
        else:
            yield from _open_to_others(folder, "700")
    for path in (examination.path_of(settings.url), settings.keys_path):
        for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
            if file.exists():
                yield from _open_to_others(file, "600")
    for secret in (settings.tls_key, settings.traces_file):
        if secret is not None and secret.exists():
            yield from _open_to_others(secret, "600")


def _open_to_others(path: Path, mode: str) -> Faults:
    found = path.stat()
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield f"others may use {path}: chmod {mode} {path}"
    if found.st_uid != os.geteuid():
        yield f"{path} is another user's: run this, and the server, as the same user."


def keys(settings: Settings) -> Faults:
    """The keys are there, and apart from the data."""
    database = examination.path_of(settings.url)
    if database.exists() and not settings.keys_path.exists():
        yield f"{settings.keys_path} is gone: without it nobody reads what is stored."
    if settings.keys_path.parent.resolve() == database.parent.resolve():
        yield "keys and data share a folder, and so would their backups: set CLOISON_KEYS_DIR."


def database(settings: Settings) -> Faults:
    """The database is there, sound and at this release's version."""
    path = examination.path_of(settings.url)
    if not path.exists():
        yield f"{path} is not there: start the server once, or restore a backup."
        return
    try:
        with examination.opened(path) as connection:
            yield from _unsound(connection)
    except examination.Unreadable as error:
        yield f"{path} cannot be read: {error}. Restore a backup."


def _unsound(connection: examination.Look) -> Faults:
    found = examination.damage(connection)
    if found is not None:
        yield f"the database is damaged: {found}. Stop the server and restore a backup."
        return
    present, wanted = examination.versions(connection)
    if present is None:
        yield "this is no database of Cloison's, or an empty one: start the server once."
    elif present < wanted:
        yield f"its tables are at version {present}, not {wanted}: run `cloison migrate`."
    elif present > wanted:
        yield f"its tables are at version {present}, which a newer release made: install that."


def pragmas(settings: Settings) -> Faults:
    """SQLite keeps what it acknowledges, and zeroes what it erases."""
    path = examination.path_of(settings.url)
    if not path.exists():
        return
    with examination.opened(path) as connection:
        for name, found in examination.deaf_pragmas(connection).items():
            yield f"SQLite has {name}={found}: another program changed it, or this build cannot."


def journal(settings: Settings) -> Faults:
    """No journal is left behind by a server that is gone: what was erased may be in it."""
    for path in (examination.path_of(settings.url), settings.keys_path):
        left = path.with_name(path.name + "-wal")
        size = left.stat().st_size if left.exists() else 0
        if size and not examination.may_be_in_use(path):
            yield f"{left} was left by a crash, and erased words may be in it: start the server."
        elif size > JOURNAL_BYTES_MAX:
            yield f"{left} is {size >> 20} MiB: something reads the database for long. Stop that."


def erasures(settings: Settings) -> Faults:
    """Nothing that was to be erased is there still; what a server is about to erase apart."""
    path = examination.path_of(settings.url)
    if not path.exists() or examination.may_be_in_use(path):
        return
    with examination.opened(path) as connection:
        doomed = examination.doomed_keys(connection)
    if doomed:
        yield f"{doomed} keys of erased words are not destroyed yet: start the server."


def time_is_set(_settings: Settings) -> Faults:
    """The clock is set: sessions and passwords end by it."""
    if SystemClock().now() < CLOCK_MIN_MS:
        yield "the clock is years behind: set it, and keep it set (NTP)."


def clock(settings: Settings) -> Faults:
    """The clock is set, and not behind what is stored."""
    yield from time_is_set(settings)
    now = SystemClock().now()
    path = examination.path_of(settings.url)
    if path.exists():
        with examination.opened(path) as connection:
            ahead = examination.newest_date(connection) - now
        if ahead > CLOCK_SLACK_MS:
            yield f"what is stored is {ahead // 1000} s ahead of the clock: set it (NTP)."


def open_files(settings: Settings) -> Faults:
    """As many connections as the settings allow can be open."""
    most, needed = files.allowed(), files.needed(settings)
    if most is not None and most < needed:
        yield (
            f"{most} files may be open, and {settings.connections_max} connections with"
            f" {settings.public_readers_max} readers need {needed}: raise LimitNOFILE, or lower"
            " CLOISON_CONNECTIONS_MAX."
        )


def disk(settings: Settings) -> Faults:
    """There is room for a while, and for a copy of the database."""
    folder = settings.data_dir
    if not folder.is_dir():
        return
    path = examination.path_of(settings.url)
    needed = max(DISK_FREE_MIN, path.stat().st_size if path.exists() else 0)
    free = shutil.disk_usage(folder).free
    if free < needed:
        yield f"{free >> 20} MiB are free under {folder}, and {needed >> 20} should be: make room."


def filing(settings: Settings) -> Faults:
    """The file system locks as SQLite needs."""
    for folder in (settings.data_dir, settings.keys_path.parent):
        kind = machine.file_system(folder)
        if kind is not None and kind.startswith(NETWORKED):
            yield f"{folder} is on {kind}, which does not lock as SQLite needs: use a local disk."


def copies(settings: Settings) -> Faults:
    """Advise against what keeps copies of erased words, or of keys."""
    if settings.keys_path.resolve().is_relative_to(settings.data_dir.resolve()):
        yield "the keys are inside the data's folder, whose copies take both: set CLOISON_KEYS_DIR."
    for folder in (settings.data_dir, settings.keys_path.parent):
        kind = machine.file_system(folder)
        if kind in COPYING:
            yield f"{folder} is on {kind}: its snapshots keep what is erased. Take none of it."


def memory(_settings: Settings) -> Faults:
    """Advise against what takes memory, with words in it, to a disk."""
    for place in machine.plain_swaps():
        yield f"memory may be swapped to {place}: encrypt it, or switch it off."
    program = core_dumps.taken_by()
    if program is not None:
        yield f"the kernel hands memory of a crash to {program}: forbid that (core_pattern)."


def timekeeping(_settings: Settings) -> Faults:
    """Advise to let something keep the clock."""
    if machine.clock_is_kept() is False:
        yield "nothing keeps the clock: sessions and passwords end by it. Run NTP."


def exposure(settings: Settings) -> Faults:
    """Advise against what others could read on the way."""
    if settings.metrics_port is not None and not _is_loopback(settings.metrics_host):
        yield f"metrics are read at {settings.metrics_host}, by whoever reaches it: use a loopback."
    if settings.tls_key is None and not _is_loopback(settings.host):
        yield f"{settings.host} is served without TLS: set CLOISON_TLS_KEY, or use a proxy here."


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


CHECKS: Final[Mapping[str, Check]] = {
    "permissions": permissions,
    "journal": journal,
    "keys": keys,
    "database": database,
    "pragmas": pragmas,
    "clock": clock,
    "open files": open_files,
    "disk": disk,
    "erasures": erasures,
    "file system": filing,
}

ADVICE: Final[Mapping[str, Check]] = {
    "copies": copies,
    "memory": memory,
    "clock": timekeeping,
    "exposure": exposure,
}
