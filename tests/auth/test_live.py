from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server import errors
from server.auth import live as live_module
from server.auth.live import LiveSession, LiveSessions
from server.domain.facts import Member
from server.domain.policy import PasswordPolicy, SessionPolicy, session_deadline
from server.protocol.close import Close
from server.protocol.scalars import MemberRole
from storage.sessions import Session
from tests.auth.house import Door

SECOND = 1_000
LAX = SessionPolicy(lifetime_ms=100 * SECOND, idle_ms=10 * SECOND)
STRICT = SessionPolicy(lifetime_ms=50 * SECOND, idle_ms=5 * SECOND)


def stored(
    session_id: str = "s",
    *,
    organisation: str = "o",
    created_at: int = 0,
    seen_at: int = 0,
    policy: SessionPolicy = LAX,
    password_set_at: int = 0,
    age: int | None = None,
    disabled: bool = False,
) -> Session:
    return Session(
        id=session_id,
        member=Member(id="m", organisation=organisation, name="Ana", role=MemberRole.MEMBER),
        organisation_name="The demo",
        disabled=disabled,
        hidden=False,
        created_at=created_at,
        seen_at=seen_at,
        policy=policy,
        password_set_at=password_set_at,
        password_age_max_ms=age,
    )


def replace(live: LiveSessions, policy: SessionPolicy, now: int, age: int | None = None) -> None:
    live.replace_policy("o", session=policy, password=PasswordPolicy(age_max_ms=age), now=now)


# -- deadlines


def test_a_deadline_closes_the_open_socket_at_that_moment() -> None:
    live, door = LiveSessions(), Door()
    live.attach(stored(), door, 0)

    live.due(10 * SECOND - 1)
    assert not door.closed
    live.due(10 * SECOND)

    assert door.closed is Close.SESSION_EXPIRED
    assert len(live) == 0


def test_a_command_puts_off_the_idle_deadline_for_every_connection_of_the_session() -> None:
    live, doors = LiveSessions(), [Door(), Door()]
    session, _ = [live.attach(stored(), door, 0) for door in doors]

    assert session.touch(9 * SECOND)
    live.due(18 * SECOND)
    assert [door.closed for door in doors] == [None, None]
    live.due(19 * SECOND)

    assert [door.closed for door in doors] == [Close.SESSION_EXPIRED] * 2


def test_no_command_puts_off_the_absolute_deadline() -> None:
    live, door = LiveSessions(), Door()
    session = live.attach(stored(), door, 0)

    for now in range(0, 100 * SECOND, SECOND):
        assert session.touch(now)
        live.due(now)
    live.due(100 * SECOND)

    assert door.closed is Close.SESSION_EXPIRED


def test_a_command_after_the_deadline_comes_too_late_even_before_the_timer() -> None:
    live, door = LiveSessions(), Door()
    session = live.attach(stored(), door, 0)

    assert not session.touch(10 * SECOND)

    assert door.closed is Close.SESSION_EXPIRED
    assert not session.touch(1)


def test_a_session_ends_when_its_password_expires() -> None:
    live, door = LiveSessions(), Door()
    session = live.attach(stored(password_set_at=0, age=7 * SECOND), door, 1)

    session.touch(6 * SECOND)

    assert live.next_deadline() == session.ends_at == 7 * SECOND
    live.due(7 * SECOND)
    assert door.closed is Close.SESSION_EXPIRED


def test_opening_a_connection_is_a_sign_of_life() -> None:
    live = LiveSessions()
    live.attach(stored(), Door(), 8 * SECOND)

    assert live.next_deadline() == 18 * SECOND
    assert live.dirty() == {"s": 8 * SECOND}


def test_a_clock_that_steps_back_moves_no_deadline() -> None:
    live = LiveSessions()
    session = live.attach(stored(), Door(), 8 * SECOND)

    assert session.touch(3 * SECOND)

    assert session.seen_at == 8 * SECOND
    assert live.next_deadline() == 18 * SECOND


def test_thousands_that_are_due_at_once_are_closed_in_turns() -> None:
    live, doors = LiveSessions(), [Door() for _ in range(7)]
    for number, door in enumerate(doors):
        live.attach(stored(f"s{number}"), door, 0)

    turns = 0
    while live.next_deadline() is not None:
        live.due(10 * SECOND, most=3)
        turns += 1

    assert turns == 3
    assert all(door.closed is Close.SESSION_EXPIRED for door in doors)


