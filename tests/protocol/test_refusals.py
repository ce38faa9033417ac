from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

from server import errors
from server.protocol.close import Close


def _tree(kind: type[errors.Refusal] = errors.Refusal) -> Iterator[type[errors.Refusal]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


EVERY = list(_tree())
LEAVES = [kind for kind in EVERY if not kind.__subclasses__()]


def _drawn() -> dict[str, str]:
    """Return the tree at the top of the module: each refusal, and the family it is drawn under."""
    found: dict[str, str] = {}
    family = ""
    for line in (errors.__doc__ or "").splitlines():
        if branch := re.match(r"    [|`]-- (\w+)", line):
            family = branch[1]
        elif leaves := re.match(r"    [| ]   (?:[|`]--|\|  ) (\S.*)", line):
            found |= dict.fromkeys(re.findall(r"\w+", leaves[1]), family)
    return found


def test_the_tree_at_the_top_of_the_module_is_the_tree() -> None:
    assert _drawn() == {kind.__name__: kind.__mro__[1].__name__ for kind in LEAVES}


def test_each_refusal_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in EVERY]

    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", code) for code in codes)
    assert all(
        kind.code == re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
        for kind in EVERY
        if kind is not errors.Refusal
    )


def test_each_refusal_speaks_to_the_person_who_must_act() -> None:
    texts = [kind.text() for kind in EVERY]

    assert all(inspect.cleandoc(kind.__doc__ or "") for kind in EVERY)
    assert len(set(texts)) == len(texts)
    assert all(text.endswith(".") and "\n" not in text for text in texts)
    assert all(kind().message == kind.text() for kind in EVERY)


def test_nothing_tells_one_not_found_from_another() -> None:
    assert errors.NotFound.__subclasses__() == []
    assert str(errors.NotFound()) == str(errors.NotFound()) == errors.NotFound.text()


def test_what_is_temporary_is_what_the_server_has_no_room_for() -> None:
    for kind in EVERY:
        assert kind.temporary is issubclass(kind, errors.Overloaded)


@pytest.mark.parametrize(
    ("family", "statuses"),
    [
        (errors.BadInput, {400, 413}),
        (errors.Unauthenticated, {401, 403}),
        (errors.Forbidden, {403, 404}),
        (errors.Conflict, {409}),
        (errors.Overloaded, {429, 503}),
    ],
)
def test_a_family_of_refusals_has_its_http_statuses(
    family: type[errors.Refusal], statuses: set[int]
) -> None:
    assert {kind.status for kind in _tree(family)} == statuses


def test_a_refusal_carries_what_it_was_given() -> None:
    refusal = errors.TooFast("Wait.", retry_after_ms=5)

    assert (refusal.message, refusal.retry_after_ms, refusal.destination) == ("Wait.", 5, None)
    assert str(refusal) == "Wait."


def test_close_codes_are_unique_and_in_the_ranges_of_applications() -> None:
    codes = [int(close) for close in Close]

    assert len(set(codes)) == len(Close.__members__) == len(codes)
    assert all(4000 <= code <= 4999 for code in codes)


def test_the_range_of_a_close_code_says_whether_to_come_back() -> None:
    stop = {
        "SESSION_EXPIRED",
        "SESSION_ENDED",
        "NOT_AUTHENTICATED",
        "TOO_MANY_ERRORS",
        "CONNECTOR_REVOKED",
        "NOT_PUBLIC",
    }

    assert {close.name for close in Close if not close.come_back} == stop
    assert all(close.come_back is (close < 4500) for close in Close)


def test_a_close_reason_fits_in_a_close_frame() -> None:
    reasons = [close.reason for close in Close]

    assert len(set(reasons)) == len(reasons)
    assert all(0 < len(reason.encode()) <= 123 for reason in reasons)
