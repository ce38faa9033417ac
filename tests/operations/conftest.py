"""Fixtures: the command line in the process of the tests leaves no trace in it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_trace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("server.logs.configure", lambda _level: None)
    monkeypatch.setattr("server.egress.install", lambda *_: None)
    monkeypatch.setenv("CLOISON_CONFIG", "")  # which --config sets
    mask = os.umask(0o022)
    yield
    os.umask(mask)
