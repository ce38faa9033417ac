"""Follower: what a client holds of a sphere, built as protocol.md tells it to.

Knows nothing of the model: it is the other half of «snapshot plus events equals a fresh snapshot».
Invariant: every seq up to ``last`` was processed once, in order.
"""

from __future__ import annotations

from typing import Any

Frame = dict[str, Any]

#: In the place of what was told to be forgotten, is erased, or bears a name of nobody.
GONE: Frame = {"type": "gone"}


class Follower:
    """One client's state of one sphere."""

    def __init__(self) -> None:
        self.horizon: int | None = None
        self.last: int | None = None
        self.events: dict[int, Frame] = {}
        self.settings: Frame = {}
        self.members: dict[str, Frame] = {}
        self.former: dict[str, str] = {}
        self.connectors: dict[str, Frame] = {}
        self.present: set[str] = set()
        self.reads: dict[str, int] = {}
        self.where: Frame = {}  #: how commands name the timeline
        self._head = 0  #: of the snapshot: what is replayed up to it changes no list
        self._held: dict[int, Frame] = {}
        self._purges: list[tuple[str, int]] = []
        self._deleted: set[int] = set()

    # -- steps 3 to 5: the snapshot

    def start(self, subscribed: Frame) -> None:
        """Take a snapshot: forget first, then replace."""
        if subscribed.get("type") == "listening":
            subscribed = _as_of_sphere(subscribed)
        for purge in subscribed["purges"]:
            if (message := purge.get("message")) is not None:
                self._forget_message(message)
            else:
                self._forget(purge["author"], purge["before"])
        sphere = subscribed["sphere"]
        if self.horizon != sphere["horizon"] or (self.last or 0) > sphere["head"]:
            where = self.where
            self.__init__()  # type: ignore[misc]  # all that is held goes
            self.where = where
        self.horizon, self._head = sphere["horizon"], sphere["head"]
        self.settings = {name: sphere[name] for name in SETTINGS}
        self.members = {one["member"]: dict(one) for one in subscribed["members"]}
        self.former = {one["member"]: one["name"] for one in subscribed["former"]}
        self.connectors = {one["connector"]: one for one in subscribed["connectors"]}
        self.present = set(subscribed.get("present", ()))
        self.reads = {one["member"]: one["up_to"] for one in subscribed["reads"]}
        if self.last is None:
            self.last = self._head

    @property
    def behind(self) -> bool:
        """Say whether history must fill a gap."""
        return self.last is not None and self.last < self._head

    # -- steps 6 to 9

    def take_page(self, page: list[Frame], *, past: bool) -> None:
        """Take a page: of the past, or of the gap."""
        for event in page:
            if self._is_purged(event):
                self.events[event["seq"]] = GONE
            elif past:
                self.events.setdefault(event["seq"], event)
            elif event["seq"] > (self.last or 0):
                self._process(event)
        self._go_on()

    def take(self, event: Frame) -> None:
        """Take a live event."""
        if event["seq"] > (self.last or 0):
            self._held[event["seq"]] = event
        self._go_on()

    def take_signal(self, signal: Frame) -> None:
        """Take what is true for a moment."""
        self.present |= set(signal.get("came", ()))
        self.present -= set(signal.get("went", ()))
        if signal["type"] == "read_shown":
            self.reads.pop(signal["member"], None)
            if signal.get("up_to") is not None:
                self.reads[signal["member"]] = signal["up_to"]

    @property
    def waits(self) -> bool:
        """Say whether something is held back behind a hole."""
        return bool(self._held)

    def _go_on(self) -> None:
        for seq in [one for one in self._held if one <= (self.last or 0)]:
            del self._held[seq]
        while (self.last or 0) + 1 in self._held:
            self._process(self._held.pop((self.last or 0) + 1))

    def _process(self, event: Frame) -> None:
        self.last = event["seq"]
        self.events[event["seq"]] = event
        if event["seq"] > self._head:
            change = CHANGES.get(event["type"])
            if change is not None:
                change(self, event)
        if (revise := REVISIONS.get(event["type"])) is not None:
            revise(self, event)
        elif event["type"] in {"member_left", "manager_left"} and event["kept"] != "named":
            self._forget(event["member"], event["seq"])
        elif event["type"] == "bequest_withdrawn":
            self._forget(event["author"], event["before"])

    def _forget(self, author: str, before: int) -> None:
        self._purges.append((author, before))
        theirs = {
            seq
            for seq, event in self.events.items()
            if seq < before and written_by(event) == author
        }
        for seq, event in self.events.items():
            if seq in theirs or hangs_on(event) in theirs:
                self.events[seq] = GONE

    def _forget_message(self, message: int) -> None:
        """Forget a message with what hangs on it."""
        self._deleted.add(message)
        for seq, event in self.events.items():
            if message in {seq, hangs_on(event)}:
                self.events[seq] = GONE

    def _is_purged(self, event: Frame) -> bool:
        author = written_by(event)
        if {event["seq"], hangs_on(event)} & self._deleted:
            return True
        return any(author == one and event["seq"] < before for one, before in self._purges)

    # -- what becomes of messages

    def edited(self, event: Frame) -> None:
        """Put other words in the place of a message, and forget its former edits."""
        place = event["message"]
        for seq, other in self.events.items():
            if other["type"] in EDITS and hangs_on(other) == place and seq < event["seq"]:
                self.events[seq] = GONE
        if (message := self.events.get(place, GONE)) is not GONE:
            said = {one: event[one] for one in event.keys() & {"body", "scheme", "sealed"}}
            self.events[place] = {**message, **said, "edited_at": event["at"]}

    def deleted(self, event: Frame) -> None:
        """Forget a message."""
        self._forget_message(event["message"])

    def took_back(self, event: Frame) -> None:
        """Forget a reaction."""
        names = ("by", "message", "reaction")
        for seq, other in self.events.items():
            if other["type"] == "reaction_added" and all(other[one] == event[one] for one in names):
                self.events[seq] = GONE

    # -- what changes the lists

    def joined(self, event: Frame) -> None:
        """Add somebody."""
        member = event["member"]
        self.members[member["member"]] = dict(member)
        self.former.pop(member["member"], None)

    def left(self, event: Frame) -> None:
        """Take somebody from the list, with their connectors."""
        gone = self.members.pop(event["member"], None)
        self.present.discard(event["member"])
        self.reads.pop(event["member"], None)
        for bot in [k for k, v in self.connectors.items() if v["installed_by"] == event["member"]]:
            del self.connectors[bot]
        if event["kept"] == "named" and gone is not None and "thread" not in self.where:
            self.former[event["member"]] = gone["name"]

    def renamed(self, event: Frame) -> None:
        """Change a name."""
        self.members[event["member"]]["name"] = event["name"]

    def appointed(self, event: Frame) -> None:
        """Change a role."""
        self.members[event["member"]]["role"] = "administrator"

    def stepped_down(self, event: Frame) -> None:
        """Change a role back."""
        self.members[event["member"]]["role"] = "member"

    def changed(self, event: Frame) -> None:
        """Change the settings."""
        self.settings = {name: event[name] for name in SETTINGS}

    def withdrawn(self, event: Frame) -> None:
        """Forget a former member."""
        self.former.pop(event["author"], None)

    def installed(self, event: Frame) -> None:
        """Add a connector."""
        self.connectors[event["connector"]["connector"]] = event["connector"]

    def revoked(self, event: Frame) -> None:
        """Take a connector from the list."""
        self.connectors.pop(event["connector"], None)


