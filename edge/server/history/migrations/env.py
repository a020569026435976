"""What alembic runs for each step: on the connection that `edge.server.history.database` hands it, in its transaction.

Not for the command `alembic`: a database is brought up to date by whoever writes to it.
"""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
# alembic takes SQLite for a database that cannot undo a CREATE TABLE; it can.
context.configure(connection=connection, transactional_ddl=True)
context.run_migrations()
