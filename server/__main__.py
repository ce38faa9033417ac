"""Run Cloison: ``python -m server``, and the command ``cloison``.

Decides when Python may look for garbage: not while modules are imported. They make a hundred
thousand objects and throw away hardly any, and a sixth of a start would go by in looking.
"""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Run the command line; return the exit code."""
    gc.disable()
    from server import cli  # noqa: PLC0415  # this is the import that is meant

    gc.freeze()  # modules stay: nothing need ever look at them again
    gc.enable()
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
