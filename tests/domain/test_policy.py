from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import errors
from server.domain.policy import (
    DAY,
    PASSWORD_AGE_CEILING,
    PASSWORD_CHARS_MAX,
    SECOND,
    SESSION_LIFETIME_CEILING,
    Classes,
    PasswordPolicy,
    SessionPolicy,
    check_password,
    check_password_policy,
    check_session_policy,
    classes_of,
    may_sign_in_with,
    normalise,
    session_deadline,
    session_end,
    strictest,
)

policies = st.builds(
    PasswordPolicy,
    length_min=st.integers(12, 40),
    classes=st.builds(Classes, st.integers(0, 15)),
    age_max_ms=st.none() | st.integers(SECOND, PASSWORD_AGE_CEILING),
    reuse_history=st.integers(0, 100),
)
passwords = st.text(max_size=60) | st.text("aB3!xyzUV ", min_size=10, max_size=60)
moments = st.integers(0, 2**42)
lengths = st.integers(1, SESSION_LIFETIME_CEILING)


def accepted(password: str, policy: PasswordPolicy) -> bool:
    try:
        check_password(password, policy)
    except errors.PasswordRefused:
        return False
    return True


def reasons(password: str, policy: PasswordPolicy, *personal: str) -> str:
    with pytest.raises(errors.PasswordRefused) as refused:
        check_password(password, policy, personal=personal)
    return refused.value.message


# -- the strictest of several


@given(st.lists(policies, min_size=1, max_size=5), passwords)
def test_what_the_strictest_policy_accepts_each_policy_accepts(
    several: list[PasswordPolicy], password: str
) -> None:
    if accepted(password, strictest(several)):
        assert all(accepted(password, policy) for policy in several)


@given(st.lists(policies, min_size=1, max_size=5), passwords)
def test_what_each_of_two_policies_accepts_their_strictest_accepts(
    several: list[PasswordPolicy], password: str
) -> None:
    if all(accepted(password, policy) for policy in several):
        assert accepted(password, strictest(several))


@given(st.lists(policies, min_size=1, max_size=5), moments, moments)
def test_a_password_is_young_enough_for_the_strictest_when_it_is_for_each(
    several: list[PasswordPolicy], set_at: int, now: int
) -> None:
    together = may_sign_in_with(strictest(several), set_at=set_at, now=now)

    assert together == all(may_sign_in_with(one, set_at=set_at, now=now) for one in several)


@given(st.lists(policies, min_size=1, max_size=5))
def test_the_strictest_is_a_legal_policy_and_remembers_the_longest_history(
    several: list[PasswordPolicy],
) -> None:
    together = strictest(several)

    check_password_policy(together)
    assert together.reuse_history == max(policy.reuse_history for policy in several)
    assert strictest([together, *several]) == together


def test_without_organisations_the_default_policy_holds() -> None:
    assert strictest([]) == PasswordPolicy()


# -- what a policy may be


@pytest.mark.parametrize(
    "policy",
    [
        PasswordPolicy(length_min=45, age_max_ms=DAY),
        PasswordPolicy(length_min=128),
        PasswordPolicy(length_min=12, classes=Classes(15), reuse_history=100),
        PasswordPolicy(age_max_ms=SECOND),
    ],
)
def test_severe_policies_are_legal(policy: PasswordPolicy) -> None:
    check_password_policy(policy)


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (PasswordPolicy(length_min=11), "below the server's floor of 12"),
        (PasswordPolicy(length_min=257), "nobody could type"),
        (PasswordPolicy(age_max_ms=0), "from one second to ten years"),
        (PasswordPolicy(age_max_ms=PASSWORD_AGE_CEILING + 1), "from one second to ten years"),
        (PasswordPolicy(reuse_history=-1), "from 0 to 100"),
        (PasswordPolicy(reuse_history=101), "from 0 to 100"),
        (PasswordPolicy(classes=Classes(16)), "a class of characters that there is not"),
    ],
)
def test_a_policy_below_the_floor_or_beyond_reach_is_refused_with_the_reason(
    policy: PasswordPolicy, reason: str
) -> None:
    with pytest.raises(errors.InvalidField, match=reason):
        check_password_policy(policy)


@pytest.mark.parametrize(
    "policy",
    [
        SessionPolicy(),
        SessionPolicy(lifetime_ms=SECOND, idle_ms=SECOND, sessions_max=1),
        SessionPolicy(lifetime_ms=SESSION_LIFETIME_CEILING, sessions_max=1000),
    ],
)
def test_sessions_may_be_short_or_long(policy: SessionPolicy) -> None:
    check_session_policy(policy)


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (SessionPolicy(lifetime_ms=SECOND - 1), "from one second to 180 days"),
        (SessionPolicy(lifetime_ms=SESSION_LIFETIME_CEILING + 1), "from one second to 180 days"),
        (SessionPolicy(idle_ms=SECOND - 1), "from one second to the lifetime"),
        (SessionPolicy(lifetime_ms=DAY, idle_ms=DAY + 1), "from one second to the lifetime"),
        (SessionPolicy(sessions_max=0), "from 1 to 1000"),
        (SessionPolicy(sessions_max=1001), "from 1 to 1000"),
    ],
)
def test_a_session_policy_without_sense_is_refused_with_the_reason(
    policy: SessionPolicy, reason: str
) -> None:
    with pytest.raises(errors.InvalidField, match=reason):
        check_session_policy(policy)


