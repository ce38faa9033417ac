"""The matrix of permission, written by hand in plain words, against every ``check_`` there is.

A row says what one operation answers to each relation that somebody may have to a sphere. The
settings of the sphere and everybody's role in the organisation are gone through for each cell:
where a row names none, none of them may make a difference.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import msgspec
import pytest

from server import errors
from server.domain import permission
from server.domain.facts import Member, Sphere, Standing, Stay
from server.protocol.scalars import Audience, History, MemberRole, SphereRole

HERE, ELSEWHERE = "o" * 26, "p" * 26
ME, OTHER = "m" * 26, "n" * 26
SHOWN, STALE = 7, 6

VISITOR, MEMBER, MANAGER = MemberRole.VISITOR, MemberRole.MEMBER, MemberRole.MANAGER
EVERYONE = (VISITOR, MEMBER, MANAGER)
COLUMNS = ("nowhere", "outside", "invited", "member", "administrator", "entered")

#: What each operation answers, by relation: ok, or the code of the refusal.
#: no = not_found, may not = not_allowed, stale = stale_destination, inside = already_inside,
#: join = may_join.
TABLE = """
                                nowhere  outside  invited  member   administrator  entered
be inside                     | no     | no     | no     | ok     | ok           | ok
administer                    | no     | no     | no     | may not| ok           | ok
post, as shown                | no     | no     | no     | ok     | ok           | ok
post, stale                   | no     | no     | no     | stale  | stale        | stale
converse, as shown            | no     | no     | no     | ok     | ok           | ok
converse, stale               | no     | no     | no     | stale  | stale        | stale
converse with an outsider     | no     | no     | no     | no     | no           | no
configure, as shown           | no     | no     | no     | may not| ok           | ok
configure, stale              | no     | no     | no     | may not| stale        | stale
decline                       | no     | no     | ok     | no     | no           | no
withdraw what I asked for     | no     | ok     | ok     | ok     | ok           | ok
join, hidden                  | no     | no     | ok     | inside | inside       | inside
join, closed                  | no     | no     | ok     | inside | inside       | inside
join, shown, visitor          | no     | no     | ok     | inside | inside       | inside
join, shown, member           | no     | ok     | ok     | inside | inside       | inside
join, shown, manager          | no     | ok     | ok     | inside | inside       | inside
ask at all, visitor           | may not| may not| may not| may not| may not      | may not
ask at all, member or manager | ok     | ok     | ok     | ok     | ok           | ok
ask, hidden                   | no     | no     | join   | inside | inside       | inside
ask, closed, visitor          | no     | no     | join   | inside | inside       | inside
ask, closed, member           | no     | ok     | join   | inside | inside       | inside
ask, closed, manager          | no     | ok     | join   | inside | inside       | inside
ask, shown                    | no     | join   | join   | inside | inside       | inside
step down, others administer  | no     | no     | no     | may not| ok           | may not
step down, the last one       | no     | no     | no     | may not| may not      | may not
step down before a manager    | no     | no     | no     | may not| may not      | may not
enter, visitor                | may not| may not| may not| may not| may not      | may not
enter, member                 | may not| may not| may not| may not| may not      | may not
enter, manager                | no     | ok     | ok     | inside | inside       | inside
remove nobody                 | no     | no     | no     | may not| no           | no
remove myself                 | no     | no     | no     | may not| may not      | may not
remove a member               | no     | no     | no     | may not| ok           | ok
remove an administrator       | no     | no     | no     | may not| ok           | ok
remove a manager who entered  | no     | no     | no     | may not| may not      | may not
appoint nobody                | no     | no     | no     | may not| no           | no
appoint a member              | no     | no     | no     | may not| ok           | ok
appoint an administrator      | no     | no     | no     | may not| inside       | inside
appoint a manager who entered | no     | no     | no     | may not| inside       | inside
look up, with no directory    | may not| may not| may not| may not| may not      | may not
look up, visitor              | may not| may not| may not| may not| may not      | may not
look up, member or manager    | ok     | ok     | ok     | ok     | ok           | ok
read without an account, public | ok   | ok     | ok     | ok     | ok           | ok
read without an account, else | no     | no     | no     | no     | no           | no
revoke a connector            | no     | no     | no     | may not| ok           | ok
revoke no connector           | no     | no     | no     | may not| no           | no
"""
CODES = {
    "ok": None,
    "no": "not_found",
    "may not": "not_allowed",
    "stale": "stale_destination",
    "inside": "already_inside",
    "join": "may_join",
}


class Setting(msgspec.Struct, frozen=True):
    """One sphere and one asker, as the facts have them."""

    relation: str
    role: MemberRole
    sphere: Sphere

    @property
    def member(self) -> Member:
        return Member(id=ME, organisation=HERE, name="Me", role=self.role)

    @property
    def standing(self) -> Standing | None:
        if self.relation == "nowhere":
            return None
        return Standing(
            member=self.member,
            sphere=self.sphere,
            stay=_stay(ME, self.relation) if self.relation in COLUMNS[3:] else None,
            invited=self.relation == "invited",
        )

    @property
    def is_hidden(self) -> bool:
        return not self.sphere.listed

    @property
    def is_closed(self) -> bool:
        return self.sphere.listed and self.sphere.audience is Audience.CLOSED

    @property
    def is_shown(self) -> bool:
        return self.sphere.listed and self.sphere.audience is not Audience.CLOSED


def _stay(member: str, relation: str) -> Stay:
    return Stay(
        member=member,
        role=SphereRole.MEMBER if relation == "member" else SphereRole.ADMINISTRATOR,
        entered=relation == "entered",
        horizon=3,
    )


def _settings(relation: str) -> Iterator[Setting]:
    for role, audience, history, listed in product(EVERYONE, Audience, History, (True, False)):
        sphere = Sphere(
            id="s" * 26,
            organisation=HERE,
            name="Design team",
            audience=audience,
            history=history,
            listed=listed,
            revision=SHOWN,
            head=9,
        )
        yield Setting(relation, role, sphere)


Operation = Callable[[Setting], object]


def _remove(target: Stay | None) -> Operation:
    return lambda one: permission.check_remove(one.standing, target)


def _appoint(target: Stay | None) -> Operation:
    return lambda one: permission.check_appoint(one.standing, target)


def _join(one: Setting) -> None:
    permission.check_join(one.standing)


def _ask(one: Setting) -> None:
    permission.check_ask(one.standing)


def _step_down(*others: Stay) -> Operation:
    def act(one: Setting) -> object:
        mine = one.standing.stay if one.standing else None
        everyone = [stay for stay in (mine, *others) if stay is not None]
        return permission.check_step_down(one.standing, everyone)

    return act


def _enter(one: Setting) -> None:
    permission.check_enter(one.member, one.standing)


def _read(one: Setting) -> None:
    permission.check_public(one.sphere)


def _look_up(one: Setting) -> None:
    permission.check_directory(one.member, kept=True)


#: Each row's operation, and to which settings the row speaks.
ROWS: dict[str, tuple[Operation, Callable[[Setting], bool]]] = {
    "be inside": (lambda one: permission.check_inside(one.standing), lambda _: True),
    "administer": (lambda one: permission.check_administrator(one.standing), lambda _: True),
    "post, as shown": (lambda one: permission.check_post(one.standing, SHOWN), lambda _: True),
    "post, stale": (lambda one: permission.check_post(one.standing, STALE), lambda _: True),
    "converse, as shown": (
        lambda one: permission.check_converse(one.standing, SHOWN, inside=True),
        lambda _: True,
    ),
    "converse, stale": (
        lambda one: permission.check_converse(one.standing, STALE, inside=False),
        lambda _: True,
    ),
    "converse with an outsider": (
        lambda one: permission.check_converse(one.standing, SHOWN, inside=False),
        lambda _: True,
    ),
    "configure, as shown": (
        lambda one: permission.check_configure(one.standing, SHOWN),
        lambda _: True,
    ),
    "configure, stale": (
        lambda one: permission.check_configure(one.standing, STALE),
        lambda _: True,
    ),
    "decline": (
        lambda one: permission.check_decline(one.standing, asked=False),
        lambda _: True,
    ),
    "withdraw what I asked for": (
        lambda one: permission.check_decline(one.standing, asked=True),
        lambda _: True,
    ),
    "join, hidden": (_join, lambda one: one.is_hidden),
    "join, closed": (_join, lambda one: one.is_closed),
    "join, shown, visitor": (_join, lambda one: one.is_shown and one.role is VISITOR),
    "join, shown, member": (_join, lambda one: one.is_shown and one.role is MEMBER),
    "join, shown, manager": (_join, lambda one: one.is_shown and one.role is MANAGER),
    "ask at all, visitor": (
        lambda one: permission.check_may_ask(one.member),
        lambda one: one.role is VISITOR,
    ),
    "ask at all, member or manager": (
        lambda one: permission.check_may_ask(one.member),
        lambda one: one.role is not VISITOR,
    ),
    "ask, hidden": (_ask, lambda one: one.is_hidden),
    "ask, closed, visitor": (_ask, lambda one: one.is_closed and one.role is VISITOR),
    "ask, closed, member": (_ask, lambda one: one.is_closed and one.role is MEMBER),
    "ask, closed, manager": (_ask, lambda one: one.is_closed and one.role is MANAGER),
    "ask, shown": (_ask, lambda one: one.is_shown and one.role is not VISITOR),
    "step down, others administer": (
        _step_down(_stay(OTHER, "administrator")),
        lambda _: True,
    ),
    "step down, the last one": (_step_down(_stay(OTHER, "member")), lambda _: True),
    "step down before a manager": (_step_down(_stay(OTHER, "entered")), lambda _: True),
    "enter, visitor": (_enter, lambda one: one.role is VISITOR),
    "enter, member": (_enter, lambda one: one.role is MEMBER),
    "enter, manager": (_enter, lambda one: one.role is MANAGER),
    "remove nobody": (_remove(None), lambda _: True),
    "remove myself": (_remove(_stay(ME, "administrator")), lambda _: True),
    "remove a member": (_remove(_stay(OTHER, "member")), lambda _: True),
    "remove an administrator": (_remove(_stay(OTHER, "administrator")), lambda _: True),
    "remove a manager who entered": (_remove(_stay(OTHER, "entered")), lambda _: True),
    "appoint nobody": (_appoint(None), lambda _: True),
    "appoint a member": (_appoint(_stay(OTHER, "member")), lambda _: True),
    "appoint an administrator": (_appoint(_stay(OTHER, "administrator")), lambda _: True),
    "appoint a manager who entered": (_appoint(_stay(OTHER, "entered")), lambda _: True),
    "look up, with no directory": (
        lambda one: permission.check_directory(one.member, kept=False),
        lambda _: True,
    ),
    "look up, visitor": (_look_up, lambda one: one.role is VISITOR),
    "look up, member or manager": (_look_up, lambda one: one.role is not VISITOR),
    "read without an account, public": (_read, lambda one: one.sphere.audience is Audience.PUBLIC),
    "read without an account, else": (
        _read,
        lambda one: one.sphere.audience is not Audience.PUBLIC,
    ),
    "revoke a connector": (
        lambda one: permission.check_connector(one.standing, exists=True),
        lambda _: True,
    ),
    "revoke no connector": (
        lambda one: permission.check_connector(one.standing, exists=False),
        lambda _: True,
    ),
}


def _cells() -> Iterator[tuple[str, str, str | None]]:
    for line in TABLE.strip().splitlines()[1:]:
        operation, *answers = (part.strip() for part in line.split("|"))
        assert len(answers) == len(COLUMNS), operation
        for relation, answer in zip(COLUMNS, answers, strict=True):
            yield operation, relation, CODES[answer]


def _answer(operation: Operation, one: Setting) -> errors.Refusal | None:
    try:
        operation(one)
    except errors.Refusal as refusal:
        return refusal
    return None


@pytest.mark.parametrize(("operation", "relation", "code"), list(_cells()))
def test_the_matrix(operation: str, relation: str, code: str | None) -> None:
    check, speaks_to = ROWS[operation]
    chosen = [one for one in _settings(relation) if speaks_to(one)]

    answers = [_answer(check, one) for one in chosen]

    assert {answer.code if answer else None for answer in answers} == {code}


@pytest.mark.parametrize("audience", Audience)
def test_neither_a_thread_nor_nothing_is_ever_read_without_an_account(audience: Audience) -> None:
    one = next(_settings("member"))
    thread = msgspec.structs.replace(one.sphere, audience=audience, parent="p" * 26)

    refusals = [
        _answer(lambda _: permission.check_public(thread), one),
        _answer(lambda _: permission.check_public(None), one),
    ]

    assert [type(refusal) for refusal in refusals] == [errors.NotFound] * 2


def test_every_row_has_its_operation_and_every_check_is_tried() -> None:
    checks = {name for name, _ in inspect.getmembers(permission) if name.startswith("check_")}
    here = Path(__file__).read_text("utf-8")

    assert {operation for operation, _, _ in _cells()} == set(ROWS)
    assert {name for name in checks if f"permission.{name}(" not in here} == set()


def test_to_an_outsider_every_not_found_is_the_same_refusal() -> None:
    answers = [
        _answer(check, one)
        for relation in ("nowhere", "outside", "invited")
        for one in _settings(relation)
        for check, speaks_to in ROWS.values()
        if speaks_to(one)
    ]
    refused = [one for one in answers if one is not None and one.code == "not_found"]

    seen = {(type(one), one.message, one.retry_after_ms, one.destination) for one in refused}

    assert seen == {(errors.NotFound, errors.NotFound.text(), None, None)}


def test_a_stale_destination_comes_with_the_present_one() -> None:
    for one in _settings("member"):
        refusal = _answer(ROWS["post, stale"][0], one)

        assert refusal is not None
        assert refusal.destination == permission.destination(one.sphere)
        assert msgspec.structs.asdict(refusal.destination) == {
            "sphere": one.sphere.id,
            "name": "Design team",
            "audience": one.sphere.audience,
            "history": one.sphere.history,
            "revision": SHOWN,
        }


def test_a_thread_goes_by_the_revision_of_its_sphere_and_a_stale_one_shows_that_sphere() -> None:
    one = next(one for one in _settings("member") if one.sphere.audience is Audience.PUBLIC)
    standing = one.standing
    assert standing is not None
    thread = msgspec.structs.replace(
        one.sphere, id="t" * 26, audience=Audience.CLOSED, revision=STALE, parent=one.sphere.id
    )
    private = msgspec.structs.replace(standing, sphere=thread, home=one.sphere)

    refusal = _answer(lambda _: permission.check_post(private, STALE), one)

    assert permission.check_post(private, SHOWN).member == ME
    assert refusal is not None
    assert refusal.destination == permission.destination(one.sphere)


@pytest.mark.parametrize(
    ("others", "code"),
    [
        ([OTHER], None),
        ([OTHER, "q" * 26], None),
        ([ME], "invalid_field"),
        ([OTHER, ME], "invalid_field"),
        ([OTHER, OTHER], "invalid_field"),
    ],
)
def test_one_converses_with_others_each_named_once(others: list[str], code: str | None) -> None:
    one = next(_settings("member"))

    refusal = _answer(lambda _: permission.check_others(ME, others), one)

    assert (refusal.code if refusal else None) == code


@pytest.mark.parametrize("revision", [0, SHOWN - 1, SHOWN + 1, 10**9])
def test_no_revision_but_the_present_one_will_do(revision: int) -> None:
    one = next(_settings("member"))

    refusal = _answer(lambda it: permission.check_destination(it.sphere, revision), one)

    assert isinstance(refusal, errors.StaleDestination)


def test_a_check_returns_whose_stay_it_proved() -> None:
    one = next(_settings("administrator"))
    target = _stay(OTHER, "member")

    assert permission.check_inside(one.standing).member == ME
    assert permission.check_administrator(one.standing).member == ME
    assert permission.check_post(one.standing, SHOWN).member == ME
    assert permission.check_configure(one.standing, SHOWN).member == ME
    assert permission.check_remove(one.standing, target) is target
    assert permission.check_appoint(one.standing, target) is target


@pytest.mark.parametrize(
    ("role", "code"), [(VISITOR, "not_allowed"), (MEMBER, None), (MANAGER, None)]
)
def test_visitors_found_no_spheres(role: MemberRole, code: str | None) -> None:
    one = Setting("nowhere", role, next(_settings("nowhere")).sphere)

    refusal = _answer(lambda it: permission.check_create(it.member), one)

    assert (refusal.code if refusal else None) == code


@pytest.mark.parametrize(
    ("role", "code"), [(VISITOR, "not_allowed"), (MEMBER, "not_allowed"), (MANAGER, None)]
)
def test_managers_alone_do_what_is_a_managers(role: MemberRole, code: str | None) -> None:
    one = Setting("nowhere", role, next(_settings("nowhere")).sphere)

    refusal = _answer(lambda it: permission.check_manager(it.member), one)

    assert (refusal.code if refusal else None) == code


def test_a_sphere_shows_itself_when_it_is_listed_and_may_be_joined_unless_it_is_closed() -> None:
    for one in _settings("outside"):
        shows, own = one.sphere.listed, one.role.value in {"member", "manager"}
        is_open = one.sphere.audience.value in {"open", "public"}

        assert permission.is_discoverable(one.sphere) is shows
        assert permission.takes_requests(one.sphere) is (shows and not is_open)
        assert permission.may_discover(one.member, one.sphere) is (shows and own)
        assert permission.may_join(one.member, one.sphere) is (shows and own and is_open)


def test_a_sphere_of_another_organisation_is_never_discovered() -> None:
    for one in _settings("outside"):
        foreign = msgspec.structs.replace(one.sphere, organisation=ELSEWHERE)

        assert not permission.may_discover(one.member, foreign)
        assert not permission.may_join(one.member, foreign)
