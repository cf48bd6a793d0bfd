"""What Compose says, read as progress and as errors."""

import json

from compose.failures import start_failure
from compose.progress import ComposeProgress
from homeport.errors import ForeignObjectError, PortInUseError, StartFailedError

ALLOCATED = (
    "driver failed programming external connectivity on endpoint wiki (02059de974c9): "
    "Bind for 0.0.0.0:36001 failed: port is already allocated"
)
IN_USE = (
    "driver failed programming external connectivity on endpoint wiki (997d0fdca463): "
    "Error starting userland proxy: listen tcp4 0.0.0.0:36009: bind: address already in use"
)
TAKEN_NAME = (
    'Conflict. The container name "/wiki" is already in use by container "c1b93bb5893a". '
    "You have to remove (or rename) that container to be able to reuse that name."
)


def feed(progress: ComposeProgress, *messages: tuple[str, str, str]) -> None:
    for thing, status, text in messages:
        progress.feed(json.dumps({"id": thing, "status": status, "text": text}))


def test_progress_grows_to_the_whole_and_never_falls() -> None:
    fractions: list[float] = []
    progress = ComposeProgress(2, lambda fraction, _detail: fractions.append(fraction), lambda _line: None)

    feed(
        progress,
        ("Network x_default", "Working", "Creating"),
        ("Network x_default", "Done", "Created"),
        ("Container wiki", "Working", "Creating"),
        ("Container wiki", "Done", "Created"),
        ("Container wiki", "Working", "Starting"),
        ("Container wiki", "Done", "Started"),
    )

    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert fractions[3] == 0.75


def test_more_things_than_expected_do_not_make_it_fall() -> None:
    fractions: list[float] = []
    progress = ComposeProgress(1, lambda fraction, _detail: fractions.append(fraction), lambda _line: None)

    feed(progress, ("Container a", "Done", "Started"), ("Container b", "Working", "Creating"))

    assert fractions == [1.0, 1.0]


def test_the_error_is_the_last_message_without_the_daemon_s_preface() -> None:
    logged: list[str] = []
    progress = ComposeProgress(0, lambda _fraction, _detail: None, logged.append)

    progress.feed(json.dumps({"error": True, "message": "Error response from daemon: no"}))
    progress.feed("plain words")

    assert progress.error == "no"
    assert logged == ["no", "plain words"]


def test_a_port_in_the_way_is_named_with_its_holder() -> None:
    allocated = start_failure("homeport-wiki", ALLOCATED, [])
    in_use = start_failure("homeport-wiki", IN_USE, [], holder="python3 (process 7)")

    assert isinstance(allocated, PortInUseError)
    assert allocated.facts["port"] == 36001
    assert isinstance(in_use, PortInUseError)
    assert in_use.facts["port"] == 36009
    assert "python3 (process 7)" in in_use.why


def test_a_taken_container_name_is_a_foreign_container() -> None:
    error = start_failure("homeport-wiki", TAKEN_NAME, [])

    assert isinstance(error, ForeignObjectError)
    assert error.facts["name"] == "wiki"


def test_every_other_failure_quotes_compose() -> None:
    error = start_failure("homeport-wiki", "something odd", ["a", "b"])

    assert isinstance(error, StartFailedError)
    assert (error.why, error.facts["last_lines"]) == ("something odd", ["a", "b"])
