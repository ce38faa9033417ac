"""The short form of the oracle: a few worlds, over both links; the long one is `make oracle`."""

from __future__ import annotations

import ast
import secrets
from pathlib import Path

import pytest

from tests.oracle.marathon import Verdict, run
from tests.oracle.mutants import MUTANTS
from tests.oracle.mutations import ROOT, Stale, patched

HERE = Path(__file__).parent
#: Steps of each walk here: about two seconds.
STEPS = 200
#: Mutants that may be out of date while the lines that they break are being rewritten: the command
#: names them.
STALE_MAX = len(MUTANTS) // 5


def _said(verdict: Verdict) -> str:
    again = f"python -m tests.oracle --seed {verdict.seed}"
    return "\n".join([*verdict.trace, verdict.deviation, again])


@pytest.mark.parametrize(
    ("seed", "fast_links"), [("1", True), ("2", True), ("3", False)], ids=["1", "2", "3-plain"]
)
async def test_the_server_does_what_the_model_allows(seed: str, fast_links: bool) -> None:  # noqa: FBT001  # a parameter of the test
    verdict = await run(seed, STEPS, fast_links=fast_links)

    assert verdict.holds, _said(verdict)


async def test_the_server_does_what_the_model_allows_in_a_world_never_seen() -> None:
    verdict = await run(str(secrets.randbelow(10**9)), STEPS)

    assert verdict.holds, _said(verdict)


async def test_a_walk_tries_a_bit_of_everything() -> None:
    verdict = await run("4", 3 * STEPS)

    tried = {name for name, count in verdict.counts.items() if count}
    assert {
        "post: posted",
        "post: not_found",
        "post: stale_destination",
        "history: page",
        "history: not_found",
        "join: inside",
        "leave: left",
        "enter: inside",
        "law: compared",
        "heard: member_left",
    } <= tried


def test_nearly_every_mutant_breaks_what_is_there() -> None:
    stale = []
    for mutant in MUTANTS:
        try:
            texts = patched(mutant, ROOT)
        except Stale as gone:
            stale.append(str(gone))
            continue
        for path, text in texts.items():
            assert text != path.read_text("utf-8")
            ast.parse(text)

    assert len(stale) <= STALE_MAX, stale


def test_there_are_mutants_of_each_promise_that_the_oracle_watches() -> None:
    assert {one.promise for one in MUTANTS} >= {"1", "2", "3", "5", "6", "10", "11", "13"}


def test_the_model_and_its_rules_import_nothing_of_the_server() -> None:
    apart = [*(HERE / "model").glob("*.py"), *(HERE / "rules").glob("*.py")]
    apart += [HERE / "unknown.py", HERE / "follower.py", HERE / "catalogue.py"]

    imported = {
        name.split(".")[0]
        for path in apart
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in _names(node)
    }
    assert not imported & {"server", "storage", "clients"}


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
