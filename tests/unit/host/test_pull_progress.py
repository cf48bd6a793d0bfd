from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.host.pull_progress import PullModel, pull_reason


def _message(layer: str, status: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    detail = {"current": current, "total": total} if total else {}
    return {"id": layer, "status": status, "progressDetail": detail}


def test_bytes_and_layers_are_added_up() -> None:
    model = PullModel()

    for message in (
        _message("latest", "Pulling from acme/app"),
        _message("a", "Pulling fs layer"),
        _message("b", "Pulling fs layer"),
        _message("c", "Already exists"),
        _message("a", "Downloading", 50, 100),
        _message("b", "Downloading", 100, 300),
    ):
        model.feed(message, now=0)

    progress = model.progress()
    assert (progress.current_bytes, progress.total_bytes) == (150, 400)
    assert (progress.layers_done, progress.layers) == (1, 3)


def test_a_pull_is_whole_only_when_every_layer_is_unpacked() -> None:
    model = PullModel()
    model.feed(_message("a", "Pulling fs layer"), now=0)
    model.feed(_message("a", "Downloading", 99, 100), now=1)
    model.feed(_message("a", "Download complete"), now=2)

    assert 0.7 < model.progress().fraction < 1

    model.feed(_message("a", "Extracting", 100, 100), now=3)
    model.feed(_message("a", "Pull complete"), now=4)
    assert model.progress().fraction == 1


def test_the_fraction_does_not_fall_when_a_large_layer_becomes_known() -> None:
    model = PullModel()
    model.feed(_message("a", "Pulling fs layer"), now=0)
    model.feed(_message("a", "Downloading", 90, 100), now=1)
    before = model.progress().fraction

    model.feed(_message("b", "Pulling fs layer"), now=2)
    model.feed(_message("b", "Downloading", 1, 1_000_000), now=2)

    assert model.progress().fraction == before


def test_speed_is_that_of_the_last_seconds() -> None:
    model = PullModel()
    model.feed(_message("a", "Pulling fs layer"), now=0)
    for second in range(1, 31):
        model.feed(_message("a", "Downloading", 1000 * second, 100_000), now=second)

    assert model.progress().speed == pytest.approx(1000)


def test_a_retry_is_shown_and_does_not_count_as_movement() -> None:
    model = PullModel()
    model.feed(_message("a", "Pulling fs layer"), now=0)
    model.feed(_message("a", "Downloading", 50, 100), now=1)

    moved = model.feed(_message("a", "Retrying in 5 seconds"), now=2)

    assert not moved
    assert "trying again" in model.progress().text


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(
                [
                    "Pulling fs layer",
                    "Waiting",
                    "Downloading",
                    "Download complete",
                    "Extracting",
                    "Pull complete",
                ]
            ),
            st.integers(0, 100),
            st.integers(0, 100),
        ),
        max_size=60,
    )
)
def test_the_fraction_stays_between_0_and_1_and_never_falls(
    messages: list[tuple[str, str, int, int]],
) -> None:
    model, before = PullModel(), 0.0
    for now, message in enumerate(messages):
        model.feed(_message(*message), now=now)
        fraction = model.progress().fraction
        assert before <= fraction <= 1
        before = fraction


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("manifest for acme/app:9 not found: manifest unknown", "no image of this name and tag"),
        ("pull access denied for acme/app, repository does not exist", "only to those who log in"),
        ("dial tcp: lookup registry.test: no such host", "cannot be reached"),
        ("toomanyrequests: You have reached your pull rate limit", "no more pulls for now"),
        ("tls: failed to verify certificate: x509: unknown authority", "could not be verified"),
        ("no matching manifest for linux/arm64 in the manifest list entries", "kind of processor"),
        ("unexpected EOF", "cut off"),
    ],
)
def test_the_reason_of_a_failed_pull_is_said_in_words_and_quoted(message: str, words: str) -> None:
    reason = pull_reason(message)

    assert words in reason.why
    assert message in reason.why
    assert reason.remedy
