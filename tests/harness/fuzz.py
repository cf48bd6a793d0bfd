"""What the parsers are fuzzed with: hostile pieces of text, and compose files of the corpus's vocabulary.

FUZZ_EXAMPLES in the environment makes a run as long as one likes, and another one every time.
"""

import os
import string
from typing import Any, Final

import yaml
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from homeport.catalog.policy_rules import ALLOWED, FORBIDDEN_IN_SERVICE, REFUSED_LIMITS
from homeport.catalog.yaml12 import load_yaml
from homeport.errors import DefinitionInvalidError, Finding, HomeportError
from tests.harness.attacks import load_corpus

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "0"))


def fuzz(examples: int) -> settings:
    """So many examples, always the same unless the environment asks for more; none longer than 2 s."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        deadline=2000,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def repeated(run: str, length: int) -> str:
    """The run again and again, to that many characters."""
    return (run * (length // len(run) + 1))[:length]


RUNS: Final = (
    *(
        " ",
        "\t",
        "\n",
        "\r\n",
        "\t\\\n",
        "\\",
        "\\ ",
        "'",
        '"',
        "`",
        '\\"',
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        "<a",
    ),
    *(
        "$",
        "$(",
        "${",
        "${A:-",
        "${A:-}",
        "$A",
        "$'",
        "`a",
        "#",
        " #",
        "#\n",
        "^#",
        "1",
        "1.",
        "1m",
        "a",
        "a.",
        "a ",
    ),
    *(
        "a=",
        "-",
        "--",
        "-a ",
        ".",
        "../",
        "/",
        "/a",
        ":",
        "a:",
        "a:a ",
        ",",
        ";",
        "|",
        "&",
        "*",
        "!",
        "%",
        "a@",
        "~",
    ),
    *("_", "\x85", "é", "```x\n", "- ", "? ", "docker ", "HOST_PORT", "A_"),
)
"""What texts are made long of: a pattern that begins with a run of one kind may take its square."""
LONG: Final = st.sampled_from(RUNS).map(lambda run: repeated(run, 20_000))

HOSTILE: Final = (
    "..", "/", "//", "../", "~", "$", "${HOME}", "$$", "\x00", "\n", "\r", "\t", " ", "\\", ":", ",", "=",
    "*", "&a", "!!x", "%", "@", "`", "'", '"', "{", "}", "[", "]", "#", "-", "--", "|", ">", "<<", "\x1b",
    "\x85", "\u2028", "\u202e", "\u200b", "\ufeff", "\u0301", "é", "Ѕ", "１", "٢", "🐳", "\ud800", "0", "00",
    "0x", "-1", "1e999", "9" * 30, "true", "yes", "null", "HOST_PORT", "WEBAPP_PATH", "APP_IDENTIFIER",
    "APP_HOSTNAME", "homeport.", "com.docker.", "host", "container:", "service:", ":ro", ":rw", "/etc",
    "/dev/", "/run/docker.sock", "a" * 300, "CAP_", "ALL",
)  # fmt: skip
PIECES: Final = st.one_of(
    *(st.sampled_from(HOSTILE), st.sampled_from(HOSTILE)),
    *(st.text(string.printable, max_size=6), st.text(max_size=6)),
    LONG,
)
TEXTS: Final = st.lists(PIECES, max_size=8).map("".join)
WRITABLE: Final = TEXTS.filter(lambda text: not any("\ud800" <= char <= "\udfff" for char in text))


@st.composite
def changed(draw: st.DrawFn, text: str) -> str:
    """The text with something put in somewhere, or a piece cut out."""
    place = draw(st.integers(0, len(text)))
    cut = draw(st.sampled_from([0, 0, 1, 3, 10]))
    return text[:place] + draw(PIECES) + text[place + cut :]


VALUES: Final = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)


def written(value: Any) -> bytes:
    """The value as some packager's tool would write it."""
    return yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")


def check_findings(findings: Any) -> None:
    for finding in findings:
        assert isinstance(finding, Finding)
        assert finding.file
        assert finding.key
        assert finding.rule
        assert finding.what.strip()
        assert finding.remedy.strip()


def check_words(error: HomeportError, kind: type[HomeportError] = HomeportError) -> None:
    """The error is of the kind, and says what happened."""
    assert isinstance(error, kind)
    assert error.problem().what.strip()


def _service_values() -> dict[str, list[Any]]:
    """From each key of a service to all that the corpus has for it."""
    values: dict[str, list[Any]] = {
        key: [] for key in (*ALLOWED["service"], *FORBIDDEN_IN_SERVICE, *REFUSED_LIMITS)
    }
    for attack in load_corpus():
        for name, form, text in attack.blocks:
            if name == "service" and not form and len(text) < 2000:
                try:
                    service = load_yaml(text.encode(), file="x").value
                except DefinitionInvalidError:
                    continue
                for key, value in service.items():
                    values.setdefault(key, []).append(value)
    return values


SOUND_VALUES: Final[dict[str, list[Any]]] = {
    "volumes": [
        ["./data:/data"],
        ["/srv/media:/m:ro", "./a:/a"],
        [{"type": "bind", "source": "./b", "target": "/b"}],
    ],
    "ports": [["HOST_PORT:80"], ["2222:22"], ["HOST_PORT:80", "53:53/udp", "8443:443"]],
    "privileged": [True, False],
    "cap_add": [["NET_ADMIN"], ["CHOWN", "SYS_TIME"]],
    "devices": [["/dev/ttyUSB0"], ["/dev/dri:/dev/dri:rw"]],
    "security_opt": [["seccomp=unconfined"], ["no-new-privileges:true"], ["label:disable"]],
    "sysctls": [{"net.core.somaxconn": 1024}, ["net.ipv4.ip_forward=1"]],
    "pid": ["host"],
    "ipc": ["host", "private"],
    "group_add": [["video"], [44]],
    "gpus": ["all"],
    "environment": [{"A": "b"}, ["A=b", "C="]],
    "command": ["run", ["a", "b"]],
    "healthcheck": [{"test": ["CMD", "true"], "interval": "30s"}],
    "ulimits": [{"nofile": 1024}],
    "mem_limit": ["512M", 67108864],
    "restart": ["always"],
    "network_mode": ["none"],
}
SERVICE_VALUES: Final = {
    key: [*found, *SOUND_VALUES.get(key, ())] or ["x", True, 1] for key, found in _service_values().items()
}


@st.composite
def varied(draw: st.DrawFn, value: Any) -> Any:
    """The value, now and then with a text in it changed."""
    match value:
        case str() if draw(st.integers(0, 7)) == 0:
            return draw(changed(value))
        case list():
            return [draw(varied(item)) for item in value]
        case dict():
            return {key: draw(varied(inner)) for key, inner in value.items()}
        case _:
            return value


@st.composite
def services(draw: st.DrawFn, *, sound: bool = False) -> dict[str, Any]:
    """A service; a sound one asks for what permissions open, and has a hostile text in it at most."""
    values = SOUND_VALUES if sound else SERVICE_VALUES
    keys = draw(st.lists(st.sampled_from(sorted(values)), max_size=5, unique=True))
    service = {key: draw(st.sampled_from(values[key])) for key in keys}
    if not sound or draw(st.integers(0, 3)) == 0:
        service = draw(varied(service))
    return {"image": "nginx:1.27", **service}
