"""CLI: run the server. Wrong settings are refused before anything starts, with the reason.

Exit codes: 0 stopped as asked; 1 could not start or failed; 2 wrong arguments or settings; 130
interrupted, 141 nobody reads what is said, as shells have it.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

import uvicorn
from pydantic import ValidationError
from pydantic_settings import SettingsError

from server import __version__, demo, egress, errors, logs
from server.administration import commands as administration
from server.app import application, uvicorn_config
from server.draining import Draining
from server.operations import core_dumps, open_files
from server.operations.commands import register
from server.parts import Parts, compose
from server.settings import Settings
from server.sources import CONFIG, SettingsUnreadable, strangers
from server.workers import Workers, check_shareable
from storage.backup import Unusable
from storage.database import Misconfigured, places

#: Connections that the system holds until they are accepted: a storm of clients that come back.
CONNECTIONS_WAITING_MAX = 2_048


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    chosen = _parser().parse_args(arguments)
    os.umask(0o077)  # whatever is made here is its owner's alone: databases, keys, backups
    try:
        settings = _settings(chosen)
    except ValidationError as error:
        print(_explained(error), file=sys.stderr)
        return 2
    except (SettingsUnreadable, SettingsError) as error:
        print(f"cloison: {error}", file=sys.stderr)
        return 2
    for name in strangers(Settings):
        print(f"cloison: {name} is no setting: it is ignored.", file=sys.stderr)
    logs.configure(settings.log_level)
    try:
        code: int = chosen.run(settings, chosen)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that Python does not try at the end
        return 128 + signal.SIGPIPE
    except (Misconfigured, Unusable, OSError, errors.Refusal) as error:
        print(f"cloison: {error}", file=sys.stderr)
        return 2 if isinstance(error, Misconfigured) else 1
    return code


def serve(settings: Settings, chosen: argparse.Namespace) -> int:
    """Serve until told to stop."""
    if chosen.workers > 1:
        check_shareable(settings)
        return Workers(settings, chosen.workers, _flags(chosen)).run()
    open_files.claim(settings)
    core_dumps.forbid()
    egress.install(_endpoints(settings))
    # uvicorn raises the signal that stopped it once more; being told to stop is no fault.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with _listening(settings, shared=chosen.share_port) as listener, suppress(KeyboardInterrupt):
        parts = compose(settings)
        app = application(parts)
        config = uvicorn_config(parts, app, fast_links=settings.fast_links)
        server = Announcing(config, parts, with_demo=chosen.demo)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # nohup's wish is heeded
            signal.signal(signal.SIGHUP, server.leave)
        try:
            server.run(sockets=[listener])
        except SystemExit:  # uvicorn's way to say that the start failed
            raise app.failure or OSError("the start failed") from None
    return 0


def _endpoints(settings: Settings) -> list[egress.Endpoint]:
    """Return where this process may connect to. Raises Misconfigured."""
    urls = [url for url in (settings.url, settings.keys_url) if url is not None]
    stores = [egress.Endpoint(host, port) for url in urls for host, port in places(url)]
    return stores + _broker_endpoints(settings)


def _broker_endpoints(settings: Settings) -> list[egress.Endpoint]:
    if settings.broker_url is None:
        return []
    from server.channels.redis_places import places_of  # noqa: PLC0415  # not for a node alone

    try:
        places = places_of(settings.broker_url.get_secret_value(), settings.broker_places)
    except ValueError as error:
        raise Misconfigured(str(error)) from None
    return [egress.Endpoint(place.host, place.port) for place in places]


def _flags(chosen: argparse.Namespace) -> list[str]:
    """Return what a worker is told on its command line, but for its port."""
    flags = ["--demo"] if chosen.demo else []
    for name in ("config", "data_dir", "host"):
        if (value := getattr(chosen, name)) is not None:
            flags += [f"--{name.replace('_', '-')}", value]
    return flags


def _listening(settings: Settings, *, shared: bool = False) -> socket.socket:
    """Return a listening socket. Raises OSError with what could not be listened on."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server(
            (settings.host, settings.port),
            family=family,
            backlog=CONNECTIONS_WAITING_MAX,
            reuse_port=shared,
        )
    except OSError as error:
        raise OSError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}"
        ) from None


class Announcing(Draining):
    """A server that says, once it serves, where, and how to try it."""

    def __init__(self, config: uvicorn.Config, parts: Parts, *, with_demo: bool) -> None:
        super().__init__(config, parts)
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

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in order; at a second interrupt, at once: what was acknowledged is on the disk."""
        if self.should_exit and sig == signal.SIGINT:
            os._exit(128 + signal.SIGINT)
        super().handle_exit(sig, frame)

    def leave(self, *_: object) -> None:
        """Stop in order: the terminal is gone, and nobody is left to say so."""
        self.should_exit = True

    def _url(self) -> str:
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        scheme = "https" if self.config.is_ssl else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


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
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", help="file of settings, in TOML (CLOISON_CONFIG)")
    shared.add_argument("--data-dir", help="folder of the database (CLOISON_DATA_DIR)")
    parser.add_argument("--version", action="version", version=f"cloison {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="serve until stopped", parents=[shared])
    serving.set_defaults(run=serve)
    serving.add_argument("--host", help="address to listen on (CLOISON_HOST)")
    serving.add_argument("--port", type=int, help="port to listen on (CLOISON_PORT)")
    serving.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes on one port, with PostgreSQL and Redis",
    )
    serving.add_argument("--share-port", action="store_true", help=argparse.SUPPRESS)
    serving.add_argument(
        "--demo", action="store_true", help="make a small organisation to try things with"
    )
    administration.register(commands, shared)
    register(commands, shared)
    return parser


def _settings(chosen: argparse.Namespace) -> Settings:
    """Return the settings of the environment, with the flags on top."""
    if getattr(chosen, "config", None):
        os.environ[CONFIG] = chosen.config
    named = ("host", "port", "data_dir")
    flags = {name: getattr(chosen, name, None) for name in named}
    return Settings(**{name: value for name, value in flags.items() if value is not None})


def _explained(error: ValidationError) -> str:
    lines = ["cloison: these settings cannot be used:"]
    for fault in error.errors(include_url=False, include_input=False):
        name = "_".join(str(part) for part in fault["loc"])
        lines.append(f"  {f'CLOISON_{name.upper()}: ' if name else ''}{fault['msg']}")
    return "\n".join(lines)
