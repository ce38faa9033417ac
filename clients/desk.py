"""Desk: what an order of the command line works with, and what several orders do alike.

Invariant: an order that failed raises a Failure; one that returns has done all of what was asked.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from clients.asking import sphere_named
from clients.printer import Printer
from clients.roster import Roster
from clients.session import Session


@dataclass(frozen=True, slots=True)
class Desk:
    """What an order works with."""

    session: Session
    printer: Printer
    given: argparse.Namespace


async def inside(desk: Desk) -> tuple[str, Roster]:
    """Return the sphere that is named, and who is inside."""
    sphere = await sphere_named(desk.session, desk.given.sphere)
    roster = Roster()
    roster.reset(await desk.session.request("subscribe", sphere=sphere["sphere"]))
    return sphere["sphere"], roster


def tell_done(desk: Desk, sentence: str) -> None:
    """Say that it is done, to whoever wants to know."""
    desk.printer.done({"type": "done"}, sentence)
