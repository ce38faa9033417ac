"""Somebody talking, against the real server; only the terminal is a sheet of paper."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import pytest

from clients.conversation import Conversation
from clients.failures import SignInNeeded
from clients.session import Hooks
from clients.slash_orders import SLASH_ORDERS, begin
from server.protocol.scalars import MemberRole
from tests.clients.furnished import Furnished, News, gated
from tests.clients.gate import Gate
from tests.house import Resident
from tests.people import PATIENCE_S, call_http


class Paper:
    """A terminal of lines: what is typed is put there, what is painted stays readable."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.prompt = ""
        self.forgotten = 0
        self.below = ""
        self._typed: asyncio.Queue[str | None] = asyncio.Queue()
        self._asked: Callable[[], str] = str
        self._begun = False
        self._news = News()

    async def read(self, prompt: Callable[[], str]) -> str:
        self._asked, self._begun = prompt, False
        self.prompt = prompt()
        self._news.tell()
        line = await self._typed.get()
        self.prompt = ""
        if line is None:
            raise EOFError
        return line

    def write(self, lines: Iterable[str]) -> None:
        self.lines += lines
        self._news.tell()

    def repaint(self, lines: Iterable[str]) -> None:
        self.lines = list(lines)
        self._news.tell()

    def refresh(self) -> None:
        if self.prompt and not self._begun:
            self.prompt = self._asked()
            self._news.tell()

    def forget_typed(self) -> None:
        self.forgotten += 1

    def on_change(self, typed: Callable[[str], None]) -> None:
        self._typed_at_keys = typed

    def status(self, words: str) -> None:
        self.below = words
        self._news.tell()

    def begin_a_line(self, text: str = "h") -> None:
        """Type something, without ending the line: the prompt must stay."""
        self._begun = True
        self._typed_at_keys(text)

    async def until_below(self, words: str) -> None:
        """Wait until these words stand below the line."""
        await self._news.until(lambda: words in self.below, lambda: self.below)

    def type(self, *lines: str | None) -> None:
        """Type whole lines; None ends the input."""
        for line in lines:
            self._typed.put_nowait(line)

    async def until(self, words: str) -> None:
        """Wait until these words are on the screen."""
        await self._news.until(lambda: self.holds(words), self._seen)

    async def until_gone(self, words: str) -> None:
        """Wait until these words are not on the screen any more."""
        await self._news.until(lambda: not self.holds(words), self._seen)

    async def until_asked(self, prompt: str) -> None:
        """Wait until this is the prompt."""
        await self._news.until(lambda: self.prompt == prompt, self._seen)

    def _seen(self) -> str:
        return "\n".join([*self.lines, self.prompt])

    def holds(self, words: str) -> bool:
        """Say whether these words are on the screen."""
        return any(words in line for line in self.lines)


class Talk:
    """A conversation under way: its paper, its gate, and how it ends."""

    def __init__(self, paper: Paper, gate: Gate, running: asyncio.Task[None]) -> None:
        self.paper = paper
        self.gate = gate
        self._running = running

    async def ended(self) -> None:
        """Wait for the end; raise what ended it."""
        await asyncio.wait_for(asyncio.shield(self._running), PATIENCE_S)


@asynccontextmanager
async def talking(
    furnished: Furnished, resident: Resident, sphere: str | None = "Design team"
) -> AsyncIterator[Talk]:
    """Let somebody talk."""
    async with gated(furnished, resident) as (session, gate):
        paper = Paper()
        talk = Conversation(session, paper, SLASH_ORDERS)
        session.hooks = Hooks(talk.notice, talk.say, talk.keep_only)
        running = asyncio.create_task(talk.run(functools.partial(begin, talk, sphere)))
        try:
            yield Talk(paper, gate, running)
        finally:
            running.cancel()
            await asyncio.wait({running})


