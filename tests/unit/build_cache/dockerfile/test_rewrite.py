import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from build_cache.dockerfile import Client, Rewritten, clients_of_target, rewrite_dockerfile, strip_mounts
from homeport.catalog.dockerfile.parse import parse_dockerfile

FIRST = "--mount=type=secret,id=hp-apt,"


def rewritten(text: str, *files: str, **args: str) -> Rewritten:
    return rewrite_dockerfile(text.encode(), context_files=files, args=args)


def stripped(content: bytes) -> bytes:
    return strip_mounts(content.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def mounting_lines(content: bytes) -> list[int]:
    return [number for number, line in enumerate(content.split(b"\n"), 1) if b"id=hp-" in line]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("FROM a\nRUN b\n", [2]),
        ("FROM a\nRUN b", [2]),
        ("FROM a\r\nRUN b \\\r\n  c\r\nRUN d\r\n", [2, 4]),
        ("\ufeffFROM a\nRUN b\n", [2]),
        ("from a\n  run\tb\n", [2]),
        ('FROM a\nRUN ["b", "c"]\n', [2]),
        ("FROM a\nRUN \\\n  # why\n\n  b\nRUN c\n", [2, 6]),
        ("# escape=`\nFROM a\nRUN b `\n  && c\nRUN d\\\nRUN e\n", [3, 5, 6]),
        ("FROM a\nRUN b \\\\\nRUN c\n", [2, 3]),
        ("FROM a\nRUN <<EOF\nRUN inside\nEOF\nRUN b\n", [2, 5]),
        ("FROM a\nRUN <<-'EOF' cat\n\tRUN inside\n\tEOF\nRUN b\n", [2, 5]),
        ('FROM a\nCOPY <<A <<"B C" /x/\nRUN 1\nA\nRUN 2\nB C\nRUN b\n', [7]),
        ("FROM a\nRUN cat <<<EOF\nRUN b\n", [2, 3]),
        ("FROM a\nRUN echo $((1<<X))\nRUN b\n", [2, 3]),
        ("FROM a\nRUN echo '<<X' \"a <<Y\"\nRUN b\n", [2, 3]),
        ("FROM a\nENV A b c\nLABEL maintainer Some One\nRUN b\n", [4]),
        ('FROM a AS x\nRUN b\nFROM x\nSHELL ["/bin/bash", "-c"]\nRUN c\n', [2, 5]),
        ("FROM a\nONBUILD RUN b\nRUN c\n", [3]),
        ("FROM a\nONBUILD RUN <<EOF\nRUN b\nEOF\nRUN c\n", [5]),
        ("FROM a\nRUN --network=none b\nRUN c\n", [3]),
        ("FROM a\nCMD run b\n", []),
        ("FROM a\nRU\\\nN b\nRUN c\n", [3, 4]),
        ("FROM a\n\u00a0RUN b\n\u2003# RUN c\n", [2]),
        ("\u00a0# escape=`\nFROM a\nRUN b \\\nRUN c\n", [3, 4]),
        ('FROM a\nRUN cat "<<EOF\nRUN b\n', [2, 3]),
        ("FROM a\nRUN cat <<EOF ${\nRUN b\n", [2, 3]),
        ("FROM a\nRUN cat << EOF\nRUN inside\nEOF\nRUN b\n", [2, 5]),
        ("FROM a\nRUN cat <<'' <<\nRUN b\n", [2, 3]),
        ('FROM a\nCOPY ["<<EOF", "/x"]\nRUN b\n', [3]),
        ("FROM a\nRUN echo ${B:-c <<EOF d}\nRUN inside\nEOF\nRUN b\n", [2, 5]),
    ],
)
def test_every_run_that_takes_them_gets_mounts_and_nothing_else_does(text: str, lines: list[int]) -> None:
    result = rewritten(text)

    assert mounting_lines(result.text) == lines
    assert stripped(result.text) == text.encode()


def test_flags_of_the_packager_stay_behind_ours() -> None:
    given_flags = "--mount=type=cache,target=/root/.npm --network=default --security=sandbox"

    text = rewritten(f"FROM a\nRUN {given_flags} npm ci\n").text.decode()

    assert re.search(rf"^RUN {FIRST}.* {given_flags} npm ci$", text, re.MULTILINE)


def test_what_has_no_network_and_what_runs_later_is_said() -> None:
    said = rewritten('FROM a\nRUN --network="none" b\nONBUILD RUN c\n').left_alone

    assert [sentence.partition(":")[0] for sentence in said] == [
        "Line 2 gets no cache",
        "Line 3 gets no cache",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nRUN <<EOF\nRUN b\n",
        "FROM a\nNONSENSE b\nRUN c\n",
        f"FROM a\nRUN {'b' * 65536}\nRUN c\n",
        f"FROM a\nRUN {'${B:-' * 100}\nRUN c\n",
        "FROM a\nRUN <<${B:-EOF}\nRUN c\n${B:-EOF}\n",
    ],
)
def test_what_cannot_be_read_is_built_as_it_is_and_said(text: str) -> None:
    result = rewritten(text)

    assert result.text == text.encode()
    assert not result.secrets
    assert [sentence.startswith("The Dockerfile is built as it is") for sentence in result.left_alone] == [
        True
    ]


