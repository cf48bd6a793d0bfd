"""What all tests share: none of them sees the settings of the one who runs them."""

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds what makes a run longer than every run has to be."""
    parser.addoption(
        "--all-shapes",
        action="store_true",
        help="search the images of all Dockerfiles for traces, not of a few",
    )
    parser.addoption(
        "--matrix",
        action="store_true",
        help="have every fault happen in every step of every job, and write docs/fault-matrix.json",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Takes Homeport's settings out of the environment of the tests."""
    for name in [name for name in os.environ if name.startswith("HOMEPORT_")]:
        del os.environ[name]
