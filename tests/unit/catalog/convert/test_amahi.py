"""Amahi's scripts become definitions that say the same, and nothing of them is run."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from homeport.catalog.convert.amahi import read_amahi
from homeport.catalog.convert.conversion import Conversion
from homeport.catalog.convert.draft import Draft, NoteKind
from homeport.catalog.convert.write import write_definition
from homeport.catalog.loaded import LoadedDefinition
from homeport.catalog.policy_rules import CLOCK_FILES
from homeport.catalog.reader import read_definition
from homeport.errors import NotConvertibleError

ROOT = Path(__file__).parents[4]
SCRIPTS = ROOT / "tests" / "data" / "amahi"

_ACTS = frozenset(
    {
        "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.remove",
        "os.mkdir", "os.rename", "os.rmdir", "shutil.rmtree", "socket.connect", "open",
    }
)  # fmt: skip
"""What Python tells auditors before it happens."""
_seen: list[str] = []
_watching = False


def _watch(event: str, _arguments: tuple[Any, ...]) -> None:
    if _watching and event in _ACTS:
        _seen.append(event)


sys.addaudithook(_watch)


@pytest.fixture
def acts() -> Iterator[list[str]]:
    """What the process did to the machine while the test ran."""
    global _watching  # noqa: PLW0603 - an audit hook stays for the life of the process
    _seen.clear()
    _watching = True
    try:
        yield _seen
    finally:
        _watching = False


def _load(conversion: Conversion, folder: Path) -> LoadedDefinition:
    for name, text in conversion.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return read_definition(folder)


def _named(draft: Draft) -> Draft:
    """The draft by the name of the folder that it is written to."""
    return replace(draft, name="app")


def _essence(loaded: LoadedDefinition) -> dict[str, Any]:
    """What of a definition its owner would notice."""
    service = loaded.template["services"][loaded.main]
    mounts = [str(mount) for mount in service["volumes"]]
    assert loaded.definition.web is not None
    return {
        "services": len(loaded.template["services"]),
        "image": service["image"],
        "container": service["container_name"],
        "hostname": service.get("hostname"),
        "ports": sorted(map(str, service["ports"])),
        "mounts": sorted(mount for mount in mounts if mount.split(":")[0] not in CLOCK_FILES),
        "web": loaded.definition.web.port,
        "data": sorted(loaded.definition.data),
        "permissions": loaded.permissions,
    }


def _converted(name: str) -> Conversion:
    install, uninstall = ((SCRIPTS / name / f"{which}.sh").read_text() for which in ("install", "uninstall"))
    return write_definition(read_amahi(install, uninstall, name=name))


@pytest.mark.parametrize("name", ["gitlab", "hydra"])
def test_an_amahi_app_says_the_same_as_the_one_that_is_shipped(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()

    loaded = _load(_converted(name), folder)

    assert _essence(loaded) == _essence(read_definition(ROOT / "apps" / name))


def test_gitlabs_settings_arrive_as_they_were_written(tmp_path: Path) -> None:
    folder = tmp_path / "gitlab"
    folder.mkdir()

    loaded, shipped = _load(_converted("gitlab"), folder), read_definition(ROOT / "apps" / "gitlab")

    def lines(definition: LoadedDefinition) -> list[str]:
        (service,) = definition.template["services"].values()
        text: str = service["environment"]["GITLAB_OMNIBUS_CONFIG"]
        return [line for line in text.splitlines() if not line.startswith("#")]

    assert lines(loaded) == lines(shipped)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "gitlab",
            ["mkdir -p", "chown -R", "iptables -C", "iptables -A", "sleep 60", "iptables -D", "rm -rf"],
        ),
        ("hydra", ["mkdir -p", "chown -R", "sleep 5"]),
    ],
)
def test_what_a_script_does_besides_is_listed(name: str, told: list[str]) -> None:
    notes = [note for note in _converted(name).notes if note.kind is NoteKind.DROPPED]

    for words in told:
        (note,) = (note for note in notes if words in note.what)
        assert "script line" in note.what
        assert note.why


def test_what_homeport_does_itself_is_no_loss() -> None:
    notes = {note.what: note for note in _converted("gitlab").notes}

    assert notes["install script line 37: docker-compose up -d"].kind is NoteKind.CHANGED
    assert notes["uninstall script line 3: docker-compose down"].kind is NoteKind.CHANGED


def _compose(text: str, before: str = "", after: str = "") -> Draft:
    return read_amahi(f"{before}\ncat > docker-compose.yml <<EOF\n{text}EOF\ndocker-compose up -d\n{after}")


def test_variables_of_the_script_stand_in_the_compose_file() -> None:
    draft = _compose("web:\n  image: a:$TAG\n  volumes: ['$D/x:/x']\n", "TAG=1\nD=WEBAPP_PATH/data")

    assert draft.services["web"] == {"image": "a:1", "volumes": ["./data/x:/x"]}


def test_what_the_script_would_make_up_is_the_owners_to_set() -> None:
    draft = _compose("web:\n  image: a\n  environment: {SALT: $P}\n", "P=$(openssl rand -hex 4)")

    assert draft.services["web"]["environment"] == {"SALT": None}
    assert draft.hints == {"SALT": "$(openssl rand -hex 4) in line 1"}


def test_a_compose_file_may_come_through_a_pipe_or_by_another_name() -> None:
    for script in (
        "docker-compose -f - up -d <<E\nweb: {image: a}\nE\n",
        "cat <<E | docker compose --file - up -d\nweb: {image: a}\nE\n",
        "cat > app.yaml <<E\nweb: {image: a}\nE\ndocker-compose -f app.yaml up -d\n",
        "mkdir sub; cd sub\ncat > docker-compose.yml <<E\nweb: {image: a}\nE\ndocker-compose up -d\n",
        "tee compose.yaml <<E\nweb: {image: a}\nE\n",
    ):
        assert read_amahi(script).services == {"web": {"image": "a"}}, script


def test_files_beside_go_where_they_are_used(tmp_path: Path) -> None:
    draft = _compose(
        "web:\n  build: .\n  env_file: app.env\n  ports: ['HOST_PORT:80']\ndb: {image: 'b:$V'}\n",
        "V=2\ncat > Dockerfile <<'D'\nFROM debian:bookworm-slim\nRUN echo $HOME\nD\necho A=$V > app.env\n",
        "echo x > /etc/cron.d/x\n",
    )
    folder = tmp_path / "app"
    folder.mkdir()

    loaded = _load(write_definition(_named(draft)), folder)

    assert draft.files["Dockerfile"] == "FROM debian:bookworm-slim\nRUN echo $HOME\n"
    assert draft.services["web"]["environment"] == {"A": "2"}
    assert set(loaded.built_services) == {"web"}
    assert any("/etc/cron.d/x" in note.what and note.kind is NoteKind.DROPPED for note in draft.notes)


def test_files_of_an_app_in_a_subfolder_lie_beside_its_compose_file(tmp_path: Path) -> None:
    draft = read_amahi(
        "mkdir -p app && cd app\ncat > docker-compose.yaml <<E\nservices:\n  web:\n    build: .\n"
        "    ports: ['HOST_PORT:80']\n    env_file: WEBAPP_PATH/app/x.env\n"
        "    volumes:\n      - ./nginx.conf:/etc/nginx.conf:ro\n      - $PWD/data:/data\n"
        "      - WEBAPP_PATH/beside:/beside\nE\n"
        "echo 'FROM debian:bookworm-slim' > Dockerfile\necho 'user x;' > nginx.conf\necho A=1 > x.env\n"
        "echo no > ../elsewhere\ndocker compose up -d\n"
    )
    folder = tmp_path / "app"
    folder.mkdir()

    loaded = _load(write_definition(_named(draft)), folder)

    assert draft.files == {
        "Dockerfile": "FROM debian:bookworm-slim\n",
        "nginx.conf": "user x;\n",
        "x.env": "A=1\n",
    }
    assert set(loaded.built_services) == {"web"}
    assert loaded.template["services"]["web"]["environment"] == {"A": "1"}
    assert loaded.template["services"]["web"]["volumes"] == ["./data:/data", "./beside:/beside"]
    assert loaded.template["configs"]["nginx.conf"]["content"] == "user x;\n"
    assert any(": elsewhere" in note.what for note in draft.notes)


def test_an_app_in_a_folder_of_the_box_keeps_its_files() -> None:
    draft = read_amahi(
        "mkdir /opt/x\ncat > /opt/x/compose.yml <<E\nweb:\n  image: a:1\n"
        "  volumes: [/opt/x/a.conf:/a.conf:ro, /opt/x/data:/data, /srv/media:/m]\nE\n"
        "echo hello > /opt/x/a.conf\ndocker compose -f /opt/x/compose.yml up -d\n"
    )

    assert draft.files == {"a.conf": "hello\n"}
    assert draft.services["web"]["volumes"] == ["./a.conf:/a.conf:ro", "./data:/data", "/srv/media:/m"]


def test_paths_of_docker_are_seen_from_where_it_runs() -> None:
    draft = read_amahi(
        "cd sub\necho A=1 > v.env\necho 'FROM scratch' > D\ndocker build -t me/app -f D .\n"
        "docker run -d -v $(pwd)/a:/a -v ./b:/b -v ../c:/c -v WEBAPP_PATH/d:/d -v named:/e --env-file v.env"
        " -e ROOT=WEBAPP_PATH/x me/app\n"
    )

    (service,) = draft.services.values()
    assert service["volumes"] == ["./sub/a:/a", "./sub/b:/b", "./c:/c", "./d:/d", "named:/e"]
    assert service["env_file"] == ["./sub/v.env"]
    assert service["build"] == {"context": "sub", "dockerfile": "D"}
    assert service["environment"] == {"ROOT": "WEBAPP_PATH/x"}
    assert draft.files == {"sub/v.env": "A=1\n", "sub/D": "FROM scratch\n"}


@pytest.mark.parametrize("delimiter", ["E", "'E'"])
def test_the_users_folder_is_no_value_of_a_variable(delimiter: str) -> None:
    draft = read_amahi(
        f"cat > docker-compose.yml <<{delimiter}\nweb:\n  image: a:1\n  volumes: ['$HOME/x:/x']\n"
        "  environment: {A: $HOME}\nE\ndocker-compose up -d\n"
    )

    assert draft.services["web"]["volumes"] == ["~/x:/x"]
    assert draft.services["web"]["environment"] == {"A": None}


def test_where_a_script_runs_is_no_value_of_composes_own_variable() -> None:
    draft = read_amahi(
        "cat > docker-compose.yml <<'E'\nweb:\n  image: a:1\n  volumes: ['$PWD/x:/x']\n  command: $PWD\n"
        "  environment: {A: $PWD}\nE\ndocker-compose up -d\n"
    )

    assert draft.services["web"]["volumes"] == ["./x:/x"]
    assert draft.services["web"]["environment"] == {"A": None}
    assert any("command" in note.what and "${PWD}" in note.why for note in draft.notes)


def test_files_of_the_definitions_own_names_are_not_taken() -> None:
    draft = _compose("web: {build: .}\n", "echo x > app.yml\necho 'FROM scratch' > Dockerfile\n")

    assert set(draft.files) == {"Dockerfile"}
    assert any("app.yml" in note.what for note in draft.notes)


def test_what_compose_runs_once_is_no_container_of_the_app() -> None:
    draft = _compose(
        "web: {image: a}\n", after="docker-compose run web setup\ndocker --context x compose run web a\n"
    )

    assert list(draft.services) == ["web"]
    assert [note.why for note in draft.notes if "run web" in note.what] == [
        "A container that runs once is none of the app's: do it in the entrypoint of the app's image."
    ] * 2


def test_a_script_of_other_engines_flags_is_read() -> None:
    draft = read_amahi("docker -H tcp://h:2375 run -d -p HOST_PORT:80 a:1\ndocker --context x pull a:1\n")

    assert draft.services["a"]["ports"] == ["HOST_PORT:80"]
    assert any("fetches" in note.why for note in draft.notes)


def test_a_file_that_a_container_gets_goes_into_the_definition(tmp_path: Path) -> None:
    draft = _compose(
        "web:\n  image: nginx:1.27\n  ports: ['HOST_PORT:80']\n  volumes: ['./a.conf:/etc/a.conf:ro']\n",
        "echo 'user $x;' > a.conf",
    )
    folder = tmp_path / "app"
    folder.mkdir()

    loaded = _load(write_definition(_named(draft)), folder)

    (config,) = loaded.template["configs"].values()
    assert config["content"] == "user $$x;\n"


def test_an_image_that_the_script_builds_is_built_on_the_box() -> None:
    draft = read_amahi(
        "mkdir img\necho 'FROM scratch' > img/Dockerfile\ndocker build -t me/app --build-arg V=1 img\n"
        "docker run -d --name APP_IDENTIFIER -p HOST_PORT:80 me/app\n"
    )

    (service,) = draft.services.values()
    assert service["build"] == {"context": "img", "args": {"V": "1"}}
    assert draft.files == {"img/Dockerfile": "FROM scratch\n"}


def test_what_a_built_image_is_called_is_homeports_own(tmp_path: Path) -> None:
    draft = read_amahi(
        "cat > Dockerfile <<END\nFROM debian:12\nEND\ndocker build -t APP_IDENTIFIER/php .\n"
        "docker run -d --name APP_IDENTIFIER -p HOST_PORT:80 APP_IDENTIFIER/php\n",
        name="app",
    )
    folder = tmp_path / "app"
    folder.mkdir()

    written = write_definition(draft)

    assert list(_load(written, folder).template["services"]) == ["php"]
    assert not [note for note in written.notes if "without notice" in note.why]


def test_containers_started_one_by_one_are_services_of_one_app(tmp_path: Path) -> None:
    draft = read_amahi(
        "P=$RANDOM\n"
        "docker run -d --name APP_IDENTIFIER_db -e MYSQL_ROOT_PASSWORD=$P -v WEBAPP_PATH/db:/db db:11\n"
        "docker create --name=APP_IDENTIFIER --link APP_IDENTIFIER_db:mysql -p HOST_PORT:80 wiki:1\n"
        "docker start APP_IDENTIFIER\n"
        "docker run --rm busybox true\n",
        name="app",
    )
    folder = tmp_path / "app"
    folder.mkdir()

    loaded = _load(write_definition(draft), folder)

    assert set(draft.services) == {"db", "wiki"}
    assert draft.services["db"]["container_name"] == "APP_IDENTIFIER_db"
    assert draft.services["wiki"]["links"] == ["db:mysql"]
    assert loaded.main == "wiki"
    assert loaded.definition.settings["MYSQL_ROOT_PASSWORD"].required


@pytest.mark.parametrize(
    ("command", "kind", "word"),
    [
        ("docker-compose pull", NoteKind.CHANGED, "fetches"),
        ("docker compose -p x restart", NoteKind.CHANGED, "itself"),
        ("docker network create n", NoteKind.CHANGED, "networks"),
        ("docker exec APP_IDENTIFIER ls", NoteKind.DROPPED, "entrypoint"),
        ("docker-compose run --rm web ls", NoteKind.DROPPED, "entrypoint"),
        ("docker run --rm busybox ls", NoteKind.DROPPED, "entrypoint"),
        ("sudo mkdir -p data", NoteKind.DROPPED, "folders"),
        ("chown -R 1000 data", NoteKind.DROPPED, "PUID"),
        ("iptables -A INPUT -j ACCEPT", NoteKind.DROPPED, "ports"),
        ("/usr/bin/apt-get install -y php", NoteKind.DROPPED, "Dockerfile"),
        ("curl -O x", NoteKind.DROPPED, "Dockerfile"),
        ("sed -i s/a/b/ docker-compose.yml", NoteKind.DROPPED, "as it was written"),
        ("sleep 9", NoteKind.DROPPED, "healthy"),
        ("frobnicate", NoteKind.DROPPED, "image"),
    ],
)
def test_every_other_command_is_told_with_a_hint(command: str, kind: NoteKind, word: str) -> None:
    draft = _compose("web: {image: a}\n", after=f"{command}\n")

    (note,) = (note for note in draft.notes if command in note.what)
    assert (note.kind, note.what) == (kind, f"install script line 6: {command}")
    assert word in note.why


def test_errors_name_the_line_of_the_script() -> None:
    with pytest.raises(NotConvertibleError) as caught:
        _compose("web:\n  image: a\n image: b\n", "echo one\necho two\n")

    assert caught.value.facts["line"] == 7


@pytest.mark.parametrize(
    "script",
    [
        "",
        "echo hello\n",
        "wget -O docker-compose.yml x\ndocker-compose up -d\n",
        "wget -O- x > docker-compose.yml\ndocker-compose up -d\n",
        "eval \"$(echo 'docker run x')\"\n",
        "docker run --rm busybox ls\n",
        "cat > docker-compose.yml <<E\nweb: {image: a}\n",
    ],
)
def test_a_script_that_makes_no_app_is_refused_with_a_way_out(script: str) -> None:
    with pytest.raises(NotConvertibleError) as caught:
        read_amahi(script)

    assert caught.value.remedy


_TRAP = """\
#!/bin/bash
touch @/one
rm -rf @/canary
A=$(touch @/two)
B=`touch @/three`
C=$((1 + $(touch @/four; echo 1)))
diff <(touch @/five) >(touch @/six)
: ${D:=$(touch @/seven)}
[ -n "$(touch @/eight)" ] && touch @/nine || touch @/ten
f() { touch @/eleven; }; f
trap 'touch @/twelve' EXIT
eval "touch @/thirteen"
exec 3<@/fifo
source @/canary
. @/fifo
cat @/fifo > copy
read -r line < @/fifo
while touch @/fourteen; do touch @/fifteen; done
(touch @/sixteen) & coproc touch @/seventeen
echo x | tee @/eighteen >> @/nineteen
cat > docker-compose.yml <<EOF
web:
  image: "a:1$(touch @/twenty)`touch @/twentyone`"
  command: "\\$\\$(touch @/twentytwo) ${E:-$(touch @/twentythree)}"
  env_file: @/canary
  ports: ["HOST_PORT:80"]
EOF
docker-compose up -d
docker run --env-file @/fifo --cidfile @/twentyfour --label "$(touch @/twentyfive)" b
"""


def test_nothing_of_a_script_is_run_written_or_read(tmp_path: Path, acts: list[str]) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "canary").write_text("SECRET=canary\n")
    os.mkfifo(trap / "fifo")
    script = _TRAP.replace("@", str(trap))
    write_definition(read_amahi("docker run -p HOST_PORT:80 a:1\n"))  # tables and grammar are loaded by now
    before = sorted(path.name for path in trap.iterdir())
    acts.clear()

    draft = read_amahi(script, f"rm -rf {trap}\ntouch $(touch {trap}/x)\n", name="app")
    conversion = write_definition(draft)

    assert acts == []
    assert sorted(path.name for path in trap.iterdir()) == before
    assert "SECRET" not in "".join(conversion.files.values())
