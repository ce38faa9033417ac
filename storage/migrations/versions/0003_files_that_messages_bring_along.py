"""Files that messages bring along.

Two tables, and nothing of what was there is touched.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables up to this version."""
    op.create_table(
        "attachment",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("sphere", sa.String(length=26), nullable=False),
        sa.Column("author", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.BigInteger()),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("pieces", sa.Integer()),
        sa.Column("attempt", sa.String(length=26)),
        sa.Column("about", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sphere"], ["sphere.id"], name="fk_attachment_sphere", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_attachment"),
    )
    op.create_index("ix_attachment_sphere_seq", "attachment", ["sphere", "seq"])
    op.create_index("ix_attachment_author", "attachment", ["author"])
    op.create_index(
        "ix_attachment_created_at",
        "attachment",
        ["created_at"],
        sqlite_where=sa.text("seq IS NULL"),
        postgresql_where=sa.text("seq IS NULL"),
    )
    op.create_table(
        "chunk",
        sa.Column("attachment", sa.String(length=26), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attachment"], ["attachment.id"], name="fk_chunk_attachment", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("attachment", "number", name="pk_chunk"),
    )
