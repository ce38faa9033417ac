"""Orders: what each command of the command line does, once there is a session.

Each order asks the server, and prints what came back. Invariant: an order that failed raises a
Failure; one that returns has done all of what was asked.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from clients import rendering
from clients.asking import invitee, last_events, leaving, overseen, sphere_named
from clients.desk import Desk, inside, tell_done
from clients.failures import Misuse
from clients.following import Following
from clients.lines import Lines
from clients.orders_of_people import PEOPLE_ORDERS
from clients.printer import Tail
from clients.roster import Roster
from clients.safe_text import safe_name
from clients.sharing import Sharing
from clients.wire import Frame, is_id


async def spheres(desk: Desk) -> None:
    """List what is there for me."""
    listed = await desk.session.request("list")
    for view in listed["spheres"]:
        desk.printer.record({"kind": "sphere", **view}, rendering.sphere(view))
    for view in listed["invitations"]:
        desk.printer.record({"kind": "invitation", **view}, rendering.invitation(view))
    for view in listed["open"]:
        desk.printer.record({"kind": "open", **view}, rendering.open_sphere(view))


async def members(desk: Desk) -> None:
    """List who is in a sphere."""
    _sphere, roster = await inside(desk)
    for view in roster.members.values():
        desk.printer.record({"kind": "member", **view}, rendering.member(view))
    for view in roster.connectors.values():
        line = rendering.connector(view, roster)
        desk.printer.record({"kind": "connector", **view}, line)


async def send(desk: Desk) -> None:
    """Share one message, or each line of standard input."""
    if desk.given.lines:
        await share_lines(desk)
        return
    sphere = await sphere_named(desk.session, desk.given.sphere)
    fate = await desk.session.share(sphere["sphere"], sphere["revision"], desk.given.text)
    _tell_shared(desk, sphere, await fate)


async def share_lines(desk: Desk) -> None:
    """Share each line of standard input: in one sphere, as it is at the beginning."""
    if desk.given.sphere is None:
        raise Misuse("Say in which SPHERE to share.")
    sphere = await sphere_named(desk.session, desk.given.sphere)
    sharing = Sharing(desk.session, sphere, lambda reply: _tell_shared(desk, sphere, reply))
    await sharing.share(aiter(Lines(0)))


def _tell_shared(desk: Desk, sphere: Frame, reply: Frame) -> None:
    record = {"type": "posted", "sphere": sphere["sphere"], "seq": reply["seq"], "at": reply["at"]}
    desk.printer.done(record, f"Shared in {rendering.destination(sphere)}, place {reply['seq']}.")


async def tail(desk: Desk) -> None:
    """Show what happens in a sphere, until there is enough or no more."""
    sphere = await sphere_named(desk.session, desk.given.sphere)
    if desk.given.count == 0:
        return
    listener = Tail(desk.printer, desk.given.count)
    await desk.session.follow(Following(sphere["sphere"], listener, after=desk.given.after))
    await asyncio.wait({listener.over, desk.session.ended}, return_when=asyncio.FIRST_COMPLETED)
    (listener.over if listener.over.done() else desk.session.ended).result()


async def history(desk: Desk) -> None:
    """Show what happened last."""
    sphere = await sphere_named(desk.session, desk.given.sphere)
    subscribed = await desk.session.request("subscribe", sphere=sphere["sphere"])
    roster = Roster()
    roster.reset(subscribed)
    before = desk.given.before or subscribed["sphere"]["head"] + 1
    for event in await last_events(
        desk.session, {"sphere": sphere["sphere"]}, before, desk.given.limit
    ):
        desk.printer.event(event, roster)


async def create(desk: Desk) -> None:
    """Found a sphere."""
    inside = await desk.session.request("create", name=desk.given.name)
    desk.printer.record(inside["sphere"], rendering.sphere(inside["sphere"]))


async def configure(desk: Desk) -> None:
    """Change a sphere's settings, as they are at this moment."""
    changes = {key: getattr(desk.given, key) for key in ("name", "audience", "history", "listed")}
    if all(change is None for change in changes.values()):
        raise Misuse("There is nothing to change: say --name, --audience, --history or --listed.")
    sphere = await sphere_named(desk.session, desk.given.sphere)
    await desk.session.request(
        "configure", sphere=sphere["sphere"], revision=sphere["revision"], **changes
    )
    tell_done(desk, f"{safe_name(sphere['name'])} is changed.")


async def invite(desk: Desk) -> None:
    """Invite somebody."""
    sphere = await sphere_named(desk.session, desk.given.sphere)
    if desk.given.visitor:
        await _invite_visitor(desk, sphere["sphere"])
        return
    await desk.session.request("invite", sphere=sphere["sphere"], **invitee(desk.given.who))
    tell_done(desk, "They are invited, if there is such a person.")