@pytest.mark.parametrize(
    ("text", "files", "client"),
    [
        ("ENV http_proxy=http://x", [], Client.APT),
        ("ARG HTTPS_PROXY", [], Client.APT),
        ("RUN echo 'Acquire::http::Proxy \"http://x\";' > /etc/apt/apt.conf.d/01proxy", [], Client.APT),
        ("RUN rm -rf /etc/apt/apt.conf.d/* && true", [], Client.APT),
        ("COPY pip.conf /etc/pip.conf", [], Client.PIP),
        ("ENV A=1 PIP_INDEX_URL=https://x", [], Client.PIP),
        ("RUN pip config set global.index-url https://x", [], Client.PIP),
        ("RUN true", ["conf/pip.conf"], Client.PIP),
        ("ENV UV_DEFAULT_INDEX https://x", [], Client.UV),
        ("ENV NPM_CONFIG_CACHE=/x", [], Client.NPM),
        ("RUN npm config set cache /x", [], Client.NPM),
        ("RUN uv pip install -r requirements.txt", ["uv.lock"], Client.UV),
        ("RUN true", ["uv.toml"], Client.UV),
        ("ENV npm_config_registry=https://x", [], Client.NPM),
        ("RUN npm config set registry https://x", [], Client.NPM),
        ("RUN npm config set --location=global fund false", [], Client.NPM),
        ("COPY <<EOF /usr/local/etc/npmrc\nfund=false\nEOF", [], Client.NPM),
        ("RUN echo 'gem: --no-document' >> /etc/gemrc", [], Client.GEM),
        ("ENV BUNDLE_MIRROR__ALL=https://x", [], Client.BUNDLER),
        ("RUN bundle config --global frozen 1", [], Client.BUNDLER),
        ("RUN true", ["app/.bundle/config"], Client.BUNDLER),
    ],
)
def test_a_client_that_is_configured_already_is_left_alone_and_said(
    text: str, files: list[str], client: Client
) -> None:
    result = rewritten(f"FROM a\n{text}\nRUN uv --version\n", *files)

    assert set(result.secrets.values()) == set(Client) - {client}
    assert [sentence.split()[0] for sentence in result.left_alone] == [client.value]


def test_a_build_argument_that_configures_a_client_wins() -> None:
    assert Client.PIP not in rewritten("FROM a\nRUN b", PIP_INDEX_URL="https://x").secrets.values()


@pytest.mark.parametrize(
    "text",
    [
        "RUN bundle config set --local path vendor && bundle install",
        "RUN echo 'gem: --no-document' >> ~/.gemrc && gem install x",
        "RUN npm config set fund false && npm install -g pnpm@8 yarn && npm cache clean --force",
        "RUN pip install -i https://x y --no-cache-dir && uv pip install --no-cache z && uvx w",
        "RUN rm -rf /var/lib/apt/lists/* /etc/apt/sources.list.d/x.list",
        "ENV NODE_ENV=production",
        "COPY .npmrc package.json ./",
    ],
)
def test_what_bears_a_configuration_of_ours_keeps_it(text: str) -> None:
    result = rewritten(f"FROM a\n{text}\nRUN true\n", "package.json", ".npmrc", "Gemfile")

    assert set(result.secrets.values()) == set(Client)
    assert result.left_alone == ()


@pytest.mark.parametrize(
    ("command", "client"),
    [
        ("uv sync", Client.UV),
        ("uv pip install --cache-dir /x y", Client.UV),
        ("pip3 install --cache-dir=/x y", Client.PIP),
        ("npm ci --cache /x", Client.NPM),
        ("uv tool install x", Client.UV),
        ("pip-compile requirements.in", Client.PIP),
        ("pnpm install", Client.NPM),
        ("cd /x && corepack yarn install", Client.NPM),
        ("gem sources --add https://x", Client.GEM),
    ],
)
def test_what_would_write_the_address_into_the_image_does_without_in_its_run_alone(
    command: str, client: Client
) -> None:
    result = rewritten(f"FROM a\nRUN {command}\nRUN true\n")
    first, second = (line for line in result.text.decode().splitlines() if line.startswith("RUN"))

    assert f"id=hp-{client}," not in first
    assert f"id=hp-{client}," in second
    assert [sentence.split(":")[0] for sentence in result.left_alone] == [
        f"Line 2 gets no cache for {client}"
    ]


