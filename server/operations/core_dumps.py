"""Core dumps: none, for they would hold what people say, and the keys.

Decides for this process; what the machine does with dumps all the same is the doctor's to tell.
"""

from __future__ import annotations

import resource
from pathlib import Path

#: Where the kernel is told what to do with a dump. A program that it pipes them to gets them
#: whatever the limit is, but systemd's, which heeds it.
PATTERN = Path("/proc/sys/kernel/core_pattern")


def forbid() -> None:
    """Let this process and its children leave no dump, from here to their end."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def taken_by() -> str | None:
    """Return the program that takes dumps in spite of the limit, if there is one."""
    try:
        pattern = PATTERN.read_text()
    except OSError:  # no such system
        return None
    program = pattern[1:].split()[0] if pattern.startswith("|") else ""
    return None if not program or Path(program).name == "systemd-coredump" else program
