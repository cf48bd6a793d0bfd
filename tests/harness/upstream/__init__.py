"""An upstream that counts: a registry of each ecosystem, made at run time, whose line can fail."""

from tests.harness.upstream.server import Fault, Served
from tests.harness.upstream.upstream import Upstream

__all__ = ["Fault", "Served", "Upstream"]
