"""The hall: the hub's own wall between a public sphere and its readers."""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args

import msgspec
import pytest

from server import errors
from server.channels.hall import Hall
from server.channels.outcome import Publication
from server.channels.publicity import Opening
from server.domain.facts import Member
from server.domain.visibility import Stamp
from server.protocol import events
from server.protocol.close import Close
from server.protocol.codec import JSON, MSGPACK, Encoding
from server.protocol.events import (
    BequestWithdrawn,
    ConnectorPosted,
    Erased,
    MemberRenamed,
    MessageDeleted,
    MessageEdited,
    SphereChanged,
    TimelineEvent,
)
from server.protocol.framing import Parcel
from server.protocol.scalars import Audience, Bequest, History
from storage.timeline import Entry
from tests.channels.listeners import (
    ANA,
    BOB,
    CAROL,
    OTHER_SPHERE,
    SPHERE,
    Ear,
    Node,
    departure,
    entry,
    joined,
    left,
    posted,
    said,
    unframed,
)

OPENING = Opening(name="Design team", names={who.id: who.name for who in (ANA, BOB)})


class Eye:
    """A reader's connection as the hall sees it."""

    def __init__(self, encoding: Encoding = JSON) -> None:
        self.encoding = encoding
        self.blobs: list[bytes] = []
        self.closes: list[Close] = []

    def send(self, parcel: Parcel) -> None:
        """Take a parcel."""
        assert not self.closes, "nothing is handed to a reader who was sent away"
        self.blobs.append(parcel.blob)

    def end(self, close: Close) -> None:
        """Remember why."""
        self.closes.append(close)

    @property
    def frames(self) -> list[dict[str, Any]]:
        """Return every frame that was handed over, in order."""
        decode = msgspec.json.decode if self.encoding.name == "json" else msgspec.msgpack.decode
        return [decode(payload) for blob in self.blobs for payload in unframed(blob)]

    @property
    def heard(self) -> list[str]:
        """Return what was said."""
        return [frame.get("body", frame["type"]) for frame in self.frames]


def public(one: Entry, stamp: int = Stamp.READERS) -> Entry:
    """Return an event as it is written in a public sphere."""
    return msgspec.structs.replace(one, stamp=int(stamp))


def read(node: Node, *eyes: Eye, sphere: str = SPHERE) -> None:
    """Let these read."""
    for eye in eyes:
        with node.hub.halls.visiting(sphere) as visit:
            node.hub.halls.admit(visit, eye, OPENING)


def changed(seq: int, audience: Audience, *, name: str = "Design team") -> Entry:
    """Return a change of the sphere's settings."""
    event = SphereChanged(
        sphere=SPHERE,
        seq=seq,
        at=1,
        by=ANA.id,
        name=name,
        audience=audience,
        history=History.HIDDEN,
        listed=False,
        revision=2,
    )
    stamp = Stamp.READERS if audience is Audience.PUBLIC else Stamp.NONE
    return public(entry(event), stamp)


def renamed(seq: int, who: Member, name: str) -> Entry:
    """Return the news of a name."""
    return public(entry(MemberRenamed(sphere=SPHERE, seq=seq, at=1, member=who.id, name=name)))


@pytest.mark.parametrize("stamp", [Stamp.NONE, Stamp.NEWCOMERS])
def test_without_the_stamp_of_readers_nothing_is_handed_on(stamp: Stamp) -> None:
    node, eye = Node(), Eye()
    read(node, eye)

    node.publish(said(public(posted(1, body="hidden"), stamp), public(posted(2, body="shown"))))

    assert eye.heard == ["shown"]


def test_of_every_kind_of_event_readers_are_told_what_stands_in_the_table_and_no_more() -> None:
    told = {kind.__name__ for kind in Hall._TOLD}

    assert told == {
        *("MessagePosted", "ConnectorPosted", "MessageEdited", "MessageDeleted"),
        *("MemberLeft", "ManagerLeft"),
        *("BequestWithdrawn", "MemberRenamed", "SphereChanged"),
    }
    assert told <= {kind.__name__ for kind in get_args(events.AnyTimelineEvent)}


def test_what_was_said_in_the_turn_of_the_narrowing_is_dropped() -> None:
    node, eye = Node(), Eye()
    read(node, eye)

    node.hub.deliver(said(public(posted(1, body="before"))))
    node.hub.deliver(said(changed(2, Audience.OPEN)))
    closed_at_once = list(eye.closes)
    node.publish(said(public(posted(3, body="after"))))

    assert closed_at_once == [Close.NOT_PUBLIC]
    assert eye.heard == []
    assert not node.hub.halls


def test_a_stamp_of_readers_does_not_open_a_hall_that_is_shut() -> None:
    hall = Hall(Node().hub.halls.veil.over(SPHERE))
    eye = Eye()
    hall.readers[eye] = None

    hall.hear(public(posted(1)))
    hall.flush()

    assert eye.heard == []


