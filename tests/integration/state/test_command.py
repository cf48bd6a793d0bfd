"""`python -m homeport.state`, as `homeport up` runs it."""

import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from homeport.state.database import Database
from homeport.state.tokens import verify_token


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"HOMEPORT_STATE_DIR": str(folder), "HOMEPORT_CONFIG": str(folder / "none.toml")}
    return subprocess.run(
        [sys.executable, "-m", "homeport.state", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _name_of(folder: Path, plain: str) -> str | None:
    with Database(f"sqlite:///{folder}/db/homeport.sqlite").read() as conn:
        return verify_token(conn, plain, datetime.now(UTC))


def test_it_prints_a_token_that_works(tmp_path: Path) -> None:
    assert _run(tmp_path, "migrate").returncode == 0

    plain = _run(tmp_path, "token", "owner").stdout.strip()

    assert _name_of(tmp_path, plain) == "owner"


def test_a_token_in_a_file_is_readable_by_its_owner_alone_and_not_printed(tmp_path: Path) -> None:
    _run(tmp_path, "migrate")
    file = tmp_path / "token"

    shown = _run(tmp_path, "token", "owner", "--file", str(file))

    assert (shown.returncode, shown.stdout) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert _name_of(tmp_path, file.read_text().strip()) == "owner"


def test_a_new_token_of_a_name_makes_the_old_one_worthless(tmp_path: Path) -> None:
    _run(tmp_path, "migrate")
    old, new = (_run(tmp_path, "token", "owner").stdout.strip() for _ in range(2))

    assert (_name_of(tmp_path, old), _name_of(tmp_path, new)) == (None, "owner")


def test_a_token_that_cannot_be_written_leaves_the_old_one_good(tmp_path: Path) -> None:
    _run(tmp_path, "migrate")
    old = _run(tmp_path, "token", "owner").stdout.strip()

    failed = _run(tmp_path, "token", "owner", "--file", str(tmp_path / "none" / "token"))

    assert failed.returncode == 1
    assert "could not be written" in failed.stderr
    assert _name_of(tmp_path, old) == "owner"


def test_a_missing_database_is_told_in_words(tmp_path: Path) -> None:
    failed = _run(tmp_path, "token", "owner")

    assert failed.returncode == 1
    assert "cannot be opened" in failed.stderr
    assert "Traceback" not in failed.stderr