async def test_the_prompt_names_where_a_line_will_be_shared(furnished: Furnished) -> None:
    async with talking(furnished, furnished.ana) as talk:
        await talk.paper.until_asked("Share in Design team> ")

        talk.paper.type("hello everybody")

        await talk.paper.until("Ana: hello everybody")


async def test_the_only_sphere_there_is_is_where_one_begins(furnished: Furnished) -> None:
    async with talking(furnished, furnished.bob, None) as talk:
        await talk.paper.until_asked("Share in Design team> ")


async def test_with_several_spheres_one_chooses(furnished: Furnished) -> None:
    await furnished.house.sphere(furnished.bob, name="Garden")
    async with talking(furnished, furnished.bob, None) as talk:
        await talk.paper.until_asked("Cloison> ")
        assert talk.paper.holds("Garden  (closed, administrator, 1 since I last read)")

        talk.paper.type("a line for nobody", "/members")
        await talk.paper.until("You are in no sphere: nothing was shared")
        await talk.paper.until("You are in no sphere. Go to one with /in SPHERE")
        talk.paper.type("/in garden")

        await talk.paper.until_asked("Share in Garden> ")


async def test_a_line_begun_under_one_name_is_not_sent_under_another(
    furnished: Furnished,
) -> None:
    async with (
        talking(furnished, furnished.bob) as talk,
        await furnished.person(furnished.ana) as ana,
    ):
        await talk.paper.until_asked("Share in Design team> ")
        talk.paper.begin_a_line()
        await ana.call(
            "configure", sphere=furnished.sphere, revision=1, name="Everybody", audience="open"
        )
        await talk.paper.until("Ana changed this sphere")
        assert talk.paper.prompt == "Share in Design team> "

        talk.paper.type("between us")
        await talk.paper.until_asked("Share in Everybody (open)? [y/N] ")
        assert talk.paper.holds("nothing was sent")
        talk.paper.type("n")

        await talk.paper.until_asked("Share in Everybody (open)> ")
        assert talk.paper.holds("Not shared")
    async with await furnished.person(furnished.ana) as ana:
        events = await ana.history(furnished.sphere)
    assert not [event for event in events if "body" in event]


async def test_who_agrees_to_the_new_destination_shares_after_all(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.bob) as talk,
        await furnished.person(furnished.ana) as ana,
    ):
        await talk.paper.until_asked("Share in Design team> ")
        talk.paper.begin_a_line()
        await ana.call("configure", sphere=furnished.sphere, revision=1, name="Everybody")
        await talk.paper.until("Ana changed this sphere")

        talk.paper.type("for all of you")
        await talk.paper.until_asked("Share in Everybody? [y/N] ")
        talk.paper.type("y")

        await talk.paper.until("Bob: for all of you")


async def test_a_prompt_under_which_nothing_is_typed_follows_the_sphere(
    furnished: Furnished,
) -> None:
    async with (
        talking(furnished, furnished.bob) as talk,
        await furnished.person(furnished.ana) as ana,
    ):
        await talk.paper.until_asked("Share in Design team> ")

        await ana.call("configure", sphere=furnished.sphere, revision=1, name="Everybody")
        await talk.paper.until_asked("Share in Everybody> ")
        talk.paper.type("fine")

        await talk.paper.until("Bob: fine")


async def test_what_a_leaver_wrote_leaves_the_screen(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.ana) as talk,
        await furnished.person(furnished.bob) as bob,
    ):
        await talk.paper.until_asked("Share in Design team> ")
        await bob.post(furnished.sphere, "secret")
        await talk.paper.until("Bob: secret")

        await bob.call("leave", sphere=furnished.sphere)

        await talk.paper.until("their messages are erased")
        assert not talk.paper.holds("secret")