async def _invite_visitor(desk: Desk, sphere: str) -> None:
    address = desk.given.who
    drawn = await desk.session.request("invite_visitor", sphere=sphere, address=address)
    record = {"token": drawn["token"], "expires_at": drawn["expires_at"]}
    desk.printer.record(record, drawn["token"])
    until = rendering.moment(drawn["expires_at"])
    desk.printer.note(
        f"Hand this invitation to them yourself: it is shown this once, until {until}"
    )


async def join(desk: Desk) -> None:
    """Come into a sphere."""
    sphere = await sphere_named(desk.session, desk.given.sphere, "invitations", "open")
    inside = await desk.session.request("join", sphere=sphere["sphere"])
    desk.printer.record(inside["sphere"], rendering.sphere(inside["sphere"]))


async def decline(desk: Desk) -> None:
    """Decline an invitation."""
    sphere = await sphere_named(desk.session, desk.given.sphere, "invitations")
    await desk.session.request("decline", sphere=sphere["sphere"])
    tell_done(desk, f"The invitation to {safe_name(sphere['name'])} is declined.")


async def leave(desk: Desk) -> None:
    """Leave a sphere, and print the certificate of what was cleared."""
    sphere = await sphere_named(desk.session, desk.given.sphere)
    if not desk.given.yes:
        await _confirm(desk, leaving(sphere))
    left = await desk.session.request("leave", sphere=sphere["sphere"])
    view = left["certificate"]
    desk.printer.record({"type": "certificate", **view}, *rendering.certificate(view))


async def _confirm(desk: Desk, warning: str) -> None:
    if not sys.stdin.isatty():
        raise Misuse(f"{warning} Say --yes.")
    desk.printer.note(warning)
    desk.printer.note("Type yes to go on")
    if (await Lines(0).next() or "").strip().casefold() != "yes":
        raise Misuse("Nothing was done.")


async def bequeath(desk: Desk) -> None:
    """Set what becomes of my messages; a sphere I left is named by its id."""
    sphere = await _sphere_or_id(desk)
    await desk.session.request("bequeath", sphere=sphere, form=desk.given.form)
    tell_done(desk, f"Your bequest there is now: {desk.given.form}.")


async def _sphere_or_id(desk: Desk) -> str:
    try:
        return str((await sphere_named(desk.session, desk.given.sphere))["sphere"])
    except Misuse:
        if not is_id(desk.given.sphere):
            raise
        return str(desk.given.sphere)


async def remove(desk: Desk) -> None:
    """Remove a member."""
    sphere, roster = await inside(desk)
    member = roster.find(desk.given.member)
    await desk.session.request("remove", sphere=sphere, member=member)
    tell_done(desk, f"{roster.name(member)} is removed.")


async def appoint(desk: Desk) -> None:
    """Make a member an administrator."""
    sphere, roster = await inside(desk)
    member = roster.find(desk.given.member)
    await desk.session.request("appoint", sphere=sphere, member=member)
    tell_done(desk, f"{roster.name(member)} is an administrator.")


async def enter(desk: Desk) -> None:
    """Enter a sphere as a manager: everybody inside is told first."""
    sphere = await overseen(desk.session, desk.given.sphere)
    inside = await desk.session.request("enter", sphere=sphere)
    desk.printer.record(inside["sphere"], rendering.sphere(inside["sphere"]))


async def oversee(desk: Desk) -> None:
    """List every sphere of the organisation."""
    overview = await desk.session.request("oversee")
    for view in overview["spheres"]:
        desk.printer.record(view, rendering.sphere_name(view))


async def connector(desk: Desk) -> None:
    """Install a bot, or revoke one."""
    sphere, roster = await inside(desk)
    if desk.given.deed == "revoke":
        bot = roster.find_connector(desk.given.connector)
        await desk.session.request("revoke_connector", sphere=sphere, connector=bot)
        tell_done(desk, "The bot's token is dead.")
        return
    drawn = await desk.session.request("install_connector", sphere=sphere, name=desk.given.name)
    desk.printer.record({"token": drawn["token"], **drawn["connector"]}, drawn["token"])
    desk.printer.note("This token is shown this once: give it to the bot, and to nobody else")


ORDERS: Final[dict[str, Callable[[Desk], Awaitable[None]]]] = {
    "spheres": spheres,
    "members": members,
    "send": send,
    "tail": tail,
    "history": history,
    "create": create,
    "configure": configure,
    "invite": invite,
    "join": join,
    "decline": decline,
    "leave": leave,
    "bequeath": bequeath,
    "remove": remove,
    "appoint": appoint,
    "enter": enter,
    "oversee": oversee,
    "connector": connector,
    **PEOPLE_ORDERS,
}
