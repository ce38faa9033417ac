"""Slash: what a line typed in a conversation means.

Pure. A line is shared unless it begins with one slash; two slashes share a line that begins with
one. Invariant: a line that looks like an order and is none is never shared by mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clients.failures import Misuse

#: Name, arguments, what it does: what ``/help`` shows, in this order.
ORDERS: Final[tuple[tuple[str, str, str], ...]] = (
    ("help", "", "show this"),
    ("spheres", "", "list my spheres, my invitations, and the spheres I may join"),
    ("in", "SPHERE|THREAD", "go to a sphere, or to a private thread by its id"),
    ("private", "MEMBER[, MEMBER]", "talk privately to members of this sphere"),
    ("privates", "accept|decline", "whether you are there for new private threads here"),
    ("reply", "N TEXT", "answer the message [N]"),
    ("edit", "N TEXT", "put other words in the place of your message [N]"),
    ("delete", "N", "erase your message [N] for everybody (asks first)"),
    ("attach", "FILE [WORDS]", "share a file; put its path in quotes if it has spaces"),
    ("save", "N [PATH]", "save the files of the message [N], over nothing that is there"),
    ("react", "N REACTION", "react to the message [N]"),
    ("unreact", "N REACTION", "take a reaction back"),
    ("members", "", "list who is in this sphere"),
    ("history", "[N]", "show the last N events (20)"),
    ("again", "", "look at a message that was refused, and share it after all"),
    ("create", "NAME", "found a sphere, and go there"),
    ("join", "SPHERE", "come into a sphere I am invited to, or that is open to me"),
    ("decline", "SPHERE", "decline an invitation, or take back a request to be let in"),
    ("ask", "SPHERE", "ask to be let into a closed sphere that shows itself"),
    ("requests", "", "list who asks to be let in here"),
    ("admit", "MEMBER", "invite somebody who asks to be let in"),
    ("refuse", "MEMBER", "turn down somebody who asks to be let in"),
    ("invite", "ADDRESS|MEMBER", "invite somebody here"),
    ("uninvite", "ADDRESS|MEMBER", "take an invitation back"),
    ("guest", "ADDRESS", "draw an invitation for a guest of this sphere alone, shown once"),
    ("bequeath", "none|named|anonymous", "say what becomes of my messages here when I leave"),
    ("leave", "", "leave this sphere or thread, which erases what I wrote (asks first)"),
    ("rename", "NAME", "call this sphere so"),
    ("close", "", "by invitation only"),
    ("open", "", "any member of the organisation may join"),
    ("public", "", "anyone may read, without an account (asks first)"),
    ("newcomers", "hidden|visible", "what they see of what is sent from now on"),
    ("listed", "yes|no", "show this sphere to outsiders, or not at all"),
    ("remove", "MEMBER", "remove a member, which erases what they wrote (asks first)"),
    ("appoint", "MEMBER", "make a member an administrator"),
    ("stepdown", "", "be an administrator no more"),
    ("journal", "[N]", "check the journal of this sphere, and show its last N records (20)"),
    ("connector", "NAME", "install a bot here; its token is shown once"),
    ("revoke", "BOT", "kill a bot's token"),
    ("profile", "[MEMBER]", "show what I say of myself, or what a member says here"),
    ("devices", "", "list where I am signed in"),
    ("iam", "NAME", "take another name"),
    ("appear", "yes|no", "let others see that you are there, or not"),
    ("oversee", "", "list every sphere of the organisation (managers)"),
    ("enter", "SPHERE", "enter a sphere visibly (managers)"),
    ("quit", "", "go away; I stay in my spheres"),
)
_ARGUMENTS: Final = {name: arguments for name, arguments, _ in ORDERS}


@dataclass(frozen=True, slots=True)
class Share:
    """A line to share in the sphere that the prompt names."""

    body: str


@dataclass(frozen=True, slots=True)
class Order:
    """An order to this client; ``argument`` is what follows its name, without outer spaces."""

    name: str
    argument: str


def parse_line(line: str) -> Share | Order | None:
    """Return what ``line`` means, None for a blank one. Raises Misuse."""
    if not line.strip():
        return None
    if line.startswith("//"):
        return Share(line[1:])
    if not line.startswith("/"):
        return Share(line)
    name, _, argument = line[1:].partition(" ")
    return _check(Order(name, argument.strip()))


def _check(order: Order) -> Order:
    takes = _ARGUMENTS.get(order.name)
    if takes is None:
        raise Misuse(f"There is no /{order.name}: /help lists what there is (// shares a slash).")
    if order.argument and not takes:
        raise Misuse(f"/{order.name} takes nothing after it.")
    if not order.argument and takes and not takes.startswith("["):
        raise Misuse(f"Say /{order.name} {takes}.")
    choices = takes.split("|")
    if takes.islower() and len(choices) > 1 and order.argument not in choices:
        raise Misuse(f"Say /{order.name} {takes}.")
    return order


def help_lines() -> list[str]:
    """Return what ``/help`` shows."""
    width = max(len(f"/{name} {takes}") for name, takes, _ in ORDERS)
    lines = [f"  {f'/{name} {takes}':<{width}}  {said}" for name, takes, said in ORDERS]
    return ["A line is shared in the sphere that the prompt names, unless it is one of:", *lines]
