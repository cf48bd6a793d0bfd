"""Why a build failed, in words: the instruction, its line, its last output. Pure."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from build_cache.build_progress import BuildModel, Vertex
from build_cache.dockerfile.forbidden import Forbidden
from homeport.caches import Ecosystem
from homeport.catalog.dockerfile.parse import parse_dockerfile
from homeport.errors import (
    BuildFailedError,
    BuildOutOfMemoryError,
    DiskFullError,
    EngineUnavailableError,
    HomeportError,
    ProgramMissingError,
)
from homeport.host.pull_progress import pull_reason

_EXIT_CODE = re.compile(r"exit code: (\d+)")
_METADATA = re.compile(r"\[internal\] load metadata for (\S+)")
_FRONTEND = re.compile(r"resolve image config for docker-image://(\S+)")
_QUOTED = re.compile(r"\s*(\d+) \| >>> ?(.*)")
_PARSE_ERROR = re.compile(r"(?:dockerfile )?parse error (?:on|at) line (\d+): (.*)", re.IGNORECASE)
_MIB = 1024 * 1024
_BUILTIN_REGISTRY = re.compile(r"^docker\.io/(?:library/)?")


@dataclass(frozen=True, kw_only=True)
class BuildOutput:
    """What is left of a failed build: the model of its records, and what buildx said besides.

    `quoted` are the lines of the Dockerfile that buildx marks as failing (`   6 | >>> RUN …`).
    """

    model: BuildModel
    text: Sequence[str]
    quoted: Sequence[str]
    exit_code: int


def explain_failure(
    service: str,
    output: BuildOutput,
    *,
    unread: BuildOutput | None = None,
    refused_again: Collection[Ecosystem] = (),
) -> HomeportError:
    """The error for a build that ended with an exit code other than 0.

    Args:
        service: whose image it was.
        output: what the build said.
        unread: what a try before it said in which the engine's own frontend could not read the Dockerfile.
        refused_again: whose clients refused a file, and refused it again when its cache had fetched it anew.
    """
    message = _message(output.text)
    vertex = output.model.failing
    said = "\n".join([message, vertex.error if vertex else "", *(vertex.last_lines if vertex else ())])
    if "no space left on device" in said.lower():
        return _disk_full(service, message, vertex, output)
    if vertex is None:
        if (error := _without_build(message)) is not None:
            return error
    elif found := _METADATA.fullmatch(vertex.name):
        return _no_base(service, _BUILTIN_REGISTRY.sub("", found[1]), vertex, output)
    elif found := _FRONTEND.fullmatch(vertex.name):
        return _no_frontend(service, _BUILTIN_REGISTRY.sub("", found[1]), vertex, output, unread)
    remedy = ""
    if refused_again:
        remedy = (
            f"What the cache of {', '.join(sorted(refused_again))} fetched anew was refused again: "
            "its upstream sends a wrong file, or the Dockerfile expects another. Try again later; "
            "if that does not help, tell the definition's packager."
        )
    return _instruction_failed(service, vertex, message, output, remedy=remedy)


def explain_forbidden(service: str, forbidden: Forbidden) -> BuildFailedError:
    """The error for a build that is not begun, since it would reach out of its limits."""
    return BuildFailedError(
        f"The image of service {service!r} could not be built: {forbidden.what}",
        why=forbidden.why,
        remedy=forbidden.remedy,
        service=service,
        instruction=forbidden.instruction,
        line=forbidden.line,
        exit_code=None,
        last_lines=[],
    )


def explain_shortage(
    service: str, output: BuildOutput, dockerfile: bytes, *, limit_bytes: int, suspects: Sequence[Vertex]
) -> BuildOutOfMemoryError:
    """The error for a build in which an instruction needed more memory than there may be.

    Args:
        service: whose image it was.
        output: what the build said.
        dockerfile: the packager's.
        limit_bytes: what a build may use.
        suspects: the steps that ran when memory ran out; one of them may have hidden it.
    """
    failing = output.model.failing or (suspects[-1] if suspects else None)
    facts = dict(_instruction_failed(service, failing, _message(output.text), output).facts)
    facts["line"] = facts["line"] or _line_of(facts["instruction"], dockerfile)
    place = f" in line {facts['line']} of its Dockerfile" if facts["line"] else ""
    why = f"A build may use {limit_bytes / _MIB:.0f} MiB."
    return BuildOutOfMemoryError(
        f"The image of service {service!r} could not be built: it ran out of memory{place}.",
        why=f"{why} The instruction: {facts['instruction']}" if facts["instruction"] else why,
        remedy="Raise the setting `build_memory_bytes`, if this machine has more.",
        **facts,
        limit_bytes=limit_bytes,
    )


def explain_full_disk(
    service: str, model: BuildModel, dockerfile: bytes, full: DiskFullError
) -> DiskFullError:
    """The error for a build that was stopped because a disk was nearly full."""
    running = model.running
    instruction = running[-1].instruction if running else ""
    line = _line_of(instruction, dockerfile)
    place = f" in line {line} of its Dockerfile" if line else ""
    return DiskFullError(
        f"The image of service {service!r} could not be built: the disk became full{place}.",
        why=f"{full.why} The instruction: {instruction}" if instruction else full.why,
        remedy=full.remedy,
        **full.facts,
        service=service,
        instruction=instruction,
        line=line,
    )


def _line_of(instruction: str, dockerfile: bytes) -> int | None:
    """The line where a RUN begins that reads so in one line; None where there is none or more than one."""
    lines = [
        found.line
        for found in parse_dockerfile(dockerfile).instructions
        if " ".join(f"{found.keyword} {found.text}".split()) == instruction
    ]
    return lines[0] if len(lines) == 1 else None


def cannot_be_read(output: BuildOutput) -> bool:
    """Whether BuildKit's frontend did not understand the Dockerfile: nothing in it was begun."""
    failing = output.model.failing
    is_other = failing is not None and (
        _METADATA.fullmatch(failing.name) or _FRONTEND.fullmatch(failing.name)
    )
    begun = any(vertex.position and vertex.started for vertex in output.model.vertexes.values())
    said = output.exit_code != 0 and bool(output.text)
    return said and not begun and not is_other and _without_build(_message(output.text)) is None


