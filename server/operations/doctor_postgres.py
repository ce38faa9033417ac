"""The doctor's checks of an installation whose data is in PostgreSQL.

Decides what is a fault there; of files that are SQLite's there are none. Imported where it is
needed: it brings PostgreSQL's library along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from server.settings import Settings
from storage import examination_postgres as examination

Faults = Iterator[str]
Check = Callable[[Settings], Faults]


def server(settings: Settings) -> Faults:
    """PostgreSQL is reached, and keeps what it acknowledges."""
    found = examination.refusal(settings.url)
    if found is not None:
        yield found


def tables(settings: Settings) -> Faults:
    """The tables are at this release's version."""
    present, wanted = examination.versions(settings.url)
    if present is None:
        yield "there are no tables yet: start the server once."
    elif present < wanted:
        yield f"its tables are at version {present}, not {wanted}: run `cloison migrate`."
    elif present > wanted:
        yield f"its tables are at version {present}, which a newer release made: install that."


def keys(settings: Settings) -> Faults:
    """The keys are there, and nothing keeps a copy of one that is destroyed."""
    if settings.keys_url is None:
        if not settings.keys_path.exists():
            yield f"{settings.keys_path} is gone: without it nobody reads what is stored."
        return
    found = examination.refusal_of_keys(settings.keys_url, settings.url)
    if found is not None:
        yield found


def sharing(settings: Settings) -> Faults:
    """Advise to keep keys where several machines find them."""
    if settings.keys_url is None:
        yield "the keys are in a file: nodes on other machines need CLOISON_KEYS_URL."


def ordering(settings: Settings) -> Faults:
    """Advise against an order of names that a new library on the machine would change."""
    if not examination.is_sorted_by_bytes(settings.url):
        yield "the database sorts by a locale: make it with LOCALE 'C' (docs/operations.md)."


def erasures(settings: Settings) -> Faults:
    """Advise to start a server while keys wait to be destroyed: one that runs is about to."""
    doomed = examination.doomed_keys(settings.url)
    if doomed:
        yield f"{doomed} keys of erased words are not destroyed yet: a server does that."


def network(settings: Settings) -> Faults:
    """Advise against what others could read, or pretend, on the way."""
    for name, url in (("data", settings.url), ("keys", settings.keys_url)):
        if url is not None and examination.is_exposed(url):
            yield f"the way to the {name} is open: say sslmode=verify-full and sslrootcert."


CHECKS: Final[dict[str, Check]] = {"server": server, "tables": tables, "keys": keys}
ADVICE: Final[dict[str, Check]] = {
    "erasures": erasures,
    "sharing of keys": sharing,
    "order": ordering,
    "network": network,
}
