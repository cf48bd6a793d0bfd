"""What a Dockerfile could do better, where that is certain. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from homeport.catalog.dockerfile.bases import global_arguments, stage_of
from homeport.catalog.dockerfile.parse import Dockerfile, Instruction, parse_dockerfile, split_words
from homeport.catalog.durations import parse_duration
from homeport.errors import Finding
from homeport.secret_names import names_a_secret

Said = tuple[str, str]
"""What is not as it could be, and the remedy."""

_SWITCHES: Final = frozenset({"true", "false", "yes", "no", "on", "off", "0", "1"})
_ROOT: Final = frozenset({"root", "0"})

_BRISK_S: Final = 5.0

_BEGIN_AS_ROOT: Final = frozenset(
    {
        *("alpine", "almalinux", "archlinux", "busybox", "debian", "fedora", "rockylinux", "ubuntu"),
        *("golang", "node", "perl", "php", "python", "ruby", "rust"),
    }
)
"""Official images that name no user."""
_HAVE_SLIM: Final = frozenset({"debian", "node", "perl", "python", "ruby"})
_SMALL: Final = re.compile(r"(?:^|[-.])(?:slim|alpine)|^sid-slim")
_OFFICIAL: Final = re.compile(r"(?:docker\.io/)?(?:library/)?([a-z0-9]+)(?::([^@]+))?(?:@.*)?")

# The bounds keep what somebody else wrote from taking the square of its length.
_APT_INSTALLS: Final = re.compile(r"\bapt(?:-get)?\s[^;&|\n]{0,300}\binstall\b")
_APT_UPDATES: Final = re.compile(r"\bapt(?:-get)?\s[^;&|\n]{0,300}\bupdate\b")
_APT_LISTS: Final = "/var/lib/apt/lists"
_NO_RECOMMENDS: Final = re.compile(r"(?i)--no-install-recommends|install-recommends[=\"' ]+(?:0|false|no)")
_APK_ADDS: Final = re.compile(r"\bapk\s[^;&|\n]{0,300}\badd\b[^;&|\n]*")
_APK_LISTS: Final = "/var/cache/apk"
_OPEN_MODE: Final = re.compile(r"--chmod=0?[0-7]?777")
_OPEN_TO_ALL: Final = re.compile(
    r"\bchmod\s(?:[^;&|\n]{0,300}\s)?(?:0?[0-7]?777|(?:a|ugo)?\+rwx|(?:a|ugo)?=rwx)\b"
)
_PIPED: Final = re.compile(r"\b(?:curl|wget)\s[^;&\n|]{0,1000}\|\s{0,9}(?:sudo\s{1,9})?(?:ba|da|z)?sh\b")
_UNVERIFIED: Final = re.compile(
    r"\bcurl\s(?:[^;&|\n]{0,300}\s)?(?:-[a-zA-Z]{0,9}k[a-zA-Z]{0,9}|--insecure)(?:\s|$)"
    r"|\bwget\s[^;&|\n]{0,300}--no-check-certificate"
)


@dataclass(frozen=True, kw_only=True)
class DockerfileUse:
    """How a Dockerfile is used: by its file's name in findings, arguments, target, and what is beside it.

    `upon` are the images that are services of the same definition; `drops_root` says that something in the
    context changes the user before the app begins, or that the compose file sets another one.
    """

    file: str
    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    upon: Collection[str] = ()
    drops_root: bool = False


@dataclass(kw_only=True, eq=False)
class _Stage:
    base: str
    name: str
    instruction: Instruction
    body: list[Instruction] = field(default_factory=list)


def advise_dockerfile(source: bytes, use: DockerfileUse) -> list[Finding]:
    """What could be better in the file, in the order of its lines; nothing where it cannot be read."""
    stages = _stages(parse_dockerfile(source), use.args)
    if not stages:
        return []
    kept = _kept(stages, use.target)
    findings = [*_bases(stages, kept, use), *_user(kept, use)]
    layers = frozenset(kept)
    for stage in stages:
        for instruction in stage.body:
            findings += _instruction(instruction, use.file)
            if stage in layers and instruction.keyword == "RUN":
                findings += _layer(instruction, use.file)
    return sorted(findings, key=lambda finding: finding.line or 0)


def has_health_check(source: bytes) -> bool:
    """Whether the file says how the image's health is looked at."""
    checks = [one for one in parse_dockerfile(source).instructions if one.keyword == "HEALTHCHECK"]
    return bool(checks) and checks[-1].arguments.strip().upper() != "NONE"