def test_a_hall_hears_its_own_sphere_alone() -> None:
    node, eye, other = Node(), Eye(), Eye()
    read(node, eye)
    read(node, other, sphere=OTHER_SPHERE)

    node.publish(said(public(posted(1, body="here"))))
    node.publish(said(public(posted(1, body="there", sphere=OTHER_SPHERE))))

    assert (eye.heard, other.heard) == (["here"], ["there"])


def test_a_thread_of_the_sphere_is_never_heard() -> None:
    node, eye = Node(), Eye()
    read(node, eye)
    event = msgspec.structs.replace(posted(1).event, thread="t" * 26)

    node.publish(said(public(entry(event))))

    assert eye.heard == []


def test_each_event_is_encoded_once_an_encoding_however_many_read() -> None:
    times: Counter[str] = Counter()

    class Counting(Encoding):
        def encode(self, message: Any) -> bytes:
            times[self.name] += 1
            return super().encode(message)

    node = Node()
    kinds = [Counting(one.name, one.opcode, getattr(msgspec, one.name)) for one in (JSON, MSGPACK)]
    eyes = [Eye(kind) for kind in kinds for _ in range(5)]
    read(node, *eyes)

    node.publish(said(*(public(posted(seq, body=f"{seq}")) for seq in (1, 2, 3))))

    assert times == {"json": 3, "msgpack": 3}
    assert {tuple(eye.heard) for eye in eyes} == {("1", "2", "3")}
    assert {len(eye.blobs) for eye in eyes} == {1}


def test_a_long_turn_is_handed_on_in_parts() -> None:
    node, eye = Node(), Eye()
    read(node, eye)

    for seq in range(1, 8):
        node.hub.deliver(said(public(posted(seq, body="x" * 16_000))))

    assert len(eye.frames) == 5
    node.turns.take()
    assert len(eye.frames) == 7


def test_members_are_handed_the_same_bytes_whoever_reads() -> None:
    alone, watched = Node(), Node()
    ears = [node.listen(Ear(ANA)) for node in (alone, watched)]
    read(watched, Eye(), Eye(MSGPACK))

    for node in (alone, watched):
        node.publish(said(public(posted(1)), public(joined(2, CAROL)), changed(3, Audience.OPEN)))

    assert ears[0].blobs == ears[1].blobs


def test_members_are_handed_what_was_said_before_readers_are() -> None:
    node, order = Node(), list[str]()

    class Last(Eye):
        def send(self, parcel: Parcel) -> None:
            order.append(f"reader after {len(ear.blobs)}")

    eye = Last()
    ear = node.listen(Ear(ANA))
    read(node, eye)

    node.publish(said(public(posted(1))))

    assert order == ["reader after 1"]


def test_who_comes_in_the_middle_of_a_turn_hears_what_follows_alone() -> None:
    node, first, second = Node(), Eye(), Eye()
    read(node, first)

    node.hub.deliver(said(public(posted(1, body="one"))))
    read(node, second)
    node.publish(said(public(posted(2, body="two"))))

    assert first.heard == ["one", "two"]
    assert second.heard == ["two"]


def edited(seq: int, message: int, stamp: int = Stamp.READERS) -> Entry:
    """Return other words for a message: an edit goes to whom its message went."""
    event = MessageEdited(
        sphere=SPHERE, seq=seq, at=9, author=ANA.id, message=message, body="other words"
    )
    return public(entry(event), stamp)


def deleted(seq: int, message: int, stamp: int = Stamp.READERS) -> Entry:
    """Return the news that a message is gone."""
    return public(entry(MessageDeleted(sphere=SPHERE, seq=seq, at=9, message=message)), stamp)


def test_other_words_and_the_end_of_a_message_come_under_its_id() -> None:
    node, eye = Node(), Eye()
    read(node, eye)

    node.publish(said(public(posted(1)), edited(2, 1), deleted(3, 1)))

    message = eye.frames[0]["message"]
    assert eye.frames[1:] == [
        {"type": "message_changed", "message": message, "body": "other words", "edited_at": 9},
        {"type": "forgotten", "message": message},
    ]


@pytest.mark.parametrize("stamp", [Stamp.NONE, Stamp.NEWCOMERS])
def test_of_a_message_that_is_not_theirs_readers_hear_neither_edit_nor_end(stamp: Stamp) -> None:
    node, eye = Node(), Eye()
    read(node, eye)

    node.publish(said(edited(2, 1, stamp), deleted(3, 1, stamp)))

    assert eye.frames == []


# -- of authors, what is shown of them


def test_a_message_bears_the_name_that_its_author_has_by_then() -> None:
    node, eye = Node(), Eye()
    read(node, eye)

    node.publish(said(public(joined(1, CAROL)), public(posted(2, author=CAROL))))
    node.publish(said(renamed(3, CAROL, "Caroline"), public(posted(4, author=CAROL))))

    assert [frame["name"] for frame in eye.frames] == ["Carol", "Caroline", "Caroline"]
    assert [frame["type"] for frame in eye.frames] == ["message", "author_renamed", "message"]


