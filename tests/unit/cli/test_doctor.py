"""What doctor says about an engine that does not answer."""

import pytest

from homeport.cli.doctor import no_engine
from homeport.errors import EngineUnavailableError


@pytest.mark.parametrize(
    ("why", "found", "mend"),
    [
        ("PermissionError: [Errno 13] Permission denied", "not open to you", "sudo"),
        ("FileNotFoundError: [Errno 2] No such file or directory", "none at unix:///s", "scripts/up"),
    ],
)
def test_an_engine_that_is_not_open_is_told_from_one_that_is_not_there(
    why: str, found: str, mend: str
) -> None:
    error = EngineUnavailableError("The Docker Engine does not answer.", why=why, remedy="homeport doctor")

    verdict = no_engine("unix:///s", error)

    assert found in verdict.found
    assert mend in verdict.mend
    assert "homeport doctor" not in verdict.mend
