"""Alembic's entry point: migrates over the connection that the caller holds, inside the caller's transaction."""

from alembic import context

connection = context.config.attributes["connection"]
# Both databases change schemas transactionally: a migration that fails leaves nothing behind.
context.configure(connection=connection, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
