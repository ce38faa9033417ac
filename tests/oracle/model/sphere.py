"""Sphere: a timeline, who is inside since when, and what each of them may see of it.

Promises 1, 5, 6 and 13, as they are written: a stay begins with an event, its horizon; above it one
sees everything, below it only what was written while history was visible, and a manager who entered
nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.model.people import Frame, Member, Organisation
from tests.oracle.unknown import Unordered


@dataclass(eq=False)
class Event:
    """What happened at a place of a timeline."""

    seq: int
    at: Any
    type: str
    fields: Frame
    author: Any = None  #: the member (or bot) whose departure erases it
    newcomers: bool = False  #: written while history was visible: those who come later see it
    readers: bool = False  #: written while the sphere was public
    about: tuple[Event, ...] = ()  #: earlier events: who may see none of them hears nothing of it
    answers: Event | None = None  #: the message that it refers to
    hangs: Event | None = None  #: the message that it is an edit of, or a reaction to
    message: bool = False  #: a person's words
    alias: Any = None  #: who it is by, once kept as «a former member»
    erased: bool = False
    #: Readers may have been told to forget it, with all else of its author, until they read anew.
    unread: bool = False
    deleted: bool = False  #: by its author, whose place it stays
    record: Frame | None = None  #: what the journal says of it
    digest: Any = None  #: of its record


@dataclass(eq=False)
class Admission:
    """An invitation as a token: of a guest, to a sphere; or of a member, to the organisation."""

    token: Any
    organisation: Organisation
    sphere: Sphere | None
    address: str
    by: Member
    role: str = "visitor"
    id: Any = None
    void: bool = False


@dataclass(eq=False)
class Stay:
    """Somebody's presence, from an arrival on."""

    member: Member
    role: str
    entered: bool
    horizon: int
    sent: dict[str, Event] = field(default_factory=dict)  #: by client_id
    overrides: dict[str, str | None] = field(default_factory=dict)  #: of the profile
    private: str = "usual"  #: whether they are there for new private threads here
    read: int = 0  #: how far they said that they read
    show_read: bool = False  #: to the others
    default: Any = None  #: the thread where their messages go first


@dataclass(eq=False)
class Connector:
    """A bot's credential."""

    id: Any
    token: Any
    name: str
    installed_by: Member
    sent: set[str] = field(default_factory=set)
    dead: bool = False

    def view(self) -> Frame:
        """Return what members see of it."""
        return {"connector": self.id, "name": self.name, "installed_by": self.installed_by.id}


