from __future__ import annotations

import random

import pytest

from tests.timing.__main__ import main
from tests.timing.samples import judged, taken


def pairs(shift: float, seed: int) -> list[tuple[float, float]]:
    """Return rounds whose second duration is longer by ``shift``, on a machine that drifts."""
    draw = random.Random(seed)
    made = []
    for number in range(500):
        drift = 100.0 + number
        made.append((drift + draw.expovariate(0.1), drift + draw.expovariate(0.1) + shift))
    return made


@pytest.mark.parametrize("seed", range(5))
def test_what_takes_as_long_is_not_told_apart_and_what_does_not_is(seed: int) -> None:
    alike, apart = (judged(pairs(shift, seed), random.Random(seed)) for shift in (0.0, 200.0))

    assert not alike.distinguishes
    assert apart.distinguishes
    assert apart.high_us < 0


def test_both_questions_are_asked_in_every_round_in_either_order() -> None:
    asked: list[str] = []

    found = taken(lambda: asked.append("one"), lambda: asked.append("other"), 50, random.Random(1))

    rounds = {tuple(asked[at : at + 2]) for at in range(0, 100, 2)}
    assert (len(found), rounds) == (50, {("one", "other"), ("other", "one")})


@pytest.mark.parametrize("question", ["sign-in", "invisible"])
def test_the_command_says_a_verdict(question: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main([question, "--rounds", "5", "--seed", "1"])

    said = capsys.readouterr().out
    assert code in {0, 1}
    assert "told apart" in said.splitlines()[-1]
