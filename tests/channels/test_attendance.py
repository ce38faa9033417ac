from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.channels import attendance
from server.channels.attendance import Attendance

members = st.sampled_from(["ana", "bob"])
acts = st.one_of(
    st.tuples(st.sampled_from(["come", "go", "show", "hide", "forget"]), members),
    st.tuples(st.sampled_from(["look", "news", "beat"]), st.just("")),
)


class Lookers:
    """An attendance, and what those believe who looked at it once and heard the news since."""

    def __init__(self) -> None:
        self.attendance = Attendance()
        self.beliefs: list[set[str]] = []
        self.beat = 0

    def act(self, act: str, member: str) -> None:
        """Let something happen."""
        match act:
            case "come":
                self.attendance.arrive(member)
                self.attendance.show(member, shown=True)
            case "go":
                self.attendance.depart(member, self.beat + 2)
            case "show" | "hide":
                shown = act == "show" and member in self.attendance
                self.attendance.show(member, shown=shown)
            case "forget":
                self.attendance.forget(member)
                for belief in self.beliefs:
                    belief.discard(member)
            case "look":
                self.beliefs.append(set(self.attendance.seen()))
            case "beat":
                self.beat += 1
                self.attendance.lapse(self.beat)
            case _:
                self.hear()

    def hear(self) -> None:
        """Let everybody hear the news."""
        came, went = self.attendance.news()
        assert len(came) + len(went) <= attendance.NAMED_MAX
        for belief in self.beliefs:
            belief |= set(came)
            belief -= set(went)


@pytest.mark.parametrize("named", [1, 200])
def test_whoever_looked_once_and_hears_the_news_believes_what_is_so(
    named: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attendance, "NAMED_MAX", named)

    @settings(max_examples=300)
    @given(st.lists(acts, min_size=5, max_size=30))
    def believes(happened: list[tuple[str, str]]) -> None:
        lookers = Lookers()
        for act, member in happened:
            lookers.act(act, member)
        while lookers.attendance.restless:
            lookers.act("beat", "")
            lookers.hear()

        there = set(lookers.attendance.seen())
        assert all(belief == there for belief in lookers.beliefs)
        assert lookers.attendance.news() == ([], [])

    believes()


def test_who_came_and_went_unseen_is_no_news() -> None:
    here = Attendance()
    here.arrive("ana")
    here.show("ana", shown=True)
    here.show("ana", shown=False)

    assert here.news() == ([], [])


def test_who_came_is_seen_when_it_is_news_and_no_sooner() -> None:
    here = Attendance()
    here.arrive("ana")
    here.show("ana", shown=True)

    seen = [here.seen()]
    here.news()
    seen.append(here.seen())

    assert seen == [[], ["ana"]]


def test_who_is_not_to_be_seen_is_left_out_at_once_and_told_of_again_when_back() -> None:
    here = Attendance()
    here.arrive("ana")
    here.show("ana", shown=True)
    here.news()
    here.show("ana", shown=False)
    seen = here.seen()
    here.show("ana", shown=True)

    assert seen == []
    assert here.news() == (["ana"], [])


def test_to_forget_says_whether_somebody_may_have_seen_them() -> None:
    here = Attendance()
    forgotten = [here.forget("ana")]
    here.arrive("ana")
    forgotten.append(here.forget("ana"))
    here.arrive("ana")
    here.show("ana", shown=True)
    forgotten.append(here.forget("ana"))
    for _ in range(2):
        here.show("ana", shown=True)
        here.news()
        forgotten.append(here.forget("ana"))
    here.show("ana", shown=True)
    here.news()
    here.show("ana", shown=False)
    forgotten.append(here.forget("ana"))

    assert forgotten == [False, False, False, True, True, True]
    assert "ana" not in here
    assert not here.restless


def test_a_device_that_was_never_counted_is_not_discounted() -> None:
    here = Attendance()

    here.depart("ana", 1)

    assert (here.restless, "ana" in here, here.everybody()) == (False, False, [])
