"""The folder of a build, and those that builds have left."""

import signal
import subprocess
import sys
from pathlib import Path

from build_cache.build_folder import build_folder
from tests.harness.programs import REPOSITORY


def test_a_folder_is_the_builds_own_and_goes_with_it(tmp_path: Path) -> None:
    with build_folder(tmp_path / "builds") as folder:
        (folder / "secret").write_text("x")

        assert folder.stat().st_mode & 0o777 == 0o700

    assert list((tmp_path / "builds").iterdir()) == []


def test_what_a_killed_build_left_goes_with_the_next_and_what_runs_stays(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from build_cache.build_folder import build_folder
with build_folder(Path({str(tmp_path)!r})) as folder:
    (folder / "secret").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as build:
        assert build.stdout
        other = Path(build.stdout.readline().decode().strip())
        with build_folder(tmp_path) as beside:
            assert (other / "secret").exists()
            build.send_signal(signal.SIGKILL)
            build.wait(10)
            with build_folder(tmp_path):
                assert not other.exists()
                assert beside.exists()
