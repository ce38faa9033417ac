"""What is deployed fits what runs."""

from __future__ import annotations

import re

import pytest

from server.settings import Settings
from tests.process import ROOT

UNIT = (ROOT / "deploy" / "cloison.service").read_text("utf-8")
IMAGE = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
ALONE, SCALED = (
    (ROOT / "deploy" / name).read_text("utf-8") for name in ("compose.yaml", "compose.scaled.yaml")
)
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


def services(file: str) -> dict[str, str]:
    """Return what a compose file says of each service, with what its anchors say in their place."""
    anchors = dict(re.findall(r"^x-\w+: &(\w+)\n((?: .*\n|\n)+)", file, re.MULTILINE))

    def whole(said: str) -> str:
        return re.sub(r"<<: \*(\w+)", lambda found: whole(anchors[found[1]]), said)

    listed = re.search(r"^services:\n((?: .*\n|\n)+)", file, re.MULTILINE)
    assert listed is not None
    found = re.findall(r"^  (\w+):\n((?:    .*\n|\n|  #.*\n)+)", listed[1], re.MULTILINE)
    return {name: whole(said) for name, said in found}


def test_the_scaled_form_has_nodes_two_stores_and_a_broker() -> None:
    assert [*services(SCALED)] == ["node", "data", "keys", "broker"]


@pytest.mark.parametrize(
    ("name", "said"), [*services(ALONE).items(), *services(SCALED).items()], ids=lambda one: one[:8]
)
def test_every_service_is_confined(name: str, said: str) -> None:
    for wanted in ("read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "core: 0"):
        assert wanted in said, name
    user = re.search(r'user: "(\d+):', said) or re.search(r"^USER (\d+):", IMAGE, re.MULTILINE)
    assert user is not None
    assert int(user[1]) > 0
    assert all(line.startswith('"127.0.0.1:') for line in re.findall(r"- (\S+:8000.*)", said))


@pytest.mark.parametrize("file", [ALONE, SCALED, IMAGE])
def test_what_is_deployed_sets_nothing_that_is_no_setting(file: str) -> None:
    fields = {name.upper() for name in Settings.model_fields}

    assert {name.removesuffix("_FILE") for name in re.findall(r"CLOISON_([A-Z_]+)", file)} <= fields


def test_the_broker_keeps_nothing_and_its_password_is_in_no_list_of_processes() -> None:
    broker = services(SCALED)["broker"]

    assert r'save ""\nappendonly no' in broker
    assert "volumes" not in broker
    assert '"$$(cat /run/secrets/broker)" | exec valkey-server -' in broker
