"""Runs the migrations on the connection that `posd.club.migrate` hands over; there is no other way to run them."""

from __future__ import annotations

from alembic import context

from posd.club.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    version_table="club_schema",
)
with context.begin_transaction():
    context.run_migrations()
