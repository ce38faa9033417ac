"""People: organisations, members, their sessions and connections, as the model knows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Frame = dict[str, Any]


@dataclass(eq=False)
class Organisation:
    """A tenant."""

    id: str
    handle: str
    directory: bool = False
    #: What it demands, where it was changed: the rest is learnt from the first answer.
    policies: Frame = field(default_factory=dict)


@dataclass(eq=False)
class Member:
    """Somebody in one organisation."""

    id: str
    organisation: Organisation
    name: str
    role: str
    address: str
    disabled: bool = False
    renamed_at: int = 0
    password: str = ""  #: of who came by an invitation: the others cannot sign in by one
    #: Whether all their sessions were ended at a stroke, those that nobody used yet too.
    cut_off: bool = False
    visible: bool = True  #: whether others may see that they are there
    private: str = "accept"  #: whether they are there for new private threads
    #: What they say of themselves: {field: (value, visibility)}.
    fields: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Show the name."""
        return self.name


@dataclass(eq=False)
class Session:
    """A device that somebody is signed in with."""

    key: int
    member: Member
    token: str
    id: Any  #: unknown, until `sessions` names it
    began_at: Any
    over: bool = False


@dataclass
class Told:
    """A frame that a connection must receive."""

    lane: Any  #: frames of one lane come in order: the sphere's id
    frame: Frame


@dataclass(eq=False)
class Connection:
    """An open socket of a session, greeted."""

    key: int
    session: Session
    hears: set[Any] = field(default_factory=set)  #: timelines
    heard: set[Any] = field(default_factory=set)  #: timelines, since the last comparison
    told: list[Told] = field(default_factory=list)  #: since the last comparison
    replies: dict[int, Frame] = field(default_factory=dict)  #: idem, those in no lane
    closed: int | None = None  #: the close code that the client must see

    @property
    def member(self) -> Member:
        """Return whose it is."""
        return self.session.member

    def __repr__(self) -> str:
        """Show whose it is."""
        return f"{self.member.name}/{self.key}"
