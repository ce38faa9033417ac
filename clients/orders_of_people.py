"""Orders of people: who I am here, who the others are, and where I am signed in.

Beside ``orders``, on the same terms. Invariant: what a member says of themselves is printed as
harmless lines, and what is said in one sphere is asked for through that sphere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from clients import rendering
from clients.asking import sphere_named
from clients.desk import Desk, inside, tell_done
from clients.failures import Misuse
from clients.roster import find
from clients.wire import Frame, is_id

#: Members asked for at a time.
_PAGE: Final = 100


async def profile(desk: Desk) -> None:
    """Show what I say of myself, or what a member says."""
    given = desk.given
    if given.member is None:
        mine = await desk.session.request("my_profile")
        desk.printer.record(mine, *rendering.own_profile(mine, await _sphere_names(desk)))
        return
    if given.sphere is None:
        found = await desk.session.request("profile", member=await _listed(desk, given.member))
    else:
        sphere, roster = await inside(desk)
        member = roster.find(given.member)
        found = await desk.session.request("profile", sphere=sphere, member=member)
    desk.printer.record(found["profile"], *rendering.profile(found["profile"]))


async def describe(desk: Desk) -> None:
    """Say something of myself, or take it back."""
    given = desk.given
    sphere = None
    if given.sphere is not None:
        sphere = (await sphere_named(desk.session, given.sphere))["sphere"]
    shown = None if given.clear else given.to
    if shown is None and not given.clear:
        shown = "sphere" if sphere is None or given.text is not None else "hidden"
    if not given.clear and given.text is None and (sphere is None or shown != "hidden"):
        raise Misuse("Say the TEXT, or --clear to take back what you said.")
    await desk.session.request(
        "describe", field=given.field, value=given.text, visibility=shown, sphere=sphere
    )
    tell_done(desk, "Your profile is changed.")


async def directory(desk: Desk) -> None:
    """List the members of the organisation, if it keeps a directory."""
    skipped = 0
    while True:
        page = await desk.session.request(
            "directory", search=desk.given.text, after=skipped, limit=_PAGE
        )
        for view in page["members"]:
            desk.printer.record(view, *rendering.profile(view))
        skipped += len(page["members"])
        if not page["more"]:
            return


async def devices(desk: Desk) -> None:
    """List where I am signed in."""
    found = await desk.session.request("sessions")
    for view in found["sessions"]:
        desk.printer.record(view, rendering.device(view))


async def end_device(desk: Desk) -> None:
    """Sign another device out."""
    if not is_id(desk.given.device):
        raise Misuse("Name the device by its id: `devices` lists them.")
    await desk.session.request("end_session", session=desk.given.device)
    tell_done(desk, "That device is signed out.")


async def call_me(desk: Desk) -> None:
    """Take another name."""
    await desk.session.request("rename", name=desk.given.name)
    tell_done(desk, "That is your name now, everywhere in this organisation.")


async def _listed(desk: Desk, text: str) -> str:
    """Return the id of the one member of the directory who is called so."""
    if is_id(text):
        return text
    page = await desk.session.request("directory", search=text, limit=_PAGE)
    return find(text, page["members"], "member", "`directory` lists them, if there is one.")


async def _sphere_names(desk: Desk) -> dict[str, str]:
    listed: Frame = await desk.session.request("list")
    return {view["sphere"]: view["name"] for view in listed["spheres"]}


PEOPLE_ORDERS: Final[dict[str, Callable[[Desk], Awaitable[None]]]] = {
    "profile": profile,
    "describe": describe,
    "directory": directory,
    "devices": devices,
    "end-device": end_device,
    "call-me": call_me,
}