def is_moving(reference: str) -> bool:
    """Whether an image reference has neither a digest nor a tag but `latest`."""
    if "@" in reference:
        return False
    _, colon, tag = reference.rpartition("/")[2].partition(":")
    return not colon or tag in ("", "latest")


def is_brisk(duration: str) -> bool:
    """Whether a health check's interval is so short that it is a load by itself."""
    try:
        return 0 < parse_duration(duration) < _BRISK_S
    except ValueError:
        return False


def health_often(interval: str) -> Said:
    """What to say of so short an interval."""
    what = f"Every {interval} a program is started in the container, day and night."
    return what, "30s is enough; `start_interval` may be shorter while it starts."


def is_secret(name: str, value: str) -> bool:
    """Whether a variable's name says that it is a secret, and the value could be one: no switch, no path."""
    is_text = bool(value) and not value.startswith(("$", "/")) and value.lower() not in _SWITCHES
    return is_text and names_a_secret(name)


def secret_written(name: str) -> Said:
    """What to say of a secret that stands in a definition."""
    what = f"{name} is known to everybody who has the definition, and the same on every box."
    return what, "Make it a setting of app.yml that is `required`, or let the entry point choose one."


def _stages(parsed: Dockerfile, args: Mapping[str, str]) -> list[_Stage]:
    values = global_arguments(parsed, args)
    stages: list[_Stage] = []
    for instruction in parsed.instructions:
        if instruction.keyword == "FROM":
            base, name = stage_of(instruction, values, escape=parsed.escape)
            stages.append(_Stage(base=base, name=name, instruction=instruction))
        elif stages:
            stages[-1].body.append(instruction)
    return stages


def _kept(stages: Sequence[_Stage], target: str) -> list[_Stage]:
    """The stages whose layers are the image's, the first one first."""
    named: dict[str, _Stage] = {}
    upon: dict[_Stage, _Stage] = {}
    for stage in stages:
        if (below := named.get(stage.base.lower())) is not None:
            upon[stage] = below
        if stage.name:
            named[stage.name] = stage
    last = named.get(target.lower()) if target else None
    chain = [last or stages[-1]]
    while chain[-1] in upon:
        chain.append(upon[chain[-1]])
    return chain[::-1]


def _bases(stages: Sequence[_Stage], kept: Sequence[_Stage], use: DockerfileUse) -> Iterator[Finding]:
    names = {stage.name for stage in stages if stage.name} | {"", "scratch"}
    for stage in stages:
        base = stage.base
        if "$" in base or base.lower() in names or base in use.upon:
            continue
        if is_moving(base):
            what = f"{base} is another image next month, and the build another one with it."
            remedy = f"Name a version: `FROM {base.removesuffix(':latest')}:VERSION`."
            yield _finding(use.file, stage.instruction, "base-moving", (what, remedy))
        elif stage is kept[0] and (slim := _slim_of(base)):
            what = f"{base} brings compilers or documentation that an app seldom needs."
            remedy = f"Build upon {slim}, and install what is missing."
            yield _finding(use.file, stage.instruction, "base-large", (what, remedy))


def _slim_of(base: str) -> str:
    """The smaller variant of an official image; empty where there is none, or it is the one."""
    official = _OFFICIAL.fullmatch(base)
    if official is None or official[1] not in _HAVE_SLIM or _SMALL.search(official[2] or "slim"):
        return ""
    return f"{official[1]}:{official[2]}-slim"


def _user(kept: Sequence[_Stage], use: DockerfileUse) -> Iterator[Finding]:
    users = [one for stage in kept for one in stage.body if one.keyword == "USER"]
    last = users[-1] if users else None
    if use.drops_root or (last and last.arguments.partition(":")[0] not in _ROOT):
        return
    official = _OFFICIAL.fullmatch(kept[0].base)
    if last is None and not (official and official[1] in _BEGIN_AS_ROOT):
        return  # the base image may name a user
    what = "The app's first program runs as root, and nothing here changes the user."
    remedy = "Add `USER`, or let the entry point give the data folders to a user and go on as that (setpriv)."
    yield _finding(use.file, last or kept[-1].instruction, "user-root", (what, remedy))


