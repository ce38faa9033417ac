from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from server.domain.facts import Sphere
from server.domain.policy import PasswordPolicy, SessionPolicy
from server.protocol.scalars import MemberRole
from storage import accounts, attachments, members, organisations, sealing, spheres
from storage.attachments import PIECE_BYTES, Said, Sending
from storage.database import Transaction
from tests.storage.shelf import Shelf, shelf

NOW = 1_800_000_000_000
AUTHOR = "m" * 26
FILE = bytes(range(256)) * 2_400


@pytest.fixture(scope="module")
def store(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Return a real database."""
    assert engine
    with shelf(tmp_path_factory.mktemp("files")) as opened:
        yield opened


def _sphere(tx: Transaction) -> Sphere:
    made = organisations.create(
        tx,
        handle="acme",
        name="Acme",
        password_policy=PasswordPolicy(),
        session_policy=SessionPolicy(),
        now=NOW,
    )
    return spheres.create(tx, organisation=made.id, name="Design", now=NOW)


def _member(tx: Transaction) -> str:
    """Return somebody who asks: whoever it is."""
    (organisation,) = tx.exec_driver_sql("SELECT id FROM organisation").scalars()
    address = f"{secrets.token_hex(8)}@example.org"
    account = accounts.create(tx, address=address, password_hash="!", now=NOW)
    return members.create(
        tx,
        account=account.id,
        organisation=organisation,
        name="Ana",
        role=MemberRole.MEMBER,
        now=NOW,
    ).id


def _begun(tx: Transaction, of: Sphere, *, size: int = len(FILE), now: int = NOW) -> Sending:
    said = Said(name="plan.txt", media_type=None)
    made = attachments.announce(tx, of, AUTHOR, said, size=size, now=now)
    sending = attachments.begin(tx, made, AUTHOR)
    assert sending is not None
    return sending


def _sent(tx: Transaction, of: Sphere, *, data: bytes = FILE, now: int = NOW) -> str:
    sending = _begun(tx, of, size=len(data), now=now)
    for number in range(attachments.pieces_of(len(data))):
        piece = data[number * PIECE_BYTES :][:PIECE_BYTES]
        assert attachments.add(tx, sending, number, piece)
    assert attachments.finish(tx, sending, "0" * 64)
    return sending.attachment


def test_a_file_is_found_by_its_id_only_when_it_hangs_on_a_message(store: Shelf) -> None:
    def act(tx: Transaction) -> None:
        of = _sphere(tx)
        begun, sent = _begun(tx, of), _sent(tx, of)

        before = attachments.ready(tx, [begun.attachment, sent, "a" * 26])
        attachments.hang(tx, {sent: 7})
        found = attachments.find(tx, sent, asking=_member(tx))

        assert list(before) == [sent]
        assert attachments.ready(tx, [sent]) == {}
        nothing = attachments.find(tx, begun.attachment, asking=_member(tx))
        assert (nothing.timeline, nothing.seq) == (attachments.NOWHERE, None)
        assert (found.seq, found.pieces, found.thread) == (7, 3, None)
        assert before[sent].view.name == "plan.txt"
        assert b"".join(attachments.piece(tx, found, n) or b"" for n in range(3)) == FILE

    store.within(act)


def test_a_file_that_is_cut_off_after_a_piece_has_no_last_one(store: Shelf) -> None:
    def act(tx: Transaction) -> None:
        of = _sphere(tx)
        file = _sent(tx, of)
        attachments.hang(tx, {file: 3})
        tx.exec_driver_sql("UPDATE attachment SET pieces = 2")

        found = attachments.find(tx, file, asking=_member(tx))

        assert [attachments.piece(tx, found, n) is None for n in range(3)] == [False, True, True]

    store.within(act)


def test_another_sending_ends_the_former_one_and_drops_what_it_brought(store: Shelf) -> None:
    def act(tx: Transaction) -> None:
        of = _sphere(tx)
        former = _begun(tx, of)
        assert attachments.add(tx, former, 0, FILE[:PIECE_BYTES])

        later = attachments.begin(tx, former.attachment, AUTHOR)

        assert later is not None
        assert not attachments.add(tx, former, 1, b"")
        assert not attachments.finish(tx, former, "0" * 64)
        assert attachments.add(tx, later, 0, FILE[:PIECE_BYTES])
        assert attachments.begin(tx, former.attachment, "n" * 26) is None

    store.within(act)


def test_what_is_counted_is_the_authors_in_a_sphere_and_what_hangs_nowhere(store: Shelf) -> None:
    def act(tx: Transaction) -> None:
        of, other = _sphere(tx), _sphere_beside(tx)
        one, _ = _sent(tx, of, data=b"12345"), _sent(tx, of, data=b"123")
        _sent(tx, other, data=b"1")
        attachments.hang(tx, {one: 3})

        assert attachments.bytes_in(tx, of, AUTHOR) == 8
        assert attachments.bytes_in(tx, of, "n" * 26) == 0
        assert attachments.count_pending(tx, AUTHOR) == 2
        assert attachments.count(tx, of.id, AUTHOR) == 1
        assert len(attachments.of_author(tx, of.id, AUTHOR)) == 2

    store.within(act)


def _sphere_beside(tx: Transaction) -> Sphere:
    (organisation,) = tx.exec_driver_sql("SELECT id FROM organisation").scalars()
    return spheres.create(tx, organisation=organisation, name="Another", now=NOW)


def test_each_way_of_erasing_takes_what_it_says_with_its_pieces(store: Shelf) -> None:
    def act(tx: Transaction) -> None:
        of = _sphere(tx)
        at_three, at_nine, waiting = (_sent(tx, of, data=b"12345") for _ in range(3))
        attachments.hang(tx, {at_three: 3, at_nine: 9})

        attachments.erase_of(tx, of.id, AUTHOR, below=9)
        assert _left(tx) == {at_nine, waiting}
        attachments.erase_pending(tx, of.id, AUTHOR)
        assert _left(tx) == {at_nine}
        attachments.erase_at(tx, of.id, 9)
        assert _left(tx) == set()
        _sent(tx, of)
        attachments.erase_of(tx, of.id, AUTHOR)
        assert _left(tx) == set()

    store.within(act)


def _left(tx: Transaction) -> set[str]:
    files = set(tx.exec_driver_sql("SELECT id FROM attachment").scalars())
    assert set(tx.exec_driver_sql("SELECT attachment FROM chunk").scalars()) == files
    return files


def test_a_sweep_takes_a_few_of_those_that_wait_too_long_the_longest_first(store: Shelf) -> None:
    def act(tx: Transaction) -> None:
        of = _sphere(tx)
        late = [_sent(tx, of, data=b"1", now=NOW - 50 + n) for n in range(10)]
        shared, fresh = _sent(tx, of, data=b"1", now=0), _sent(tx, of, data=b"1")
        attachments.hang(tx, {shared: 3})

        counts = [attachments.sweep(tx, before=NOW) for _ in range(3)]

        assert counts == [attachments.SWEEP_FILES, 2, 0]
        assert _left(tx) == {shared, fresh}
        assert late

    store.within(act)


def test_of_a_file_whose_key_is_destroyed_nothing_is_read(store: Shelf) -> None:
    def act(tx: Transaction) -> None:
        of = _sphere(tx)
        file = _sent(tx, of, data=b"1")
        attachments.hang(tx, {file: 3})
        key = sealing.current_key(tx, of.id, AUTHOR)

        sealing.keyring(tx).destroy([key])

        found = attachments.find(tx, file, asking=_member(tx))
        assert attachments.piece(tx, found, 0) is None
        assert attachments.of_author(tx, of.id, AUTHOR) == []

    store.within(act)
