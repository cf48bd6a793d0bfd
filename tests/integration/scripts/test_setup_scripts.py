"""The shell code of scripts/lib, run by bash on folders of the tests' own."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
MIRROR = "http://mirror.example/debian"

DEB822 = f"""\
# kept by hand
Types: deb deb-src
# the snapshot: http://old.example/debian
URIs: {MIRROR}
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main
"""

EMBEDDED_KEY = f"""\
Types: deb
URIs: {MIRROR}
Suites: bookworm
Components:
 main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEYxxx
 -----END PGP PUBLIC KEY BLOCK-----
"""

ONE_LINE = f"""\
# deb http://commented.example/debian bookworm main
deb-src http://source.example/debian bookworm main
deb [arch=amd64 signed-by=/keys/debian.gpg] {MIRROR} bookworm main non-free-firmware # ours
deb http://mirror.example/debian-security bookworm-security main
"""


def run_shell(code: str, folder: Path, *parts: str) -> subprocess.CompletedProcess[str]:
    (folder / "os-release").write_text("ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n")
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "APT_FOLDER": str(folder),
        "OS_RELEASE": str(folder / "os-release"),
        "SETUP_RECORD": str(folder / "record" / "made"),
        "REPO": str(SCRIPTS.parent),
    }
    loads = "".join(f". {SCRIPTS}/lib/{part}.sh\n" for part in ("common", *parts))
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{loads}{code}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("sources.list.d/debian.sources", DEB822),
        ("sources.list.d/debian.sources", EMBEDDED_KEY),
        ("sources.list", ONE_LINE),
    ],
)
def test_the_mirror_is_the_one_of_the_machines_own_sources(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)

    assert run_shell("debian_mirror", tmp_path, "sources").stdout == MIRROR + "\n"


def test_the_security_source_is_told_apart_and_a_switched_off_one_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822)

    entries = [
        line.split("\t")[:2] for line in run_shell("apt_entries", tmp_path, "sources").stdout.splitlines()
    ]

    assert entries == [
        ["bookworm", MIRROR],
        ["bookworm-updates", MIRROR],
        ["bookworm-security", "http://mirror.example/debian-security"],
    ]


def test_a_source_of_another_release_keeps_mirror_and_key(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(ONE_LINE)

    stanza = run_shell('deb822_stanza trixie "$(debian_entry)"', tmp_path, "sources").stdout

    expected = [
        "Types: deb",
        f"URIs: {MIRROR}",
        "Suites: trixie",
        "Components: main",
        "Signed-By: /keys/debian.gpg",
    ]
    assert stanza.split("\n")[:5] == expected


def test_without_a_source_of_this_release_there_is_no_mirror(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://mirror.example/debian trixie main\n")

    assert run_shell("debian_entry", tmp_path, "sources").returncode == 1


def test_what_was_made_is_recorded_once_and_forgotten_alone(tmp_path: Path) -> None:
    code = """
    record_made package a; record_made package b; record_made package a; record_made file "/x/a b"
    forget_made package a
    recorded package; recorded file
    """

    assert run_shell(code, tmp_path).stdout.splitlines() == ["b", "/x/a b"]


def test_nothing_is_installed_where_nobody_can_be_asked_and_yes_does_not_mean_debian_13(
    tmp_path: Path,
) -> None:
    code = "MISSING=(nothing-real); MISSING_ENGINE=(docker.io); ENGINE_FROM=debian13\n"
    for answers in ("", "ANSWER_YES=yes\n"):
        refused = run_shell(
            code + answers + 'get_consent "scripts/up --yes"', tmp_path, "sources", "engine", "packages"
        )

        assert refused.returncode == 1
        assert "nothing was changed" in refused.stderr
        assert "scripts/up --yes --debian13-engine" in refused.stderr


def test_an_unknown_word_is_refused_with_the_usage(tmp_path: Path) -> None:
    for script in ("up", "down"):
        answer = subprocess.run(
            [SCRIPTS / script, "--everything"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            cwd=tmp_path,
        )

        assert answer.returncode == 1
        assert "unknown word: --everything" in answer.stderr
        assert f"usage: scripts/{script}" in answer.stderr


@pytest.mark.parametrize("script", ["up", "down", "test", "bench"])
def test_help_prints_the_usage_and_does_nothing(script: str) -> None:
    answer = subprocess.run(
        [SCRIPTS / script, "--help"], capture_output=True, text=True, timeout=10, check=False
    )

    assert answer.returncode == 0
    assert f"  scripts/{script} " in answer.stdout
    assert "==>" not in answer.stderr


def test_only_what_can_be_run_is_offered_as_a_benchmark() -> None:
    answer = subprocess.run(
        [SCRIPTS / "bench", "figures"], capture_output=True, text=True, timeout=10, check=False
    )

    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].split(": ")[1].split() == [
        "build_cache",
        "jobs",
        "overhead",
        "proxy",
    ]


class Page(http.server.BaseHTTPRequestHandler):
    """Answers with the status that its path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def page() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_demo_is_said_to_run_only_where_its_page_comes(tmp_path: Path, page: str) -> None:
    code = f"DEMO_SECONDS=0; require_page {page}/%s; echo comes"

    good = run_shell(code % "200", tmp_path, "python", "service", "demo")
    broken = run_shell(code % "503", tmp_path, "python", "service", "demo")
    absent = run_shell(
        "DEMO_SECONDS=0; require_page http://127.0.0.1:9/", tmp_path, "python", "service", "demo"
    )

    assert (good.returncode, good.stdout) == (0, "comes\n")
    assert (broken.returncode, broken.stdout) == (1, "")
    assert "does not answer as it should: 503." in broken.stderr
    assert "homeport logs dokuwiki" in broken.stderr
    assert "homeport uninstall dokuwiki, then scripts/up demo" in broken.stderr
    assert (absent.returncode, "refused" in absent.stderr) == (1, True)


