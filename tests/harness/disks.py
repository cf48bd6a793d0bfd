"""Small disks for a Homeport's state: of memory, or ext4 on a file, which can fail or be copied as it is."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox
from tests.harness.programs import run

MIB = 1024 * 1024


class DiskBox(HomeportBox):
    """A Homeport whose state lies on a disk of its own, and which counts as started once it answers."""

    def __init__(self, engine: EngineBox, name: str, disk: Path, **settings: object) -> None:
        super().__init__(engine, name, state_dir=disk, **settings)
        self.state_dir = disk

    def job_ids(self) -> set[str]:
        """The ids of all jobs that it tells of."""
        found: set[str] = set()
        path = "/v1/jobs?limit=100"
        while path:
            answer = self.get(path)
            found |= {job["id"] for job in answer["items"]}
            path = f"/v1/jobs?limit=100&cursor={answer['next']}" if answer["next"] else ""
        return found

    def _is_ready_or_ended(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None or self._says_ok("/livez")

    def _says_ok(self, path: str) -> bool:
        try:
            return requests.get(self.base_url + path, timeout=5).ok
        except requests.RequestException:
            return False


class Ext4Disk:
    """An ext4 file system on a file beside it; what is written but not synced is not in the file."""

    def __init__(self, place: Path, size_bytes: int) -> None:
        self.place = place
        self.image = place.with_suffix(".img")
        self._device = ""
        place.mkdir()
        with self.image.open("wb") as file:
            file.truncate(size_bytes)
        run(["mkfs.ext4", "-q", "-m", "0", str(self.image)])

    def mount(self, *, read_only: bool = False) -> None:
        """Mounts it; where it breaks, it becomes read-only."""
        self._device = run(["losetup", "--find", "--show", "--direct-io=on", str(self.image)]).strip()
        options = "errors=remount-ro,ro" if read_only else "errors=remount-ro"
        run(["mount", "-o", options, self._device, str(self.place)])

    def unmount(self) -> None:
        """Undoes it; nothing happens where it is not mounted."""
        if self._device:
            run(["umount", str(self.place)])
            run(["losetup", "--detach", self._device])
        self._device = ""

    def remount(self, option: str) -> None:
        """Makes it `ro` or `rw`. Only a disk on which nothing is open for writing becomes `ro`."""
        run(["mount", "-o", f"remount,{option}", str(self.place)])

    def break_down(self) -> None:
        """Has the kernel find an error on it, upon which it takes no more writes."""
        (Path("/sys/fs/ext4") / Path(self._device).name / "trigger_fs_error").write_text("a test")

    def mend(self) -> None:
        """What an owner does about it; it is not mounted then."""
        device, self._device = self._device, ""
        run(["umount", str(self.place)])
        run(["fsck.ext4", "-p", device], check=False)  # 1: it was mended
        run(["losetup", "--detach", device])

    @contextmanager
    def copied(self) -> Iterator[Path]:
        """What a power cut now would leave, mounted elsewhere: the file as it is, its journal replayed."""
        copy = self.image.with_suffix(".copy")
        shutil.copyfile(self.image, copy)
        place = self.place.with_suffix(".copied")
        place.mkdir()
        run(["mount", "-o", "loop", str(copy), str(place)])
        try:
            yield place
        finally:
            run(["umount", str(place)])
            place.rmdir()
            copy.unlink()


@contextmanager
def memory_disk(place: Path, size_bytes: int) -> Iterator[Path]:
    """A small disk in memory."""
    place.mkdir()
    run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=755", "tmpfs", str(place)])
    try:
        yield place
    finally:
        run(["umount", "--lazy", str(place)])
        place.rmdir()


@contextmanager
def ext4_disk(place: Path, size_bytes: int) -> Iterator[Ext4Disk]:
    """An ext4 disk, mounted."""
    disk = Ext4Disk(place, size_bytes)
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()
