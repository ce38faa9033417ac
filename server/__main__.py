"""Run Cloison: ``python -m server``, and the command ``cloison``.

Decides when Python may look for garbage: not while modules are imported. They make a hundred
thousand objects and throw away hardly any, and a sixth of a start would go by in looking. And that
whoever interrupts a command, however early, sees no traceback, and its shell the code that it
expects.
"""

from __future__ import annotations

import gc
import signal
import sys


def main() -> int:
    """Run the command line; return the exit code."""
    try:
        gc.disable()
        from server import cli  # noqa: PLC0415  # this is the import that is meant

        gc.freeze()  # modules stay: nothing need ever look at them again
        gc.enable()
        return cli.main()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