def test_a_command_that_moves_to_this_checkout_is_said_to(tmp_path: Path) -> None:
    code = f"COMMAND_LINK={tmp_path}/bin/homeport; CODE={tmp_path}/%s; link_command"

    answers = [run_shell(code % name, tmp_path, "python").stderr for name in ("one", "one", "two")]

    link = tmp_path / "bin" / "homeport"
    moved = (
        f"{link} now points to {tmp_path}/two/.venv/bin/homeport (was {tmp_path}/one/.venv/bin/homeport).\n"
    )
    assert answers == ["", "", moved]
    assert link.readlink() == tmp_path / "two" / ".venv" / "bin" / "homeport"


def test_the_homeport_of_another_checkout_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / ".venv" / "bin").mkdir(parents=True)
    (other / ".venv" / "bin" / "python").symlink_to(sys.executable)
    words = ["-c", "import time; time.sleep(60)", "supervisor.supervisord"]
    code = f"setting() {{ echo {tmp_path}; }}; CODE=%s; refuse_other_homeport"

    def refusal(checkout: Path) -> tuple[int, str]:
        done = run_shell(code % checkout, tmp_path, "python", "service")
        return done.returncode, done.stderr

    assert refusal(SCRIPTS.parent) == (0, "")
    with subprocess.Popen([other / ".venv" / "bin" / "python", *words]) as running:
        (tmp_path / "supervisord.pid").write_text(str(running.pid))
        refused, own = refusal(SCRIPTS.parent), refusal(other)
        running.kill()
    (tmp_path / "supervisord.pid").write_text(str(os.getpid()))

    assert refused[0] == 1
    assert f"a Homeport of {other} runs already; the one of {SCRIPTS.parent} was not started." in refused[1]
    assert f"{other}/scripts/down" in refused[1]
    assert own == (0, "")
    assert refusal(SCRIPTS.parent) == (0, ""), "a number that another program has by now"


def test_a_purge_names_the_apps_and_leaves_the_environments_of_other_checkouts(tmp_path: Path) -> None:
    for folder in ("own/.venv", "other/.venv", "projects/wiki", "projects/blog"):
        (tmp_path / folder).mkdir(parents=True)
    code = f"""
    CODE={tmp_path}/own; REPO=$CODE; mkdir -p $CODE/.venv/bin; ln -s /bin/true $CODE/.venv/bin/homeport
    setting() {{ echo {tmp_path}/projects; }}; find_docker() {{ false; }}
    for venv in own other gone; do record_made venv {tmp_path}/$venv/.venv; done
    record_made user homeport
    what_is_purged; purge_venvs; echo; recorded venv
    """

    done = run_shell(code, tmp_path, "python", "service", "purge")

    shown, _, left = done.stdout.partition("\n\n")
    assert shown.splitlines() == ["  apps: blog wiki", "  user homeport", f"  venv {tmp_path}/own/.venv"]
    assert left == f"{tmp_path}/other/.venv\n"
    assert "other/.venv is another checkout's and stays" in done.stderr
    assert (tmp_path / "other" / ".venv").exists()
    assert not (tmp_path / "own" / ".venv").exists()
