"""Slash orders: what each order typed in a conversation does.

One function an order, in the order of ``slash.ORDERS``; each takes the conversation and what
follows its name. Invariant: whatever erases, or opens a sphere to everybody, asks first.
"""

from __future__ import annotations

from typing import Any, Final

from clients import rendering
from clients.asking import invitee, last_events, leaving, overseen, sphere_named
from clients.conversation import BACK, Conversation, Order
from clients.failures import Misuse
from clients.safe_text import safe_line, safe_name
from clients.slash import help_lines
from clients.wire import Frame

#: The most that ``/history`` shows: more belongs in a file (`history`), not on a screen.
_SHOWN_MAX: Final = 500


async def begin(talk: Conversation, sphere: str | None) -> None:
    """Go to ``sphere``, or to the only one there is, or show which there are."""
    if sphere is not None:
        await _in(talk, sphere)
        return
    listed = await talk.session.request("list")
    if len(listed["spheres"]) == 1:
        await talk.go(listed["spheres"][0])
        return
    await _spheres(talk, "")
    talk.say("/in SPHERE goes to one")


async def _help(talk: Conversation, _: str) -> None:
    talk.paint(help_lines())


async def _spheres(talk: Conversation, _: str) -> None:
    listed = await talk.session.request("list")
    lines = [rendering.sphere(view) for view in listed["spheres"]]
    lines += [rendering.invitation(view) for view in listed["invitations"]]
    lines += [rendering.open_sphere(view) for view in listed["open"]]
    talk.paint(lines or ["(no sphere yet: /create NAME founds one)"])


async def _in(talk: Conversation, name: str) -> None:
    await talk.go(await sphere_named(talk.session, name))


async def _members(talk: Conversation, _: str) -> None:
    roster = talk.here.roster
    talk.paint(rendering.member(view) for view in roster.members.values())
    talk.paint(rendering.connector(view, roster) for view in roster.connectors.values())


async def _history(talk: Conversation, count: str) -> None:
    if count and not (count.isascii() and count.isdigit() and 0 < int(count) <= _SHOWN_MAX):
        raise Misuse(f"Say /history N, where N is how many events to show, up to {_SHOWN_MAX}.")
    events = await _unpurged(talk, int(count or BACK))
    talk.say(f"The last {len(events)} events")
    for event in events:
        talk.show(talk.here, event)
    talk.say("Up to here")


async def _unpurged(talk: Conversation, wanted: int) -> list[Frame]:
    # A page that crosses a purge may hold what was erased: it is read again.
    while True:
        timeline = talk.here.timeline
        epoch, before = timeline.epoch, (timeline.shown or 0) + 1
        events = await last_events(talk.session, talk.here.id, before, wanted)
        if talk.here.timeline is timeline and timeline.epoch == epoch:
            return events


async def _again(talk: Conversation, _: str) -> None:
    if not talk.refused:
        raise Misuse("No message was refused.")
    draft = talk.refused.pop(0)
    listed = await talk.session.request("list")
    for view in listed["spheres"]:
        if view["sphere"] == draft.destination["sphere"]:
            await talk.ask_again(draft, view)
            return
    raise Misuse("You are not in its sphere any more: the message is dropped.")


async def _create(talk: Conversation, name: str) -> None:
    await _arrive(talk, "create", name=name)


async def _join(talk: Conversation, name: str) -> None:
    view = await sphere_named(talk.session, name, "invitations", "open")
    await _arrive(talk, "join", sphere=view["sphere"])


async def _decline(talk: Conversation, name: str) -> None:
    view = await sphere_named(talk.session, name, "invitations")
    await talk.session.request("decline", sphere=view["sphere"])
    talk.say("Declined")


async def _invite(talk: Conversation, who: str) -> None:
    await _act(talk, "invite", **invitee(who))
    talk.say("Invited, if there is such a person")


async def _guest(talk: Conversation, address: str) -> None:
    drawn = await _act(talk, "invite_visitor", address=address)
    talk.say("Hand this invitation to them yourself")
    talk.paint_secret(f"It is shown this once: {safe_line(drawn['token'])}")


async def _bequeath(talk: Conversation, form: str) -> None:
    await _act(talk, "bequeath", form=form)
    talk.say(f"Your bequest here is now: {form}")


