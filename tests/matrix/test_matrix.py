"""Role by relation by kind of sphere by command: no deviation from the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import errors
from server.channels.attachments import readable
from storage.database import Transaction
from tests.matrix.operations import (
    ACTS,
    COMMANDS,
    FIELDS,
    OF_THE_CONNECTION,
    answer,
    command,
    naming_a_sphere,
)
from tests.matrix.table import POSITIONS, ROLES, expected, rows
from tests.matrix.world import KINDS, NOW, PEOPLE, Cell, World, cells
from tests.storage.shelf import Shelf, shelf

#: So that none is lost by a slip.
CELLS = 156


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Return a real database."""
    folder: Path = tmp_path_factory.mktemp("matrix")
    with shelf(folder) as opened:
        yield opened


def test_every_command_that_names_a_sphere_has_its_row() -> None:
    assert {row.command for row in rows()} | OF_THE_CONNECTION == naming_a_sphere()


def test_every_row_can_be_run_and_every_role_is_spoken_to_once() -> None:
    spoken = Counter((row.operation, role) for row in rows() for role in row.roles)

    assert {row.operation for row in rows()} == set(FIELDS)
    assert {COMMANDS[row.command] for row in rows()} <= set(ACTS)
    assert spoken == Counter({(one, role): 1 for one in FIELDS for role in ROLES.values()})


def test_the_cells_are_all_that_there_can_be() -> None:
    every = list(cells())

    assert {cell.person for cell in every} == set(PEOPLE)
    assert {cell.position for cell in every} == set(POSITIONS)
    assert {cell.kind for cell in every} == set(KINDS)
    assert len(every) == len(set(every)) == CELLS


@pytest.mark.parametrize("person", PEOPLE)
def test_no_answer_deviates_from_the_table(store: Shelf, person: str) -> None:
    mine = [cell for cell in cells() if cell.person == person]

    def act(tx: Transaction) -> list[str]:
        world = World(tx)
        return [wrong for cell in mine for wrong in _deviations(tx, world, cell)]

    assert store.within(act) == []


def _deviations(tx: Transaction, world: World, cell: Cell) -> Iterator[str]:
    scene = world.scene(cell)
    for operation in FIELDS:
        asked = command(operation, scene.sphere, scene.names)
        found = answer(tx, asked, scene.member, NOW)
        wanted = expected(operation, cell.role, cell.position)
        if cell.person == "disabled":
            wanted = "not_found"  # whoever is shut out is nobody, whatever was asked
        if found != wanted:
            yield f"{cell}: {operation} answers {found}, not {wanted}"


@pytest.mark.parametrize("person", PEOPLE)
def test_a_file_is_read_by_whoever_could_answer_its_message(store: Shelf, person: str) -> None:
    mine = [cell for cell in cells() if cell.person == person]

    def act(tx: Transaction) -> list[str]:
        world = World(tx)
        return [wrong for cell in mine for wrong in _misread(tx, world, cell)]

    assert store.within(act) == []


def _misread(tx: Transaction, world: World, cell: Cell) -> Iterator[str]:
    scene = world.scene(cell)
    files = {"file after": "post, in reply", "file before": "post, reply to before"}
    for file, answering in files.items():
        wanted = expected(answering, cell.role, cell.position)
        if cell.kind.thread and cell.relation in {"member", "administrator"}:
            # A file is asked for by its own id: who takes part need not name the thread.
            wanted = expected(answering, cell.role, "member")
        if cell.person == "disabled":
            wanted = "not_found"
        try:
            readable(tx, scene.member.id, scene.names[file])
            found = "ok"
        except errors.NotFound:
            found = "not_found"
        if found != wanted:
            yield f"{cell}: the {file} is {found}, not {wanted}"


def test_who_left_a_sphere_that_shows_itself_is_outside_like_anybody_else(store: Shelf) -> None:
    shown = [kind for kind in KINDS if kind.listed]

    def act(tx: Transaction) -> list[str]:
        world = World(tx)
        left = [Cell(role, "former", kind) for role in ("member", "manager") for kind in shown]
        return [wrong for cell in left for wrong in _as_outside(tx, world, cell)]

    assert store.within(act) == []


def _as_outside(tx: Transaction, world: World, cell: Cell) -> Iterator[str]:
    """Compare who left with anybody outside; but what they left is theirs to withdraw."""
    scene = world.scene(cell)
    outside = Cell(cell.person, "none", cell.kind).position
    for operation in FIELDS:
        position = "former" if operation == "bequeath, withdraw" else outside
        found = answer(tx, command(operation, scene.sphere, scene.names), scene.member, NOW)
        if found != expected(operation, cell.role, position):
            yield f"{cell}: {operation} answers {found}"
