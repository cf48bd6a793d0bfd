"""What Homeport adds to Compose: request to healthy, beside a bare `docker compose up -d --wait`.

Both start the same rendered project, its image present and its data folder empty, in turn and in one run.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figures import Figure, median, publish, spread
from compose.program import find_compose
from homeport.settings import program_environment
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox
from tests.harness.private import private_engine

PAIRS = 9
APP = "dokuwiki"
AIM = 1.05  # of the bare tool's time


def main() -> None:
    """Measures and prints the figures."""
    with private_engine() as engine, HomeportBox(engine, "bench") as box:
        box.succeed(box.install(APP), timeout_s=900)
        bare = BareProject(engine, box.state_dir / "projects" / APP, engine.root / "bare")
        box.succeed(box.uninstall(APP, purge=True))
        ours: list[float] = []
        raw: list[float] = []
        for _ in range(PAIRS):
            ours.append(time_install(box))
            box.succeed(box.uninstall(APP, purge=True))
            raw.append(bare.time_up())
            bare.remove()
            print(f"ours {ours[-1]:.3f} s, bare {raw[-1]:.3f} s", file=sys.stderr)
    ratios = [mine / theirs for mine, theirs in zip(ours, raw, strict=True)]
    publish(
        [
            Figure(figure="install: request to healthy, median", value=median(ours), unit="s"),
            Figure(figure="install: spread between quarters", value=spread(ours), unit="s"),
            Figure(figure="compose up -d --wait, median", value=median(raw), unit="s"),
            Figure(figure="compose: spread between quarters", value=spread(raw), unit="s"),
            Figure(figure="ratio of medians", value=median(ours) / median(raw), unit="x", aim=AIM),
            Figure(figure="ratio of pairs, median", value=median(ratios), unit="x"),
        ]
    )


def time_install(box: HomeportBox) -> float:
    """Seconds from sending the request to seeing the job succeed."""
    began = time.perf_counter()
    job = box.install(APP)
    while not (now := box.job(job))["finished_at"]:
        time.sleep(0.005)
    took = time.perf_counter() - began
    assert now["state"] == "succeeded", now["problem"]
    return took


class BareProject:
    """A copy of a rendered project that the bare tool runs under another name.

    Args:
        engine: where it runs.
        rendered: the project's folder as Homeport made it.
        folder: where the copy goes.
    """

    def __init__(self, engine: EngineBox, rendered: Path, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "docker-compose.yml"
        self._text = (rendered / "docker-compose.yml").read_text()
        self._data = [
            path.name for path in rendered.iterdir() if path.is_dir() and not path.name.startswith(".")
        ]
        self._environment = program_environment(DOCKER_HOST=engine.docker_host, HOME=str(engine.root))
        self._make_folder()

    def time_up(self) -> float:
        """Seconds that `up -d --wait` takes."""
        began = time.perf_counter()
        self._compose("up", "--detach", "--wait", "--no-build")
        return time.perf_counter() - began

    def remove(self) -> None:
        """Takes it down, and makes its data folders empty again."""
        self._compose("down", "--volumes", "--timeout", "5")
        shutil.rmtree(self._folder)
        self._make_folder()

    def _make_folder(self) -> None:
        self._folder.mkdir()
        self._file.write_text(self._text)
        for name in self._data:
            (self._folder / name).mkdir()

    def _compose(self, *words: str) -> None:
        argv = [find_compose(), "--project-name", "bare", "--file", str(self._file), *words]
        subprocess.run(argv, env=self._environment, check=True, capture_output=True, timeout=300)


if __name__ == "__main__":
    main()
