from typing import Any

from build_cache.build_progress import BuildModel, Vertex
from build_cache.failure import (
    BuildOutput,
    cannot_be_read,
    explain_failure,
    explain_full_disk,
    explain_shortage,
)
from homeport.errors import BuildFailedError, DiskFullError, EngineUnavailableError, ProgramMissingError


def _output(
    *text: str, name: str = "", error: str = "", quoted: tuple[str, ...] = (), lines: tuple[str, ...] = ()
) -> BuildOutput:
    model = BuildModel()
    if name:
        vertex: dict[str, Any] = {
            "digest": "v",
            "name": name,
            "started": "t",
            "completed": "t",
            "error": error,
        }
        list(model.take({"vertexes": [vertex]}))
        model.vertexes["v"].last_lines.extend(lines)
    return BuildOutput(model=model, text=text, quoted=quoted, exit_code=1)


def test_a_failing_run_is_told_with_instruction_line_exit_code_and_last_lines() -> None:
    output = _output(
        "ERROR: failed to solve: process did not complete successfully: exit code: 100",
        name="[2/5] RUN apt-get update &&     apt-get install nothing",
        error='process "/bin/sh -c …" did not complete successfully: exit code: 100',
        quoted=(
            "   6 | >>> RUN apt-get update && \\",
            "   7 | >>>     # a comment",
            "   8 | >>>     apt-get install nothing",
        ),
        lines=("E: Unable to locate package nothing",),
    )

    error = explain_failure("web", output)

    assert isinstance(error, BuildFailedError)
    assert error.facts == {
        "service": "web",
        "instruction": "RUN apt-get update && apt-get install nothing",
        "line": 6,
        "exit_code": 100,
        "last_lines": ["E: Unable to locate package nothing"],
    }
    assert "'web'" in error.what
    assert "line 6" in error.what


def test_without_a_quotation_the_instruction_is_that_of_the_step() -> None:
    error = explain_failure("web", _output("ERROR: x", name="[2/5] RUN  false", error="exit code: 1"))

    assert error.facts["instruction"] == "RUN false"
    assert error.facts["line"] is None


def test_a_base_image_that_cannot_be_had_is_named_as_people_write_it() -> None:
    output = _output(
        "ERROR: failed to solve: debian:nine: not found",
        name="[internal] load metadata for docker.io/library/debian:nine",
        error="docker.io/library/debian:nine: not found",
        quoted=("   1 | >>> FROM debian:nine",),
    )

    error = explain_failure("web", output)

    assert isinstance(error, BuildFailedError)
    assert "base image debian:nine" in error.what
    assert (error.facts["image"], error.facts["line"]) == ("debian:nine", 1)


def test_a_dockerfile_that_cannot_be_read_is_told_with_its_line() -> None:
    output = _output(
        "ERROR: failed to solve: dockerfile parse error on line 2: unknown instruction: RUNN",
        quoted=("   2 | >>> RUNN true",),
    )

    error = explain_failure("web", output)

    assert (error.facts["line"], error.facts["instruction"]) == (2, "RUNN true")
    assert "unknown instruction: RUNN" in error.why


def test_a_full_disk_is_told_as_such_wherever_it_is_said() -> None:
    by_engine = _output("ERROR: failed to solve: write /var/lib/x: no space left on device")
    by_program = _output(
        "ERROR: x", name="[2/2] RUN x", error="exit code: 1", lines=("No space left on device",)
    )

    assert isinstance(explain_failure("web", by_engine), DiskFullError)
    assert isinstance(explain_failure("web", by_program), DiskFullError)


def test_an_engine_that_is_away_and_a_missing_buildx_are_no_faults_of_the_build() -> None:
    away = _output("ERROR: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?")
    missing = _output("docker: 'buildx' is not a docker command.")

    assert isinstance(explain_failure("web", away), EngineUnavailableError)
    assert isinstance(explain_failure("web", missing), ProgramMissingError)


def test_silence_is_told_too() -> None:
    assert "buildx gave no reason" in explain_failure("web", _output()).why


def test_want_of_memory_is_told_with_the_limit_and_the_place() -> None:
    output = _output(
        "ERROR: x", name="[2/2] RUN make", error="exit code: 137", quoted=("   3 | >>> RUN make",)
    )

    error = explain_shortage("web", output, b"", limit_bytes=64 * 1024 * 1024, suspects=[])

    assert error.code == "build_out_of_memory"
    assert (error.facts["line"], error.facts["exit_code"]) == (3, 137)
    assert "64 MiB" in error.why
    assert "RUN make" in error.why


def test_a_build_that_was_stopped_for_the_disk_s_sake_names_what_ran() -> None:
    model = BuildModel()
    list(model.take({"vertexes": [{"digest": "v", "name": "[2/2] RUN make   all", "started": "t"}]}))
    full = DiskFullError("x", why="It was stopped.", remedy="Free some space.", path="/d", free_bytes=1)

    error = explain_full_disk("web", model, b"FROM x\n# a\nRUN make \\\n  all\n", full)

    assert "in line 3" in error.what
    assert (error.facts["path"], error.facts["instruction"]) == ("/d", "RUN make all")


def test_a_missing_frontend_says_what_the_engine_s_own_could_not_read() -> None:
    unread = _output("ERROR: failed to solve: dockerfile parse error on line 3: unknown flag: fancy")
    output = _output(
        "ERROR: x",
        name="resolve image config for docker-image://docker.io/docker/dockerfile:1",
        error="no route",
    )

    error = explain_failure("web", output, unread=unread)

    assert "docker/dockerfile:1" in error.what
    assert "unknown flag: fancy" in error.why


def test_only_a_file_of_which_nothing_was_begun_counts_as_unreadable() -> None:
    assert cannot_be_read(_output("ERROR: dockerfile parse error on line 2: unknown instruction: RUNN"))
    assert not cannot_be_read(_output("ERROR: x", name="[2/2] RUN x", error="exit code: 1"))
    assert not cannot_be_read(_output("ERROR: x", name="[internal] load metadata for x", error="not found"))
    assert not cannot_be_read(_output("ERROR: Cannot connect to the Docker daemon. Is it running?"))


def test_want_of_memory_that_was_hidden_names_the_step_that_ran_then() -> None:
    suspect = Vertex("v", "[2/2] RUN make | true")
    output = BuildOutput(model=BuildModel(), text=(), quoted=(), exit_code=0)

    error = explain_shortage("web", output, b"FROM x\nRUN make | true", limit_bytes=1, suspects=[suspect])

    assert (error.facts["line"], error.facts["instruction"]) == (2, "RUN make | true")
