"""`python -m homeport.state`: makes the database ready, and makes tokens, before anything else runs."""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from homeport.errors import HomeportError, NotFoundError
from homeport.settings import Settings, load_settings
from homeport.state.database import Database, migrate
from homeport.state.reserve import draw_on_reserve
from homeport.state.tokens import create_token, revoke_token


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 0 when it succeeded, 1 with words on standard error when not."""
    parser = argparse.ArgumentParser(prog="python -m homeport.state", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="make the database, or bring its tables up to date")
    token = commands.add_parser("token", help="make a token; one of the same name becomes worthless")
    token.add_argument("name")
    token.add_argument("--file", type=Path, help="write it there, readable by its owner alone")
    given = parser.parse_args(arguments)
    try:
        settings = load_settings()
        draw_on_reserve(settings)  # a box whose disk is full has to start, so that room can be made
        if given.command == "migrate":
            migrate(settings.database)
        else:
            _make_token(settings, given.name, given.file)
    except HomeportError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"The token could not be written: {error}", file=sys.stderr)
        return 1
    return 0


def _make_token(settings: Settings, name: str, file: Path | None) -> None:
    database = Database(settings.database)
    try:
        with database.write() as conn:
            with suppress(NotFoundError):  # it is the first of its name
                revoke_token(conn, name)
            plain = create_token(conn, name, datetime.now(UTC))
            if file is not None:
                _write_secret(file, plain)  # within the transaction: no token is left that nobody has
    finally:
        database.close()
    if file is None:
        print(plain)


def _write_secret(path: Path, content: str) -> None:
    """Puts a file with mode 0600 in place at once, synced."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:  # mkstemp made it with mode 0600
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    sys.exit(main())