def test_who_was_not_shown_is_neither_renamed_nor_forgotten() -> None:
    node, eye = Node(), Eye()
    read(node, eye)
    withdrawn = BequestWithdrawn(sphere=SPHERE, seq=3, at=1, author=CAROL.id, before=2)

    node.publish(said(renamed(1, BOB, "Robert"), public(left(2, BOB)), public(entry(withdrawn))))

    assert eye.frames == []


def test_who_was_shown_in_a_page_is_forgotten_once() -> None:
    node, eye = Node(), Eye()
    read(node, eye)
    hall = node.hub.halls._halls[SPHERE]
    hall.saw([BOB.id])

    node.publish(said(public(left(1, BOB)), public(joined(2, BOB)), public(left(3, BOB))))

    assert [frame["type"] for frame in eye.frames] == ["forgotten"]


def test_a_named_bequest_is_not_news() -> None:
    node, eye = Node(), Eye()
    read(node, eye)
    gone = msgspec.structs.replace(left(2, ANA).event, kept=Bequest.NAMED)

    node.publish(said(public(posted(1)), public(entry(gone))))

    assert eye.heard == ["hello"]


def test_a_change_that_leaves_name_and_audience_is_not_news() -> None:
    node, eye = Node(), Eye()
    read(node, eye)

    node.publish(said(changed(1, Audience.PUBLIC), changed(2, Audience.PUBLIC, name="New")))
    node.publish(said(changed(3, Audience.PUBLIC, name="New")))

    assert eye.frames == [{"type": "sphere_renamed", "name": "New"}]


def test_what_is_told_holds_no_id_of_the_inside() -> None:
    node, eye = Node(), Eye()
    read(node, eye)
    brought: TimelineEvent = ConnectorPosted(
        sphere=SPHERE, seq=2, at=1, connector="c" * 26, name="Builds", installed_by=ANA.id, body="x"
    )
    place = Erased(sphere=SPHERE, seq=4, at=1)

    node.publish(said(public(posted(1)), public(entry(brought)), public(entry(place))))
    node.publish(said(renamed(5, ANA, "Anabel"), public(left(6, ANA))))

    assert len(eye.frames) == 4
    text = str(eye.frames)
    assert not [one for one in (SPHERE, ANA.id, "c" * 26, "'seq'") if one in text]


# -- looks at the store under way


def test_a_look_during_which_the_sphere_closes_is_void() -> None:
    node, eye = Node(), Eye()
    read(node, eye)

    with node.hub.halls.visiting(SPHERE) as visit:
        node.publish(said(changed(1, Audience.CLOSED)))

        with pytest.raises(errors.NotFound):
            node.hub.halls.check_visit(visit, eye)
        with pytest.raises(errors.NotFound):
            node.hub.halls.admit(visit, Eye(), OPENING)
    assert not node.hub.halls


@pytest.mark.parametrize(
    "news",
    [
        left(1, BOB),
        joined(1, BOB),
        renamed(1, BOB, "Robert"),
        changed(1, Audience.PUBLIC),
        entry(MessageEdited(sphere=SPHERE, seq=1, at=1, author=BOB.id, message=1, body="x")),
        entry(MessageDeleted(sphere=SPHERE, seq=1, at=1, message=1)),
        entry(BequestWithdrawn(sphere=SPHERE, seq=1, at=1, author=BOB.id, before=1)),
    ],
    ids=lambda one: type(one.event).__name__,
)
def test_a_look_is_taken_again_after_what_changes_or_erases(news: Entry) -> None:
    node = Node()
    read(node, Eye())

    with node.hub.halls.visiting(SPHERE) as visit:
        node.publish(said(public(posted(1))))
        before = visit.outdated
        node.publish(said(public(news)))

        assert (before, visit.outdated) == (False, True)


def test_who_is_not_in_the_hall_is_shown_no_page() -> None:
    node = Node()
    read(node, Eye())

    with node.hub.halls.visiting(SPHERE) as visit, pytest.raises(errors.NotFound):
        node.hub.halls.check_visit(visit, Eye())


def test_the_end_of_a_sphere_shuts_its_hall() -> None:
    node, eye = Node(), Eye()
    read(node, eye)
    ended = msgspec.structs.replace(departure(1, ANA), entries=(), dissolved=(SPHERE,))

    node.publish(ended, Publication(dissolved=(OTHER_SPHERE,)))

    assert eye.closes == [Close.NOT_PUBLIC]
    assert not node.hub.halls


def test_a_hall_without_readers_is_no_more() -> None:
    node, eye = Node(), Eye()
    read(node, eye)

    node.hub.halls.leave(SPHERE, eye)
    node.hub.halls.leave(SPHERE, eye)

    assert not node.hub.halls