# -- ends


def test_ending_a_session_closes_every_socket_of_it_and_of_no_other() -> None:
    live, doors = LiveSessions(), [Door(), Door(), Door()]
    for door in doors[:2]:
        live.attach(stored(), door, 0)
    live.attach(stored("other"), doors[2], 0)

    live.end("s")

    assert [door.closed for door in doors] == [Close.SESSION_ENDED, Close.SESSION_ENDED, None]
    assert live.ids() == ["other"]
    assert live.organisations() == {"o"}


def test_a_session_that_was_read_before_its_end_opens_nothing_after_it() -> None:
    live, read_before = LiveSessions(), stored()

    live.end("s")

    with pytest.raises(errors.NotAuthenticated):
        live.attach(read_before, Door(), 0)


def test_a_disabled_member_opens_nothing() -> None:
    with pytest.raises(errors.NotAuthenticated):
        LiveSessions().attach(stored(disabled=True), Door(), 0)


def test_a_dead_session_opens_nothing() -> None:
    live = LiveSessions()

    with pytest.raises(errors.NotAuthenticated):
        live.check_alive(stored(seen_at=0), 10 * SECOND)
    live.check_alive(stored(seen_at=1), 10 * SECOND)


def test_what_is_known_here_outweighs_what_the_store_has_not_been_told() -> None:
    live = LiveSessions()
    live.attach(stored(), Door(), 0).touch(9 * SECOND)

    live.check_alive(stored(seen_at=0), 15 * SECOND)


def test_each_socket_is_told_even_if_telling_one_of_them_fails() -> None:
    class Broken(Door):
        def end(self, close: Close) -> None:
            raise OSError

    live, doors = LiveSessions(), [Door(), Broken(), Door()]
    for door in doors:
        live.attach(stored(), door, 0)

    with pytest.raises(OSError):  # noqa: PT011  # it says no more
        live.end("s")

    assert [doors[0].closed, doors[2].closed] == [Close.SESSION_ENDED] * 2
    assert len(live) == 0


def test_no_more_ended_sessions_are_remembered_than_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_module, "REMEMBERED_MAX", 3)
    live = LiveSessions()

    for number in range(5):
        live.end(f"s{number}")

    live.attach(stored("s1"), Door(), 0)
    with pytest.raises(errors.NotAuthenticated):
        live.attach(stored("s2"), Door(), 0)


# -- connections


def test_a_session_has_no_more_connections_than_it_may() -> None:
    live = LiveSessions(connections_per_session_max=2)
    doors = [Door(), Door()]
    session, _ = [live.attach(stored(), door, 0) for door in doors]

    with pytest.raises(errors.Full):
        live.attach(stored(), Door(), 0)

    live.detach(session, doors[0])
    live.attach(stored(), Door(), 0)


def test_taking_a_connection_away_twice_is_taking_it_away_once() -> None:
    live, door, other = LiveSessions(), Door(), Door()
    session = live.attach(stored(), door, 0)
    live.attach(stored(), other, 0)

    live.detach(session, door)
    live.detach(session, door)
    live.end("s")
    live.detach(session, other)

    assert (door.closed, other.closed) == (None, Close.SESSION_ENDED)


# -- notes


def test_what_was_seen_is_noted_until_the_store_knows() -> None:
    live = LiveSessions()
    session = live.attach(stored(), Door(), SECOND)
    noted = live.dirty()
    session.touch(2 * SECOND)

    live.noted(noted)
    assert live.dirty() == {"s": 2 * SECOND}
    live.noted(live.dirty())

    assert live.dirty() == {}


def test_a_session_without_connections_is_forgotten_one_note_after_the_store_knows() -> None:
    live, door = LiveSessions(), Door()
    live.detach(live.attach(stored(), door, SECOND), door)

    live.noted({})
    assert len(live) == 1
    live.noted(live.dirty())
    assert len(live) == 1
    live.noted({})

    assert len(live) == 0
    assert live.next_deadline() is None


def test_a_session_that_comes_back_is_not_forgotten() -> None:
    live, door = LiveSessions(), Door()
    live.detach(live.attach(stored(), door, SECOND), door)
    live.noted(live.dirty())
    live.attach(stored(), Door(), SECOND)

    live.noted({"s": SECOND, "unknown": 5})
    live.noted({})

    assert live.ids() == ["s"]


