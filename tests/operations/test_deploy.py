"""What is deployed fits what runs."""

from __future__ import annotations

from tests.process import ROOT

UNIT = (ROOT / "deploy" / "cloison.service").read_text("utf-8")
IMAGE = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
#: Of systemd's group @resources, which the unit forbids as a whole.
NEEDED = {"setrlimit", "prlimit64", "setpriority"}


def test_the_unit_allows_the_limits_and_priorities_that_the_server_sets() -> None:
    filters = [line for line in UNIT.splitlines() if line.startswith("SystemCallFilter=")]
    forbidden = next(n for n, line in enumerate(filters) if "~" in line)
    allowed = {name for line in filters[forbidden + 1 :] for name in line.split("=")[1].split()}

    assert allowed >= NEEDED


def test_the_unit_gives_more_time_to_stop_than_the_server_takes() -> None:
    assert "TimeoutStopSec=20" in UNIT


def test_the_image_holds_compiled_modules_since_nobody_may_write_them_later() -> None:
    assert "compileall -q server storage clients" in IMAGE
