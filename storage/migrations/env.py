"""Alembic's entry point: migrate over the connection that the caller holds."""

from __future__ import annotations

from alembic import context

from storage.schema import for_postgresql

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=for_postgresql(),
    render_as_batch=True,
    transactional_ddl=False,
    on_version_apply=context.config.attributes.get("applied"),
)
context.run_migrations()