def _instruction(instruction: Instruction, file: str) -> Iterator[Finding]:
    """What holds in every stage, also in those of which nothing is kept."""
    match instruction.keyword:
        case "RUN":
            for pattern, rule, said in _IN_COMMANDS:
                if pattern.search(instruction.text):
                    yield _finding(file, instruction, rule, said)
        case "COPY" | "ADD":
            if any(_OPEN_MODE.fullmatch(flag) for flag in instruction.flags):
                yield _finding(file, instruction, *_OPEN)
            if _is_unseen(instruction):
                yield _finding(file, instruction, *_UNSEEN)
        case "ENV" | "ARG":
            for name in _secrets(instruction):
                yield _finding(file, instruction, "secret-written", secret_written(name))
        case "HEALTHCHECK":
            for flag in instruction.flags:
                name, _, value = flag.partition("=")
                if name == "--interval" and is_brisk(value):
                    yield _finding(file, instruction, "health-often", health_often(value))
        case _:
            pass


def _is_unseen(instruction: Instruction) -> bool:
    """Whether it adds what an address gives, whatever that is."""
    is_address = re.match(r"https?://", instruction.arguments) is not None
    return is_address and not any(flag.startswith("--checksum=") for flag in instruction.flags)


def _secrets(instruction: Instruction) -> Iterator[str]:
    """The names of the secrets that an ENV or ARG writes into the image."""
    words = split_words(instruction.arguments) or []
    if instruction.keyword == "ENV" and words and "=" not in words[0]:
        words = [f"{words[0]}={' '.join(words[1:])}"]
    for word in words:
        name, _, value = word.partition("=")
        if is_secret(name, value.strip("\"'")):
            yield name


def _layer(instruction: Instruction, file: str) -> Iterator[Finding]:
    """What a RUN leaves in the image that nobody needs."""
    text = instruction.text
    installs, updates = _APT_INSTALLS.search(text), _APT_UPDATES.search(text)
    if updates and _APT_LISTS not in text:
        what = "apt's package lists, some 20 MB, stay in the image."
        remedy = f"End the same RUN with `rm -rf {_APT_LISTS}/*`."
        yield _finding(file, instruction, "apt-lists", (what, remedy))
    if updates and not installs:
        what = "apt's lists are kept as a layer, and are old when a later RUN installs by them."
        yield _finding(file, instruction, "apt-update-alone", (what, "Update and install in one RUN."))
    if installs and not _NO_RECOMMENDS.search(text):
        what = "apt installs what is merely recommended, too."
        yield _finding(file, instruction, "apt-recommends", (what, "Add `--no-install-recommends`."))
    if _APK_LISTS not in text and any("--no-cache" not in command for command in _APK_ADDS.findall(text)):
        yield _finding(
            file, instruction, "apk-cache", ("apk's index stays in the image.", "Add `--no-cache`.")
        )


def _finding(file: str, instruction: Instruction, rule: str, said: Said) -> Finding:
    what, remedy = said
    return Finding(
        file=file, key=instruction.keyword, line=instruction.line, rule=rule, what=what, remedy=remedy
    )


_OPEN: Final = (
    "mode-open",
    (
        "Every user of the container may change these files.",
        "Give them to the app's user: `COPY --chown=`, `install -o`.",
    ),
)
_UNSEEN: Final = (
    "download-unverified",
    (
        "What this address gives tomorrow is built in unseen.",
        "Add `--checksum=sha256:…`, of the file that you have looked at.",
    ),
)
_IN_COMMANDS: Final = (
    (_OPEN_TO_ALL, *_OPEN),
    (
        _PIPED,
        "download-piped",
        (
            "What an address gives is run unseen, as far as it came.",
            "Download it to a file, compare its SHA-256 (`sha256sum -c`), then run it.",
        ),
    ),
    (
        _UNVERIFIED,
        "download-unverified",
        (
            "The server's certificate is not verified: anybody on the way may send something else.",
            "Leave the option out, and install ca-certificates.",
        ),
    ),
)