MESSAGES = ("message_posted", "private_posted")
EDITS = ("message_edited", "private_edited")
REACTIONS = ("reaction_added", "reaction_removed")
SETTINGS = ("name", "audience", "history", "listed", "revision")
CHANGES = {
    "member_joined": Follower.joined,
    "manager_entered": Follower.joined,
    "member_left": Follower.left,
    "manager_left": Follower.left,
    "member_renamed": Follower.renamed,
    "administrator_appointed": Follower.appointed,
    "administrator_stepped_down": Follower.stepped_down,
    "sphere_changed": Follower.changed,
    "bequest_withdrawn": Follower.withdrawn,
    "connector_installed": Follower.installed,
    "connector_revoked": Follower.revoked,
}


REVISIONS = {
    "message_edited": Follower.edited,
    "private_edited": Follower.edited,
    "message_deleted": Follower.deleted,
    "reaction_removed": Follower.took_back,
}


def _as_of_sphere(listening: Frame) -> Frame:
    """Return the snapshot of a thread in the form of a sphere's: it has no settings of its own."""
    thread = listening["thread"]
    return {
        "purges": listening["purges"],
        "sphere": {**dict.fromkeys(SETTINGS), "horizon": 1, "head": thread["head"]},
        "members": [{"member": one} for one in thread["members"]],
        "former": listening["former"],
        "connectors": [],
        "reads": listening["reads"],
    }


def written_by(event: Frame) -> str | None:
    """Return whose departure takes an event along: messages, reactions, arrivals, names."""
    if event["type"] in {*MESSAGES, *EDITS}:
        return str(event["author"])
    if event["type"] in REACTIONS:
        return str(event["by"])
    if event["type"] == "member_joined":
        return str(event["member"]["member"])
    return str(event["member"]) if event["type"] == "member_renamed" else None


def hangs_on(event: Frame) -> int | None:
    """Return the message that an event is an edit of, or a reaction to."""
    return int(event["message"]) if event["type"] in {*EDITS, *REACTIONS} else None


def unlike(old: Follower, fresh: Follower) -> str | None:
    """Return where an old state differs from a fresh one, or None."""
    for what in ("horizon", "last", "settings", "members", "connectors"):
        one, other = getattr(old, what), getattr(fresh, what)
        if one != other:
            return f"{what}: {one} / fresh {other}"
    # A former member of whom one may see nothing labels nothing: a client may keep them or not.
    authors = {one["author"] for one in fresh.events.values() if one["type"] in MESSAGES}
    known = {member: name for member, name in old.former.items() if member in authors}
    if known != fresh.former and "thread" not in old.where:
        return f"former: {known} / fresh {fresh.former}"
    for seq in sorted(old.events):
        one = _settled(old.events[seq], fresh)
        other = _settled(fresh.events.get(seq, GONE), fresh)
        if one != other and not _hangs_in_the_air(old, seq):
            return f"at {seq}: {old.events[seq]} / fresh {fresh.events.get(seq)}"
    missing = [seq for seq in fresh.events if seq >= min(old.events, default=0) and
               seq >= (old.horizon or 0) and seq not in old.events]  # fmt: skip
    return f"holes at {missing}" if old.events and missing else None


def _settled(event: Frame, fresh: Follower) -> Frame:
    """Return an event, or GONE for what a client need not hold any more."""
    if (message := hangs_on(event)) is not None:
        about = _settled(fresh.events.get(message, GONE), fresh)
        return event if about is not GONE else GONE
    author = event.get("author")
    nobody = event["type"] in MESSAGES and (
        author not in fresh.members and author not in fresh.former
    )
    return GONE if nobody or event["type"] == "erased" else event


def _hangs_in_the_air(old: Follower, seq: int) -> bool:
    """Say whether an event hangs on a message that was never read: what becomes of that, of it."""
    message = hangs_on(old.events[seq])
    return message is not None and message not in old.events
