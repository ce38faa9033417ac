"""Departures: leave, remove, bequeath (promise 13)."""

from __future__ import annotations

from typing import Any

from tests.oracle.landed import landed
from tests.oracle.model.people import Connection, Frame, Member
from tests.oracle.model.sphere import Connector, Event, Sphere, Stay, Thread, erase
from tests.oracle.model.world import Refusal, Undecided, World
from tests.oracle.rules.spheres import outsiders
from tests.oracle.rules.vocabulary import Act, Answer, Command, Draw, Propose, Step
from tests.oracle.unknown import Unknown, plain


def leave(world: World, me: Connection, asked: Frame) -> Frame:
    """Go, and take along what was not bequeathed."""
    sphere, stay = world.on(me.member, asked)
    if isinstance(sphere, Thread):
        return {"type": "left", "certificate": _leave_thread(world, sphere, stay)}
    return {"type": "left", "certificate": depart(world, sphere, stay, "left")}


def remove(world: World, me: Connection, asked: Frame) -> Frame:
    """Make somebody go, exactly as if they had left."""
    sphere, _ = world.administered(me.member, asked["sphere"])
    target = next((one for who, one in sphere.stays.items() if who.id == asked["member"]), None)
    if target is None:
        raise Refusal("not_found")
    if target.member is me.member or target.entered:
        raise Refusal("not_allowed")
    depart(world, sphere, target, "removed")
    return {"type": "done"}


def depart(world: World, sphere: Sphere, stay: Stay, how: str) -> Frame:
    """End a stay; return the certificate."""
    leaver = stay.member
    at = world.moment()
    forget = {"type": "sphere_forgotten", "sphere": sphere.id}
    last = len(sphere.stays) == 1
    void = [guest for guest, by in sphere.invited.items() if last or by is leaver]
    dead = [bot for bot in sphere.connectors
            if not bot.dead and (last or bot.installed_by is leaver)]  # fmt: skip
    del sphere.stays[leaver]
    world.hush(sphere, leaver)
    for guest in void:
        del sphere.invited[guest]
    for admission in world.admissions:
        admission.void |= admission.sphere is sphere and (last or admission.by is leaver)
    kill(dead)
    world.notify([leaver, *void], sphere, forget)
    fate = sphere.bequests.get(leaver, "none")
    erased, kept = _settle(sphere, leaver, fate)
    for thread in world.threads_of(sphere):
        gone, there = (
            depart_thread(world, thread, thread.stays[leaver], fate, how, at)
            if leaver in thread.stays
            else _settle_behind(world, thread, leaver, fate, at)
        )
        erased, kept = erased + gone, kept + there
    if last:
        if landed("ask") and sphere.shows_itself:
            world.notify(outsiders(world, sphere, {leaver, *void}), sphere, forget)
        sphere.dissolved = True
        erased, kept = erased + kept, 0
    else:
        kind = "manager_left" if stay.entered else "member_left"
        world.append(sphere, kind, {"member": leaver.id, "how": how, "kept": fate}, at=at)
        succeed(world, sphere, held=stay.role == "administrator")
    return {
        "sphere": sphere.id,
        "member": leaver.id,
        "at": at,
        "messages_erased": erased,
        "messages_kept": kept,
        "connectors_revoked": len(dead),
    }


def _leave_thread(world: World, thread: Thread, stay: Stay) -> Frame:
    leaver, at = stay.member, world.moment()
    home = thread.home.stays[leaver]
    if home.default is thread:
        home.default = None
    fate = thread.home.bequests.get(leaver, "none")
    world.notify([leaver], thread, {"type": "thread_forgotten", **thread.place})
    erased, kept = depart_thread(world, thread, stay, fate, "left", at)
    return {
        **thread.place,
        "member": leaver.id,
        "at": at,
        "messages_erased": erased,
        "messages_kept": kept,
        "connectors_revoked": 0,
    }


def depart_thread(
    world: World, thread: Thread, stay: Stay, fate: str, how: str, at: Any
) -> tuple[int, int]:
    """End somebody's part in a thread; return how many messages were erased, and kept."""
    leaver = stay.member
    del thread.stays[leaver]
    world.hush(thread, leaver)
    erased, kept = _settle(thread, leaver, fate)
    if not thread.stays:
        thread.dissolved = True
        return erased + kept, 0
    world.append(thread, "member_left", {"member": leaver.id, "how": how, "kept": fate}, at=at)
    return erased, kept


def _settle_behind(
    world: World, thread: Thread, leaver: Member, fate: str, at: Any
) -> tuple[int, int]:
    """Give what somebody had left in a thread that they are out of the fate they chose since."""
    left = sum(event.message for event in thread.by(leaver))
    if fate == "none":
        _withdraw(world, thread, leaver, None, at)
        return left, 0
    if fate == "anonymous" and any(event.alias is None for event in thread.traces(leaver)):
        before = thread.head + 1
        _settle(thread, leaver, fate)
        named = {"author": leaver.id, "before": before}
        world.append(thread, "bequest_withdrawn", named, at=at)
    return 0, left


def kill(bots: list[Connector]) -> None:
    """Let tokens be dead."""
    for bot in bots:
        bot.dead = True


