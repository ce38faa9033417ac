"""CLI: run the server. Wrong settings are refused before anything starts, with the reason.

Exit codes: 0 stopped as asked; 1 could not start or failed; 2 wrong arguments or settings.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn
from pydantic import ValidationError

from server import __version__, demo, logs
from server.app import Parts, application, compose, uvicorn_config
from server.settings import Settings
from storage.database import Misconfigured


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        settings = _settings(chosen)
    except ValidationError as error:
        print(_explained(error), file=sys.stderr)
        return 2
    logs.configure(settings.log_level)
    try:
        return serve(compose(settings), with_demo=chosen.demo)
    except Misconfigured as error:
        print(f"cloison: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cloison: {error.strerror or error}", file=sys.stderr)
        return 1


def serve(parts: Parts, *, with_demo: bool) -> int:
    """Serve until told to stop."""
    config = uvicorn_config(parts, application(parts), fast_links=parts.settings.fast_links)
    server = Announcing(config, parts, with_demo=with_demo)
    with suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else 1


class Announcing(uvicorn.Server):
    """A server that says, once it serves, where, and how to try it."""

    def __init__(self, config: uvicorn.Config, parts: Parts, *, with_demo: bool) -> None:
        super().__init__(config)
        self._parts = parts
        self._with_demo = with_demo

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # of sockets
        """Start, then speak."""
        await super().startup(sockets)  # type: ignore[arg-type]  # as above
        if not self.started:
            return
        url = self._url()
        print(f"Cloison {__version__} serves on {url} (Ctrl-C stops it).")
        if self._with_demo:
            made = await demo.make(
                self._parts.database, self._parts.passwords, self._parts.clock.now()
            )
            print(made.guide(url, _python()) if made else _DEMO_IS_THERE)
        sys.stdout.flush()

    def _url(self) -> str:
        port = self.servers[0].sockets[0].getsockname()[1] if self.servers else self.config.port
        host = self.config.host
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"


_DEMO_IS_THERE = (
    "The demo organisation is there since an earlier start, which showed its passwords.\n"
    "`make reset` forgets it and everything in it; the next start makes another."
)


def _python() -> str:
    """Return how to call this interpreter from here, as one would type it."""
    executable = Path(sys.executable)
    with suppress(ValueError):
        return os.fspath(executable.relative_to(Path.cwd()))
    return os.fspath(executable)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cloison", description="A real-time messaging server whose groups are watertight."
    )
    parser.add_argument("--version", action="version", version=f"cloison {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="serve until stopped")
    serving.add_argument("--host", help="address to listen on (CLOISON_HOST)")
    serving.add_argument("--port", type=int, help="port to listen on (CLOISON_PORT)")
    serving.add_argument("--data-dir", help="folder of the database (CLOISON_DATA_DIR)")
    serving.add_argument(
        "--demo", action="store_true", help="make a small organisation to try things with"
    )
    return parser


def _settings(chosen: argparse.Namespace) -> Settings:
    """Return the settings of the environment, with the flags on top."""
    flags = {"host": chosen.host, "port": chosen.port, "data_dir": chosen.data_dir}
    return Settings(**{name: value for name, value in flags.items() if value is not None})


def _explained(error: ValidationError) -> str:
    lines = ["cloison: these settings cannot be used:"]
    for fault in error.errors(include_url=False, include_input=False):
        name = "_".join(str(part) for part in fault["loc"])
        lines.append(f"  CLOISON_{name.upper()}: {fault['msg']}")
    return "\n".join(lines)
