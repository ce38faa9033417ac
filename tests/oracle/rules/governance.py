"""Governance: whom managers invite, and what their organisation demands (promises 8, 15)."""

from __future__ import annotations

from typing import Any

from tests.oracle.model.people import Connection, Frame, Organisation
from tests.oracle.model.sphere import Admission
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.guests import GUESTS_MAX
from tests.oracle.rules.office import a_manager, check_manager
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step
from tests.oracle.unknown import Anything, Unknown, Unordered, plain

#: What may be demanded, and what is below the floor or has no sense. Nothing here ends a session or
#: makes a password expire within a walk: times and second factors are tested elsewhere.
DEMANDS: dict[str, tuple[list[Any], list[Any]]] = {
    "password_length_min": ([15, 20, 24], [1, 1_000]),
    "password_classes": ([[], ["lower"]], []),
    "password_reuse_history": ([0, 3], [-1, 101]),
    "session_lifetime_ms": ([30 * 86_400_000, 60 * 86_400_000], [1, 181 * 86_400_000]),
    "session_idle_ms": ([86_400_000, 2 * 86_400_000], [1]),
    "sessions_max": ([50, 100], [0, 1_001]),
    "directory": ([True, False], []),
}
#: The other demands: nobody changes them here.
REST = ("password_age_max_ms", "second_factor")


def invite_member(world: World, me: Connection, asked: Frame) -> Frame:
    """Draw an invitation to the organisation, for an address."""
    check_manager(me)
    role = asked.get("role", "member")
    if role == "visitor":
        raise Refusal("invalid_field")
    organisation = me.member.organisation
    drawn = Admission(Unknown("token"), organisation, None, asked["address"], me.member, role)
    drawn.id = Unknown("id")
    world.admissions.append(drawn)
    return {"type": "invitation_token", "token": drawn.token, "expires_at": Anything(int)}


def invitations(world: World, me: Connection, _: Frame) -> Frame:
    """List those that stand, without an address."""
    check_manager(me)
    found = [
        {"invitation": one.id, "role": one.role, "by": one.by.id, "expires_at": Anything(int)}
        for one in _standing(world, me.member.organisation)
    ]
    dates = Unordered(found)
    return {"type": "invitations", "invitations": dates, "more": False}


def withdraw_invitation(world: World, me: Connection, asked: Frame) -> Frame:
    """Void one, or what an address was offered by the organisation: a sphere's stand."""
    check_manager(me)
    if ("invitation" in asked) == ("address" in asked):
        raise Refusal("invalid_field")
    found = [
        one
        for one in _standing(world, me.member.organisation)
        if one.address == asked.get("address") or plain(one.id) == asked.get("invitation")
    ]
    if "invitation" in asked and not found:
        raise Refusal("not_found")
    for one in found:
        one.void = True
    return {"type": "done"}


def _standing(world: World, organisation: Organisation) -> list[Admission]:
    return [
        one
        for one in world.admissions
        if one.organisation is organisation and one.sphere is None and not one.void
    ]


def policies(world: World, me: Connection, _: Frame) -> Frame:
    """Show what the organisation demands."""
    check_manager(me)
    organisation = me.member.organisation
    demanded = {
        name: organisation.policies.setdefault(name, Unknown("value")) for name in (*DEMANDS, *REST)
    }
    return {"type": "policies", **demanded, "directory": organisation.directory}


def set_policies(world: World, me: Connection, asked: Frame) -> Frame:
    """Change some of it: all that is asked, or nothing."""
    check_manager(me)
    if any(value in DEMANDS[name][1] for name, value in asked.items()):
        raise Refusal("invalid_field")
    organisation = me.member.organisation
    organisation.policies |= asked
    organisation.directory = asked.get("directory", organisation.directory)
    return policies(world, me, {})


# -- what may be tried


def _invite_member(draw: Draw) -> Step | None:
    me = a_manager(draw)
    if me is None or sum(bool(one.password) for one in draw.world.members) >= GUESTS_MAX:
        return None
    handle = me.member.organisation.handle
    asked: Frame = {"address": f"clerk{draw.rng.randrange(3)}@{handle}.example"}
    if draw.chance(0.6):
        asked["role"] = draw.rng.choice(["member", "manager", "visitor"])
    return Command(me.key, "invite_member", asked)


def _invitations(draw: Draw) -> Step | None:
    me = a_manager(draw)
    return None if me is None else Command(me.key, "invitations", {"limit": 100})


def _withdraw(draw: Draw) -> Step | None:
    me = a_manager(draw)
    if me is None or not draw.world.admissions:
        return None
    drawn = draw.rng.choice(draw.world.admissions)
    if draw.chance(0.5):
        return Command(me.key, "withdraw_invitation", {"address": drawn.address})
    known = plain(drawn.id)
    named = known if isinstance(known, str) else draw.stranger()
    asked = {"invitation": named} | ({"address": drawn.address} if draw.chance(0.05) else {})
    return Command(me.key, "withdraw_invitation", asked)


def _policies(draw: Draw) -> Step | None:
    me = a_manager(draw)
    return None if me is None else Command(me.key, "policies", {})


def _set_policies(draw: Draw) -> Step | None:
    me = a_manager(draw)
    if me is None:
        return None
    asked: Frame = {}
    for name in draw.rng.sample(sorted(DEMANDS), draw.rng.choice([1, 2, 3])):
        sound, unsound = DEMANDS[name]
        asked[name] = draw.rng.choice(unsound if unsound and draw.chance(0.1) else sound)
    return Command(me.key, "set_policies", asked)


COMMANDS: dict[str, Answer] = {
    "invite_member": invite_member,
    "invitations": invitations,
    "withdraw_invitation": withdraw_invitation,
    "policies": policies,
    "set_policies": set_policies,
}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [
    (0.4, _invite_member),
    (0.4, _invitations),
    (0.3, _withdraw),
    (0.3, _policies),
    (0.5, _set_policies),
]
