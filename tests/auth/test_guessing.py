from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zxcvbn.matching import RANKED_DICTIONARIES

from server import errors
from server.auth.guessing import PART_CHARS, PARTS_MAX, check_hard_to_guess, parts_of


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "Password12345678",
        "Password12345678Password12345678",
        "motdepassemotdepasse",
        "azertyuiopqsdfgh",
        "qwertyuiopasdfghjkl",
        "iloveyouiloveyou",
        "123456789012345",
        "administrator2024",
        "demo demo demo demo",
        "dragon2020dragon2020",
        "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff441234",
        "abababababababababab" * 20,
    ],
)
def test_what_an_attacker_tries_first_is_refused(password: str) -> None:
    with pytest.raises(errors.PasswordRefused, match="tries first"):
        check_hard_to_guess(password)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "cheval correct agrafe pile",
        "Maple-Tree-42!!",
        "une phrase assez longue",
        "x7Kp!q2Lm9@Wz",
        "ж日本語🦊 où est l'été?",
    ],
)
def test_a_phrase_that_nobody_has_seen_is_accepted(password: str) -> None:
    check_hard_to_guess(password)


@given(st.text(min_size=1, max_size=200))
def test_parts_are_bounded_and_together_no_more_than_the_beginning(password: str) -> None:
    parts = parts_of(password)

    assert 1 <= len(parts) <= PARTS_MAX
    assert all(1 <= len(part) <= PART_CHARS for part in parts)
    assert "".join(parts) in password or len(set(parts)) == len(parts)


@given(st.text(min_size=1, max_size=10), st.integers(2, 6))
def test_repeating_a_password_makes_it_no_harder(unit: str, times: int) -> None:
    assert sum(map(len, parts_of(unit * times))) <= len(unit)


def test_the_slowest_password_of_the_greatest_length_is_soon_judged() -> None:
    draw = random.Random(7)
    slow = "".join(draw.choice("a4@bc({[<e3g69il1!|o0s$5t+7x%z2") for _ in range(1024))
    began = time.process_time()

    check_hard_to_guess(slow)

    assert time.process_time() - began < 5


def test_the_estimate_keeps_no_word_of_what_it_was_asked() -> None:
    check_hard_to_guess("a pelican named Ferdinand")

    assert not RANKED_DICTIONARIES["user_inputs"]
