"""A session with the real server, through a network that breaks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from clients.failures import AnswerLost, Refused, SignInNeeded, TokenDead, Unreachable
from clients.following import Following
from clients.link import Waits
from clients.session import Bounds, Hooks
from clients.timeline import Purge
from clients.wire import draw_client_id
from tests.clients.furnished import Furnished, News, Recorder, furnish, gated, talking
from tests.clients.gate import Gate
from tests.house import serving
from tests.people import PATIENCE_S, call_http

NOWHERE = "http://127.0.0.1:1"


async def test_what_is_said_is_shown_in_order(furnished: Furnished) -> None:
    recorder = Recorder()
    async with (
        gated(furnished, furnished.ana) as (session, _),
        await furnished.person(furnished.bob) as bob,
    ):
        await session.follow(Following(furnished.sphere, recorder))

        for word in ("one", "two", "three"):
            await bob.post(furnished.sphere, word)

        await recorder.until("one", "two", "three")


@pytest.mark.parametrize("encoded", ["msgpack", "json"])
async def test_both_encodings_say_the_same(furnished: Furnished, encoded: str) -> None:
    recorder = Recorder()
    async with gated(furnished, furnished.ana, encoded=encoded) as (session, _):
        await session.follow(Following(furnished.sphere, recorder))

        fate = await session.share(furnished.sphere, 1, "été 👩‍👩‍👧")

        assert (await fate)["type"] == "posted"
        await recorder.until("été 👩‍👩‍👧")


async def test_what_was_said_during_an_absence_is_shown_once_and_in_order(
    furnished: Furnished,
) -> None:
    recorder = Recorder()
    async with (
        gated(furnished, furnished.ana) as (session, gate),
        await furnished.person(furnished.bob) as bob,
    ):
        await session.follow(Following(furnished.sphere, recorder))
        await bob.post(furnished.sphere, "before")
        await recorder.until("before")

        gate.shut()
        for word in ("while", "away"):
            await bob.post(furnished.sphere, word)
        gate.open()
        await bob.post(furnished.sphere, "after")

        await recorder.until("before", "while", "away", "after")
    seqs = [event["seq"] for event in recorder.events]
    assert seqs == list(range(seqs[0], seqs[0] + 4))


async def test_a_long_absence_is_filled_in_pages(furnished: Furnished) -> None:
    recorder = Recorder()
    wanted = [f"line {number}" for number in range(700)]
    async with (
        gated(furnished, furnished.ana) as (session, gate),
        gated(furnished, furnished.bob) as (other, _),
    ):
        await session.follow(Following(furnished.sphere, recorder))
        gate.shut()

        fates = [await other.share(furnished.sphere, 1, body) for body in wanted]
        await asyncio.gather(*fates)
        gate.open()

        await recorder.until(*wanted)


async def test_what_was_in_flight_when_the_line_broke_is_stored_once(furnished: Furnished) -> None:
    wanted = [f"line {number}" for number in range(90)]
    async with gated(furnished, furnished.ana) as (session, gate):
        fates = []
        for number, body in enumerate(wanted):
            fates.append(await session.share(furnished.sphere, 1, body))
            if number % 30 == 20:
                gate.cut()

        await asyncio.gather(*fates)

        assert gate.passed > 1
    async with await furnished.person(furnished.bob) as bob:
        events = await bob.history(furnished.sphere, limit=500)
    assert [event["body"] for event in events if "body" in event] == wanted


async def test_what_is_erased_during_an_absence_is_forgotten_before_anything_is_shown(
    furnished: Furnished,
) -> None:
    recorder = Recorder()
    carol = await furnished.house.resident(furnished.organisation, "Carol")
    sphere = await furnished.house.sphere(furnished.ana, furnished.bob, carol)
    async with (
        gated(furnished, furnished.ana) as (session, gate),
        await furnished.person(furnished.bob) as bob,
        await furnished.person(carol) as other,
    ):
        await session.follow(Following(sphere, recorder))
        await bob.post(sphere, "secret")
        await recorder.until("secret")
        gate.shut()
        await other.post(sphere, "hello")
        await bob.call("leave", sphere=sphere)

        gate.open()
        await recorder.until("secret", "hello")

    after = recorder.told[recorder.told.index(recorder.events[-2]) - 1]
    assert isinstance(after, Purge)
    assert after.author == furnished.bob.id
    assert [type(each) for each in recorder.told].index(Purge) == 1


async def test_signing_out_elsewhere_ends_the_session_for_good(furnished: Furnished) -> None:
    token = await furnished.house.token(furnished.ana)
    async with talking(furnished.house.url, token) as session:
        await asyncio.to_thread(
            call_http,
            furnished.house.url,
            "POST",
            "/v1/sign-out",
            headers={"Authorization": f"Bearer {token}"},
        )

        with pytest.raises(SignInNeeded):
            await asyncio.wait_for(asyncio.shield(session.ended), PATIENCE_S)
        with pytest.raises(SignInNeeded):
            await session.request("list")


async def test_a_token_that_opens_nothing_is_told_apart(furnished: Furnished) -> None:
    with pytest.raises(TokenDead):
        async with talking(furnished.house.url, "cls_" + "x" * 43):
            pass


async def test_patience_with_a_server_that_is_not_there_has_an_end() -> None:
    said: list[str] = []

    with pytest.raises(Unreachable, match="Connection refused"):
        async with talking(
            NOWHERE, "token" * 8, bounds=Bounds(patience=0.1), hooks=Hooks(tell=said.append)
        ):
            pass

    assert said == [f"Cannot reach {NOWHERE}: Connection refused. Trying again"]


async def test_a_server_without_room_is_asked_again(tmp_path: Path) -> None:
    async with serving(tmp_path, connections_max=1) as house:
        furnished = await furnish(house)
        news, said = News(), list[str]()

        def tell(sentence: str) -> None:
            said.append(sentence)
            news.tell()

        occupant = await furnished.person(furnished.bob)
        token = await house.token(furnished.ana)
        entering = asyncio.create_task(_list(house.url, token, Hooks(tell=tell)))
        await news.until(lambda: bool(said))
        await occupant.close()

        assert await asyncio.wait_for(entering, PATIENCE_S) == 1
        assert "503" in said[0]


async def _list(url: str, token: str, hooks: Hooks) -> int:
    async with talking(url, token, hooks=hooks) as session:
        return len((await session.request("list"))["spheres"])


async def test_a_flood_is_refused_for_a_while_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    wanted = [f"line {number}" for number in range(60)]
    async with serving(tmp_path, posts_per_second=40) as house:
        furnished = await furnish(house)
        async with gated(furnished, furnished.ana) as (session, _):
            fates = [await session.share(furnished.sphere, 1, body) for body in wanted]
            await asyncio.gather(*fates)

        async with await furnished.person(furnished.bob) as bob:
            events = await bob.history(furnished.sphere, limit=500)
    assert sorted(event["body"] for event in events if "body" in event) == sorted(wanted)


async def test_an_order_whose_answer_was_lost_is_not_repeated(furnished: Furnished) -> None:
    async with gated(furnished, furnished.ana) as (session, gate):
        gate.hush()
        async with await furnished.person(furnished.ana) as watching:
            creating = asyncio.create_task(session.request("create", name="Once"))
            await watching.event("sphere_added")
        gate.cut()
        gate.open()

        with pytest.raises(AnswerLost, match="look before you repeat it"):
            await creating
        names = [view["name"] for view in (await session.request("list"))["spheres"]]
        assert names.count("Once") == 1


async def test_a_question_whose_answer_was_lost_is_asked_again(furnished: Furnished) -> None:
    async with gated(furnished, furnished.ana) as (session, gate):
        gate.hush()
        asking = asyncio.create_task(session.request("list"))
        await gate.swallowed()
        gate.cut()
        gate.open()

        listed = await asyncio.wait_for(asking, PATIENCE_S)

        assert len(listed["spheres"]) == 1


async def test_a_link_without_answers_is_given_up_for_another(furnished: Furnished) -> None:
    waits = Waits(reply=0.1, closing=0.1)
    async with gated(furnished, furnished.ana, waits=waits) as (session, gate):
        gate.hush()
        asking = asyncio.create_task(session.request("list"))
        await gate.swallowed()
        gate.open()

        listed = await asyncio.wait_for(asking, PATIENCE_S)

        assert len(listed["spheres"]) == 1
        assert gate.passed > 1


async def test_a_link_without_acknowledgements_is_given_up_for_another(
    furnished: Furnished,
) -> None:
    settings = {"waits": Waits(closing=0.1), "bounds": Bounds(acknowledgement=0.1)}
    async with gated(furnished, furnished.ana, **settings) as (session, gate):
        gate.hush()
        fate = await session.share(furnished.sphere, 1, "hello")
        await gate.swallowed()
        gate.open()

        assert (await asyncio.wait_for(fate, PATIENCE_S))["type"] == "posted"
    async with await furnished.person(furnished.bob) as bob:
        events = await bob.history(furnished.sphere)
    assert [event.get("body") for event in events].count("hello") == 1


async def test_a_sphere_that_is_not_there_is_refused(furnished: Furnished) -> None:
    async with gated(furnished, furnished.ana) as (session, _):
        with pytest.raises(Refused) as refusal:
            await session.follow(Following("a" * 26, Recorder()))

    assert refusal.value.code == "not_found"


async def test_somebody_who_is_removed_hears_that_it_is_gone(furnished: Furnished) -> None:
    recorder = Recorder()
    async with (
        gated(furnished, furnished.bob) as (session, _),
        await furnished.person(furnished.ana) as ana,
    ):
        await session.follow(Following(furnished.sphere, recorder))

        await ana.call("remove", sphere=furnished.sphere, member=furnished.bob.id)

        await recorder.until_told(lambda told: told == "gone")
    assert recorder.failure is None


async def test_somebody_who_was_removed_while_away_hears_that_it_is_gone(
    furnished: Furnished,
) -> None:
    recorder, inside = Recorder(), list[object]()
    hooks = Hooks(inside=inside.append)
    async with gated(furnished, furnished.bob, hooks=hooks) as (session, gate):
        await session.follow(Following(furnished.sphere, recorder))
        gate.shut()
        async with await furnished.person(furnished.ana) as ana:
            await ana.call("remove", sphere=furnished.sphere, member=furnished.bob.id)

        gate.open()
        await recorder.until_told(lambda told: told == "gone")

    assert isinstance(recorder.failure, Refused)
    assert inside == [set()]


async def test_another_stay_forgets_what_was_shown_of_the_former_one(furnished: Furnished) -> None:
    recorder = Recorder()
    async with (
        gated(furnished, furnished.bob) as (session, gate),
        await furnished.person(furnished.ana) as ana,
    ):
        await session.follow(Following(furnished.sphere, recorder))
        await ana.post(furnished.sphere, "before")
        await recorder.until("before")
        gate.shut()
        await ana.call("remove", sphere=furnished.sphere, member=furnished.bob.id)
        await ana.post(furnished.sphere, "between")
        await ana.call("invite", sphere=furnished.sphere, member=furnished.bob.id)
        async with await furnished.person(furnished.bob) as elsewhere:
            await elsewhere.call("join", sphere=furnished.sphere)

        gate.open()
        await ana.post(furnished.sphere, "after")
        await recorder.until("before", "after")

    rest = recorder.told[recorder.told.index("forget") + 1 :]
    shown = [each["type"] for each in rest if isinstance(each, dict)]
    assert shown == ["member_joined", "message_posted"]


async def test_a_sphere_left_aside_goes_on_from_where_it_was(furnished: Furnished) -> None:
    recorder = Recorder()
    async with (
        gated(furnished, furnished.bob) as (session, _),
        await furnished.person(furnished.ana) as ana,
    ):
        following = Following(furnished.sphere, recorder)
        await session.follow(following)
        await session.unfollow(following)
        await ana.post(furnished.sphere, "meanwhile")
        assert recorder.bodies == []

        await session.follow(following)

        await recorder.until("meanwhile")


async def test_a_post_to_a_destination_that_changed_is_refused_with_what_it_is_now(
    furnished: Furnished,
) -> None:
    async with (
        gated(furnished, furnished.bob) as (session, _),
        await furnished.person(furnished.ana) as ana,
    ):
        await ana.call("configure", sphere=furnished.sphere, revision=1, name="Everybody")

        fate = await session.share(furnished.sphere, 1, "just between us")
        await asyncio.wait({fate})

        refusal = fate.exception()
    assert isinstance(refusal, Refused)
    assert refusal.destination is not None
    assert refusal.destination["name"] == "Everybody"


async def test_a_message_that_is_not_acknowledged_at_the_end_is_reported(
    furnished: Furnished,
) -> None:
    async with gated(furnished, furnished.ana) as (session, gate):
        gate.hush()
        fate = await session.share(furnished.sphere, 1, "hello")

        await session.close()

        assert isinstance(fate.exception(), Unreachable)


async def test_the_settings_shown_follow_the_sphere(furnished: Furnished) -> None:
    recorder = Recorder()
    async with (
        gated(furnished, furnished.bob) as (session, _),
        await furnished.person(furnished.ana) as ana,
    ):
        following = Following(furnished.sphere, recorder)
        await session.follow(following)

        await ana.call("configure", sphere=furnished.sphere, revision=1, name="Everybody")
        await recorder.until_told(lambda told: isinstance(told, dict) and "name" in told)

        assert following.sphere["name"] == "Everybody"
        assert following.sphere["revision"] == 2


async def test_what_came_before_is_shown_as_far_back_as_asked(furnished: Furnished) -> None:
    recorder = Recorder()
    async with await furnished.person(furnished.ana) as ana:
        for number in range(9):
            await ana.post(furnished.sphere, str(number))
    async with gated(furnished, furnished.bob) as (session, _):
        await session.follow(Following(furnished.sphere, recorder, back=3))

        await recorder.until("6", "7", "8")


async def test_a_message_keeps_its_id_so_that_it_is_stored_once(furnished: Furnished) -> None:
    client_id = draw_client_id()
    async with gated(furnished, furnished.ana) as (session, _):
        first = await (await session.share(furnished.sphere, 1, "hello", client_id))
        again = await (await session.share(furnished.sphere, 1, "hello", client_id))

    assert first["seq"] == again["seq"]


async def test_a_gate_that_passes_everything_changes_nothing(furnished: Furnished) -> None:
    async with Gate(furnished.house.url) as gate:
        token = await furnished.house.token(furnished.ana)
        async with talking(gate.url, token) as session:
            assert session.welcome["name"] == "Ana"
            assert session.connected