@pytest.mark.parametrize(
    ("text", "home"),
    [
        ("", "/root"),
        ("USER root", "/root"),
        ("RUN useradd -m app\nUSER app", "/home/app"),
        ("RUN useradd -r -d /srv/app -s /bin/sh app\nUSER app:app", "/srv/app"),
        ("RUN groupadd x && \\\n useradd --home-dir=/opt/x --uid 1001 x\nUSER 1001", "/opt/x"),
        ("RUN adduser -D -h /data -u 5 app\nUSER 5:5", "/data"),
        ("ARG NAME=app\nRUN adduser app\nUSER ${NAME}", "/home/app"),
        ("USER node", "/home/node"),
        ("ENV HOME=/x\nRUN true", "/x"),
        ("RUN useradd app\nUSER app\nFROM b\nRUN true", "/root"),
        ("RUN useradd app\nUSER app\nFROM s\nRUN true", "/home/app"),
    ],
)
def test_bundlers_configuration_lies_in_the_home_of_whoever_runs_it(text: str, home: str) -> None:
    last = rewritten(f"FROM a AS s\n{text}\nRUN bundle install\n").text.decode().splitlines()[-1]

    assert f",target={home}/.bundle/config,mode=0444" in last


def test_a_user_whose_home_is_not_known_has_no_bundler_cache_and_that_is_said() -> None:
    result = rewritten("FROM a\nUSER somebody\nRUN bundle install && gem install x\n")

    assert Client.BUNDLER not in result.secrets.values()
    assert [sentence.split(":")[0] for sentence in result.left_alone] == [
        "Line 3 gets no cache for bundler",
        "Line 3 gets no cache for gem",
    ]


def test_a_mount_of_the_packagers_at_a_place_of_ours_is_theirs() -> None:
    result = rewritten("FROM a\nRUN --mount=type=secret,id=x,target=/etc/uv/uv.toml true\n")

    assert Client.UV not in result.secrets.values()


def test_a_syntax_line_becomes_a_comment_and_an_escape_line_beside_it_still_counts() -> None:
    text = "# syntax=docker/dockerfile:1.4\n# escape=`\nFROM a\nRUN b `\n  c\n"

    result = rewritten(text)
    kept = rewrite_dockerfile(text.encode(), context_files=(), args={}, keep_syntax=True)

    assert result.has_syntax_line
    assert result.text.startswith(b"# escape=`\n# syntax docker/dockerfile:1.4\nFROM a\nRUN --mount")
    assert [found.name for found in parse_dockerfile(result.text).directives] == ["escape"]
    assert stripped(kept.text) == text.encode()


def test_a_client_that_did_not_bear_it_gets_none() -> None:
    result = rewrite_dockerfile(b"FROM a\nRUN b\n", context_files=(), args={}, without={Client.NPM})

    assert set(result.secrets.values()) == set(Client) - {Client.NPM}
    assert result.left_alone == ()


def test_a_target_tells_its_client() -> None:
    text = rewritten("FROM a\nRUN b\n").text.decode()

    for name, target in re.findall(r"id=hp-([a-z]+)[a-z-]*,target=([^,]+)", text):
        assert Client(name) in clients_of_target(target)
    assert not clients_of_target("/etc/passwd")


LINES = st.lists(
    st.sampled_from(
        [
            *(
                "FROM a",
                "FROM a AS b",
                "RUN b",
                "run b \\",
                "RUN b `",
                "RUN b \\ ",
                "  && c",
                "# c",
                "",
                "EOF",
            ),
            *("RUN <<EOF", "COPY <<EOF <<-X /", "\tX", 'RUN ["a"]', "RUN echo '<<EOF'", "RUN a $((1<<EOF))"),
            *(
                "# escape=`",
                "# escape=\\",
                "# syntax=docker/dockerfile:1",
                "USER x",
                "ENV A b c",
                "RUN",
                "RUN \\",
            ),
            *(
                "RUN --network=none a",
                "ONBUILD RUN a",
                "RUN --mount=type=tmpfs,target=/x a",
                "RUN\ta",
                "RUN é'",
            ),
        ]
    ),
    max_size=12,
)


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_whatever_the_file_taking_our_mounts_out_gives_it_back(
    lines: list[str], end: str, ends: bool, marked: bool
) -> None:
    source = ("\ufeff" * marked + end.join(lines) + end * ends).encode()

    result = rewrite_dockerfile(source, context_files=(), args={}, keep_syntax=True)

    assert stripped(result.text) == source
    assert result.text.count(b"\n") == source.count(b"\n")
    before, after = parse_dockerfile(source), parse_dockerfile(result.text)
    assert (after.problem, len(after.instructions)) == (before.problem, len(before.instructions))
    for old, new in zip(before.instructions, after.instructions, strict=True):
        assert (new.keyword, new.line, new.arguments, new.documents) == (
            old.keyword,
            old.line,
            old.arguments,
            old.documents,
        )


@given(LINES)
def test_without_a_syntax_line_no_other_line_changes(lines: list[str]) -> None:
    source = "\n".join(lines).encode()

    result = stripped(rewrite_dockerfile(source, context_files=(), args={}).text)

    assert len(result) == len(source)
    assert sorted(result.replace(b"syntax docker", b"syntax=docker").split(b"\n")) == sorted(
        source.split(b"\n")
    )


@given(st.binary(max_size=200))
def test_no_content_is_an_error(source: bytes) -> None:
    assert stripped(rewrite_dockerfile(source, context_files=(), args={}, keep_syntax=True).text) == source
