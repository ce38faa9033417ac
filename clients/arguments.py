"""Arguments: what a person may ask on the command line, and what holds when they do not say.

Pure: the environment is an argument. Invariant: no secret is ever an argument, since every user of
a machine can read the arguments of every process.
"""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from clients.failures import Misuse

SERVER_DEFAULT: Final = "http://127.0.0.1:8000"

EPILOG: Final = """\
A sphere is named by its id or by its name; a member or a bot inside it, likewise.

environment:
  CLOISON_SERVER, CLOISON_ORGANISATION, CLOISON_ADDRESS
                           what --server, --organisation and --address default to
  CLOISON_PASSWORD         the password, when nobody is there to type it
  CLOISON_NEW_PASSWORD     the new one, for `password`
  CLOISON_INVITATION       the invitation that was handed over, for `accept`
  CLOISON_CONNECTOR_TOKEN  the token of a bot, for `bring`
  XDG_STATE_HOME           sessions are kept in cloison/ below it (default ~/.local/state)
  SSL_CERT_FILE            authorities to trust for https, when not the system's

exit codes:
  0    done
  1    refused by the server
  2    the order itself is wrong: nothing was sent
  3    the server cannot be reached, or the connection broke before the answer
  4    sign in needed, or refused
  130  interrupted from the keyboard
  141  whoever read the output went away
"""

#: Name, what it does, and its own arguments, as (names, settings) of argparse.
Argument = tuple[tuple[str, ...], dict[str, Any]]
_SPHERE: Final[Argument] = (("sphere",), {"metavar": "SPHERE", "help": "its id or its name"})
_TEXT: Final[Argument] = (
    ("text",),
    {"metavar": "TEXT", "nargs": "?", "help": "what to share (default: standard input)"},
)
_LINES: Final[Argument] = (
    ("--lines",),
    {"action": "store_true", "help": "share each line of standard input by itself"},
)


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


_COMMANDS: Final[Sequence[tuple[str, str, Sequence[Argument]]]] = (
    (
        "chat",
        "talk; without a terminal, share each line of standard input (the default)",
        [(("sphere",), {"metavar": "SPHERE", "nargs": "?", "help": "where to begin"})],
    ),
    ("sign-in", "open a session and remember it on this device", []),
    ("sign-out", "end the session, on every connection", []),
    ("password", "change the password; every session of the account ends", []),
    ("spheres", "list my spheres, my invitations, and the spheres I may join", []),
    ("members", "list who is in a sphere, and its bots", [_SPHERE]),
    ("send", "share a message; prints nothing unless asked", [_SPHERE, _TEXT, _LINES]),
    (
        "tail",
        "show what happens in a sphere, as it happens",
        [
            _SPHERE,
            (("--after",), {"type": _count, "metavar": "SEQ", "help": "go on after this place"}),
            (("--count",), {"type": _count, "metavar": "N", "help": "stop after N events"}),
        ],
    ),
    (
        "history",
        "show what happened last in a sphere",
        [
            _SPHERE,
            (
                ("--limit",),
                {"type": _count, "metavar": "N", "default": 50, "help": "how many (default 50)"},
            ),
            (("--before",), {"type": _count, "metavar": "SEQ", "help": "only below this place"}),
        ],
    ),
    (
        "create",
        "found a sphere: closed, invisible to outsiders, its history hidden",
        [(("name",), {"metavar": "NAME"})],
    ),
    (
        "configure",
        "change a sphere's settings",
        [
            _SPHERE,
            (("--name",), {"metavar": "NAME", "help": "call it so"}),
            (("--audience",), {"choices": ["closed", "open", "public"], "help": "for whom it is"}),
            (
                ("--history",),
                {"choices": ["hidden", "visible"], "help": "what newcomers see of what is sent"},
            ),
            (
                ("--listed",),
                {
                    "action": argparse.BooleanOptionalAction,
                    "default": None,
                    "help": "show it to outsiders, or not at all",
                },
            ),
        ],
    ),
    (
        "invite",
        "invite somebody, by address or by member id",
        [
            _SPHERE,
            (("who",), {"metavar": "ADDRESS|MEMBER"}),
            (
                ("--visitor",),
                {
                    "action": "store_true",
                    "help": "a guest of this sphere alone: prints an invitation to hand to them",
                },
            ),
        ],
    ),
    (
        "accept",
        "accept an invitation to an organisation, as --address",
        [(("--name",), {"metavar": "NAME", "required": True, "help": "what to be called there"})],
    ),
    ("join", "come into a sphere I am invited to, or that is open to me", [_SPHERE]),
    ("decline", "decline an invitation", [_SPHERE]),
    (
        "leave",
        "leave a sphere: what I wrote there is erased, unless I bequeathed it",
        [_SPHERE, (("--yes",), {"action": "store_true", "help": "do not ask"})],
    ),
    (
        "bequeath",
        "say what becomes of my messages when I leave",
        [_SPHERE, (("form",), {"choices": ["none", "named", "anonymous"]})],
    ),
    (
        "remove",
        "remove a member: what they wrote is erased as if they had left",
        [_SPHERE, (("member",), {"metavar": "MEMBER"})],
    ),
    ("appoint", "make a member an administrator", [_SPHERE, (("member",), {"metavar": "MEMBER"})]),
    ("enter", "enter a sphere visibly, as a manager of the organisation", [_SPHERE]),
    ("oversee", "list every sphere of the organisation, as a manager: never content", []),
    (
        "profile",
        "show what I say of myself, or what a member says",
        [
            (("member",), {"metavar": "MEMBER", "nargs": "?", "help": "whose (default: mine)"}),
            (
                ("--sphere",),
                {
                    "metavar": "SPHERE",
                    "default": None,
                    "help": "one that we share (default: the directory)",
                },
            ),
        ],
    ),
    (
        "describe",
        "say something of myself, or take it back",
        [
            (("field",), {"choices": ["title", "pronouns", "contact", "about"]}),
            (("text",), {"metavar": "TEXT", "nargs": "?"}),
            (
                ("--to",),
                {
                    "choices": ["hidden", "sphere", "organisation"],
                    "help": "who sees it (default: those who share a sphere with me)",
                },
            ),
            (
                ("--sphere",),
                {
                    "metavar": "SPHERE",
                    "default": None,
                    "help": "say it there alone; without TEXT, nothing there",
                },
            ),
            (("--clear",), {"action": "store_true", "help": "take it back"}),
        ],
    ),
    (
        "directory",
        "list the members of the organisation, if it keeps a directory",
        [(("text",), {"metavar": "TEXT", "nargs": "?", "help": "a part of their name"})],
    ),
    (
        "call-me",
        "take another name; who shares a sphere is told",
        [(("name",), {"metavar": "NAME"})],
    ),
    ("devices", "list where I am signed in", []),
    ("end-device", "sign another device out", [(("device",), {"metavar": "DEVICE"})]),
    (
        "read",
        "read a public sphere without an account, and follow it",
        [
            (("url",), {"metavar": "URL", "help": "where the server is"}),
            (("sphere",), {"metavar": "SPHERE", "help": "its id, which is its address"}),
            (
                ("--limit",),
                {"type": _count, "metavar": "N", "default": 50, "help": "begin so far back (50)"},
            ),
            (("--count",), {"type": _count, "metavar": "N", "help": "stop after N messages"}),
        ],
    ),
    ("bring", "as a bot, bring a text into its sphere", [_TEXT, _LINES]),
)


