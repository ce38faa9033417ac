from __future__ import annotations

import pytest

from clients.failures import Misuse
from clients.slash import ORDERS, Order, Share, help_lines, parse_line
from clients.slash_orders import SLASH_ORDERS


@pytest.mark.parametrize("line", ["", "   ", "\t"])
def test_a_blank_line_means_nothing(line: str) -> None:
    assert parse_line(line) is None


def test_a_line_is_shared_as_it_is() -> None:
    assert parse_line("  hello / there ") == Share("  hello / there ")


def test_two_slashes_share_a_line_that_begins_with_one() -> None:
    assert parse_line("//etc/hosts") == Share("/etc/hosts")


def test_an_order_may_take_words() -> None:
    assert parse_line("/in  Design team ") == Order("in", "Design team")


@pytest.mark.parametrize(
    "line", ["/nothing", "/ leave", "/LEAVE", "/in", "/leave now", "/bequeath all", "/listed maybe"]
)
def test_a_line_that_looks_like_an_order_is_never_shared(line: str) -> None:
    with pytest.raises(Misuse, match="/"):
        parse_line(line)


def test_an_argument_in_brackets_may_be_left_out() -> None:
    assert parse_line("/history") == Order("history", "")
    assert parse_line("/history 5") == Order("history", "5")


def test_a_choice_takes_one_of_its_words() -> None:
    assert parse_line("/bequeath anonymous") == Order("bequeath", "anonymous")


def test_the_help_names_every_order() -> None:
    text = "\n".join(help_lines())

    for name, _, said in ORDERS:
        assert f"/{name}" in text
        assert said in text


def test_every_order_that_is_named_can_be_carried_out() -> None:
    assert set(SLASH_ORDERS) == {name for name, _, _ in ORDERS}
