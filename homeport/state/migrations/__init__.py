"""Alembic's migrations, run by `homeport.state.database.migrate`."""
