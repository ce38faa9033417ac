"""Guests: from outside, by a token; and whoever has a password may close their account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.oracle.model.people import Connection, Frame, Member
from tests.oracle.model.sphere import Admission
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.office import part
from tests.oracle.rules.vocabulary import Act, Answer, Command, Deed, Draw, Propose, Step
from tests.oracle.unknown import Anything, Unknown, Unordered, plain

if TYPE_CHECKING:
    from tests.oracle.walk import Walk

PASSWORD = "correct-horse-battery-staple"
#: Members in a world: a hash takes its time.
GUESTS_MAX = 4


def invite_visitor(world: World, me: Connection, asked: Frame) -> Frame:
    """Draw a token for a guest of this sphere."""
    sphere, _ = world.administered(me.member, asked["sphere"])
    if me.member.role == "visitor":
        raise Refusal("not_allowed")
    drawn = Admission(Unknown("token"), sphere.organisation, sphere, asked["address"], me.member)
    world.admissions.append(drawn)
    return {"type": "invitation_token", "token": drawn.token, "expires_at": Anything(int)}


async def accept(walk: Walk, asked: Frame) -> None:
    """Come by a token, once, with the address that it names; then sign in."""
    await walk.settle()
    world = walk.world
    status, body = await walk.crowd.call_http(
        "POST",
        "/v1/accept",
        body={"invitation": asked["token"], "address": asked["address"], "name": asked["name"],
              "password": PASSWORD},
    )  # fmt: skip
    drawn = next(one for one in world.admissions if plain(one.token) == asked["token"])
    if drawn.void or drawn.address != asked["address"]:
        walk.expect(f"a token that is void is refused: {body!r}", status == 401)
        walk.expect("in the same bytes", walk.constant("void invitation", body))
        return
    guest = _known(world, drawn)
    if guest is not None and drawn.sphere is None:
        walk.expect(f"who is a member is told so: {status} {body!r}", status == 409)
        return
    walk.expect(f"a guest may come: {status} {body!r}", status == 200)
    drawn.void = True
    organisation = drawn.organisation
    walk.expect("and learns where", json.loads(body) == {"organisation": organisation.handle})
    if guest is None:
        guest = Member("", organisation, asked["name"], drawn.role, drawn.address)
        guest.password = PASSWORD
        world.members.append(guest)
        await walk.crowd.sign_in(guest)
    if drawn.sphere is None:
        return
    if guest not in drawn.sphere.stays and guest not in drawn.sphere.invited:
        drawn.sphere.invited[guest] = drawn.by  # they find it in their list: nobody else asked


def _known(world: World, drawn: Admission) -> Member | None:
    for member in world.members:
        if member.address == drawn.address and member.organisation is drawn.organisation:
            return member
    return None


async def close_account(walk: Walk, asked: Frame) -> None:
    """Leave the organisation with all that was not bequeathed, by one's password."""
    await walk.settle()
    member = next(one for one in walk.world.members if one.id == asked["member"])
    claim = {"organisation": member.organisation.handle, "address": member.address}
    status, body = await walk.crowd.call_http(
        "POST",
        "/v1/close",
        body={**claim, "password": member.password, "everywhere": asked["everywhere"]},
    )
    if member.disabled:
        walk.expect(f"who is shut out closes nothing: {body!r}", status == 401)
        return
    walk.expect(f"an account closes: {status} {body!r}", status == 200)
    certificates = Unordered(part(walk.world, member, "left"))
    found = walk.compared({"certificates": certificates}, json.loads(body))
    walk.expect(f"with what was cleared: foretold / got: {found}", found is None)
    await walk.settle()


# -- what may be tried


def _invite_visitor(draw: Draw) -> Step | None:
    me = draw.connection(administers=True)
    if me is None or sum(bool(one.password) for one in draw.world.members) >= GUESTS_MAX:
        return None
    sphere = draw.sphere(me.member, administered=draw.chance(0.9))
    number = draw.rng.randrange(3)
    address = f"guest{number}@{me.member.organisation.handle}.example"
    return Command(me.key, "invite_visitor", {"sphere": sphere, "address": address})


def _accept(draw: Draw) -> Step | None:
    drawn = [one for one in draw.world.admissions if isinstance(plain(one.token), str)]
    alive = [one for one in drawn if not one.void]
    if not drawn or draw.world.now is None:
        return None
    chosen = draw.rng.choice(alive if alive and draw.chance(0.8) else drawn)
    address = chosen.address if draw.chance(0.9) else draw.rng.choice(drawn).address
    return Deed("accept", {"token": plain(chosen.token), "address": address, "name": "Guest"})


def _close_account(draw: Draw) -> Step | None:
    able = [one for one in draw.world.members if one.password and not one.disabled]
    if not able:
        return None
    asked = {"member": draw.rng.choice(able).id, "everywhere": draw.chance(0.5)}
    return Deed("close_account", asked)


COMMANDS: dict[str, Answer] = {"invite_visitor": invite_visitor}
DEEDS: dict[str, Act] = {"accept": accept, "close_account": close_account}
STEPS: list[tuple[float, Propose]] = [
    (0.8, _invite_visitor),
    (0.5, _accept),
    (0.15, _close_account),
]
