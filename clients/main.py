"""Main: from the command line to an order, and from its ending to an exit code.

The composition root of this client. What is slow to import is imported by whoever needs it, so
that ``--help`` and a mistake are answered at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from clients.arguments import Options, parse
from clients.failures import Failure, Misuse

if TYPE_CHECKING:
    import argparse

INTERRUPTED: Final = 130
PIPE_BROKEN: Final = 141


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Carry out what the arguments order; return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding shows an escape: it must not end the conversation.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        return _carry_out(*parse(argv, environ), environ)
    except Misuse as misuse:
        print(f"error: {misuse.message}", file=sys.stderr)
        return misuse.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes at its end, and would complain of the same pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_BROKEN


def _carry_out(options: Options, given: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from clients import running  # noqa: PLC0415 - slow to import: see above
    from clients.printer import Printer  # noqa: PLC0415

    printer = Printer(sys.stdout, sys.stderr, json_lines=options.json, verbose=options.verbose)
    try:
        running.run(options, given, environ, printer)
    except Failure as failure:
        printer.failure(failure)
        return failure.exit_code
    return 0
