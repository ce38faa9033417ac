from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server import errors
from server.channels import posts as posts_module
from server.channels.outcome import Outcome, Publication
from server.channels.posts import Draft, commit_posts
from server.protocol.replies import Done
from storage.database import Transaction
from tests.channels.desk import Desk, desk, seq_of


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Desk]:
    """Return a desk with a running writer."""
    async with desk(tmp_path) as opened:
        yield opened


def _nothing(_tx: Transaction) -> Outcome:
    return Outcome(reply=Done(id=1))


async def test_commit_then_publish_then_answer(at: Desk) -> None:
    ana, _, sphere = await at.furnished()

    await at.post(at.draft(sphere, ana))
    await at.writer.act(_nothing)

    assert at.diary == ["commit", "publish", "answer", "commit", "publish"]


async def test_while_a_commit_is_under_way_nothing_is_published_or_answered(at: Desk) -> None:
    ana, _, sphere = await at.furnished()
    at.hold()

    answered = at.post(at.draft(sphere, ana))
    await at.committed.wait()
    await asyncio.sleep(0)

    assert at.diary == ["commit"]
    assert not answered.done()
    at.open.set()
    assert seq_of(await answered) == 3


async def test_what_gathers_during_a_commit_shares_the_next_one(at: Desk) -> None:
    ana, bob, sphere = await at.furnished()
    at.hold()
    first = at.post(at.draft(sphere, ana))
    await at.committed.wait()

    rest = [at.post(at.draft(sphere, who)) for who in (ana, bob) * 10]
    assert at.writer.depth == 20
    at.open.set()

    assert [seq_of(await one) for one in [first, *rest]] == list(range(3, 24))
    assert at.batches == [1, 20]
    assert at.writer.depth == 0


async def test_a_batch_is_bounded_by_count(tmp_path: Path) -> None:
    async with desk(tmp_path, batch_posts_max=4) as at:
        ana, _, sphere = await at.furnished()

        await asyncio.gather(*(at.post(at.draft(sphere, ana)) for _ in range(10)))

        assert at.batches == [4, 4, 2]


async def test_a_batch_is_bounded_by_bytes_but_takes_one_draft_of_any_size(tmp_path: Path) -> None:
    async with desk(tmp_path, batch_bytes_max=2_500) as at:
        ana, _, sphere = await at.furnished()
        sizes = [1_000, 1_000, 1_000, 9_000, 9_000, 10]

        await asyncio.gather(*(at.post(at.draft(sphere, ana, "x" * size)) for size in sizes))

        assert at.batches == [2, 1, 1, 1, 1]


async def test_an_action_between_posts_keeps_its_place(at: Desk) -> None:
    ana, _, sphere = await at.furnished()
    order: list[str] = []

    def act(_tx: Transaction) -> Outcome:
        order.append("act")
        return Outcome(reply=Done(id=9), publication=Publication(revoked=("act",)))

    before = [at.post(at.draft(sphere, ana)) for _ in range(3)]
    acting = asyncio.create_task(at.writer.act(act))
    await asyncio.sleep(0)
    after = [at.post(at.draft(sphere, ana)) for _ in range(2)]
    await asyncio.gather(acting, *before, *after)

    assert at.batches == [3, 0, 2]
    published = [
        publication.entries[0].event.seq if publication.entries else "act"
        for publication in at.published
    ]
    assert published == [3, 4, 5, "act", 6, 7]


async def test_at_the_bound_of_the_queue_more_is_refused_as_busy(tmp_path: Path) -> None:
    async with desk(tmp_path, writer_queue_max=3) as at:
        ana, _, sphere = await at.furnished()
        at.hold()
        first = at.post(at.draft(sphere, ana))
        await at.committed.wait()

        waiting = [at.post(at.draft(sphere, ana)) for _ in range(3)]
        refused = at.post(at.draft(sphere, ana))
        with pytest.raises(errors.Busy):
            await at.writer.act(_nothing)

        busy = refused.result()
        assert isinstance(busy, errors.Busy)
        assert busy.retry_after_ms
        at.open.set()
        assert [seq_of(await one) for one in [first, *waiting]] == [3, 4, 5, 6]


