"""Rendering: events, spheres and people as lines for a person.

Pure. What others wrote passes through ``safe_text``; what this client says by itself stands between
dashes, and a second line of a message is indented behind a bar, so that no message can pass for
an announcement. Invariant: each line returned is harmless for a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Any, Final

from clients.attachments import size_in_words
from clients.private import words
from clients.roster import Roster
from clients.safe_text import safe_line, safe_lines, safe_name
from clients.wire import Frame

_INDENT: Final = "      | "
_FILE: Final = "      + "

_KEPT: Final = {
    "none": "their messages are erased",
    "named": "their messages stay, under their name",
    "anonymous": "their messages stay, as those of a former member (/history shows them)",
}
AUDIENCES: Final = {
    "closed": "closed: by invitation",
    "open": "open: any member of the organisation may join",
    "public": "public: anyone may read, without an account",
}
HISTORIES: Final = {
    "hidden": "history hidden from newcomers",
    "visible": "history visible to newcomers",
}
_VISIBILITIES: Final = {
    "hidden": "to nobody",
    "sphere": "to those who share a sphere with me",
    "organisation": "to them, and in the directory",
}
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def render(event: Frame, roster: Roster, zone: tzinfo | None = None) -> list[str]:
    """Return ``event`` as lines; times are those of ``zone``, or of this machine."""
    write = _WRITERS.get(event["type"])
    if write is None:
        kind = safe_line(event["type"])
        return [announce(f"Something happened that this client does not know: {kind}")]
    return write(event, roster, zone)


def announce(sentence: str) -> str:
    """Return a line that this client says by itself."""
    return f"-- {sentence} --"


def moment(at: int, zone: tzinfo | None = None) -> str:
    """Return a date of the wire as a day and an hour."""
    there = datetime.fromtimestamp(at / 1000, tz=zone).astimezone(zone)
    return f"{day(at, zone)}, {there:%H:%M}"


def day(at: int, zone: tzinfo | None = None) -> str:
    """Return the day of a date of the wire, in words, whatever the locale."""
    there = datetime.fromtimestamp(at / 1000, tz=zone).astimezone(zone)
    return f"{_DAYS[there.weekday()]} {there.day} {_MONTHS[there.month - 1]} {there.year}"


def destination(sphere: Any) -> str:
    """Return where a post would go: what the sender must have seen."""
    return (
        f"«{safe_name(sphere['name'])}» ({AUDIENCES.get(sphere['audience'], 'audience unknown')};"
        f" {HISTORIES.get(sphere['history'], 'history unknown')})"
    )


def prompt(sphere: Any) -> str:
    """Return the prompt of a line that would be shared in ``sphere``."""
    audience = sphere["audience"]
    wider = "" if audience == "closed" else f" ({safe_line(audience)})"
    return f"Share in {safe_name(sphere['name'])}{wider}> "


def private_prompt(sphere: Any, others: Iterable[str]) -> str:
    """Return the prompt of a line that only these would read."""
    return f"Privately to {', '.join(others) or 'nobody else'} in {safe_name(sphere['name'])}> "


def thread(view: Frame, name: str) -> str:
    """Return a private thread as one line of a list; ``name`` is that of its sphere."""
    count = len(view["members"])
    return f"{safe_line(view['thread'])}  private, {count} people, in {safe_name(name)}"


def sphere(view: Frame) -> str:
    """Return a sphere of mine as one line of a list."""
    marks = [view["audience"], view["role"]]
    marks += ["listed"] if view["listed"] else []
    marks += ["entered"] if view["entered"] else []
    unread = view["head"] - max(view.get("read", 0), view["horizon"] - 1)
    marks += [f"{unread} since I last read"] if unread > 0 else []
    return f"{sphere_name(view)}  ({', '.join(map(safe_line, marks))})"


def invitation(view: Frame) -> str:
    """Return an invitation as one line of a list."""
    return f"{sphere_name(view)}  (invited by {safe_name(view['by'])})"


def open_sphere(view: Frame) -> str:
    """Return a sphere that I may join as one line of a list."""
    if view["audience"] == "closed":
        may = "I have asked to be let in" if view.get("asked") else "I may ask to be let in"
    else:
        may = "I may join"
    return f"{sphere_name(view)}  ({safe_line(view['audience'])}: {may})"


def sphere_name(view: Frame) -> str:
    """Return a sphere's id and name."""
    return f"{safe_line(view['sphere'])}  {safe_name(view['name'])}"


def connector(view: Frame, roster: Roster) -> str:
    """Return a bot as one line of a list."""
    by = roster.name(view["installed_by"])
    return f"{safe_line(view['connector'])}  {safe_name(view['name'])}  (bot, installed by {by})"


