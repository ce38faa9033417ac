"""Private threads, what hangs on messages, requests to join, and the journal.

Columns are added rather than tables made anew: in SQLite, dropping a table that others refer to would
take their rows along.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ZERO = sa.text("0")


def upgrade() -> None:
    """Bring the tables up to this version."""
    _people()
    _threads()
    _events()
    _new_tables()
    # From now on a closed sphere that is listed shows itself. Nobody decided that of these.
    op.execute(
        "UPDATE sphere SET listed = false, revision = revision + 1 WHERE listed AND audience = 'closed'"
    )


def _people() -> None:
    for name in ("hidden", "declines"):
        op.add_column(
            "member", sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    op.add_column("bequest", sa.Column("name", sa.String(length=80)))
    op.execute(
        "UPDATE bequest SET name = (SELECT member.name FROM member WHERE member.id = bequest.member)"
        " WHERE form = 'named'"
        " AND NOT EXISTS (SELECT 1 FROM stay WHERE stay.sphere = bequest.sphere"
        " AND stay.member = bequest.member)"
    )


def _threads() -> None:
    op.add_column("sphere", sa.Column("parent", sa.String(length=26)))
    op.create_index("ix_sphere_parent", "sphere", ["parent"])
    op.create_index("ix_author_key_author", "author_key", ["author"])
    op.add_column(
        "stay", sa.Column("read_seq", sa.BigInteger(), server_default=_ZERO, nullable=False)
    )
    op.add_column(
        "stay", sa.Column("show_read", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("stay", sa.Column("declines", sa.Boolean()))
    op.add_column("stay", sa.Column("default_thread", sa.String(length=26)))


def _events() -> None:
    op.add_column(
        "event", sa.Column("kind", sa.SmallInteger(), server_default=_ZERO, nullable=False)
    )
    for table in ("event", "purge"):
        op.add_column(
            table,
            sa.Column("concerns_stamp", sa.SmallInteger(), server_default=_ZERO, nullable=False),
        )
    op.add_column("purge", sa.Column("message", sa.BigInteger()))
    op.create_index(
        "ix_event_sphere_concerns",
        "event",
        ["sphere", "concerns"],
        sqlite_where=sa.text("concerns IS NOT NULL"),
        postgresql_where=sa.text("concerns IS NOT NULL"),
    )
    op.create_index(
        "ix_event_sphere_seq",
        "event",
        ["sphere", "seq"],
        sqlite_where=sa.text("kind = 1 AND (stamp & 2) != 0"),
        postgresql_where=sa.text("kind = 1 AND (stamp & 2) != 0"),
    )
    # A message is what has a receipt, and all that bots brought in.
    op.execute(
        "UPDATE event SET kind = 1 WHERE receipt IS NOT NULL"
        " OR (author IS NOT NULL AND author NOT IN (SELECT id FROM member))"
    )


def _new_tables() -> None:
    op.create_table(
        "join_request",
        sa.Column("sphere", sa.String(length=26), nullable=False),
        sa.Column("member", sa.String(length=26), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member"], ["member.id"], name="fk_join_request_member", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sphere"], ["sphere.id"], name="fk_join_request_sphere", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sphere", "member", name="pk_join_request"),
    )
    op.create_index("ix_join_request_member", "join_request", ["member"])
    op.create_table(
        "journal",
        sa.Column("sphere", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["sphere"], ["sphere.id"], name="fk_journal_sphere", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sphere", "seq", name="pk_journal"),
        sqlite_with_rowid=False,
    )
