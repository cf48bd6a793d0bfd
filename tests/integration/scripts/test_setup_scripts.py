"""The shell code of scripts/lib, run by bash on folders of the tests' own."""

import subprocess
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