def member(view: Frame, *, here: bool = False) -> str:
    """Return a member as one line of a list; ``here`` says that a device of theirs listens."""
    marks = [view["role"]]
    marks += ["here now"] if here else []
    if view["entered"]:
        marks.append("manager who entered")
    said = ", ".join(map(safe_line, marks))
    return f"{safe_line(view['member'])}  {safe_name(view['name'])}  ({said})"


def profile(view: Frame) -> list[str]:
    """Return what a member says of themselves, line by line."""
    said = [
        f"  {safe_line(each['field']):<8}  {safe_line(each['value'])}" for each in view["fields"]
    ]
    return [f"{safe_line(view['member'])}  {safe_name(view['name'])}", *said]


def own_profile(view: Frame, spheres: Mapping[str, str]) -> list[str]:
    """Return what I say of myself and to whom; ``spheres`` are the names of mine."""
    return [safe_name(view["name"]), *(_own_field(each, spheres) for each in view["fields"])]


def _own_field(view: Frame, spheres: Mapping[str, str]) -> str:
    where = view["sphere"]
    to = _VISIBILITIES.get(view["visibility"], safe_line(view["visibility"]))
    if where is not None:
        to = f"in «{safe_name(spheres.get(where, where))}»"
    said = "(nothing)" if view["value"] is None else safe_line(view["value"])
    return f"  {safe_line(view['field']):<8}  {said}  ({to})"


def device(view: Frame) -> str:
    """Return a device that I am signed in with as one line of a list."""
    this = "  (this one)" if view["current"] else ""
    return (
        f"{safe_line(view['session'])}  last seen {moment(view['seen_at'])};"
        f" signed in {moment(view['began_at'])}, until {moment(view['ends_at'])} at most{this}"
    )


def journal(record: Mapping[str, Any], roster: Roster) -> str:
    """Return a record of a journal as one line of a list."""
    known = {"sphere", "seq", "at", "type", "nonce"}
    said = ", ".join(
        f"{safe_line(name)} {_told(name, value, roster)}"
        for name, value in record.items()
        if name not in known
    )
    return f"[{record['seq']}] {moment(record['at'])}  {safe_line(record['type'])}: {said}"


def _told(name: str, value: object, roster: Roster) -> str:
    if name in {"member", "by"} and isinstance(value, str):
        return roster.name(value)
    return safe_line(str(value))


def request(view: Frame) -> str:
    """Return somebody who asks to be let in as one line of a list."""
    return (
        f"{safe_line(view['member'])}  {safe_name(view['name'])}  (asks since {moment(view['at'])})"
    )


def certificate(view: Frame) -> list[str]:
    """Return what a departure cleared, line by line."""
    return [
        "Certificate of departure",
        f"  sphere           {safe_line(view['sphere'])}",
        f"  at               {moment(view['at'])}",
        f"  messages erased  {view['messages_erased']}",
        f"  messages kept    {view['messages_kept']}",
        f"  bots revoked     {view['connectors_revoked']}",
        f"  files erased     {view.get('attachments_erased', 0)}",
    ]


def _said(event: Frame, who: str, zone: tzinfo | None) -> list[str]:
    said = words(event)
    if said is None:
        said = f"(sealed with {event['scheme']}: this client cannot open it)"
    first, *rest = safe_lines(said)
    there = datetime.fromtimestamp(event["at"] / 1000, tz=zone).astimezone(zone)
    place = f"[{event['seq']}]"
    return [f"{there:%H:%M} {place} {who}: {first}", *(_INDENT + line for line in rest)]


def _posted(event: Frame, roster: Roster, zone: tzinfo | None) -> list[str]:
    who = roster.name(event["author"])
    if event.get("reply_to"):
        who += f", to [{event['reply_to']}]"
    if mentioned := event.get("mentions"):
        who += f" (@{', @'.join(roster.name(member) for member in mentioned)})"
    said = _said(event, who + (" (edited)" if event.get("edited_at") else ""), zone)
    return said + [_file(view, event["seq"]) for view in event.get("attachments", ())]


def _file(view: Frame, seq: int) -> str:
    """Return a file of a message as one line, which no message can look like."""
    name = safe_name(view["name"]) if view.get("name") else "(a file without a name)"
    return f"{_FILE}{name} ({size_in_words(view['size'])}): /save {seq}"


def _edited(event: Frame, roster: Roster, zone: tzinfo | None) -> list[str]:
    return _said(event, f"{roster.name(event['author'])} put in the place of {_at(event)}", zone)


def _at(event: Frame) -> str:
    return f"[{event['message']}]"


