"""Organisations: create them, set their policies and their directory, list them."""

from __future__ import annotations

import argparse

from server.administration import answers
from server.administration.durations import written
from server.administration.office import Office
from server.administration.wishes import SetPolicies
from server.domain.governance import Policies, PolicyChange, changed
from server.domain.policy import Classes
from storage import organisations
from storage.organisations import Organisation


async def create(office: Office, chosen: argparse.Namespace) -> None:
    """Create an organisation; nobody is in it yet."""
    demanded = changed(Policies(), _change(chosen))
    made = await office.database.write(
        organisations.create,
        handle=chosen.handle,
        name=chosen.name,
        password_policy=demanded.password,
        session_policy=demanded.session,
        directory=demanded.directory,
        second_factor=demanded.second_factor,
        now=office.clock.now(),
    )
    print(f"{made.name} is there; people sign in to `{made.handle}`. Invite its manager:")
    print(f"  cloison member invite {made.handle} ADDRESS --role manager")


async def change(office: Office, chosen: argparse.Namespace) -> None:
    """Change what is named, leave the rest; sessions that are open obey within a second."""
    found = await office.database.read(answers.organisation, chosen.handle)
    change = _change(chosen)
    if changed(found.policies, change) != found.policies:
        answer = await office.wish(SetPolicies(organisation=found.id, change=change))
        print(f"Sessions ended: {answer.sessions_ended}, beside those past a new deadline.")
    await show(office, chosen)


async def show(office: Office, chosen: argparse.Namespace) -> None:
    """Show an organisation's policies."""
    found = await office.database.read(answers.organisation, chosen.handle)
    print(_described(found))


async def listing(office: Office, _chosen: argparse.Namespace) -> None:
    """List the organisations."""
    found = await office.database.read(organisations.listing)
    print(answers.table(("HANDLE", "NAME"), [(one.handle, one.name) for one in found]))


def _change(chosen: argparse.Namespace) -> PolicyChange:
    """Return what the command line names: its flags have the names of the fields."""
    named = {
        name: getattr(chosen, name)
        for name in PolicyChange.__struct_fields__
        if hasattr(chosen, name)
    }
    return PolicyChange(**named)


def _described(found: Organisation) -> str:
    password, session = found.password_policy, found.session_policy
    classes = ",".join((one.name or "").lower() for one in Classes if one & password.classes)
    rows = [
        ("name", found.name),
        ("password length", str(password.length_min)),
        ("password classes", classes or "none"),
        ("password age", written(password.age_max_ms)),
        ("password history", str(password.reuse_history)),
        ("session lifetime", written(session.lifetime_ms)),
        ("session idle", written(session.idle_ms)),
        ("sessions a member", str(session.sessions_max)),
        ("directory", "on" if found.directory else "off"),
        ("second factor", "required" if found.second_factor else "optional"),
    ]
    return answers.table(("ORGANISATION", found.handle), rows)
