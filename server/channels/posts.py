"""Posts: many messages, one transaction.

Decides each draft by itself: one that is refused leaves the others alone. Touches no socket.
Invariant: membership, destination and the connector's life are read in the transaction that
inserts, so no cached answer ever authorises a write.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from server import errors
from server.channels.attachments import check_attachments, check_unnamed
from server.channels.outcome import Outcome, Publication
from server.domain.facts import Message, Sphere, Stay
from server.domain.messages import check_mentions, check_message
from server.domain.permission import check_inside, check_post
from server.domain.visibility import stamp_of
from server.protocol import codec
from server.protocol.commands import PLAIN, Edit, Post
from server.protocol.connector import Accepted
from server.protocol.events import (
    ConnectorPosted,
    Erased,
    MessagePosted,
    PrivatePosted,
    TimelineEvent,
)
from server.protocol.replies import Posted
from server.protocol.views import AttachmentView
from storage import attachments, posts
from storage.attachments import File
from storage.connectors import Connector
from storage.database import Transaction
from storage.timeline import About, Entry


class Draft(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A member's message, on its way to the store. ``id`` is the request's."""

    id: int
    sphere: str
    author: str
    revision: int
    client_id: str
    body: str
    reply_to: int | None = None
    mentions: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()

    @property
    def place(self) -> posts.Place:
        """Return where it goes, and who says it."""
        return self.sphere, None, self.author

    @property
    def timeline(self) -> str:
        """Return the id of the timeline that it is for."""
        return self.sphere

    @property
    def size(self) -> int:
        """Return about how many bytes it takes."""
        return len(self.body) + 200 + 400 * len(self.attachments)

    def event(self, seq: int, at: int) -> MessagePosted:
        """Return it as it stands on the timeline."""
        return MessagePosted(
            sphere=self.sphere,
            seq=seq,
            at=at,
            author=self.author,
            body=self.body,
            reply_to=self.reply_to,
            mentions=self.mentions,
        )

    def is_same(self, stored: object) -> bool:
        """Say whether it says what is stored."""
        if not isinstance(stored, MessagePosted) or not _refers_alike(stored, self):
            return False
        return stored.edited_at is not None or stored.body == self.body


