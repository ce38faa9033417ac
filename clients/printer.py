"""Printer: what reaches standard output and standard error.

For a person, lines; with ``--json``, one object per line, in ASCII, so that nothing in it can
drive a terminal. What was asked for goes to standard output, everything else to standard error.
Invariant: nothing is printed that is not safe text or escaped JSON.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, TextIO

from clients.failures import Failure, forgotten
from clients.following import Following
from clients.rendering import announce, day, render
from clients.roster import Roster
from clients.safe_text import safe_line
from clients.timeline import Purge
from clients.wire import Frame, as_base64


class Printer:
    """The two streams, and how to write on them."""

    def __init__(self, out: TextIO, err: TextIO, *, json_lines: bool, verbose: bool) -> None:
        self.verbose = verbose
        self._out = out
        self._err = err
        self._json = json_lines
        self._day = ""

    def record(self, record: Frame, *lines: str) -> None:
        """Print a result: the record as JSON, or the lines for a person."""
        if self._json:
            _write(self._out, json.dumps(record, default=as_base64))
        else:
            _write(self._out, *lines)

    def event(self, event: Frame, roster: Roster) -> None:
        """Print an event of a timeline; a new day is said before its first event."""
        if self._json:
            _write(self._out, json.dumps(event, default=as_base64))
            return
        today = day(event["at"])
        if today != self._day:
            self._day = today
            _write(self._out, announce(today))
        _write(self._out, *render(event, roster))

    def purge(self, purge: Purge) -> None:
        """Print what to forget, unless an event that says so to a person follows anyway."""
        if self._json or not purge.told:
            self.record(purge.record(), announce("What a former member wrote is erased: forget it"))

    def done(self, record: Frame, *lines: str) -> None:
        """Print that an order was carried out, to whoever wants to know."""
        if self._json or self.verbose:
            self.record(record, *lines)

    def note(self, sentence: str) -> None:
        """Say something beside the results."""
        said = json.dumps({"note": sentence}) if self._json else announce(safe_line(sentence))
        _write(self._err, said)

    def failure(self, failure: Failure) -> None:
        """Say what went wrong and what to do."""
        record: dict[str, Any] = failure.record()
        said = json.dumps(record) if self._json else f"error: {safe_line(failure.message)}"
        _write(self._err, said)


class Tail:
    """A listener that prints what a sphere says, ``count`` events at most.

    ``over`` is done when there were enough, and fails when there can be no more.
    """

    def __init__(self, printer: Printer, count: int | None) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._printer = printer
        self._left = count

    def show(self, following: Following, event: Frame) -> None:
        """Print the event, unless enough were printed."""
        if self.over.done():
            return
        self._printer.event(event, following.roster)
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.over.set_result(None)

    def purge(self, _following: Following, purge: Purge) -> None:
        """Print what to forget, unless enough was printed."""
        if not self.over.done():
            self._printer.purge(purge)

    def forget(self, following: Following) -> None:
        """Print that all is to be forgotten."""
        record = {"type": "forget", "sphere": following.id}
        self._printer.record(record, announce("You came back in: forget what you saw before"))

    def signal(self, _following: Following, _signal: Frame) -> None:
        """Print nothing: a record of it would be out of date at once."""

    def gone(self, _following: Following, failure: Failure | None) -> None:
        """Stop: there is nothing to show any more."""
        if not self.over.done():
            self.over.set_exception(failure or forgotten())


def _write(stream: TextIO, *lines: str) -> None:
    stream.write("".join(f"{line}\n" for line in lines))
    # At once: a reader down the pipe waits for this very line.
    stream.flush()
