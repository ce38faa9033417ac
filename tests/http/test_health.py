from __future__ import annotations

from pathlib import Path

from tests.http.front import open_front


async def test_a_process_that_answers_is_alive_and_says_when_it_can_serve(tmp_path: Path) -> None:
    async with open_front(tmp_path) as front:
        alive, ready = await front.ask("GET", "/healthz"), await front.ask("GET", "/readyz")
        assert (alive.status, alive.body) == (200, b"ok")
        assert (ready.status, ready.body) == (200, b"ready")

        front.ready = False

        assert (await front.ask("GET", "/healthz")).status == 200
        waiting = await front.ask("GET", "/readyz")
        assert (waiting.status, waiting.body) == (503, b"not ready")