async def test_leaving_asks_first_and_shows_the_certificate(furnished: Furnished) -> None:
    async with talking(furnished, furnished.bob) as talk:
        await talk.paper.until_asked("Share in Design team> ")
        talk.paper.type("secret")
        await talk.paper.until("Bob: secret")

        talk.paper.type("/leave", "")
        await talk.paper.until("You stay")
        assert talk.paper.holds("Everything that you wrote there is erased for everybody")
        talk.paper.type("/leave", "yes")

        await talk.paper.until("messages erased  1")
        await talk.paper.until_asked("Cloison> ")
        assert not talk.paper.holds("secret")
        assert not talk.paper.holds("Design team")
        assert talk.paper.forgotten


async def test_somebody_who_is_removed_keeps_nothing_on_the_screen(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.bob) as talk,
        await furnished.person(furnished.ana) as ana,
    ):
        await talk.paper.until_asked("Share in Design team> ")
        await ana.post(furnished.sphere, "among us")
        await talk.paper.until("Ana: among us")

        await ana.call("remove", sphere=furnished.sphere, member=furnished.bob.id)

        await talk.paper.until("A sphere is not there for you any more")
        await talk.paper.until_asked("Cloison> ")
        assert not talk.paper.holds("among us")
        assert not talk.paper.holds("Design team")


async def test_a_sphere_that_is_not_there_on_coming_back_leaves_the_screen(
    furnished: Furnished,
) -> None:
    async with (
        talking(furnished, furnished.bob) as talk,
        await furnished.person(furnished.ana) as ana,
    ):
        await ana.post(furnished.sphere, "among us")
        await talk.paper.until("Ana: among us")
        talk.gate.shut()
        await ana.call("remove", sphere=furnished.sphere, member=furnished.bob.id)

        talk.gate.open()

        await talk.paper.until("A sphere is not there for you any more")
        await talk.paper.until_asked("Cloison> ")
        assert not talk.paper.holds("among us")


async def test_another_stay_begins_with_an_empty_screen(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.bob) as talk,
        await furnished.person(furnished.ana) as ana,
    ):
        await ana.post(furnished.sphere, "among us")
        await talk.paper.until("Ana: among us")
        talk.gate.shut()
        await ana.call("remove", sphere=furnished.sphere, member=furnished.bob.id)
        await ana.call("invite", sphere=furnished.sphere, member=furnished.bob.id)
        async with await furnished.person(furnished.bob) as elsewhere:
            await elsewhere.call("join", sphere=furnished.sphere)

        talk.gate.open()

        await talk.paper.until_gone("among us")
        await talk.paper.until("-- Bob joined --")


async def test_a_sphere_joined_on_another_device_is_told(furnished: Furnished) -> None:
    async with talking(furnished, furnished.bob) as talk:
        await talk.paper.until_asked("Share in Design team> ")

        async with await furnished.person(furnished.bob) as elsewhere:
            await elsewhere.call("create", name="Garden")

        await talk.paper.until("You are in «Garden»: /in Garden goes there")


async def test_a_sphere_lost_while_away_leaves_the_screen_too(furnished: Furnished) -> None:
    garden = await furnished.house.sphere(furnished.ana, furnished.bob, name="Garden")
    async with talking(furnished, furnished.bob) as talk:
        talk.paper.type("/in Garden", "roses", "/in Design team")
        await talk.paper.until("Bob: roses")
        await talk.paper.until_asked("Share in Design team> ")
        talk.gate.shut()
        async with await furnished.person(furnished.ana) as ana:
            await ana.call("remove", sphere=garden, member=furnished.bob.id)

        talk.gate.open()

        await talk.paper.until_gone("roses")