def test_a_session_that_leaves_again_rests_for_a_whole_note_again() -> None:
    live, door = LiveSessions(), Door()
    live.detach(live.attach(stored(), door, SECOND), door)
    live.noted(live.dirty())
    live.detach(live.attach(stored(), door, 2 * SECOND), door)

    live.noted(live.dirty())
    assert live.ids() == ["s"]
    live.noted({})

    assert live.ids() == []


# -- policies


def test_a_tightened_policy_applies_to_live_sessions_at_once() -> None:
    live, door = LiveSessions(), Door()
    session = live.attach(stored(), door, 0)

    replace(live, STRICT, 3 * SECOND)

    assert live.next_deadline() == session.deadline == 5 * SECOND
    live.due(5 * SECOND)
    assert door.closed is Close.SESSION_EXPIRED


def test_a_policy_under_which_a_session_is_dead_refuses_its_very_next_command() -> None:
    live, door = LiveSessions(), Door()
    session = live.attach(stored(), door, 0)

    replace(live, STRICT, 6 * SECOND)

    assert not session.touch(6 * SECOND)
    assert door.closed is Close.SESSION_EXPIRED


def test_a_shortened_age_of_passwords_ends_live_sessions() -> None:
    live, door = LiveSessions(), Door()
    live.attach(stored(), door, 0)

    replace(live, LAX, 0, age=2 * SECOND)

    assert live.next_deadline() == 2 * SECOND


def test_a_loosened_policy_never_revives_a_session() -> None:
    live, door = LiveSessions(), Door()
    session = live.attach(stored(policy=STRICT), door, 0)

    replace(live, LAX, 5 * SECOND)

    assert not session.touch(5 * SECOND)
    assert door.closed is Close.SESSION_EXPIRED


def test_a_policy_concerns_its_own_organisation_alone() -> None:
    live = LiveSessions()
    live.attach(stored(organisation="other"), Door(), 0)

    replace(live, STRICT, 0)

    assert live.next_deadline() == 10 * SECOND


def test_a_session_that_was_read_under_the_former_policy_obeys_the_present_one() -> None:
    live, read_before = LiveSessions(), stored(policy=LAX)

    replace(live, STRICT, 0)
    live.attach(read_before, Door(), 0)

    assert live.next_deadline() == 5 * SECOND


def test_whoever_waits_for_the_earliest_deadline_is_told_when_it_comes_forward() -> None:
    live, told = LiveSessions(), list[int]()
    live.sooner = told.append

    live.attach(stored("a"), Door(), 0)
    live.attach(stored("b"), Door(), 1 * SECOND)
    live.attach(stored("c", policy=STRICT), Door(), 0)

    assert told == [10 * SECOND, 5 * SECOND]


def test_coming_and_going_leaves_no_trace_in_the_heap() -> None:
    live = LiveSessions()
    live.attach(stored("stays"), Door(), 0)

    for number in range(1000):
        door = Door()
        live.detach(live.attach(stored(f"s{number}"), door, 0), door)
        live.end(f"s{number}")

    assert len(live._heap) <= 2 * len(live) + 66
    assert live.next_deadline() == 10 * SECOND


# -- against a plain model

policies = st.builds(
    SessionPolicy,
    lifetime_ms=st.integers(20, 300),
    idle_ms=st.integers(1, 60),
)
ages = st.none() | st.integers(1, 300)
names = st.sampled_from(["a", "b", "c", "d"])
tenants = {"a": "o", "b": "o", "c": "p", "d": "p"}


class Row:
    """What the model knows of a session: everything, by itself."""

    def __init__(self, name: str, now: int, password_set_at: int) -> None:
        self.name = name
        self.tenant = tenants[name]
        self.created_at = self.seen_at = self.noted_at = now
        self.password_set_at = password_set_at
        self.handle: LiveSession | None = None
        self.doors: list[tuple[Door, LiveSession]] = []