def _settle(sphere: Sphere, leaver: Member, fate: str) -> tuple[int, int]:
    """Erase or keep what somebody wrote in all their stays; return how many messages of each."""
    messages = sum(event.message for event in sphere.by(leaver))
    if fate == "named":
        sphere.left_as[leaver] = leaver.name
        return 0, messages
    written = list(sphere.traces(leaver))
    gone = [one for one in written if fate == "none" or not one.message or one.deleted]
    erase(sphere, gone)
    _sign([one for one in written if not one.erased and one.alias is None], leaver)
    return (messages, 0) if fate == "none" else (0, messages)


def _sign(messages: list[Event], leaver: Member) -> None:
    """Put a name of nobody under messages, and take the leaver out of whom they mention."""
    nobody = Unknown("id")
    for event in messages:
        event.alias = event.fields["author"] = nobody
        event.unread = True
        others = [one for one in event.fields.pop("mentions", ()) if one != leaver.id]
        if others:
            event.fields["mentions"] = others


def succeed(world: World, sphere: Sphere, *, held: bool) -> None:
    """Have somebody administer: who has been there longest, and did not enter as a manager.

    Who is shut out neither counts nor inherits, where somebody else can.
    """
    own = [stay for stay in sphere.stays.values() if not stay.entered]
    able = [stay for stay in own if not stay.member.disabled]
    if not own or any(stay.role == "administrator" for stay in able):
        return
    if any(stay.role == "administrator" for stay in own) and not (held and able):
        return
    heir = min(able or own, key=lambda stay: stay.horizon)
    heir.role = "administrator"
    world.append(sphere, "administrator_appointed", {"member": heir.member.id, "by": None})


def bequeath(world: World, me: Connection, asked: Frame) -> Frame:
    """Say what becomes of my words when I go; `none` erases what earlier stays had left."""
    sphere = world.seen_by(me.member, asked["sphere"])
    stay = sphere.stays.get(me.member)
    form = asked["form"]
    if stay is None and (form != "none" or me.member not in sphere.bequests):
        raise Refusal("not_found")
    if form != "none":
        sphere.bequests[me.member] = form
        return {"type": "done"}
    sphere.bequests.pop(me.member, None)
    at = world.moment()
    _withdraw(world, sphere, me.member, stay, at)
    for thread in world.threads_of(sphere):
        if me.member not in thread.stays:
            _withdraw(world, thread, me.member, None, at)
    return {"type": "done"}


def _withdraw(world: World, sphere: Sphere, author: Member, stay: Stay | None, at: Any) -> None:
    before = sphere.head + 1 if stay is None else stay.horizon
    left = [event for event in sphere.traces(author) if event.seq < before]
    erase(sphere, left)
    for event in sphere.by(author):
        event.unread = True
    known_as: dict[object, list[Event]] = {}
    for event in left:
        known_as.setdefault(event.alias or author.id, []).append(event)
    withdrawn = [
        ({"author": name, "before": before}, tuple(events)) for name, events in known_as.items()
    ]
    if len(withdrawn) > 1 and any(plain(name) is name and name != author.id for name in known_as):
        raise Undecided("in which order: nobody ever saw one of these authors")
    for named, events in sorted(withdrawn, key=lambda one: str(plain(one[0]["author"]))):
        world.append(sphere, "bequest_withdrawn", named, about=events, at=at)


# -- what may be tried


def _leave(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    return None if me is None else Command(me.key, "leave", draw.timeline(me.member))


def _remove(draw: Draw) -> Step | None:
    me = draw.connection(administers=True)
    if me is None:
        return None
    sphere_id = draw.sphere(me.member, administered=draw.chance(0.8))
    sphere, target = draw.world.sphere(sphere_id), draw.somebody(sphere_id)
    entered = (
        [] if sphere is None else [who.id for who, stay in sphere.stays.items() if stay.entered]
    )
    if entered and draw.chance(0.4):
        target = draw.rng.choice(entered)
    return Command(me.key, "remove", {"sphere": sphere_id, "member": target})


def _bequeath(draw: Draw) -> Step | None:
    left = [
        (me, sphere)
        for me in draw.world.living()
        for sphere in draw.world.spheres
        if me.member in sphere.bequests
        and any(
            _is_left(timeline, me.member) for timeline in (sphere, *draw.world.threads_of(sphere))
        )
        and not sphere.dissolved
    ]
    if left and draw.chance(0.5):
        me, sphere = draw.rng.choice(left)
        return Command(me.key, "bequeath", {"sphere": plain(sphere.id), "form": "none"})
    somebody = draw.connection(inside=True)
    if somebody is None:
        return None
    form = draw.rng.choice(["named", "named", "anonymous", "anonymous", "none"])
    asked = {"sphere": draw.sphere(somebody.member), "form": form}
    return Command(somebody.key, "bequeath", asked)


def _is_left(timeline: Sphere, member: Member) -> bool:
    """Say whether words of somebody are there from a stay that is over."""
    stay = timeline.stays.get(member)
    return any(
        event.message and (stay is None or event.seq < stay.horizon)
        for event in timeline.by(member)
    )


COMMANDS: dict[str, Answer] = {"leave": leave, "remove": remove, "bequeath": bequeath}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [(3, _leave), (1.5, _remove), (5, _bequeath)]