async def test_a_message_written_during_an_absence_is_sent_afterwards(
    furnished: Furnished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.conversation._ATTENTION", 0.01)
    async with talking(furnished, furnished.ana) as talk:
        await talk.paper.until_asked("Share in Design team> ")
        talk.gate.shut()
        await talk.paper.until("The connection was lost")

        talk.paper.type("are you there?")
        await talk.paper.until("Not acknowledged yet")
        talk.gate.open()

        await talk.paper.until("Connected again")
        await talk.paper.until("Ana: are you there?")


async def test_a_message_refused_late_can_be_looked_at_again(
    furnished: Furnished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.conversation._ATTENTION", 0.01)
    async with talking(furnished, furnished.bob) as talk:
        await talk.paper.until_asked("Share in Design team> ")
        talk.gate.shut()
        async with await furnished.person(furnished.ana) as ana:
            await ana.call("configure", sphere=furnished.sphere, revision=1, name="Everybody")
        talk.paper.type("between us")
        await talk.paper.until("Not acknowledged yet")
        talk.gate.open()
        await talk.paper.until("Not shared: «between us»")

        talk.paper.type("/again")
        await talk.paper.until_asked("Share in Everybody? [y/N] ")
        talk.paper.type("yes")

        await talk.paper.until("Bob: between us")


async def test_a_manager_oversees_and_enters_for_all_to_see(furnished: Furnished) -> None:
    boss = await furnished.house.resident(furnished.organisation, "Max", MemberRole.MANAGER)
    async with talking(furnished, furnished.ana) as inside, talking(furnished, boss, None) as talk:
        await inside.paper.until_asked("Share in Design team> ")
        await talk.paper.until_asked("Cloison> ")

        talk.paper.type("/oversee", "/enter Design team", "good evening")

        await inside.paper.until("-- Manager Max entered this sphere and reads from here on --")
        await inside.paper.until("Max (manager): good evening")
        assert not talk.paper.holds("You are in «Design team»: /in Design team goes there")


async def test_an_invitation_is_told_and_may_be_accepted(furnished: Furnished) -> None:
    carol = await furnished.house.resident(furnished.organisation, "Carol")
    async with talking(furnished, furnished.ana) as inside, talking(furnished, carol, None) as talk:
        await talk.paper.until_asked("Cloison> ")
        await inside.paper.until_asked("Share in Design team> ")

        inside.paper.type(f"/invite {carol.address}")
        await talk.paper.until("Ana invites you to «Design team»")
        talk.paper.type("/join Design team")

        await talk.paper.until_asked("Share in Design team> ")
        await inside.paper.until("-- Carol joined --")
        assert inside.paper.holds("Invited, if there is such a person")


async def test_an_invitation_may_be_declined(furnished: Furnished) -> None:
    carol = await furnished.house.resident(furnished.organisation, "Carol")
    async with await furnished.person(furnished.ana) as ana:
        await ana.call("invite", sphere=furnished.sphere, member=carol.id)
    async with talking(furnished, carol, None) as talk:
        await talk.paper.until("invited by Ana")

        talk.paper.type("/decline Design team", "/spheres")

        await talk.paper.until("(no sphere yet: /create NAME founds one)")


async def test_an_administrator_s_orders(furnished: Furnished) -> None:
    async with talking(furnished, furnished.ana) as talk:
        paper = talk.paper
        await paper.until_asked("Share in Design team> ")

        paper.type("/rename Atelier")
        await paper.until_asked("Share in Atelier> ")
        paper.type("/open")
        await paper.until_asked("Share in Atelier (open)> ")
        paper.type("/public", "no")
        await paper.until_asked("Share in Atelier (open)> ")
        paper.type("/public", "yes")
        await paper.until_asked("Share in Atelier (public)> ")
        paper.type("/close")
        await paper.until_asked("Share in Atelier> ")
        paper.type("/newcomers visible", "/listed yes")
        await paper.until("history visible to newcomers), listed")
        paper.type("/appoint Bob")
        await paper.until("Ana made Bob an administrator")
        paper.type("/remove Bob", "yes")
        await paper.until("Bob was removed; their messages are erased")


async def test_a_bot_s_token_is_shown_once_and_not_painted_again(furnished: Furnished) -> None:
    async with (
        talking(furnished, furnished.ana) as talk,
        await furnished.person(furnished.bob) as bob,
    ):
        await talk.paper.until_asked("Share in Design team> ")
        await bob.post(furnished.sphere, "secret")
        talk.paper.type("/connector CI")
        await talk.paper.until("Its token, shown this once: clc_")
        talk.paper.type("/members")
        await talk.paper.until("CI  (bot, installed by Ana)")

        await bob.call("leave", sphere=furnished.sphere)
        await talk.paper.until("their messages are erased")
        talk.paper.type("/revoke CI")

        await talk.paper.until("Ana revoked the bot CI")
        assert not talk.paper.holds("clc_")


async def test_what_happened_last_is_shown_on_demand(furnished: Furnished) -> None:
    async with talking(furnished, furnished.ana) as talk:
        talk.paper.type("one", "two", "/history 1", "/history x")

        await talk.paper.until("The last 1 events")
        await talk.paper.until("Say /history N")
        assert sum("two" in line for line in talk.paper.lines) == 2
        assert sum("one" in line for line in talk.paper.lines) == 1


async def test_a_bequest_is_set_before_one_goes(furnished: Furnished) -> None:
    async with talking(furnished, furnished.bob) as talk:
        talk.paper.type("keep this", "/bequeath named", "/leave", "y")

        await talk.paper.until("messages kept    1")


async def test_one_takes_another_name_and_reads_what_others_say(furnished: Furnished) -> None:
    async with await furnished.person(furnished.ana) as ana:
        await ana.call("describe", field="title", value="Architect", visibility="sphere")
    async with talking(furnished, furnished.bob) as talk:
        talk.paper.type("/iam Bobby", "/profile Ana", "/profile", "/devices")

        await talk.paper.until("Bob is now called Bobby")
        await talk.paper.until("title     Architect")
        await talk.paper.until("(this one)")


async def test_founding_a_sphere_goes_there(furnished: Furnished) -> None:
    async with talking(furnished, furnished.bob) as talk:
        talk.paper.type("/create Garden")

        await talk.paper.until_asked("Share in Garden> ")


async def test_a_mistake_is_answered_and_nothing_ends(furnished: Furnished) -> None:
    async with talking(furnished, furnished.bob) as talk:
        talk.paper.type(
            "/nothing", "/rename Mine", "/remove Zoe", "/in Nowhere", "/again", "", "/help"
        )

        await talk.paper.until("There is no /nothing")
        await talk.paper.until("Ask an administrator of the sphere")
        await talk.paper.until("There is no member called «Zoe» here. /members lists")
        await talk.paper.until("There is no sphere called «Nowhere»")
        await talk.paper.until("No message was refused")
        await talk.paper.until("/bequeath none|named|anonymous")


@pytest.mark.parametrize("last", ["/quit", None])
async def test_one_goes_away_and_stays_inside(furnished: Furnished, last: str | None) -> None:
    async with talking(furnished, furnished.bob) as talk:
        talk.paper.type("bye", last)

        await talk.ended()
    async with await furnished.person(furnished.bob) as bob:
        assert len((await bob.call("list"))["spheres"]) == 1


async def test_an_input_that_ends_at_a_question_has_not_agreed(furnished: Furnished) -> None:
    async with talking(furnished, furnished.bob) as talk:
        talk.paper.type("/leave", None, None)

        await talk.ended()
        assert talk.paper.holds("You stay")


async def test_a_session_that_ends_ends_the_conversation(furnished: Furnished) -> None:
    async with talking(furnished, furnished.bob) as talk:
        await talk.paper.until_asked("Share in Design team> ")
        headers = {"Authorization": f"Bearer {talk.gate.token}"}
        url = furnished.house.url
        await asyncio.to_thread(call_http, url, "POST", "/v1/sign-out", headers=headers)

        with pytest.raises(SignInNeeded, match="Sign in again"):
            await talk.ended()
