"""Property tests search as ``tests.domain.profiles`` says."""

from __future__ import annotations

from tests.domain import profiles

profiles.load()
