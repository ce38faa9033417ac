"""The first tables.

The lengths of addresses and folded names were shorter: SQLite, which was alone then, takes no
notice of them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables up to this version."""
    op.create_table(
        "account",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("address", sa.String(length=762), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("password_set_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("address", name=op.f("uq_account_address")),
    )
    op.create_table(
        "doomed_key",
        sa.Column("key", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_doomed_key")),
    )
    op.create_table(
        "errand",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("wish", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_errand")),
    )
    op.create_table(
        "organisation",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("handle", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("password_length_min", sa.Integer(), nullable=False),
        sa.Column("password_classes", sa.SmallInteger(), nullable=False),
        sa.Column("password_age_max_ms", sa.BigInteger(), nullable=True),
        sa.Column("password_reuse_history", sa.SmallInteger(), nullable=False),
        sa.Column("session_lifetime_ms", sa.BigInteger(), nullable=False),
        sa.Column("session_idle_ms", sa.BigInteger(), nullable=False),
        sa.Column("sessions_max", sa.Integer(), nullable=False),
        sa.Column("directory", sa.Boolean(), nullable=False),
        sa.Column("second_factor", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
        sa.UniqueConstraint("handle", name=op.f("uq_organisation_handle")),
    )
    op.create_table(
        "former_password",
        sa.Column("account", sa.String(length=26), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["account.id"], name=op.f("fk_former_password_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account", "set_at", name=op.f("pk_former_password")),
    )
    op.create_table(
        "member",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("account", sa.String(length=26), nullable=True),
        sa.Column("organisation", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("name_folded", sa.String(length=1440), nullable=False),
        sa.Column("renamed_at", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["account.id"], name=op.f("fk_member_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organisation"],
            ["organisation.id"],
            name=op.f("fk_member_organisation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member")),
        sa.UniqueConstraint("account", "organisation", name=op.f("uq_member_account_organisation")),
    )
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_member_organisation"), ["organisation"], unique=False)

    op.create_table(
        "recovery_code",
        sa.Column("account", sa.String(length=26), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["account.id"], name=op.f("fk_recovery_code_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account", "digest", name=op.f("pk_recovery_code")),
    )
    op.create_table(
        "second_factor",
        sa.Column("account", sa.String(length=26), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["account.id"], name=op.f("fk_second_factor_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_second_factor")),
    )
    op.create_table(
        "sphere",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("organisation", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("audience", sa.String(length=6), nullable=False),
        sa.Column("history", sa.String(length=7), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation"],
            ["organisation.id"],
            name=op.f("fk_sphere_organisation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sphere")),
    )
    with op.batch_alter_table("sphere", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_sphere_organisation_audience"),
            ["organisation", "audience"],
            unique=False,
        )

    op.create_table(
        "admission",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("organisation", sa.String(length=26), nullable=False),
        sa.Column("address", sa.String(length=762), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("sphere", sa.String(length=26), nullable=True),
        sa.Column("invited_by", sa.String(length=26), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["member.id"], name=op.f("fk_admission_invited_by"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organisation"],
            ["organisation.id"],
            name=op.f("fk_admission_organisation"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["sphere"], ["sphere.id"], name=op.f("fk_admission_sphere"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_admission")),
    )
    with op.batch_alter_table("admission", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_admission_invited_by"), ["invited_by"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_admission_organisation_address"),
            ["organisation", "address"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_admission_sphere"), ["sphere"], unique=False)

    op.create_table(
        "author_key",
        sa.Column("key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sphere", sa.String(length=26), nullable=False),
        sa.Column("author", sa.String(length=26), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sphere"], ["sphere.id"], name=op.f("fk_author_key_sphere"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_author_key")),
    )
    with op.batch_alter_table("author_key", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_author_key_sphere_author"), ["sphere", "author"], unique=False
        )

    op.create_table(
        "bequest",
        sa.Column("sphere", sa.String(length=26), nullable=False),
        sa.Column("member", sa.String(length=26), nullable=False),
        sa.Column("form", sa.String(length=9), nullable=False),
        sa.ForeignKeyConstraint(["member"], ["member.id"], name=op.f("fk_bequest_member")),
        sa.ForeignKeyConstraint(
            ["sphere"], ["sphere.id"], name=op.f("fk_bequest_sphere"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sphere", "member", name=op.f("pk_bequest")),
    )
    with op.batch_alter_table("bequest", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bequest_member"), ["member"], unique=False)

    op.create_table(
        "connector",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sphere", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("installed_by", sa.String(length=26), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["installed_by"], ["member.id"], name=op.f("fk_connector_installed_by")
        ),
        sa.ForeignKeyConstraint(
            ["sphere"], ["sphere.id"], name=op.f("fk_connector_sphere"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connector")),
        sa.UniqueConstraint("digest", name=op.f("uq_connector_digest")),
    )
    with op.batch_alter_table("connector", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_connector_sphere"), ["sphere"], unique=False)

    op.create_table(
        "event",
        sa.Column("sphere", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.String(length=26), nullable=True),
        sa.Column("alias", sa.String(length=26), nullable=True),
        sa.Column("receipt", sa.String(length=32), nullable=True),
        sa.Column("concerns", sa.BigInteger(), nullable=True),
        sa.Column("stamp", sa.SmallInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sphere"], ["sphere.id"], name=op.f("fk_event_sphere"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sphere", "seq", name=op.f("pk_event")),
        sa.UniqueConstraint(
            "sphere", "author", "receipt", name=op.f("uq_event_sphere_author_receipt")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "invitation",
        sa.Column("sphere", sa.String(length=26), nullable=False),
        sa.Column("member", sa.String(length=26), nullable=False),
        sa.Column("invited_by", sa.String(length=26), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["member.id"], name=op.f("fk_invitation_invited_by"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["member"], ["member.id"], name=op.f("fk_invitation_member"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sphere"], ["sphere.id"], name=op.f("fk_invitation_sphere"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sphere", "member", name=op.f("pk_invitation")),
    )
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invitation_invited_by"), ["invited_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_invitation_member"), ["member"], unique=False)

    op.create_table(
        "profile_field",
        sa.Column("member", sa.String(length=26), nullable=False),
        sa.Column("field", sa.String(length=8), nullable=False),
        sa.Column("value", sa.String(length=500), nullable=False),
        sa.Column("visibility", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(
            ["member"], ["member.id"], name=op.f("fk_profile_field_member"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("member", "field", name=op.f("pk_profile_field")),
    )
    op.create_table(
        "purge",
        sa.Column("sphere", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("author", sa.String(length=26), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("concerns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["sphere"], ["sphere.id"], name=op.f("fk_purge_sphere"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sphere", "seq", name=op.f("pk_purge")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "session",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("member", sa.String(length=26), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member"], ["member.id"], name=op.f("fk_session_member"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
        sa.UniqueConstraint("digest", name=op.f("uq_session_digest")),
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_member"), ["member"], unique=False)

    op.create_table(
        "stay",
        sa.Column("sphere", sa.String(length=26), nullable=False),
        sa.Column("member", sa.String(length=26), nullable=False),
        sa.Column("role", sa.String(length=13), nullable=False),
        sa.Column("entered", sa.Boolean(), nullable=False),
        sa.Column("horizon", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["member"], ["member.id"], name=op.f("fk_stay_member")),
        sa.ForeignKeyConstraint(
            ["sphere"], ["sphere.id"], name=op.f("fk_stay_sphere"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sphere", "member", name=op.f("pk_stay")),
    )
    with op.batch_alter_table("stay", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stay_member"), ["member"], unique=False)

    op.create_table(
        "profile_override",
        sa.Column("sphere", sa.String(length=26), nullable=False),
        sa.Column("member", sa.String(length=26), nullable=False),
        sa.Column("field", sa.String(length=8), nullable=False),
        sa.Column("value", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(
            ["sphere", "member"],
            ["stay.sphere", "stay.member"],
            name=op.f("fk_profile_override_sphere_member"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sphere", "member", "field", name=op.f("pk_profile_override")),
    )
    with op.batch_alter_table("profile_override", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_profile_override_member"), ["member"], unique=False)
