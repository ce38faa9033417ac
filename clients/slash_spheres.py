"""Slash spheres: the orders about coming in, going, and what administrators do.

Invariant: whatever erases, or opens a sphere to everybody, asks first.
"""

from __future__ import annotations

from typing import Any, Final

from clients import rendering
from clients.asking import invitee, leaving, sphere_named
from clients.conversation import Conversation, Order
from clients.roster import find
from clients.safe_text import safe_line, safe_name
from clients.slash_deeds import act, arrive, how_many


async def _create(talk: Conversation, name: str) -> None:
    await arrive(talk, "create", name=name)


async def _join(talk: Conversation, name: str) -> None:
    view = await sphere_named(talk.session, name, "invitations", "open")
    await arrive(talk, "join", sphere=view["sphere"])


async def _decline(talk: Conversation, name: str) -> None:
    view = await sphere_named(talk.session, name, "invitations", "open")
    await talk.session.request("decline", sphere=view["sphere"])
    talk.say("Declined")


async def _ask(talk: Conversation, name: str) -> None:
    view = await sphere_named(talk.session, name, "open")
    await talk.session.request("ask", sphere=view["sphere"])
    talk.say("Asked: you are told when somebody invites you")


async def _requests(talk: Conversation, _: str) -> None:
    found = await act(talk, "requests")
    talk.paint([rendering.request(view) for view in found["requests"]] or ["(nobody asks)"])


async def _asking(talk: Conversation, name: str) -> str:
    found = await act(talk, "requests")
    return find(name, found["requests"], "member", "/requests lists who asks.")


async def _admit(talk: Conversation, name: str) -> None:
    await act(talk, "invite", member=await _asking(talk, name))
    talk.say("Invited")


async def _refuse(talk: Conversation, name: str) -> None:
    await act(talk, "refuse", member=await _asking(talk, name))
    talk.say("Turned down")


async def _invite(talk: Conversation, who: str) -> None:
    await act(talk, "invite", **invitee(who))
    talk.say("Invited, if there is such a person")


async def _uninvite(talk: Conversation, who: str) -> None:
    await act(talk, "uninvite", **invitee(who))
    talk.say("Taken back, if there was an invitation")


async def _guest(talk: Conversation, address: str) -> None:
    drawn = await act(talk, "invite_visitor", address=address)
    talk.say("Hand this invitation to them yourself")
    talk.paint_secret(f"It is shown this once: {safe_line(drawn['token'])}")


async def _bequeath(talk: Conversation, form: str) -> None:
    await act(talk, "bequeath", form=form)
    talk.say(f"Your bequest here is now: {form}")


async def _leave(talk: Conversation, _: str) -> None:
    here = talk.here
    talk.say(leaving(here.sphere, private="thread" in here.place))
    if not await talk.agrees("Leave, and erase?"):
        talk.say("You stay")
        return
    with talk.expecting("sphere_forgotten", "thread_forgotten"):
        left = await talk.session.request("leave", **here.place)
    talk.quit_place(here.id)
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


async def _configure(talk: Conversation, **changes: Any) -> None:
    await act(talk, "configure", revision=talk.here.sphere["revision"], **changes)


async def _remove(talk: Conversation, name: str) -> None:
    roster = talk.here.roster
    member = roster.find(name)
    if await talk.agrees(f"Remove {roster.name(member)}, and erase what they wrote here?"):
        await act(talk, "remove", member=member)


async def _appoint(talk: Conversation, name: str) -> None:
    await act(talk, "appoint", member=talk.here.roster.find(name))


async def _stepdown(talk: Conversation, _: str) -> None:
    if await talk.agrees("Be an administrator here no more?"):
        await act(talk, "step_down")


async def _journal(talk: Conversation, count: str) -> None:
    wanted = how_many(count, "journal")
    said = await talk.journal()
    talk.say(f"The journal holds; of what is new in it, the last {len(said[-wanted:])} records")
    talk.paint(rendering.journal(record, talk.here.roster) for record in said[-wanted:])


async def _connector(talk: Conversation, name: str) -> None:
    drawn = await act(talk, "install_connector", name=name)
    talk.paint_secret(f"Its token, shown this once: {safe_line(drawn['token'])}")


async def _revoke(talk: Conversation, name: str) -> None:
    bot = talk.here.roster.find_connector(name)
    await act(talk, "revoke_connector", connector=bot)


SPHERE_ORDERS: Final[dict[str, Order]] = {
    "create": _create,
    "join": _join,
    "decline": _decline,
    "ask": _ask,
    "requests": _requests,
    "admit": _admit,
    "refuse": _refuse,
    "invite": _invite,
    "uninvite": _uninvite,
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
    "stepdown": _stepdown,
    "journal": _journal,
    "connector": _connector,
    "revoke": _revoke,
}
