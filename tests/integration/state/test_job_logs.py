"""Reading a job's log as the API does: as a user who may not read what root has only just made."""

import asyncio
import os
from pathlib import Path

from homeport.state.job_logs import read_log

NOBODY = 65534


async def _whole(path: Path) -> bytes:
    async def has_ended() -> bool:
        return True

    return b"".join([piece async for piece in read_log(path, has_ended, tail=None)])


def test_a_log_that_is_not_yet_its_readers_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_text("begun\n")
    seen = [asyncio.run(_whole(path))]

    path.chmod(0o000)
    me = os.geteuid()
    if me == 0:  # root may read everything
        os.seteuid(NOBODY)
    try:
        seen.append(asyncio.run(_whole(path)))
    finally:
        os.seteuid(me)

    assert seen == [b"begun\n", b""]
