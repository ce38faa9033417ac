"""Schema: the tables, as SQLAlchemy Core describes them.

Decides names, types, keys and indexes; migrations must end in exactly this (a test compares).
Times are milliseconds, UTC; ids are the wire's. Invariant: no secret is stored, only digests of
tokens and Argon2id hashes of passwords; what a message says is in ``event.content`` and nowhere
else.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(26)
#: Folding makes a character into up to three, taking it apart (NFKD) into up to eighteen. SQLite
#: takes no notice of lengths; PostgreSQL does.
ADDRESS = String(3 * 254)
NAME_FOLDED = String(18 * 80)

organisation = Table(
    "organisation",
    metadata,
    Column("id", ID, primary_key=True),
    Column("handle", String(64), nullable=False, unique=True),
    Column("name", String(80), nullable=False),
    Column("password_length_min", Integer, nullable=False),
    Column("password_classes", SmallInteger, nullable=False),
    Column("password_age_max_ms", BigInteger),
    Column("password_reuse_history", SmallInteger, nullable=False),
    Column("session_lifetime_ms", BigInteger, nullable=False),
    Column("session_idle_ms", BigInteger, nullable=False),
    Column("sessions_max", Integer, nullable=False),
    Column("directory", Boolean, nullable=False),
    Column("second_factor", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

account = Table(
    "account",
    metadata,
    Column("id", ID, primary_key=True),
    Column("address", ADDRESS, nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("password_set_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

#: A second factor: the secret is sealed with a key of the keyring. ``last_step`` is the latest code
#: used; ``failures`` counts wrong ones since.
second_factor = Table(
    "second_factor",
    metadata,
    Column("account", ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("account", ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
)

former_password = Table(
    "former_password",
    metadata,
    Column("account", ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("set_at", BigInteger, primary_key=True),
    Column("password_hash", String(255), nullable=False),
)

#: Without an account: somebody who is gone, and whose bequests are kept. ``hidden``: nobody is told
#: when they are there. ``declines``: new private threads, where their stay says nothing else.
member = Table(
    "member",
    metadata,
    Column("id", ID, primary_key=True),
    Column("account", ForeignKey("account.id", ondelete="CASCADE")),
    Column("organisation", ForeignKey("organisation.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(80), nullable=False),
    Column("name_folded", NAME_FOLDED, nullable=False),
    Column("renamed_at", BigInteger, nullable=False, default=0),
    Column("role", String(8), nullable=False),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("created_at", BigInteger, nullable=False),
    Column("hidden", Boolean, nullable=False, server_default=false()),
    Column("declines", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("account", "organisation"),
    Index(None, "organisation"),
)

#: What somebody says of themselves in their organisation, and to whom.
profile_field = Table(
    "profile_field",
    metadata,
    Column("member", ForeignKey("member.id", ondelete="CASCADE"), primary_key=True),
    Column("field", String(8), primary_key=True),
    Column("value", String(500), nullable=False),
    Column("visibility", String(12), nullable=False),
)

#: What they say in one sphere instead; without a value, nothing. It ends with the stay.
profile_override = Table(
    "profile_override",
    metadata,
    Column("sphere", ID, primary_key=True),
    Column("member", ID, primary_key=True),
    Column("field", String(8), primary_key=True),
    Column("value", String(500)),
    ForeignKeyConstraint(["sphere", "member"], ["stay.sphere", "stay.member"], ondelete="CASCADE"),
    Index(None, "member"),
)

#: An invitation to an organisation, or as a visitor to one of its spheres.
admission = Table(
    "admission",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("organisation", ForeignKey("organisation.id", ondelete="CASCADE"), nullable=False),
    Column("address", ADDRESS, nullable=False),
    Column("role", String(8), nullable=False),
    Column("sphere", ForeignKey("sphere.id", ondelete="CASCADE")),
    Column("invited_by", ForeignKey("member.id", ondelete="CASCADE")),
    Column("expires_at", BigInteger, nullable=False),
    Index(None, "organisation", "address"),
    Index(None, "sphere"),
    Index(None, "invited_by"),
)

#: What the command line asks of the server that is in charge of the database, and what came of it.
errand = Table(
    "errand",
    metadata,
    Column("id", ID, primary_key=True),
    Column("wish", LargeBinary, nullable=False),
    Column("answer", LargeBinary),
    Column("created_at", BigInteger, nullable=False),
)

session = Table(
    "session",
    metadata,
    Column("id", ID, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("member", ForeignKey("member.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Index(None, "member"),
)

#: A private thread is a sphere with a ``parent``: closed, hidden, unlisted, its own timeline, stays
#: and keys (docs/adr/0012). Whoever asks for spheres proper says that they have none.
sphere = Table(
    "sphere",
    metadata,
    Column("id", ID, primary_key=True),
    Column("organisation", ForeignKey("organisation.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(80), nullable=False),
    Column("audience", String(6), nullable=False),
    Column("history", String(7), nullable=False),
    Column("listed", Boolean, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("head", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("parent", ID),
    Index(None, "organisation", "audience"),
    Index(None, "parent"),
)

#: ``read_seq`` is how far the member read: theirs alone, unless they ``show_read``. ``declines`` is
#: null where the member's own word holds; ``default_thread`` is where their messages go first.
stay = Table(
    "stay",
    metadata,
    Column("sphere", ForeignKey("sphere.id", ondelete="CASCADE"), primary_key=True),
    Column("member", ForeignKey("member.id"), primary_key=True),
    Column("role", String(13), nullable=False),
    Column("entered", Boolean, nullable=False),
    Column("horizon", BigInteger, nullable=False),
    Column("read_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("show_read", Boolean, nullable=False, server_default=false()),
    Column("declines", Boolean),
    Column("default_thread", ID),
    Index(None, "member"),
)

#: Outlives the stay: what a former member left behind is theirs to withdraw. ``name`` is the one
#: they had when they left: a later one is not for those whom they left.
bequest = Table(
    "bequest",
    metadata,
    Column("sphere", ForeignKey("sphere.id", ondelete="CASCADE"), primary_key=True),
    Column("member", ForeignKey("member.id"), primary_key=True),
    Column("form", String(9), nullable=False),
    Column("name", String(80)),
    Index(None, "member"),
)

invitation = Table(
    "invitation",
    metadata,
    Column("sphere", ForeignKey("sphere.id", ondelete="CASCADE"), primary_key=True),
    Column("member", ForeignKey("member.id", ondelete="CASCADE"), primary_key=True),
    Column("invited_by", ForeignKey("member.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "member"),
    Index(None, "invited_by"),
)

#: Somebody asks to be let in.
join_request = Table(
    "join_request",
    metadata,
    Column("sphere", ForeignKey("sphere.id", ondelete="CASCADE"), primary_key=True),
    Column("member", ForeignKey("member.id", ondelete="CASCADE"), primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "member"),
)

#: Who came, went and changed what, without a name: each record's digest covers the one before.
#: ``seq`` is that of the event: how many records there are is nobody's to count.
journal = Table(
    "journal",
    metadata,
    Column("sphere", ForeignKey("sphere.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("record", LargeBinary, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    sqlite_with_rowid=False,
)

connector = Table(
    "connector",
    metadata,
    Column("id", ID, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("sphere", ForeignKey("sphere.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(80), nullable=False),
    Column("installed_by", ForeignKey("member.id"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "sphere"),
)

#: ``author`` is the member or the connector whose words are in ``content``, which is then sealed
#: with their key; an event without an author stands in the clear. ``alias`` is the author that an
#: anonymised message bears on the wire; it differs from stay to stay, so that a later one does not
#: give away an earlier one. ``receipt`` stands for the client's own id of a message, digested with
#: the author's key. ``stamp`` is visibility.Stamp. ``concerns`` is the last seq that the event is
#: about, when it is about earlier ones, ``concerns_stamp`` the stamp of those: who may see none of
#: them sees something else in its place. ``kind`` is timeline.Kind.
event = Table(
    "event",
    metadata,
    Column("sphere", ForeignKey("sphere.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("author", ID),
    Column("alias", ID),
    Column("receipt", String(32)),
    Column("concerns", BigInteger),
    Column("stamp", SmallInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("kind", SmallInteger, nullable=False, server_default=text("0")),
    Column("concerns_stamp", SmallInteger, nullable=False, server_default=text("0")),
    UniqueConstraint("sphere", "author", "receipt"),
    sqlite_with_rowid=False,
)
# To name another dialect here would import all of it at every start: see ``for_postgresql``.
Index(None, event.c.sphere, event.c.concerns, sqlite_where=event.c.concerns.is_not(None))
# What readers without an account may see, and nothing else: what a page of theirs costs says
# nothing of how much lies between that is not for them.
Index(None, event.c.sphere, event.c.seq, sqlite_where=text("kind = 1 AND (stamp & 2) != 0"))

#: Which keys of the keyring seal what an author said in a sphere: the current one, of their present
#: stay, and those of earlier stays whose messages they bequeathed.
author_key = Table(
    "author_key",
    metadata,
    Column("key", LargeBinary(16), primary_key=True),
    Column("sphere", ForeignKey("sphere.id", ondelete="CASCADE"), nullable=False),
    Column("author", ID, nullable=False),
    Column("current", Boolean, nullable=False),
    Index(None, "sphere", "author"),
    Index(None, "author"),
)

#: Keys retired by what was committed, not yet destroyed in the keyring.
doomed_key = Table("doomed_key", metadata, Column("key", LargeBinary(16), primary_key=True))

#: What a client that comes back must forget before anything is replayed: all that ``author`` wrote
#: below ``before``, or the one ``message`` alone. ``seq`` is the place of the event that said so,
#: ``concerns`` and its stamp as in ``event``.
purge = Table(
    "purge",
    metadata,
    Column("sphere", ForeignKey("sphere.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("author", ID, nullable=False),
    Column("before", BigInteger, nullable=False),
    Column("concerns", BigInteger),
    Column("message", BigInteger),
    Column("concerns_stamp", SmallInteger, nullable=False, server_default=text("0")),
    sqlite_with_rowid=False,
)

#: A file for a message of ``author``: at ``seq`` when it hangs on one, else on its way. ``size`` is
#: what was announced; ``pieces`` how many there are, once all of them are; ``attempt`` names the
#: sending under way. What it is called and the digest of its bytes are sealed in ``about``.
attachment = Table(
    "attachment",
    metadata,
    Column("id", ID, primary_key=True),
    Column("sphere", ForeignKey("sphere.id", ondelete="CASCADE"), nullable=False),
    Column("author", ID, nullable=False),
    Column("seq", BigInteger),
    Column("size", BigInteger, nullable=False),
    Column("pieces", Integer),
    Column("attempt", ID),
    Column("about", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "sphere", "seq"),
    Index(None, "author"),
)
# Those on their way, the longest first: what is swept.
Index(None, attachment.c.created_at, sqlite_where=attachment.c.seq.is_(None))

#: A piece of a file, sealed with the author's key for its place in it, and for being the last one.
chunk = Table(
    "chunk",
    metadata,
    Column("attachment", ForeignKey("attachment.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
)


def for_postgresql() -> MetaData:
    """Return the tables as PostgreSQL has them too: a partial index holds the same part."""
    for index in (index for table in metadata.tables.values() for index in table.indexes):
        part = index.dialect_options["sqlite"]["where"]
        if part is not None:
            index.dialect_options["postgresql"]["where"] = part
    return metadata