class PrivateDraft(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A participant's message in a private thread, on its way to the store."""

    id: int
    sphere: str
    thread: str
    author: str
    revision: int
    client_id: str
    scheme: str
    sealed: bytes
    reply_to: int | None = None
    mentions: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()

    @property
    def place(self) -> posts.Place:
        """Return where it goes, and who says it."""
        return self.sphere, self.thread, self.author

    @property
    def timeline(self) -> str:
        """Return the id of the timeline that it is for."""
        return self.thread

    @property
    def size(self) -> int:
        """Return about how many bytes it takes."""
        return len(self.sealed) + 200 + 400 * len(self.attachments)

    def event(self, seq: int, at: int) -> PrivatePosted:
        """Return it as it stands on the timeline."""
        return PrivatePosted(
            sphere=self.sphere,
            thread=self.thread,
            seq=seq,
            at=at,
            author=self.author,
            scheme=self.scheme,
            sealed=self.sealed,
            reply_to=self.reply_to,
            mentions=self.mentions,
        )

    def is_same(self, stored: object) -> bool:
        """Say whether it says what is stored."""
        if not isinstance(stored, PrivatePosted) or not _refers_alike(stored, self):
            return False
        said = (stored.scheme, stored.sealed)
        return stored.edited_at is not None or said == (self.scheme, self.sealed)


class BotDraft(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a connector brings, on its way to the store."""

    id: int
    connector: str
    client_id: str | None
    body: str
    label: str | None = None

    @property
    def size(self) -> int:
        """Return about how many bytes it takes."""
        return len(self.body) + 200


MemberDraft = Draft | PrivateDraft
AnyDraft = MemberDraft | BotDraft


def _refers_alike(stored: MessagePosted | PrivatePosted, draft: MemberDraft) -> bool:
    files = tuple(one.attachment for one in stored.attachments)
    said = (draft.reply_to, draft.mentions, draft.attachments)
    return (stored.reply_to, stored.mentions, files) == said


def check_words(command: Post | Edit) -> None:
    """Raise InvalidField unless the words are in the form in which they go where they go."""
    if command.thread is None:
        if command.body is None or command.sealed is not None or command.scheme != PLAIN:
            raise errors.InvalidField("To the whole sphere send `body`, and nothing sealed.")
    elif command.sealed is None or command.body is not None:
        raise errors.InvalidField("To a private thread send `sealed`, and no `body`.")


def draft_of(command: Post, author: str) -> MemberDraft:
    """Return what a member's post asks for. Raises InvalidField."""
    check_words(command)
    if command.thread is None:
        assert command.body is not None
        return Draft(
            id=command.id,
            sphere=command.sphere,
            author=author,
            revision=command.revision,
            client_id=command.client_id,
            body=command.body,
            reply_to=command.reply_to,
            mentions=command.mentions,
            attachments=command.attachments,
        )
    assert command.sealed is not None
    return PrivateDraft(
        id=command.id,
        sphere=command.sphere,
        thread=command.thread,
        author=author,
        revision=command.revision,
        client_id=command.client_id,
        scheme=command.scheme,
        sealed=command.sealed,
        reply_to=command.reply_to,
        mentions=command.mentions,
        attachments=command.attachments,
    )


def commit_posts(
    tx: Transaction, drafts: Sequence[AnyDraft], now: int
) -> list[Outcome | errors.Refusal]:
    """Store a batch; return, for each draft in order, its outcome or its refusal."""
    bots = {draft.connector for draft in drafts if isinstance(draft, BotDraft)}
    posts.lock(tx, {one.timeline for one in drafts if isinstance(one, MemberDraft)}, bots)
    batch = _Batch(tx, drafts, now)
    outcomes = [batch.add(draft) for draft in drafts]
    batch.insert(tx)
    return outcomes


class _Batch:
    """The facts of one transaction, and the rows that it will insert."""

    def __init__(self, tx: Transaction, drafts: Sequence[AnyDraft], now: int) -> None:
        self._now = now
        self._facts = posts.facts(
            tx,
            {draft.place for draft in drafts if isinstance(draft, MemberDraft)},
            {draft.connector for draft in drafts if isinstance(draft, BotDraft)},
        )
        self._receipts = posts.receipts(tx, self._named(drafts), self._facts.keys)
        self._targets: Mapping[tuple[str, int], Message] = {}
        self._present: Collection[tuple[str, str]] = ()
        self._files: dict[str, File] = {}
        referring = [
            one
            for one in drafts
            if isinstance(one, MemberDraft)
            and (one.mentions or one.attachments or one.reply_to is not None)
        ]
        self._refers = bool(referring)  #: nothing is asked of a batch of plain messages
        if referring:
            self._look_up(tx, referring)
        self.rows: list[posts.Row] = []
        self.heads: dict[str, int] = {}
        self.hung: dict[str, int] = {}  #: files, and the seq of the message of each

    def _look_up(self, tx: Transaction, drafts: list[MemberDraft]) -> None:
        """Find what drafts refer to: one statement a kind, whatever their number."""
        self._targets = posts.targets(
            tx, {(one.timeline, one.reply_to) for one in drafts if one.reply_to is not None}
        )
        self._present = posts.present(
            tx, {(one.timeline, member) for one in drafts for member in one.mentions}
        )
        if brought := {file for one in drafts for file in one.attachments}:
            self._files = attachments.ready(tx, brought)

    def insert(self, tx: Transaction) -> None:
        """Insert what was accepted."""
        posts.insert(tx, self.rows, self.heads, self._facts.keys)
        if self.hung:
            attachments.hang(tx, self.hung)

    def add(self, draft: AnyDraft) -> Outcome | errors.Refusal:
        try:
            if isinstance(draft, BotDraft):
                return self._brought(draft)
            return self._message(draft)
        except errors.Refusal as refusal:
            return refusal

    def _message(self, draft: MemberDraft) -> Outcome:
        standing = self._facts.standings.get(draft.place)
        check_inside(standing)
        assert standing is not None
        key = (standing.sphere.id, draft.author, draft.client_id)
        if (earlier := self._receipts.get(key)) is not None:
            return _again(draft, *earlier)
        stay = check_post(standing, draft.revision)
        about = self._refer(draft, stay, standing.sphere) if self._refers else None
        seq = self._next(standing.sphere)
        event = draft.event(seq, self._now)
        if draft.attachments:
            event = msgspec.structs.replace(event, attachments=self._bring(draft, seq))
        entry = self._take(standing.sphere, event, draft.author, draft.client_id, about)
        return Outcome(
            reply=Posted(id=draft.id, seq=seq, at=self._now),
            publication=Publication(entries=(entry,)),
        )

    def _refer(self, draft: MemberDraft, stay: Stay, to: Sphere) -> About | None:
        """Return what a message answers. Raises NotFound, InvalidField."""
        here = [who for who in draft.mentions if (to.id, who) in self._present]
        check_mentions(draft.mentions, here)
        if draft.reply_to is None:
            return None
        answered = check_message(stay, self._targets.get((to.id, draft.reply_to)))
        return About(seq=answered.seq, stamp=answered.stamp)

    def _bring(self, draft: MemberDraft, seq: int) -> tuple[AttachmentView, ...]:
        """Take the files that a message brings along. Raises NotFound, InvalidField."""
        scheme = draft.scheme if isinstance(draft, PrivateDraft) else PLAIN
        files = check_attachments(
            draft.attachments, self._files, timeline=draft.timeline, author=draft.author
        )
        check_unnamed(files, scheme)
        for file in files:
            del self._files[file.attachment]  # for no other message of this batch
            self.hung[file.attachment] = seq
        return tuple(file.view for file in files)

    def _brought(self, draft: BotDraft) -> Outcome:
        connector, sphere = self._living(draft.connector)
        reply = Accepted(id=draft.id)
        if draft.client_id and (sphere.id, connector.id, draft.client_id) in self._receipts:
            return Outcome(reply=reply)
        event = ConnectorPosted(
            sphere=sphere.id,
            seq=self._next(sphere),
            at=self._now,
            connector=connector.id,
            name=connector.name,
            installed_by=connector.installed_by,
            body=draft.body,
            label=draft.label,
        )
        entry = self._take(sphere, event, connector.id, draft.client_id)
        return Outcome(reply=reply, publication=Publication(entries=(entry,)))

    def _living(self, connector: str) -> tuple[Connector, Sphere]:
        found = self._facts.connectors.get(connector)
        if found is None:
            raise errors.NotAuthenticated
        return found

    def _next(self, sphere: Sphere) -> int:
        return self.heads.get(sphere.id, sphere.head) + 1

    def _take(
        self,
        sphere: Sphere,
        event: TimelineEvent,
        author: str,
        client_id: str | None,
        about: About | None = None,
    ) -> Entry:
        content = codec.store(event)
        stamp = int(stamp_of(sphere.audience, sphere.history))
        entry = Entry(event=event, content=content, stamp=stamp, about=about)
        self.rows.append(posts.Row(entry, author, client_id))
        self.heads[sphere.id] = event.seq
        if client_id is not None:
            self._receipts[sphere.id, author, client_id] = event.seq, event.at, content
        return entry

    def _named(self, drafts: Sequence[AnyDraft]) -> list[posts.Key]:
        """Return the client ids of drafts whose author may post: others have no receipts."""
        named: list[posts.Key] = []
        for draft in drafts:
            if isinstance(draft, MemberDraft):
                if (standing := self._facts.standings.get(draft.place)) is not None:
                    named.append((standing.sphere.id, draft.author, draft.client_id))
            elif draft.client_id is not None and draft.connector in self._facts.connectors:
                _, sphere = self._facts.connectors[draft.connector]
                named.append((sphere.id, draft.connector, draft.client_id))
        return named


def _again(draft: MemberDraft, seq: int, at: int, content: bytes) -> Outcome:
    """Answer a post that is stored already as the first time, unless it says something else.

    What was edited or deleted since is no longer there to compare with: it is not posted again.
    """
    stored = codec.restore(content) if content else None
    if not isinstance(stored, Erased) and not draft.is_same(stored):
        raise errors.ClientIdReused
    return Outcome(reply=Posted(id=draft.id, seq=seq, at=at))