@dataclass(frozen=True, slots=True)
class Options:
    """What holds for every command; None where nobody said."""

    server: str
    organisation: str | None
    address: str | None
    encoding: str
    json: bool
    verbose: bool
    patience: float | None


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Options, argparse.Namespace]:
    """Return the options and the command, ``given.command``.

    Raises Misuse; ``--help`` and what argparse itself refuses raise SystemExit (0 and 2).
    """
    given = _parser().parse_args(argv)
    said = vars(given)
    server = (
        said.get("url") or said.get("server") or environ.get("CLOISON_SERVER") or SERVER_DEFAULT
    )
    options = Options(
        server=_check_server(server, plain=said.get("plain_http", False)),
        organisation=said.get("organisation") or environ.get("CLOISON_ORGANISATION") or None,
        address=said.get("address") or environ.get("CLOISON_ADDRESS") or None,
        encoding=said.get("encoding", "msgpack"),
        json=said.get("json", False),
        verbose=said.get("verbose", False),
        patience=said.get("patience"),
    )
    return options, given


def _parser() -> argparse.ArgumentParser:
    common = _common()
    parser = argparse.ArgumentParser(
        prog="cli_client.py",
        description="Talk in the spheres of a Cloison server.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    parser.set_defaults(command="chat", sphere=None)
    for name, summary, arguments in _COMMANDS:
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{name}: {summary}.",
            parents=[common],
            allow_abbrev=False,
        )
        for names, settings in arguments:
            command.add_argument(*names, **settings)
    _add_connector(commands, common)
    return parser


def _add_connector(commands: Any, common: argparse.ArgumentParser) -> None:
    summary = "install a bot in a sphere, or revoke it"
    connector = commands.add_parser("connector", help=summary, allow_abbrev=False)
    deeds = connector.add_subparsers(dest="deed", metavar="install|revoke", required=True)
    for deed, subject, said in (
        ("install", "name", "draw a token that can only bring in; it is shown once"),
        ("revoke", "connector", "kill a bot's token"),
    ):
        parser = deeds.add_parser(deed, help=said, parents=[common], allow_abbrev=False)
        parser.add_argument("sphere", metavar="SPHERE")
        parser.add_argument(subject, metavar=subject.upper())


def _common() -> argparse.ArgumentParser:
    # SUPPRESS: an option given before the command must survive the command's own defaults.
    common = argparse.ArgumentParser(
        add_help=False, argument_default=argparse.SUPPRESS, allow_abbrev=False
    )
    add = common.add_argument_group("options, before or after the command").add_argument
    add("--server", metavar="URL", help=f"where the server is (default {SERVER_DEFAULT})")
    add("--organisation", metavar="HANDLE", help="the organisation to sign in to")
    add("--address", metavar="ADDRESS", help="the address to sign in with")
    add("--json", action="store_true", help="print one JSON object per line")
    add("-v", "--verbose", action="store_true", help="say what was done")
    add("--encoding", choices=["msgpack", "json"], help="of the frames (default msgpack)")
    add(
        "--patience",
        type=float,
        metavar="SECONDS",
        help="how long to try without a connection (default 10; chat and tail, once connected:"
        " for ever)",
    )
    add(
        "--plain-http",
        action="store_true",
        help="allow http to another machine: everyone on the way reads what you send",
    )
    return common


def _check_server(url: str, *, plain: bool) -> str:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise Misuse(f"--server {url!r} is not a URL: write it as {SERVER_DEFAULT}.") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise Misuse(f"--server {url!r} is not an http or https URL, as {SERVER_DEFAULT}.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Misuse("--server takes no name, secret, query or fragment: a URL is not private.")
    if parts.scheme == "http" and not plain and not _is_loopback(host):
        raise Misuse(
            f"{host} is another machine: use https, so that nobody on the way reads your password"
            " (or --plain-http, if that network is yours alone)."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
