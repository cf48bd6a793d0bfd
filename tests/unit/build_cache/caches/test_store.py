"""Which files a trim removes."""

from hypothesis import given
from hypothesis import strategies as st

from build_cache.caches.store import StoredFile, select_trimmed


def file(name: str, size: int, used_at: float) -> StoredFile:
    return StoredFile(path=name, bytes=size, used_at=used_at)


def test_the_least_recently_used_go_first_and_no_more_than_needed() -> None:
    files = [file("new", 10, 3), file("old", 10, 1), file("middle", 10, 2)]

    assert [chosen.path for chosen in select_trimmed(files, to_bytes=15)] == ["old", "middle"]


def test_nothing_goes_where_all_fits() -> None:
    assert select_trimmed([file("a", 10, 1)], to_bytes=10) == []


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 50)), max_size=30),
    st.integers(0, 2000),
)
def test_what_stays_fits_and_is_younger_than_what_goes(sizes: list[tuple[int, int]], to_bytes: int) -> None:
    files = [file(f"f{number}", size, used_at) for number, (size, used_at) in enumerate(sizes)]

    chosen = select_trimmed(files, to_bytes=to_bytes)
    kept = [each for each in files if each not in chosen]

    assert sum(each.bytes for each in kept) <= to_bytes
    assert all(gone.used_at <= stays.used_at for gone in chosen for stays in kept)
