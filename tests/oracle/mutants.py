"""Mutants: rules of the server, broken on purpose, one at a time; the oracle must notice each.

A mutant is a text to find and one to put in its place, in one file or several (the two walls share
no fact: who wants to see a removed device go on listening must tear down both). A text that is not
found exactly once is out of date, and a test says so.
"""

from __future__ import annotations

from typing import NamedTuple


class Patch(NamedTuple):
    """A text to replace."""

    file: str
    old: str
    new: str


class Mutant(NamedTuple):
    """A rule, broken."""

    what: str
    promise: str
    patches: tuple[Patch, ...]


PERMISSION = "server/domain/permission.py"
VISIBILITY = "server/domain/visibility.py"
TIMELINE = "storage/timeline.py"
ARRIVALS = "server/channels/arrivals.py"
DEPARTURES = "server/channels/departures.py"
STORED = "storage/departures.py"
POSTS = "server/channels/posts.py"
SPHERES = "server/channels/spheres.py"
ROOM = "server/channels/room.py"
HUB = "server/channels/hub.py"
READING = "server/channels/reading.py"
STAYS = "storage/stays.py"
MESSAGES = "server/domain/messages.py"
HALL = "server/channels/hall.py"
CLEARING = "server/channels/clearing.py"
THREADS = "server/channels/threads.py"