async def test_when_stopping_what_is_queued_is_finished_and_what_comes_after_refused(
    at: Desk,
) -> None:
    ana, _, sphere = await at.furnished()
    at.hold()
    first = at.post(at.draft(sphere, ana))
    await at.committed.wait()
    queued = at.post(at.draft(sphere, ana))

    stopping = asyncio.create_task(at.writer.stop())
    await asyncio.sleep(0)
    late = at.post(at.draft(sphere, ana))
    with pytest.raises(errors.GoingAway):
        await at.writer.act(_nothing)
    at.open.set()
    await stopping

    assert [seq_of(first.result()), seq_of(queued.result())] == [3, 4]
    assert isinstance(late.result(), errors.GoingAway)


async def test_a_stop_that_runs_out_of_time_answers_everybody(tmp_path: Path) -> None:
    async with desk(tmp_path, drain_s=0.05) as at:
        ana, _, sphere = await at.furnished()
        at.hold()
        under_way = at.post(at.draft(sphere, ana))
        await at.committed.wait()
        queued = at.post(at.draft(sphere, ana))

        await at.writer.stop()

        assert isinstance(queued.result(), errors.GoingAway)
        assert under_way.done(), "its outcome is unknown, but whoever waits must not wait for ever"
        assert not isinstance(under_way.result(), Outcome)


