"""Open files: as many as the connections need, as far as the machine allows it."""

from __future__ import annotations

import resource

from server.settings import Settings

#: Files that the server holds open beside its connections: databases, journals, the log, libraries.
FILES_BESIDE = 128


def needed(settings: Settings) -> int:
    """Return how many files a full server holds open."""
    return settings.connections_max + settings.public_readers_max + FILES_BESIDE


def allowed() -> int | None:
    """Return how many files a process may open here, or None when any number."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if most == resource.RLIM_INFINITY else most


def claim(settings: Settings) -> None:
    """Raise this process's own limit, which shells set to a thousand, towards the machine's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed(settings) if hard == resource.RLIM_INFINITY else min(needed(settings), hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
