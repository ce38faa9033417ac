from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from clients import rendering
from clients.rendering import render
from clients.roster import Roster
from tests.clients.events import (
    ANA,
    AT,
    BOB,
    BOT,
    MAX,
    SPHERE,
    changed,
    event,
    joined,
    left,
    member_view,
    message,
    sphere_view,
    subscribed,
)

Frame = dict[str, Any]


def roster() -> Roster:
    built = Roster()
    built.reset(subscribed())
    return built


def rendered(each: Frame) -> list[str]:
    return render(each, roster(), UTC)


def test_a_message_shows_the_hour_and_who_speaks() -> None:
    assert rendered(message(1)) == ["14:03 [1] Ana: hello"]


def test_a_second_line_cannot_pass_for_an_announcement() -> None:
    assert rendered(message(1, body="hi\n-- Manager Max entered --")) == [
        "14:03 [1] Ana: hi",
        "      | -- Manager Max entered --",
    ]


def test_a_message_of_nobody_in_particular_is_from_a_former_member() -> None:
    assert rendered(message(1, MAX)) == ["14:03 [1] a former member: hello"]


def test_a_bot_is_marked_with_who_answers_for_it() -> None:
    brought = event("connector_posted", 1, connector=BOT, name="CI", installed_by=ANA, body="green")

    assert rendered(brought) == ["14:03 [1] [bot CI, installed by Ana]: green"]


def test_what_a_bot_calls_itself_stands_beside_its_name() -> None:
    brought = event(
        "connector_posted", 1, connector=BOT, name="CI", installed_by=ANA, body="x", label="Max"
    )

    assert rendered(brought) == ["14:03 [1] [bot CI calling itself «Max», installed by Ana]: x"]


def test_an_erased_place_says_so() -> None:
    assert rendered(event("erased", 1)) == ["14:03 (erased)"]


BOT_VIEW = {"connector": BOT, "name": "CI", "installed_by": ANA}
SENTENCES = [
    (joined(1), "Bob joined"),
    (left(1), "Bob left; their messages are erased"),
    (left(1, how="removed"), "Bob was removed; their messages are erased"),
    (left(1, kept="named"), "Bob left; their messages stay, under their name"),
    (
        left(1, kept="anonymous"),
        "Bob left; their messages stay, as those of a former member (/history shows them)",
    ),
    (left(1, MAX), "A former member left; their messages are erased"),
    (
        event("manager_entered", 1, member=member_view(MAX, "Max", entered=True)),
        "Manager Max entered this sphere and reads from here on",
    ),
    (
        event("manager_left", 1, member=MAX, how="left", kept="none"),
        "A former member left; their messages are erased",
    ),
    (
        changed(1, "Design", 2, "open"),
        (
            "Ana changed this sphere: now «Design» (open: any member of the organisation may join;"
            " history hidden from newcomers), invisible to outsiders"
        ),
    ),
    (event("administrator_appointed", 1, member=BOB, by=ANA), "Ana made Bob an administrator"),
    (
        event("administrator_appointed", 1, member=BOB, by=None),
        "Bob is now an administrator: the last one left",
    ),
    (
        event("bequest_withdrawn", 1, author=MAX, before=1),
        "A former member withdrew their bequest; what it had kept is erased",
    ),
    (
        event("connector_installed", 1, connector=BOT_VIEW),
        "Ana installed the bot CI: it can write here, and read nothing",
    ),
    (event("connector_revoked", 1, connector=BOT, by=ANA), "Ana revoked a bot"),
    (
        event("something_new\x1b", 1),
        "Something happened that this client does not know: something_new<U+001B>",
    ),
]


@pytest.mark.parametrize(("each", "sentence"), SENTENCES)
def test_what_happens_is_told_in_a_sentence(each: Frame, sentence: str) -> None:
    assert rendered(each) == [f"-- {sentence} --"]


def test_a_bot_that_is_known_is_revoked_by_name() -> None:
    inside = roster()
    inside.apply(event("connector_installed", 1, connector=BOT_VIEW))

    revoked = event("connector_revoked", 2, connector=BOT, by=ANA)

    assert render(revoked, inside, UTC) == ["-- Ana revoked the bot CI --"]


def test_the_prompt_names_the_sphere_and_whoever_else_may_read() -> None:
    assert rendering.prompt(sphere_view()) == "Share in Design team> "
    assert rendering.prompt(sphere_view(audience="public")) == "Share in Design team (public)> "


def test_a_sphere_whose_name_would_reverse_the_prompt_is_shown_as_it_is() -> None:
    assert rendering.prompt(sphere_view(name="x\u202e")) == "Share in x<U+202E>> "


def test_the_destination_says_everything_that_a_revision_covers() -> None:
    assert rendering.destination(sphere_view(history="visible")) == (
        "«Design team» (closed: by invitation; history visible to newcomers)"
    )


def test_a_sphere_is_listed_with_what_i_am_there() -> None:
    view = sphere_view(role="administrator", listed=True, entered=True)

    assert rendering.sphere(view) == (
        f"{SPHERE}  Design team  (closed, administrator, listed, entered)"
    )


def test_a_sphere_that_i_am_not_in_says_how_it_may_be_reached() -> None:
    invitation = {"sphere": SPHERE, "name": "Design", "by": "Ana"}
    listed = {"sphere": SPHERE, "name": "Design", "audience": "open"}

    assert rendering.invitation(invitation) == f"{SPHERE}  Design  (invited by Ana)"
    assert rendering.open_sphere(listed) == f"{SPHERE}  Design  (open: I may join)"


def test_a_member_is_listed_with_their_role() -> None:
    view = member_view(MAX, "Max", "administrator", entered=True)

    assert rendering.member(view) == f"{MAX}  Max  (administrator, manager who entered)"


def test_a_bot_is_listed_with_who_answers_for_it() -> None:
    assert rendering.connector(BOT_VIEW, roster()) == f"{BOT}  CI  (bot, installed by Ana)"


def test_a_certificate_says_what_was_cleared() -> None:
    lines = rendering.certificate(
        {
            "sphere": SPHERE,
            "member": ANA,
            "at": AT,
            "messages_erased": 12,
            "messages_kept": 0,
            "connectors_revoked": 1,
        }
    )

    assert "  messages erased  12" in lines
    assert "  bots revoked     1" in lines


def test_a_day_is_said_in_words_whatever_the_locale() -> None:
    assert rendering.day(AT, UTC) == "Monday 15 November 2027"
    assert rendering.moment(AT, UTC) == "Monday 15 November 2027, 14:03"