async def test_a_writer_that_was_never_started_refuses_what_it_was_given(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        ana, _, sphere = await at.furnished()
        await at.writer.stop()

        assert isinstance(await at.post(at.draft(sphere, ana)), errors.GoingAway)


async def test_a_refused_draft_leaves_the_others_alone(at: Desk) -> None:
    ana, bob, sphere = await at.furnished()
    drafts = [
        at.draft(sphere, ana),
        at.draft(sphere, ana, revision=2),
        at.draft("a" * 26, ana),
        at.draft(sphere, bob),
    ]

    answers = await asyncio.gather(*map(at.post, drafts))

    assert at.batches == [4]
    assert [getattr(one, "code", "posted") for one in answers] == [
        "posted",
        "stale_destination",
        "not_found",
        "posted",
    ]
    assert (seq_of(answers[0]), seq_of(answers[3])) == (3, 4)
    assert at.diary == ["commit", "publish", "publish", *["answer"] * 4]


async def test_a_bug_in_one_draft_fails_only_that_draft(
    at: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, _, sphere = await at.furnished()
    real = posts_module._Batch._message

    def buggy(batch: Any, draft: Draft) -> Outcome:
        if draft.body == "poison":
            raise ZeroDivisionError
        return real(batch, draft)

    monkeypatch.setattr(posts_module._Batch, "_message", buggy)

    answers = await asyncio.gather(
        *(at.post(at.draft(sphere, ana, body)) for body in ("one", "poison", "two"))
    )

    assert isinstance(answers[1], ZeroDivisionError)
    assert [seq_of(answers[0]), seq_of(answers[2])] == [3, 4]
    assert [one.entries[0].event.seq for one in at.published] == [3, 4]


async def test_a_bug_in_an_action_is_its_callers_alone(at: Desk) -> None:
    ana, _, sphere = await at.furnished()

    def buggy(_tx: Transaction) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await at.writer.act(buggy)

    assert seq_of(await at.post(at.draft(sphere, ana))) == 3


async def test_a_refusal_of_an_action_publishes_nothing(at: Desk) -> None:
    await at.furnished()

    def refused(_tx: Transaction) -> Outcome:
        raise errors.NotAllowed

    with pytest.raises(errors.NotAllowed):
        await at.writer.act(refused)

    assert at.diary == []


async def test_a_broker_that_fails_stops_neither_the_writer_nor_the_answer(at: Desk) -> None:
    ana, _, sphere = await at.furnished()
    at.failing = ConnectionError("the broker is gone")

    lost = await at.post(at.draft(sphere, ana))
    at.failing = None
    heard = await at.post(at.draft(sphere, ana))

    assert (seq_of(lost), seq_of(heard)) == (3, 4)
    assert [one.entries[0].event.seq for one in at.published] == [4]


async def test_an_answer_that_fails_does_not_stop_the_writer(at: Desk) -> None:
    ana, _, sphere = await at.furnished()

    def broken(_result: object) -> None:
        raise ZeroDivisionError

    at.writer.post(at.draft(sphere, ana), broken)
    after = at.post(at.draft(sphere, ana))
    async with asyncio.timeout(2):
        assert seq_of(await after) == 4


async def test_an_erasure_that_cannot_be_finished_yet_does_not_stop_the_writer(at: Desk) -> None:
    ana, _, sphere = await at.furnished()

    async def broken(**_how: Any) -> bool:
        raise OSError("no file descriptor is left")

    at.parts.eraser.scrub = broken  # type: ignore[method-assign]  # a fault nobody foresaw

    def erase(_tx: Transaction) -> Outcome:
        return Outcome(reply=Done(id=1), erased=True)

    acting = asyncio.create_task(at.writer.act(erase))
    after = at.post(at.draft(sphere, ana))
    async with asyncio.timeout(2):
        assert seq_of(await after) == 3
        await asyncio.wait([acting])


async def test_when_nobody_knows_what_the_store_holds_everybody_comes_back_and_reads_it(
    at: Desk,
) -> None:
    ana, _, sphere = await at.furnished()
    away: list[str] = []
    at.hearing.send_away = lambda: away.append("away")

    async def lost(*_what: Any) -> Any:
        raise errors.OutcomeUnknown

    at.database.write = at.database.append = lost  # type: ignore[method-assign, assignment]  # lost
    with pytest.raises(errors.OutcomeUnknown):
        await at.writer.act(_nothing)
    pending, at.parts.eraser.pending = at.parts.eraser.pending, False
    answered = await at.post(at.draft(sphere, ana))

    assert isinstance(answered, errors.OutcomeUnknown)
    assert away == ["away", "away"]
    assert (pending, at.parts.eraser.pending) == (True, True)
    assert at.published == []


async def test_a_caller_who_gives_up_leaves_its_action_to_be_done(at: Desk) -> None:
    ana, _, sphere = await at.furnished()
    at.hold()
    giving_up = asyncio.create_task(at.writer.act(_nothing))
    await at.committed.wait()

    giving_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await giving_up
    at.open.set()

    assert seq_of(await at.post(at.draft(sphere, ana))) == 3


async def test_settled_waits_until_what_is_committed_is_published(at: Desk) -> None:
    ana, _, sphere = await at.furnished()
    await at.writer.settled()  # nothing is under way: at once
    at.hold()
    answered = at.post(at.draft(sphere, ana))
    await at.committed.wait()

    settling = asyncio.create_task(at.writer.settled())
    await asyncio.sleep(0)
    waited = not settling.done()
    at.open.set()
    await settling

    assert waited
    assert at.diary[:2] == ["commit", "publish"]
    await answered


async def test_an_erasure_is_answered_when_the_words_are_gone_from_the_files(at: Desk) -> None:
    ana, _, sphere = await at.furnished()
    at.diary.clear()
    scrub = at.parts.eraser.scrub

    async def noted(**how: Any) -> bool:
        at.diary.append("scrub")
        return await scrub(**how)

    at.parts.eraser.scrub = noted  # type: ignore[method-assign]  # to see when

    def erase(_tx: Transaction) -> Outcome:
        return Outcome(reply=Done(id=1), erased=True)

    await at.writer.act(erase)
    at.diary.append("answered")

    assert at.diary[:3] == ["commit", "publish", "scrub"]
    assert at.diary[-1] == "answered"
    assert seq_of(await at.post(at.draft(sphere, ana))) == 3


async def test_posts_of_many_spheres_in_one_batch_each_keep_their_own_order(at: Desk) -> None:
    ana, bob, sphere = await at.furnished()
    other = await at.house.sphere(bob, ana)
    at.batches.clear()
    drafts = [at.draft(one, who) for one in (sphere, other) for who in (ana, bob)] * 3
    drafts = [at.draft(draft.sphere, ana if n % 2 else bob) for n, draft in enumerate(drafts)]

    answers = await asyncio.gather(*map(at.post, drafts))

    assert at.batches == [12]
    for one in (sphere, other):
        seqs = [
            seq_of(answer)
            for draft, answer in zip(drafts, answers, strict=True)
            if draft.sphere == one
        ]
        assert seqs == list(range(3, 9))


async def test_the_same_message_twice_in_one_batch_is_stored_once(at: Desk) -> None:
    ana, _, sphere = await at.furnished()
    draft = at.draft(sphere, ana)

    outcomes = await at.database.write(commit_posts, [draft, draft], at.clock.now())

    assert seq_of(outcomes[0]) == seq_of(outcomes[1]) == 3
    assert len(outcomes[0].publication.entries) == 1  # type: ignore[union-attr]  # an outcome
    assert outcomes[1].publication.entries == ()  # type: ignore[union-attr]  # an outcome
