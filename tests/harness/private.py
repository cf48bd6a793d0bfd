"""A private Docker Engine with its registry and base images, for a test run or a benchmark."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.harness.engine import SUITES, EngineBox, base_tar
from tests.harness.namespace import take_namespace
from tests.harness.registry import Registry


@contextmanager
def private_engine() -> Iterator[EngineBox]:
    """Starts the engine and its registry; this process moves into their network until the end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a stopped run cleans up, too
    namespace = take_namespace()
    tars = {suite: base_tar(suite) for suite in SUITES}
    try:
        namespace.create()
        namespace.enter()
        registry = Registry(namespace)
        registry.start()
        engine = EngineBox(namespace, registry)
        engine.start()
        for suite, tar in tars.items():
            engine.import_base(suite, tar)
        yield engine
    finally:
        namespace.remove()
