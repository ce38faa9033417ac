"""Desk: the command line of administration, called as from a shell, in a thread of its own."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from server.administration import commands
from server.settings import Settings
from tests import engines


class Said(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def settings(folder: Path) -> Settings:
    """Return settings for the database in a folder."""
    chosen: dict[str, Any] = {"data_dir": folder}
    if not engines.is_sqlite():
        chosen |= engines.settings(folder)
    return Settings(**chosen)


class Desk:
    """Runs commands on the database in a folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capsys = capsys

    async def run(self, *words: object) -> Said:
        """Run one command, beside whatever server there is."""
        self._capsys.readouterr()
        code = await asyncio.to_thread(self._call, [str(word) for word in words])
        return Said(code, *self._capsys.readouterr())

    async def done(self, *words: object) -> str:
        """Run one command that must succeed; return what it printed."""
        said = await self.run(*words)
        assert (said.code, said.err) == (0, ""), said.err
        return said.out

    def _call(self, words: list[str]) -> int:
        parser = argparse.ArgumentParser()
        commands.register(
            parser.add_subparsers(required=True), argparse.ArgumentParser(add_help=False)
        )
        try:
            chosen = parser.parse_args(words)
        except SystemExit as wrong:
            return int(wrong.code or 0)
        code: int = chosen.run(settings(self._folder), chosen)
        return code