def _disk_full(service: str, message: str, vertex: Vertex | None, output: BuildOutput) -> DiskFullError:
    instruction, line = _failing_lines(output.quoted)
    return DiskFullError(
        f"The image of service {service!r} could not be built: the disk is full.",
        why=message,
        remedy="Free some space: remove apps, images or files that are not needed.",
        service=service,
        instruction=instruction or (vertex.instruction if vertex else ""),
        line=line,
    )


def _message(text: Sequence[str]) -> str:
    """The reason that buildx gives at the end, without its own framing."""
    errors = [line for line in text if line.startswith("ERROR: ")]
    last = errors[-1] if errors else (text[-1] if text else "buildx gave no reason")
    return last.removeprefix("ERROR: ").removeprefix("failed to solve: ").removeprefix("failed to build: ")


def _without_build(message: str) -> HomeportError | None:
    """The error for what happened before BuildKit had anything to do."""
    lowered = message.lower()
    if "docker daemon" in lowered or "failed to connect to the docker api" in lowered:
        return EngineUnavailableError(
            "The Docker Engine does not answer.",
            why=message,
            remedy="Start it (`systemctl start docker`), or see what `homeport doctor` says.",
        )
    if "buildx" in lowered and ("not a docker command" in lowered or "unknown command" in lowered):
        return ProgramMissingError(
            "Docker's buildx is not installed.",
            why=message,
            remedy="`homeport doctor` names the command that installs it.",
            program="docker-buildx",
        )
    return None


def _no_base(service: str, image: str, vertex: Vertex, output: BuildOutput) -> BuildFailedError:
    reason = pull_reason(vertex.error)
    instruction, line = _failing_lines(output.quoted)
    return BuildFailedError(
        f"The image of service {service!r} could not be built: its base image {image} cannot be had.",
        why=f"It is not on this machine. {reason.why}",
        remedy=reason.remedy,
        service=service,
        image=image,
        instruction=instruction or f"FROM {image}",
        line=line,
        exit_code=None,
        last_lines=[],
    )


def _no_frontend(
    service: str, image: str, vertex: Vertex, output: BuildOutput, unread: BuildOutput | None
) -> BuildFailedError:
    reason = pull_reason(vertex.error)
    instruction, line = _failing_lines((unread or output).quoted)
    why = f"The Dockerfile's line `# syntax=` names it. {reason.why}"
    remedy = f"{reason.remedy} Most Dockerfiles need no such line: the engine has a frontend of its own."
    if unread is not None:
        why = f"{why} The engine's own frontend cannot read the Dockerfile: {_message(unread.text)}."
        remedy = f"{reason.remedy} Or write the Dockerfile for the frontend that the engine has."
    return BuildFailedError(
        f"The image of service {service!r} could not be built: its frontend {image} cannot be had.",
        why=why,
        remedy=remedy,
        service=service,
        image=image,
        instruction=instruction or f"# syntax={image}",
        line=line,
        exit_code=None,
        last_lines=[],
    )


def _instruction_failed(
    service: str, vertex: Vertex | None, message: str, output: BuildOutput, *, remedy: str = ""
) -> BuildFailedError:
    instruction, line = _failing_lines(output.quoted)
    if (found := _PARSE_ERROR.search(message)) is not None:
        line, why = int(found[1]), f"The Dockerfile cannot be read: {found[2]}."
    else:
        why = _why(vertex, message)
    if not instruction and vertex is not None:
        instruction = vertex.instruction
    code = _EXIT_CODE.search(vertex.error if vertex and vertex.error else message)
    mend = "Read the instruction's last lines: they say what failed. Then try again."
    place = f" in line {line} of its Dockerfile" if line else ""
    return BuildFailedError(
        f"The image of service {service!r} could not be built: it failed{place}.",
        why=f"{why} The instruction: {instruction}" if instruction else why,
        remedy=remedy or mend if code else "Correct the Dockerfile, or tell the definition's packager.",
        service=service,
        instruction=instruction,
        line=line,
        exit_code=int(code[1]) if code else None,
        last_lines=list(vertex.last_lines) if vertex else [message],
    )


def _why(vertex: Vertex | None, message: str) -> str:
    error = vertex.error if vertex and vertex.error else message
    if (found := _EXIT_CODE.search(error)) is not None:
        return f"A command ended with exit code {found[1]}."
    return f"BuildKit says: {error}."


def _failing_lines(quoted: Sequence[str]) -> tuple[str, int | None]:
    """The instruction in one line, and the number of its first line in the Dockerfile."""
    found = [match for line in quoted if (match := _QUOTED.fullmatch(line))]
    if not found:
        return "", None
    # comments may stand within a continued instruction; the first line is one only where it is a directive
    kept = [match[2].strip() for match in found[:1]]
    kept += [text for match in found[1:] if (text := match[2].strip()) and not text.startswith("#")]
    return " ".join(text.removesuffix("\\").strip() for text in kept).strip(), int(found[0][1])
