"""The `homeport` command."""