# -- what a password must be


def test_a_refused_password_is_told_every_reason() -> None:
    told = reasons("aaaa", PasswordPolicy(length_min=12, classes=Classes(15)))

    assert "4 characters of the 12" in told
    assert "an upper-case letter, a digit, a sign" in told
    assert "fewer than five different" in told


def test_any_unicode_of_the_length_is_a_password() -> None:
    check_password("Ж日本語🦊 où est l'été?", PasswordPolicy())


def test_a_password_of_a_thousand_characters_is_taken_whole() -> None:
    longest = ("abcde" * PASSWORD_CHARS_MAX)[:PASSWORD_CHARS_MAX]

    check_password(longest, PasswordPolicy())
    assert normalise(longest) == longest
    assert f"more than {PASSWORD_CHARS_MAX}" in reasons(longest + "f", PasswordPolicy())


def test_the_length_counts_characters_as_they_are_hashed() -> None:
    decomposed = unicodedata.normalize("NFD", "éàüñôçéàüñôç")

    assert "12 characters of the 13" in reasons(decomposed, PasswordPolicy(length_min=13))


def test_half_a_character_is_no_text() -> None:
    assert "lone surrogate" in reasons("abcdefghijklmno\ud800", PasswordPolicy())


@pytest.mark.parametrize("word", ["ana@demo.example", "ANA@DEMO.EXAMPLE", "ana@demo.exa\uff4dple"])
def test_a_password_that_holds_who_one_is_is_refused(word: str) -> None:
    assert "your address or name" in reasons("xx-Ana@Demo.Example-yy", PasswordPolicy(), "x", word)


def test_a_word_too_short_to_tell_anything_is_not_looked_for() -> None:
    check_password("banana bread at dawn", PasswordPolicy(), personal=["ana"])


@given(st.text(max_size=50))
def test_normalising_twice_changes_nothing(password: str) -> None:
    assert normalise(normalise(password)) == normalise(password)


@given(st.text(max_size=50))
def test_the_two_ways_to_compose_a_password_are_one(password: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, password) for form in ("NFC", "NFD"))

    assert normalise(composed) == normalise(decomposed)


@pytest.mark.parametrize(
    ("password", "classes"),
    [
        ("", Classes.NONE),
        ("aé", Classes.LOWER),
        ("É", Classes.UPPER),
        ("7", Classes.DIGIT),
        (" 日-", Classes.OTHER),
        ("aB3 ", Classes(15)),
    ],
)
def test_letters_without_case_count_as_signs(password: str, classes: Classes) -> None:
    assert classes_of(password) == classes


# -- deadlines


def test_a_password_expires_at_its_age_and_not_before() -> None:
    policy = PasswordPolicy(age_max_ms=DAY)

    assert may_sign_in_with(policy, set_at=5, now=5 + DAY - 1)
    assert not may_sign_in_with(policy, set_at=5, now=5 + DAY)
    assert may_sign_in_with(PasswordPolicy(), set_at=5, now=2**60)


@given(lengths, lengths, moments, moments, st.none() | moments)
def test_a_session_ends_at_the_first_of_its_deadlines(
    lifetime_ms: int, idle_ms: int, created_at: int, seen_at: int, password_ends_at: int | None
) -> None:
    policy = SessionPolicy(lifetime_ms=lifetime_ms, idle_ms=idle_ms)

    deadline = session_deadline(
        policy, created_at=created_at, seen_at=seen_at, password_ends_at=password_ends_at
    )

    each = {created_at + lifetime_ms, seen_at + idle_ms, password_ends_at} - {None}
    assert deadline in each
    assert all(one is None or deadline <= one for one in each)


@given(lengths, lengths, moments, st.integers(0, 2**42), st.none() | moments)
def test_no_activity_puts_off_the_end_of_a_session(
    lifetime_ms: int, idle_ms: int, created_at: int, later: int, password_ends_at: int | None
) -> None:
    policy = SessionPolicy(lifetime_ms=lifetime_ms, idle_ms=idle_ms)

    end = session_end(policy, created_at=created_at, password_ends_at=password_ends_at)

    assert end >= session_deadline(
        policy,
        created_at=created_at,
        seen_at=created_at + later,
        password_ends_at=password_ends_at,
    )