async def _leave(talk: Conversation, _: str) -> None:
    sphere = talk.here.sphere
    talk.say(leaving(sphere))
    if not await talk.agrees("Leave, and erase?"):
        talk.say("You stay")
        return
    with talk.expecting("sphere_forgotten"):
        left = await talk.session.request("leave", sphere=sphere["sphere"])
    talk.quit_sphere(sphere["sphere"])
    talk.paint(rendering.certificate(left["certificate"]))


async def _rename(talk: Conversation, name: str) -> None:
    await _configure(talk, name=name)


async def _close(talk: Conversation, _: str) -> None:
    await _configure(talk, audience="closed")


async def _open(talk: Conversation, _: str) -> None:
    await _configure(talk, audience="open")


async def _public(talk: Conversation, _: str) -> None:
    name = talk.here.sphere["name"]
    talk.say("Anyone with its address will read, without an account, what is shared from then on")
    if await talk.agrees(f"Make «{safe_name(name)}» public?"):
        await _configure(talk, audience="public")


async def _newcomers(talk: Conversation, history: str) -> None:
    await _configure(talk, history=history)


async def _listed(talk: Conversation, answer: str) -> None:
    await _configure(talk, listed=answer == "yes")


async def _remove(talk: Conversation, name: str) -> None:
    roster = talk.here.roster
    member = roster.find(name)
    if await talk.agrees(f"Remove {roster.name(member)}, and erase what they wrote here?"):
        await _act(talk, "remove", member=member)


async def _appoint(talk: Conversation, name: str) -> None:
    await _act(talk, "appoint", member=talk.here.roster.find(name))


async def _connector(talk: Conversation, name: str) -> None:
    drawn = await _act(talk, "install_connector", name=name)
    talk.paint_secret(f"Its token, shown this once: {safe_line(drawn['token'])}")


async def _revoke(talk: Conversation, name: str) -> None:
    bot = talk.here.roster.find_connector(name)
    await _act(talk, "revoke_connector", connector=bot)


async def _profile(talk: Conversation, name: str) -> None:
    if not name:
        listed = await talk.session.request("list")
        names = {view["sphere"]: view["name"] for view in listed["spheres"]}
        talk.paint(rendering.own_profile(await talk.session.request("my_profile"), names))
        return
    found = await _act(talk, "profile", member=talk.here.roster.find(name))
    talk.paint(rendering.profile(found["profile"]))


async def _devices(talk: Conversation, _: str) -> None:
    found = await talk.session.request("sessions")
    talk.paint(rendering.device(view) for view in found["sessions"])


async def _iam(talk: Conversation, name: str) -> None:
    await talk.session.request("rename", name=name)


async def _oversee(talk: Conversation, _: str) -> None:
    overview = await talk.session.request("oversee")
    talk.paint(rendering.sphere_name(view) for view in overview["spheres"])


async def _enter(talk: Conversation, name: str) -> None:
    await _arrive(talk, "enter", sphere=await overseen(talk.session, name))


async def _quit(talk: Conversation, _: str) -> None:
    talk.over = True


async def _arrive(talk: Conversation, kind: str, **fields: Any) -> None:
    with talk.expecting("sphere_added"):
        inside = await talk.session.request(kind, **fields)
    await talk.go(inside["sphere"])


async def _act(talk: Conversation, kind: str, **fields: Any) -> Frame:
    return await talk.session.request(kind, sphere=talk.here.id, **fields)


async def _configure(talk: Conversation, **changes: Any) -> None:
    await _act(talk, "configure", revision=talk.here.sphere["revision"], **changes)


SLASH_ORDERS: Final[dict[str, Order]] = {
    "help": _help,
    "spheres": _spheres,
    "in": _in,
    "members": _members,
    "history": _history,
    "again": _again,
    "create": _create,
    "join": _join,
    "decline": _decline,
    "invite": _invite,
    "guest": _guest,
    "bequeath": _bequeath,
    "leave": _leave,
    "rename": _rename,
    "close": _close,
    "open": _open,
    "public": _public,
    "newcomers": _newcomers,
    "listed": _listed,
    "remove": _remove,
    "appoint": _appoint,
    "connector": _connector,
    "revoke": _revoke,
    "profile": _profile,
    "devices": _devices,
    "iam": _iam,
    "oversee": _oversee,
    "enter": _enter,
    "quit": _quit,
}
