"""Trimming devpi's store, which devpi itself makes anew, where it does not run."""

from pathlib import Path

import pytest

from build_cache.caches.store import REMAKE_MARKER, cache_sizes, trim_caches
from homeport.caches import Ecosystem
from homeport.settings import Settings
from tests.integration.caches.conftest import Going


def filled(settings: Settings) -> Path:
    """devpi's folder, with a store of a file."""
    devpi = settings.caches_dir / "devpi"
    (devpi / "server").mkdir(parents=True)
    (devpi / "server" / "wheel").write_bytes(b"x" * 100_000)
    return devpi


def test_where_no_devpi_is_to_run_its_store_is_removed_at_once(tmp_path: Path) -> None:
    settings = Settings.model_validate({"state_dir": tmp_path, "package_caches": False})
    devpi = filled(settings)

    found = trim_caches(settings, to_bytes=0, ecosystems=[Ecosystem.PIP], control=Going())[Ecosystem.PIP]

    assert (found.after_bytes, found.removed_files) == (0, 1)
    assert cache_sizes(settings)[Ecosystem.PIP].bytes == 0
    assert not devpi.exists()


def test_asking_devpi_for_a_new_store_follows_no_link(tmp_path: Path) -> None:
    settings = Settings.model_validate({"state_dir": tmp_path})
    (filled(settings) / REMAKE_MARKER).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic links"):
        trim_caches(settings, to_bytes=0, ecosystems=[Ecosystem.PIP], control=Going())

    assert not (tmp_path / "elsewhere").exists()
