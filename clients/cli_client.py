"""Cloison on the command line: ``python clients/cli_client.py --help``.

Chooses what to run and turns every ending into an exit code; what the commands do is in
``orders``, and the conversation in ``conversation``. Imports nothing of the server: it knows the
protocol as a stranger does. Invariant: whatever happens, the program ends with a documented code,
and without a traceback unless it is a bug of ours.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if not __package__:
    # Run as a script, Python looks for modules beside it rather than in the checkout.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from clients.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
