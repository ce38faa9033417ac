"""Organisations: create them, set their policies and their directory, list them."""

from __future__ import annotations

import argparse
from typing import TypeVar

import msgspec

from server.administration import answers
from server.administration.durations import written
from server.administration.office import Office
from server.administration.wishes import SetPolicies
from server.domain.policy import (
    Classes,
    PasswordPolicy,
    SessionPolicy,
    check_password_policy,
    check_session_policy,
)
from storage import organisations
from storage.organisations import Organisation

P = TypeVar("P", PasswordPolicy, SessionPolicy)


async def create(office: Office, chosen: argparse.Namespace) -> None:
    """Create an organisation; nobody is in it yet."""
    made = await office.database.write(
        organisations.create,
        handle=chosen.handle,
        name=chosen.name,
        password_policy=_changed(PasswordPolicy(), chosen),
        session_policy=_changed(SessionPolicy(), chosen),
        now=office.clock.now(),
    )
    await _switch(office, made.id, chosen)
    print(f"{made.name} is there; people sign in to `{made.handle}`. Invite its manager:")
    print(f"  cloison member invite {made.handle} ADDRESS --role manager")


async def change(office: Office, chosen: argparse.Namespace) -> None:
    """Change what is named, leave the rest; sessions that are open obey within a second."""
    found = await office.database.read(answers.organisation, chosen.handle)
    password, session = (
        _changed(found.password_policy, chosen),
        _changed(found.session_policy, chosen),
    )
    check_password_policy(password)
    check_session_policy(session)
    if (password, session) != (found.password_policy, found.session_policy):
        wish = SetPolicies(organisation=found.id, password=password, session=session)
        answer = await office.wish(wish)
        print(f"Sessions ended: {answer.sessions_ended}, beside those past a new deadline.")
    await _switch(office, found.id, chosen)
    await show(office, chosen)


async def _switch(office: Office, organisation: str, chosen: argparse.Namespace) -> None:
    """Turn the switches that the command line names: they are asked at every question."""
    if chosen.directory is not None:
        await office.database.write(
            organisations.set_directory, organisation=organisation, directory=chosen.directory
        )
    if chosen.second_factor is not None:
        await office.database.write(
            organisations.set_second_factor,
            organisation=organisation,
            required=chosen.second_factor,
        )


async def show(office: Office, chosen: argparse.Namespace) -> None:
    """Show an organisation's policies."""
    found = await office.database.read(answers.organisation, chosen.handle)
    required = await office.database.read(organisations.requires_second_factor, [found.id])
    print(_described(found, second_factor=required))


async def listing(office: Office, _chosen: argparse.Namespace) -> None:
    """List the organisations."""
    found = await office.database.read(organisations.listing)
    print(answers.table(("HANDLE", "NAME"), [(one.handle, one.name) for one in found]))


def _changed(policy: P, chosen: argparse.Namespace) -> P:
    """Return a policy with what the command line names: its flags have the names of the fields."""
    named = {
        name: getattr(chosen, name) for name in policy.__struct_fields__ if hasattr(chosen, name)
    }
    return msgspec.structs.replace(policy, **named)


def _described(found: Organisation, *, second_factor: bool) -> str:
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
        ("second factor", "required" if second_factor else "optional"),
    ]
    return answers.table(("ORGANISATION", found.handle), rows)
