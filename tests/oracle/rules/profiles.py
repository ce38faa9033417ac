"""Profiles: names, what members say of themselves, the directory (promises 4, 8)."""

from __future__ import annotations

from tests.oracle.landed import landed
from tests.oracle.model.people import Connection, Frame, Member
from tests.oracle.model.world import Refusal, World
from tests.oracle.rules.vocabulary import Act, Answer, Command, Deed, Draw, Propose, Step, fields
from tests.oracle.unknown import Anything, Unordered

FIELDS = ("title", "pronouns", "contact", "about")
RENAME_EVERY_MS = 60_000


def rename(world: World, me: Connection, asked: Frame) -> Frame:
    """Take another name, at most once a minute: an event wherever I am."""
    member = me.member
    if asked["name"] == member.name:
        return {"type": "done"}
    assert world.now is not None
    if world.now < member.renamed_at + RENAME_EVERY_MS:
        raise Refusal("too_fast")
    member.name, member.renamed_at = asked["name"], world.now
    for sphere in world.spheres:
        if member in sphere.stays:
            named = {"member": member.id, "name": member.name}
            world.append(sphere, "member_renamed", named, author=member)
    return {"type": "done"}


def describe(world: World, me: Connection, asked: Frame) -> Frame:
    """Say something of myself, in general or in one sphere, or take it back."""
    value, visibility, field = asked.get("value"), asked.get("visibility"), asked["field"]
    if "sphere" in asked:
        _, stay = world.inside(me.member, asked["sphere"])
        if visibility == "organisation" or (value is None) == (visibility == "sphere"):
            raise Refusal("invalid_field")
        stay.overrides.pop(field, None)
        if visibility is not None:
            stay.overrides[field] = value
        return {"type": "done"}
    if (value is None) != (visibility is None):
        raise Refusal("invalid_field")
    me.member.fields.pop(field, None)
    if value is not None and visibility is not None:
        me.member.fields[field] = (value, visibility)
    return {"type": "done"}


def my_profile(world: World, me: Connection, _: Frame) -> Frame:
    """Show all that I say of myself."""
    said: list[Frame] = [
        {"field": field, "value": value, "visibility": visibility, "sphere": None}
        for field, (value, visibility) in me.member.fields.items()
    ]
    for sphere in world.spheres:
        stay = sphere.stays.get(me.member)
        for field, other in {} if stay is None else stay.overrides.items():
            seen = "hidden" if other is None else "sphere"
            said.append({"field": field, "value": other, "visibility": seen, "sphere": sphere.id})
    return {"type": "my_profile", "name": me.member.name, "fields": Unordered(said)}


def profile(world: World, me: Connection, asked: Frame) -> Frame:
    """Show what somebody says of themselves, through a sphere that we share or the directory."""
    if "sphere" not in asked:
        _check_directory(me.member)
        found = world.member(me.member.organisation, asked["member"])
        if found is None or not _is_listed(found):
            raise Refusal("not_found")
        return {"type": "profile", "profile": _entry(found)}
    sphere, _ = world.inside(me.member, asked["sphere"])
    stay = next((one for who, one in sphere.stays.items() if who.id == asked["member"]), None)
    if stay is None:
        raise Refusal("not_found")
    said = {name: value for name, (value, seen) in stay.member.fields.items() if seen != "hidden"}
    shown = said | stay.overrides
    return {"type": "profile", "profile": _view(stay.member, shown)}


def directory(world: World, me: Connection, asked: Frame) -> Frame:
    """List the members by name, where the organisation keeps a directory."""
    _check_directory(me.member)
    search = asked.get("search", "").casefold()
    there = {"present": Anything(bool)} if landed("typing") else {}
    found = [
        _entry(one) | there
        for one in world.members
        if one.organisation is me.member.organisation
        and _is_listed(one)
        and search in one.name.casefold()
    ]
    return {"type": "directory", "members": Unordered(found), "more": False}


def _check_directory(member: Member) -> None:
    if not member.organisation.directory or member.role == "visitor":
        raise Refusal("not_allowed")


def _is_listed(member: Member) -> bool:
    return member.role != "visitor" and not member.disabled


def _entry(member: Member) -> Frame:
    public = {name: value for name, (value, seen) in member.fields.items() if seen == ORGANISATION}
    return _view(member, dict(public))


ORGANISATION = "organisation"


def _view(member: Member, shown: dict[str, str | None]) -> Frame:
    listed = [{"field": one, "value": shown[one]} for one in FIELDS if shown.get(one) is not None]
    return {"member": member.id, "name": member.name, "fields": Unordered(listed)}


# -- what may be tried


def _rename(draw: Draw) -> Step | None:
    me = draw.connection()
    if me is None or draw.world.now is None:
        return None
    stem = me.member.name.split()[0]
    return Command(
        me.key, "rename", {"name": f"{stem} {draw.rng.choice(['', 'B.', 'C.'])}".strip()}
    )


def _describe(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    if me is None:
        return None
    whole = draw.chance(0.9)
    value = draw.words() if draw.chance(0.7) else None
    seen = draw.rng.choice(["hidden", "sphere", ORGANISATION])
    if whole and draw.chance(0.5):
        seen = "sphere" if value is not None else draw.rng.choice(["hidden", ""])
        return Command(me.key, "describe", fields(
            field=draw.rng.choice(FIELDS), value=value, visibility=seen or None,
            sphere=draw.sphere(me.member)))  # fmt: skip
    visibility = seen if (value is not None) == whole else None
    field = draw.rng.choice(FIELDS)
    return Command(me.key, "describe", fields(field=field, value=value, visibility=visibility))


def _profile(draw: Draw) -> Step | None:
    me = draw.connection(inside=True)
    if me is None:
        return None
    if draw.chance(0.2):
        return Command(me.key, "my_profile", {})
    sphere = draw.sphere(me.member)
    asked = {"member": draw.somebody(sphere)}
    return Command(me.key, "profile", asked | ({"sphere": sphere} if draw.chance(0.7) else {}))


def _directory(draw: Draw) -> Step | None:
    near = [one for one in draw.world.living() if one.member.organisation.directory]
    me = draw.rng.choice(near) if near and draw.chance(0.8) else draw.connection()
    if me is None:
        return None
    asked = {"search": draw.rng.choice(["a", "o", "x"])} if draw.chance(0.3) else {}
    return Command(me.key, "directory", {**asked, "limit": 100})


def _pass(draw: Draw) -> Step | None:
    return Deed("pass", {"ms": draw.rng.choice([1, 1_000, 61_000])})


COMMANDS: dict[str, Answer] = {
    "rename": rename,
    "describe": describe,
    "my_profile": my_profile,
    "profile": profile,
    "directory": directory,
}
DEEDS: dict[str, Act] = {}
STEPS: list[tuple[float, Propose]] = [
    (1.2, _rename),
    (1.2, _describe),
    (1.5, _profile),
    (1.5, _directory),
    (0.7, _pass),
]
