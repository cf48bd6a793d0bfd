"""An upstream that sends a wrong file: its client refuses it, and no cache keeps it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.caches import Ecosystem
from homeport.errors import BuildFailedError
from homeport.host.engine import Engine
from tests.harness.building import TAG, BuildBench, fresh
from tests.harness.caches import CachesBox, free_cache_port
from tests.harness.engine import EngineBox
from tests.harness.tools import SLIM, TOOLS, make_tools
from tests.harness.upstream import Fault, Upstream


@pytest.fixture(scope="module")
def upstream(engine_box: EngineBox) -> Iterator[Upstream]:
    with Upstream(engine_box.root / "wrong-upstream", engine_box.namespace.address) as upstream:
        make_tools(engine_box.docker_host, upstream, only=(TOOLS, SLIM))
        yield upstream


@pytest.fixture(scope="module")
def caches(engine_box: EngineBox, upstream: Upstream) -> Iterator[CachesBox]:
    with CachesBox(
        engine_box.root / "wrong",
        engine_box.docker_host,
        gateway=Engine(engine_box.docker_host).bridge().gateway,
        port=free_cache_port(),
        settings=upstream.settings,
    ) as caches:
        yield caches


@pytest.fixture
def bench(
    engine_box: EngineBox, upstream: Upstream, caches: CachesBox, tmp_path: Path
) -> Iterator[BuildBench]:
    state_dir, port = caches.settings.state_dir, caches.settings.cache_port
    yield BuildBench(engine_box, tmp_path, state_dir=state_dir, cache_port=port)
    upstream.mend()
    engine_box.remove_image(TAG)


@pytest.mark.parametrize(
    ("ecosystem", "text"),
    [
        (Ecosystem.APT, f"FROM {SLIM}\nRUN apt-get update -qq && apt-get install -qq -y lantern-core\n"),
        # by itself it asks twice more, after 10 and 60 seconds
        (Ecosystem.NPM, f"FROM {TOOLS}\nWORKDIR /app\nRUN npm install --fetch-retries=0 lantern-core\n"),
        (Ecosystem.GEM, f"FROM {TOOLS}\nRUN gem install lantern-words\n"),
        (Ecosystem.GEM, f"FROM {TOOLS}\nCOPY Gemfile .\nRUN bundle install\n"),
    ],
    ids=["apt", "npm", "gem", "bundler"],
)
def test_a_wrong_file_is_fetched_anew_and_the_build_goes_on(
    bench: BuildBench, upstream: Upstream, ecosystem: Ecosystem, text: str
) -> None:
    (bench.context / "Gemfile").write_text('source Gem::DEFAULT_HOST\ngem "lantern-extra"\n')
    began_at = time.time()
    upstream.fail(ecosystem, r"lantern-(core|extra|words)[_-].*\.(deb|tgz|gem)$", Fault.WRONG, times=1)

    built = bench.build(text)

    assert any(ecosystem in warning and "wrong file" in warning for warning in built.report.warnings)
    upstream.cut()
    bench.engine.forget_build_steps(began_at)
    bench.build(text)


def test_an_upstream_that_stays_wrong_fails_the_build_in_the_clients_words_and_is_forgotten(
    bench: BuildBench, upstream: Upstream
) -> None:
    text = f"FROM {SLIM}\nRUN : {fresh()} && apt-get update -qq && apt-get install -qq -y lantern-extra\n"
    upstream.fail(Ecosystem.APT, r"lantern-extra_.*\.deb$", Fault.WRONG)

    with pytest.raises(BuildFailedError) as raised:
        bench.build(text)

    assert any("Hash Sum mismatch" in line for line in raised.value.facts["last_lines"])
    assert "upstream sends a wrong file" in raised.value.remedy
    upstream.mend()
    assert not bench.build(text).report.warnings
