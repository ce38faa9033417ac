"""Slash orders: what each order typed in a conversation does.

One function an order; each takes the conversation and what follows its name. Those about messages
and about spheres stand in modules of their own. Invariant: what ``slash.ORDERS`` names is here.
"""

from __future__ import annotations

from typing import Final

from clients import rendering
from clients.asking import last_events, overseen, sphere_named
from clients.conversation import Conversation, Order
from clients.failures import Misuse
from clients.following import Thread
from clients.slash import help_lines
from clients.slash_deeds import act, arrive, how_many
from clients.slash_files import FILE_ORDERS
from clients.slash_messages import MESSAGE_ORDERS
from clients.slash_spheres import SPHERE_ORDERS
from clients.wire import Frame


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
    names = {view["sphere"]: view["name"] for view in listed["spheres"]}
    lines += [rendering.thread(view, names[view["sphere"]]) for view in listed["threads"]]
    lines += [rendering.invitation(view) for view in listed["invitations"]]
    lines += [rendering.open_sphere(view) for view in listed["open"]]
    talk.paint(lines or ["(no sphere yet: /create NAME founds one)"])


async def _in(talk: Conversation, name: str) -> None:
    listed = await talk.session.request("list")
    for view in listed["threads"]:
        if view["thread"] == name:
            await talk.go_private(view)
            return
    await talk.go(await sphere_named(talk.session, name))


async def _members(talk: Conversation, _: str) -> None:
    here = talk.here
    roster, present = here.roster, (here.home if isinstance(here, Thread) else here).present
    talk.paint(
        rendering.member(view, here=member in present) for member, view in roster.members.items()
    )
    talk.paint(rendering.connector(view, roster) for view in roster.connectors.values())


async def _history(talk: Conversation, count: str) -> None:
    events = await _unpurged(talk, how_many(count, "history"))
    talk.say(f"The last {len(events)} events")
    for event in events:
        talk.show(talk.here, event)
    talk.say("Up to here")


async def _unpurged(talk: Conversation, wanted: int) -> list[Frame]:
    # A page that crosses a purge may hold what was erased: it is read again.
    while True:
        timeline = talk.here.timeline
        epoch, before = timeline.epoch, (timeline.shown or 0) + 1
        events = await last_events(talk.session, talk.here.place, before, wanted)
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


async def _profile(talk: Conversation, name: str) -> None:
    if not name:
        listed = await talk.session.request("list")
        names = {view["sphere"]: view["name"] for view in listed["spheres"]}
        talk.paint(rendering.own_profile(await talk.session.request("my_profile"), names))
        return
    found = await act(talk, "profile", member=talk.here.roster.find(name))
    talk.paint(rendering.profile(found["profile"]))


async def _devices(talk: Conversation, _: str) -> None:
    found = await talk.session.request("sessions")
    talk.paint(rendering.device(view) for view in found["sessions"])


async def _iam(talk: Conversation, name: str) -> None:
    await talk.session.request("rename", name=name)


async def _appear(talk: Conversation, answer: str) -> None:
    await talk.session.request("appear", visible=answer == "yes")
    talk.say("Others see when you are there" if answer == "yes" else "Nobody sees you are there")


async def _oversee(talk: Conversation, _: str) -> None:
    overview = await talk.session.request("oversee")
    talk.paint(rendering.sphere_name(view) for view in overview["spheres"])


async def _enter(talk: Conversation, name: str) -> None:
    await arrive(talk, "enter", sphere=await overseen(talk.session, name))


async def _quit(talk: Conversation, _: str) -> None:
    talk.over = True


SLASH_ORDERS: Final[dict[str, Order]] = {
    **MESSAGE_ORDERS,
    **FILE_ORDERS,
    **SPHERE_ORDERS,
    "help": _help,
    "spheres": _spheres,
    "in": _in,
    "members": _members,
    "history": _history,
    "again": _again,
    "profile": _profile,
    "devices": _devices,
    "iam": _iam,
    "appear": _appear,
    "oversee": _oversee,
    "enter": _enter,
    "quit": _quit,
}