class Sessions(RuleBasedStateMachine):
    """Any order of events, beside a model that looks at every session at every instant."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.live = LiveSessions(connections_per_session_max=3)
        self.policy: dict[str, SessionPolicy] = {"o": LAX, "p": STRICT}
        self.former = dict(self.policy)
        self.age: dict[str, int | None] = {"o": None, "p": None}
        self.rows: dict[str, Row] = {}

    def deadline(self, row: Row) -> int:
        age = self.age[row.tenant]
        return session_deadline(
            self.policy[row.tenant],
            created_at=row.created_at,
            seen_at=row.seen_at,
            password_ends_at=None if age is None else row.password_set_at + age,
        )

    def read(self, row: Row, policy: SessionPolicy) -> Session:
        return stored(
            row.name,
            organisation=row.tenant,
            created_at=row.created_at,
            seen_at=row.noted_at,
            policy=policy,
            password_set_at=row.password_set_at,
            age=self.age[row.tenant],
        )

    def bury(self) -> None:
        """Take out what is dead by the model, and check that it was closed just now."""
        for name, row in list(self.rows.items()):
            if self.now >= self.deadline(row):
                self.live.due(self.now)
                assert all(door.closed is Close.SESSION_EXPIRED for door, _ in row.doors)
                del self.rows[name]

    @rule(name=names, age=st.integers(0, 200))
    def sign_in(self, name: str, age: int) -> None:
        """A new session takes the place of the former one of this name."""
        former = self.rows.pop(name, None)
        if former is not None:
            self.live.end(former.name)
            assert all(door.closed is Close.SESSION_ENDED for door, _ in former.doors)
        # Ids are never used again: the model does, so the memory of ends is emptied.
        self.live._ended.clear()
        limit = self.age[tenants[name]]
        self.rows[name] = Row(name, self.now, self.now - (age if limit is None else age % limit))

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), stale=st.booleans())
    def attach(self, data: st.DataObject, stale: bool) -> None:  # noqa: FBT001  # drawn
        """Open a socket, from a reading that may be older than the latest policy."""
        row = self.rows[data.draw(st.sampled_from(sorted(self.rows)))]
        announced = row.tenant in self.live._policies
        policy = (self.former if stale and announced else self.policy)[row.tenant]
        door = Door()
        if len(row.doors) == 3:
            with pytest.raises(errors.Full):
                self.live.attach(self.read(row, policy), door, self.now)
            return
        row.doors.append((door, self.live.attach(self.read(row, policy), door, self.now)))
        row.seen_at = self.now

    @precondition(lambda self: any(row.doors for row in self.rows.values()))
    @rule(data=st.data(), leave=st.booleans())
    def use(self, data: st.DataObject, leave: bool) -> None:  # noqa: FBT001  # drawn
        """Send a command on an open socket, or close it."""
        name = data.draw(st.sampled_from([n for n, row in self.rows.items() if row.doors]))
        row = self.rows[name]
        door, handle = row.doors[-1]
        if leave:
            row.doors.pop()
            self.live.detach(handle, door)
        else:
            assert handle.touch(self.now)
            row.seen_at = self.now

    @rule(tenant=st.sampled_from(["o", "p"]), policy=policies, age=ages)
    def replace(self, tenant: str, policy: SessionPolicy, age: int | None) -> None:
        """Tighten or loosen a policy."""
        self.former[tenant] = self.policy[tenant]
        self.policy[tenant], self.age[tenant] = policy, age
        self.live.replace_policy(
            tenant, session=policy, password=PasswordPolicy(age_max_ms=age), now=self.now
        )
        self.bury()

    @rule()
    def note(self) -> None:
        """Tell the store what was seen."""
        moments = self.live.dirty()
        for name, at in moments.items():
            self.rows[name].noted_at = at
        self.live.noted(moments)

    @rule(by=st.integers(1, 40))
    def advance(self, by: int) -> None:
        """Let time pass as the timer does: from one deadline to the next."""
        for _ in range(by):
            self.now += 1
            soonest = self.live.next_deadline()
            if soonest is not None and soonest <= self.now:
                self.live.due(self.now)
            self.bury()

    @invariant()
    def nobody_alive_is_closed(self) -> None:
        """A session is closed at its deadline, and at no other moment."""
        for row in self.rows.values():
            assert self.now < self.deadline(row)
            assert all(door.closed is None for door, _ in row.doors)
            for _, handle in row.doors:
                assert handle.deadline == self.deadline(row)

    @invariant()
    def the_heap_looks_in_time(self) -> None:
        """The earliest deadline is known exactly."""
        held = [self.deadline(row) for row in self.rows.values() if row.name in self.live.ids()]
        assert self.live.next_deadline() == min(held, default=None)


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
