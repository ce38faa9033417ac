"""Requests: ask to be let into a closed sphere that shows itself; list and refuse.

An invitation is the answer (``arrivals.invite``). Invariant: whoever asks is known to those who
administer the sphere when they look, and to nobody else.
"""

from __future__ import annotations

from server.channels.outcome import Outcome, Publication, Request
from server.channels.reading import Answer
from server.channels.spheres import present
from server.domain.permission import check_administrator, check_ask, check_may_ask
from server.protocol.commands import Ask, GetRequests, Refuse
from server.protocol.events import Asked
from server.protocol.replies import Done, Requests
from server.protocol.scalars import SphereRole
from storage import requests, spheres, stays
from storage.database import Transaction


def ask(tx: Transaction, request: Request[Ask]) -> Outcome:
    """Ask to be let in; those who administer the sphere are told, once."""
    command = request.command
    member = present(tx, request)
    check_may_ask(member)
    check_ask(spheres.standing(tx, command.sphere, member.id))
    news = requests.make(tx, sphere_id=command.sphere, member_id=member.id, now=request.now)
    if not news:
        return Outcome(reply=Done(id=command.id))
    # To refuse for want of room would tell how many others ask: the oldest lapses instead.
    requests.trim(tx, command.sphere, keep=request.limits.requests_per_sphere_max)
    asked = Asked(sphere=command.sphere, member=member.id, name=member.name)
    told = tuple(
        (stay.member, asked)
        for stay in stays.of_sphere(tx, command.sphere)
        if stay.role is SphereRole.ADMINISTRATOR
    )
    return Outcome(reply=Done(id=command.id), publication=Publication(notices=told))


def listing(tx: Transaction, request: Request[GetRequests]) -> Answer:
    """Return who asks to be let in."""
    command = request.command
    stay = check_administrator(spheres.standing(tx, command.sphere, request.member.id))
    return Answer(
        reply=Requests(id=command.id, requests=requests.of_sphere(tx, command.sphere)),
        entered=stay.entered,
    )


def refuse(tx: Transaction, request: Request[Refuse]) -> Outcome:
    """Drop somebody's request; done as well when another administrator was faster."""
    command = request.command
    check_administrator(spheres.standing(tx, command.sphere, request.member.id))
    requests.withdraw(tx, command.sphere, command.member)
    return Outcome(reply=Done(id=command.id))