def _deleted(event: Frame, _roster: Roster) -> str:
    return f"The message {_at(event)} is erased by its author"


def _reacted(event: Frame, roster: Roster) -> str:
    return f"{_who(roster, event['by'])} reacts to {_at(event)}: {safe_line(event['reaction'])}"


def _unreacted(event: Frame, roster: Roster) -> str:
    reaction = safe_line(event["reaction"])
    return f"{_who(roster, event['by'])} takes back a reaction to {_at(event)}: {reaction}"


def _started(event: Frame, roster: Roster) -> str:
    with_whom = [roster.name(member) for member in event["members"]]
    return f"{_who(roster, event['by'])} began this private thread: {', '.join(with_whom)}"


def _brought(event: Frame, roster: Roster, zone: tzinfo | None) -> list[str]:
    by = roster.name(event["installed_by"])
    label = event.get("label")
    calling_itself = f" calling itself «{safe_name(label)}»" if label else ""
    return _said(
        event, f"[bot {safe_name(event['name'])}{calling_itself}, installed by {by}]", zone
    )


def _erased(event: Frame, _roster: Roster, zone: tzinfo | None) -> list[str]:
    there = datetime.fromtimestamp(event["at"] / 1000, tz=zone).astimezone(zone)
    return [f"{there:%H:%M} (erased)"]


Sentence = Callable[[Frame, Roster], str]
Writer = Callable[[Frame, Roster, tzinfo | None], list[str]]


def _announced(sentence: Sentence) -> Writer:
    def write(event: Frame, roster: Roster, _zone: tzinfo | None) -> list[str]:
        return [announce(sentence(event, roster))]

    return write


def _who(roster: Roster, identifier: str) -> str:
    name = roster.name(identifier)
    return name[0].upper() + name[1:]


def _joined(event: Frame, _roster: Roster) -> str:
    return f"{safe_name(event['member']['name'])} joined"


def _entered(event: Frame, _roster: Roster) -> str:
    name = safe_name(event["member"]["name"])
    return f"Manager {name} entered this sphere and reads from here on"


def _left(event: Frame, roster: Roster) -> str:
    went = "was removed" if event["how"] == "removed" else "left"
    kept = _KEPT.get(event["kept"], "what becomes of their messages is unknown")
    return f"{_who(roster, event['member'])} {went}; {kept}"


def _renamed(event: Frame, roster: Roster) -> str:
    return f"{_who(roster, event['member'])} is now called {safe_name(event['name'])}"


def _changed(event: Frame, roster: Roster) -> str:
    listed = "listed" if event["listed"] else "invisible to outsiders"
    return f"{_who(roster, event['by'])} changed this sphere: now {destination(event)}, {listed}"


def _appointed(event: Frame, roster: Roster) -> str:
    if event["by"] is None:
        return f"{_who(roster, event['member'])} is now an administrator: the last one left"
    return f"{_who(roster, event['by'])} made {roster.name(event['member'])} an administrator"


def _stepped_down(event: Frame, roster: Roster) -> str:
    return f"{_who(roster, event['member'])} is an administrator no more, by their own will"


def _withdrawn(event: Frame, roster: Roster) -> str:
    return f"{_who(roster, event['author'])} withdrew their bequest; what it had kept is erased"


def _installed(event: Frame, roster: Roster) -> str:
    view = event["connector"]
    by = _who(roster, view["installed_by"])
    return f"{by} installed the bot {safe_name(view['name'])}: it can write here, and read nothing"


def _revoked(event: Frame, roster: Roster) -> str:
    bot = roster.connectors.get(event["connector"])
    name = f"the bot {safe_name(bot['name'])}" if bot else "a bot"
    by = "the operator" if event["by"] is None else _who(roster, event["by"])
    return f"{by} revoked {name}"


_WRITERS: Final[dict[str, Writer]] = {
    "message_posted": _posted,
    "private_posted": _posted,
    "message_edited": _edited,
    "private_edited": _edited,
    "message_deleted": _announced(_deleted),
    "reaction_added": _announced(_reacted),
    "reaction_removed": _announced(_unreacted),
    "thread_started": _announced(_started),
    "connector_posted": _brought,
    "erased": _erased,
    "member_joined": _announced(_joined),
    "member_left": _announced(_left),
    "manager_entered": _announced(_entered),
    "manager_left": _announced(_left),
    "member_renamed": _announced(_renamed),
    "sphere_changed": _announced(_changed),
    "administrator_appointed": _announced(_appointed),
    "administrator_stepped_down": _announced(_stepped_down),
    "bequest_withdrawn": _announced(_withdrawn),
    "connector_installed": _announced(_installed),
    "connector_revoked": _announced(_revoked),
}
