"""Fixtures of administration: a desk on an empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.administration.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """Return a desk on the folder where ``house`` keeps its database too."""
    return Desk(tmp_path, capsys)