def _one(what: str, promise: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(what, promise, (Patch(file, old, new),))


MUTANTS = (
    _one("outsiders read history", "1", READING,
         "    stay = check_inside(standing)\n    assert standing is not None\n    contents, more",
         "    assert standing is not None or check_inside(standing)\n"
         "    from server.domain.facts import Stay\n"
         "    stay = standing.stay or Stay(member='', role='member', entered=False, horizon=1)\n"
         "    contents, more"),
    Mutant("a removed device keeps its subscription", "1", (
        Patch(HUB, "                room.drop(listener, self._beats.count + self._grace)\n"
                   "            listener.forget(sphere)\n", "                pass\n"),
        Patch(ROOM, "            self._roster.pop(event.member, None)\n", ""),
    )),
    _one("events reach the subscribers of every sphere of the organisation", "1", HUB,
         "        room = self._rooms.get(entry.event.timeline)\n",
         "        room = next(iter(self._rooms.values()), None)\n"),
    _one("a manager overlooks other organisations", "1", "storage/spheres.py",
         ".where(sphere.c.organisation == organisation, sphere.c.parent.is_(None))",
         ".where(sphere.c.parent.is_(None))"),
    _one("an outsider is told that they may not", "2", PERMISSION,
         "may_discover(standing.member, standing.sphere):\n        raise errors.NotFound",
         "may_discover(standing.member, standing.sphere):\n        raise errors.NotAllowed"),
    _one("who is outside is told so in other words", "2", PERMISSION,
         "    if standing is None or standing.stay is None:\n        raise errors.NotFound",
         "    if standing is None or standing.stay is None:\n"
         "        raise errors.NotFound('You are not inside.')"),
    _one("an unlisted sphere shows itself", "2", PERMISSION,
         "    return sphere.listed\n", "    return True\n"),
    _one("visitors find open spheres", "2", PERMISSION,
         "\n        and member.role is not MemberRole.VISITOR", ""),
    _one("outsiders are not told to forget a sphere that hides", "2", SPHERES,
         "hidden=_hidden(tx, before, after)", "hidden=()"),
    _one("a post ignores the revision of its destination", "3", PERMISSION,
         "    check_destination(standing.home or standing.sphere, revision)\n", ""),
    _one("the revision stays when the sphere is opened", "3", SPHERES,
         "revision=before.revision + 1)",
         "revision=before.revision + (before.audience == after.audience))"),
    _one("what is hidden of a profile shows in spheres", "4", "server/domain/profile.py",
         " for one in fields if one.visibility is not Visibility.HIDDEN", " for one in fields"),
    _one("any member configures", "5", PERMISSION,
         "    if stay.role is not SphereRole.ADMINISTRATOR:", "    if stay.role is None:"),
    _one("the horizon is one too low", "6", TIMELINE,
         "    return or_(event.c.seq >= horizon,", "    return or_(event.c.seq >= horizon - 1,"),
    _one("the horizon is one too high", "6", TIMELINE,
         "    return or_(event.c.seq >= horizon,", "    return or_(event.c.seq > horizon,"),
    _one("the stamp is forgotten", "6", VISIBILITY,
         "    if history is History.VISIBLE:", "    if history is None:"),
    _one("the stamp follows the audience", "6", VISIBILITY,
         "    if history is History.VISIBLE:", "    if audience is not Audience.CLOSED:"),
    _one("the directory lists people who are shut out", "8", "storage/profiles.py",
         "member.c.disabled.is_(False)", "member.c.disabled.is_not(None)"),
    _one("the connectors of who left live on", "10", DEPARTURES,
         "revoked = connectors.revoke_by(tx, sphere.id, stay.member)",
         "revoked: list[str] = []"),
    _one("a bot's message is stored twice", "10", POSTS,
         "in self._receipts:\n            return Outcome(reply=reply)",
         "in self._receipts:\n            pass"),
    _one("a manager enters unheard", "11", ARRIVALS,
         "Publication(entries=(entry,), notices=((manager.id, notice),))",
         "Publication(notices=((manager.id, notice),))"),
    _one("a manager who entered reads what newcomers may", "11", TIMELINE,
         "    if entered:\n        return event.c.seq >= horizon\n", ""),
    _one("a manager who entered can be removed", "11", PERMISSION,
         "    if target.entered:\n        raise errors.NotAllowed(\"A manager",
         "    if target is None:\n        raise errors.NotAllowed(\"A manager"),
    _one("who left leaves their messages", "13", CLEARING,
         "        erased = departures.erase(tx, of, stay.member)\n",
         "        departures.keep(tx, of.id, stay.member)\n"),
    _one("who comes back is not told what to forget", "13", DEPARTURES,
         "    if fate is not Bequest.NAMED:", "    if fate is None:"),
    _one("a former member's later name shows", "13", STAYS,
         ".values(name=present if named else None)", ".values(name=None)"),
    _one("what to forget comes one too late", "13", TIMELINE,
         "purge.c.seq > bindparam(\"above\")", "purge.c.seq > bindparam(\"above\") + 1"),
    _one("an anonymous bequest keeps the name", "13", STORED,
         "    alias = new_id()\n", "    alias = author\n"),
    _one("an anonymous bequest keeps the arrival", "13", STORED,
         "[row for row in rows if row.kind != Kind.MESSAGE]", "[]"),
    _one("a withdrawn bequest stays", "13", CLEARING,
         "    traces = departures.erase_bequeathed(tx, of, author, below=below)",
         "    traces = departures.erase_bequeathed(tx, of, author, below=0)"),
    _one("newcomers hear of what they could never see", "13", ROOM,
         "return entry if self._is_for(subscriber, entry) else entry.veiled()",
         "return entry"),
    _one("newcomers read of what they could never see", "13", VISIBILITY,
         "    return concerns is None or may_member_see(concerns, stamp, horizon, entered=entered)",
         "    return True"),
    _one("newcomers see which former members there were", "13", STAYS,
         "stay.c.member.is_(None),\n            visible,", "stay.c.member.is_(None),"),
    _one("nobody administers when the last administrator goes", "13", DEPARTURES,
         "heir = successor(everyone, stay.member)", "heir = None"),
    _one("a manager who entered inherits", "13", "server/domain/departure.py",
         "if stay.member != leaver and not stay.entered]", "if stay.member != leaver]"),
    _one("the certificate counts wrongly", "13", DEPARTURES,
         "            messages_erased=cleared.erased,\n            messages_kept",
         "            messages_erased=cleared.erased + cleared.kept,\n            messages_kept"),
    _one("the invitations of who left stand", "13", DEPARTURES,
         "    return invitations.withdraw_by(tx, sphere.id, leaver)", "    return []"),
    _one("a message sent again is stored again", "server", POSTS,
         "(earlier := self._receipts.get(key)) is not None:",
         "(earlier := self._receipts.get(key)) is None and earlier:"),
    _one("a client_id names two messages", "server", POSTS,
         "isinstance(stored, Erased) and not draft.is_same(stored):",
         "isinstance(stored, Erased) and not stored:"),
    _one("other devices are not told of an arrival", "server", ARRIVALS,
         "entries=(entry,), notices=((stay.member, SphereAdded(sphere=shown)),)",
         "entries=(entry,)"),
    _one("a page holds its bound", "server", TIMELINE,
         "event.c.seq < bindparam(\"below\")", "event.c.seq <= bindparam(\"below\")"),
    _one("an event is missing after a snapshot", "server", ROOM,
         "heard = max(self.head, coming - 1)", "heard = max(self.head, coming - 2)"),
    _one("a session that was ended goes on", "15", "server/channels/endings.py",
         "            self._live.end(session)\n", "            pass\n"),
    _one("a thread answers under any sphere", "7", "storage/threads.py",
         ", sphere.c.parent == bindparam(\"sphere\"))", ", sphere.c.parent.is_not(None))"),
    _one("who declines is drawn into new threads", "7", THREADS,
         "    if threads.declines(tx, command.sphere, command.members):",
         "    if threads.declines(tx, command.sphere, ()):"),
    _one("who left a sphere stays in its threads", "13", "server/channels/thread_departures.py",
         "    inside = threads.of_stay(tx, home.id, stay.member)", "    inside: list[Sphere] = []"),
    _one("a withdrawn bequest stays in threads", "13", DEPARTURES,
         "    entries += withdraw_threads(tx, sphere, author, request.now)\n", ""),
    _one("a request outlives its answer", "5", "storage/invitations.py",
         "    requests.withdraw(tx, sphere_id, member_id)\n", ""),
    _one("whoever is a member of the sphere is told who asks", "5", "server/channels/requests.py",
         "        if stay.role is SphereRole.ADMINISTRATOR\n", ""),
    _one("the last administrator steps down", "5", PERMISSION,
         "        other.role is SphereRole.ADMINISTRATOR and not other.entered and not"
         " other.disabled\n",
         "        other.role is not None\n"),
    _one("a guest's invitation comes to life again", "5", DEPARTURES,
         "    admissions.withdraw_guests(tx, by=leaver, sphere=sphere.id)\n", ""),
    _one("the journal forgets who entered", "11", "storage/journal.py",
         "    if describe is None or", "    if describe is None or event.__class__.__name__ =="
         " 'ManagerEntered' or"),
    _one("the journal's chain does not cover what precedes", "11", "storage/journal.py",
         "    return hashlib.sha256(before + record)", "    return hashlib.sha256(record)"),
    _one("who is no manager any more stays where they entered", "11",
         "server/channels/membership.py", " if pair[1].entered]", " if not pair]"),
    _one("who is shut out keeps their sessions", "15", "server/channels/membership.py",
         "    return _ending(Parted(publication=silenced, erased=withdrawn > 0), ended)",
         "    return _ending(Parted(publication=silenced, erased=withdrawn > 0), [])"),
    _one("readers see what was sent while a sphere was not public", "5", VISIBILITY,
         "        stamp |= Stamp.READERS", "        pass\n    stamp |= Stamp.READERS"),
    _one("other devices are not told what was read", "server", "server/channels/reads.py",
         "    if command.seq <= stay.read:", "    if command.seq < stay.read:"),
    _one("anybody edits and deletes", "13", MESSAGES,
         "    if seen.author != stay.member:", "    if seen.author is None:"),
    _one("what an earlier stay left can be edited", "13", MESSAGES,
         "    if mine.seq < stay.horizon:", "    if mine.seq < 0:"),
    _one("former edits stay", "13", "storage/messages.py",
         "    blank(tx, of, hanging(tx, of.id, [seq], Kind.EDIT))\n", ""),
    _one("a deleted message leaves the reactions to it", "13", "storage/messages.py",
         "    blank(tx, of, hanging(tx, of.id, [seq]))\n", ""),
    _one("who was away is not told of a deletion", "13", TIMELINE,
         "            purge.c.message < (EVERY_SEQ", "            purge.c.message > (EVERY_SEQ"),
    _one("of a deletion it is told that all was erased", "13", "server/channels/messages.py",
         "        message=message.seq,\n        about=about,", "        about=about,"),
    _one("a reaction that was taken back stays", "13", "server/channels/reactions.py",
         "        blank(tx, of, [mine[reaction]])\n", ""),
    _one("newcomers are told of every reaction to what they may see", "6", MESSAGES,
         "    return int(now) & message.stamp", "    return message.stamp"),
    _one("the reactions to what a leaver wrote stay", "13", STORED,
         "    blank(tx, of, messages.hanging(tx, of.id, gone))\n", ""),
    _one("an answer names a message from before one's time", "6", TIMELINE,
         "        return msgspec.structs.replace(event, reply_to=None)", "        return event"),
    _one("one may answer what one may not see", "6", POSTS,
         "        answered = check_message(stay, self._targets.get((to.id, draft.reply_to)))",
         "        seated = msgspec.structs.replace(stay, horizon=1)\n"
         "        answered = check_message(seated, self._targets.get((to.id, draft.reply_to)))"),
    _one("who is elsewhere is mentioned", "1", MESSAGES,
         "    if any(member not in present for member in mentions):",
         "    if any(member is None for member in mentions):"),
    _one("an anonymous author stands in their own mentions", "13", STORED,
         "for member in message.mentions if member != message.author)",
         "for member in message.mentions)"),
    _one("readers hear of messages that are not for them", "5", HALL,
         "        if not (self.public and may_reader_see(entry.stamp)):",
         "        if not self.public:"),
    _one("readers stay when the sphere is closed", "5", HALL,
         "        if was_public and not hall.public:", "        if was_public and hall is None:"),
    _one("readers are not told what to forget", "13", HALL,
         "        return None if event.kept is Bequest.NAMED else self._forgotten(event.member)",
         "        return None"),
    _one("who hides is seen", "8", "server/domain/presence.py",
         "    return entered or not hidden", "    return True"),
    _one("who is gone is still there", "8", "server/channels/attendance.py",
         "            self.show(member, shown=False)\n", ""),
    _one("how far others read shows without their wish", "8", "storage/reads.py",
         ".where(_HOME.c.show_read, ~member.c.hidden)", ".where(~member.c.hidden)"),
    _one("how far others read shows to newcomers", "6", "storage/reads.py",
         'stay.c.read_seq >= bindparam("horizon"))',
         'stay.c.read_seq >= bindparam("horizon") * 0 + 1)'),
    _one("who hides still shows how far they read", "8", "server/channels/presence.py",
         "            reads=reads.appear(tx, member.id, visible=visible),\n", ""),
    _one("what a manager drew outlives their office", "11", "server/channels/membership.py",
         "        withdrawn = admissions.withdraw_by(tx, member_id)\n        entered",
         "        entered"),
    _one("invitations list those of every organisation", "1", "storage/admissions.py",
         ".where(*_of(organisation), table.c.expires_at > now)",
         ".where(table.c.sphere.is_(None), table.c.expires_at > now)"),
)  # fmt: skip