@dataclass(eq=False)
class Sphere:
    """A watertight group, with its timeline."""

    id: Any
    organisation: Organisation
    name: str
    audience: str = "closed"
    history: str = "hidden"
    listed: bool = False
    revision: int = 1
    dissolved: bool = False
    shut: int = 0  #: how often it stopped being public
    #: What readers know a message (by its seq) or an author (by what members know) by.
    public_ids: dict[Any, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    stays: dict[Member, Stay] = field(default_factory=dict)
    invited: dict[Member, Member] = field(default_factory=dict)  #: guest: who invited them
    requests: dict[Member, Any] = field(default_factory=dict)  #: who asks to be let in, since when
    bequests: dict[Member, str] = field(default_factory=dict)
    left_as: dict[Member, str] = field(default_factory=dict)  #: the name that somebody left under
    connectors: list[Connector] = field(default_factory=list)

    def __repr__(self) -> str:
        """Show the name."""
        return f"«{self.name}»"

    @property
    def head(self) -> int:
        """Return the seq of the last event."""
        return len(self.events)

    @property
    def shows_itself(self) -> bool:
        """Say whether outsiders may learn that it exists."""
        return self.listed

    @property
    def is_open(self) -> bool:
        """Say whether whoever learns that it exists may join."""
        return self.shows_itself and self.audience != "closed"

    def destination(self) -> Frame:
        """Return where a post goes, as the sender must be shown it."""
        return {
            "sphere": self.id,
            "name": self.name,
            "audience": self.audience,
            "history": self.history,
            "revision": self.revision,
        }

    def view(self, stay: Stay) -> Frame:
        """Return the sphere as somebody inside sees it."""
        return self.destination() | {
            "listed": self.listed,
            "role": stay.role,
            "entered": stay.entered,
            "horizon": stay.horizon,
            "head": self.head,
            "read": stay.read,
            **({} if stay.private == "usual" else {"private": stay.private}),
            **({"show_read": True} if stay.show_read else {}),
            **({} if stay.default is None else {"default_thread": stay.default.id}),
        }

    @property
    def place(self) -> Frame:
        """Return how events, notices and commands name this timeline."""
        return {"sphere": self.id}

    def reads(self, stay: Stay) -> list[Frame]:
        """Return how far those read who let a member see it."""
        return [
            {"member": member.id, "up_to": other.read}
            for member, other in self.stays.items()
            if self.home_stay(member).show_read and member.visible and other.read >= stay.horizon
        ]

    def home_stay(self, member: Member) -> Stay:
        """Return the stay of which a member's wishes are."""
        return self.stays[member]

    def member_view(self, stay: Stay) -> Frame:
        """Return somebody inside, as the others see them."""
        return {
            "member": stay.member.id,
            "name": stay.member.name,
            "role": stay.role,
            "entered": stay.entered,
        }

    def by(self, author: object) -> Iterator[Event]:
        """Go through what somebody wrote and is still there."""
        return (event for event in self.events if event.author is author and not event.erased)

    def traces(self, author: object) -> Iterator[Event]:
        """Go through the same, and the places of what they deleted themselves."""
        return (
            event
            for event in self.events
            if event.author is author and (event.deleted or not event.erased)
        )

    def hanging(self, message: Event) -> list[Event]:
        """Return the edits of a message, and the reactions to it."""
        return [event for event in self.events if event.hangs is message and not event.erased]

    def written(self, seq: int) -> Event | None:
        """Return the message at a place, of a person or of a bot, that is there."""
        for event in self.events[seq - 1 : seq] if seq > 0 else ():
            if event.type in MESSAGES and not event.erased:
                return event
        return None

    def former(self, stay: Stay) -> list[Frame]:
        """Return who left words under their name that this member may see."""
        return [
            {"member": member.id, "name": self.left_as.get(member, member.name)}
            for member, form in self.bequests.items()
            if form == "named"
            and member not in self.stays
            and any(
                event.message and event.alias is None and may_see(stay, event)
                for event in self.by(member)
            )
        ]


@dataclass(eq=False, repr=False)
class Thread(Sphere):
    """A private conversation inside a sphere: a timeline like another, seen from 1 on."""

    home: Sphere = field(kw_only=True)
    began: tuple[Member, ...] = field(kw_only=True)  #: whoever asked first

    @property
    def place(self) -> Frame:
        """Return how events, notices and commands name this timeline."""
        return {"sphere": self.home.id, "thread": self.id}

    def home_stay(self, member: Member) -> Stay:
        """Return the stay in the sphere."""
        return self.home.stays[member]

    def thread_view(self, stay: Stay | None = None) -> Frame:
        """Return the thread as whoever takes part sees it."""
        return {
            **self.place,
            "members": Unordered(one.id for one in self.stays),
            "started_by": self.began[0].id,
            "head": self.head,
            "read": 0 if stay is None else stay.read,
        }

    def former(self, stay: Stay) -> list[Frame]:
        """Return who is in the sphere no more, and left words here under their name."""
        return [
            {"member": member.id, "name": self.home.left_as.get(member, member.name)}
            for member, form in self.home.bequests.items()
            if form == "named"
            and member not in self.home.stays
            and any(event.message and event.alias is None for event in self.by(member))
        ]


#: What people and bots say.
MESSAGES = ("message_posted", "private_posted", "connector_posted")


def erase(sphere: Sphere, events: Iterable[Event]) -> None:
    """Leave of events their places alone, and nothing of what hangs on them."""
    for event in events:
        if event.message:
            erase(sphere, sphere.hanging(event))
        event.erased, event.deleted = True, False


def may_see(stay: Stay, event: Event) -> bool:
    """Say whether a member may see what stands at a place."""
    return event.seq >= stay.horizon or (event.newcomers and not stay.entered)


def may_hear_of(stay: Stay, about: Iterable[Event]) -> bool:
    """Say whether to tell a member of an event about earlier ones."""
    earlier = tuple(about)
    return not earlier or any(may_see(stay, event) for event in earlier)


def shown(sphere: Sphere, stay: Stay, event: Event) -> Frame | None:
    """Return what a member sees at a place: the event, `erased`, or nothing."""
    if not may_see(stay, event):
        return None
    place = {**sphere.place, "seq": event.seq, "at": event.at}
    if event.erased or not may_hear_of(stay, event.about):
        return {"type": "erased", **place}
    said = dict(event.fields)
    if event.answers is not None and not may_see(stay, event.answers):
        del said["reply_to"]
    return {"type": event.type, **place, **said}


def purges(sphere: Sphere, stay: Stay, after: int) -> list[Frame]:
    """Return what somebody who holds the timeline up to ``after`` must forget.

    It is what the events since then, which they were not there to hear, told to forget.
    """
    told = []
    for event in sphere.events[after:]:
        if event.seq < stay.horizon or not may_hear_of(stay, event.about):
            continue
        if event.type == "bequest_withdrawn":
            told.append({"author": event.fields["author"], "before": event.fields["before"]})
        elif event.type in {"member_left", "manager_left"} and event.fields["kept"] != "named":
            told.append({"author": event.fields["member"], "before": event.seq})
        elif event.type == "message_deleted" and event.about[0].deleted:
            message = event.about[0].seq
            told.append({"author": event.about[0].fields["author"], "before": message + 1,
                         "message": message})  # fmt: skip
    return told


#: Of which events the journal has a record, and what it says beside their place.
RECORDED = {
    "member_joined": ("member", "role"),
    "member_left": ("member", "how"),
    "manager_left": ("member", "how"),
    "manager_entered": ("member", "name"),
    "sphere_changed": ("by", "audience", "history", "listed", "revision"),
    "administrator_appointed": ("member", "by"),
    "administrator_stepped_down": ("member",),
    "connector_installed": ("connector", "by"),
    "connector_revoked": ("connector", "by"),
}


def recorded(event: Event) -> Frame:
    """Return what the journal says of an event: ids, and no name but that of who entered."""
    said = event.fields
    if event.type in {"member_joined", "manager_entered"}:
        said = said["member"]
    elif event.type == "connector_installed":
        said = {**said["connector"], "by": said["connector"]["installed_by"]}
    return {name: said[name] for name in RECORDED[event.type]}
