"""docker run lines as definitions: 60 in the shape of images' own pages, and what lines can be made of."""

from pathlib import Path

import pytest

from homeport.catalog.convert import convert
from homeport.catalog.convert.conversion import Conversion
from homeport.catalog.convert.draft import NoteKind
from homeport.catalog.reader import read_definition
from homeport.catalog.yaml12 import load_yaml
from homeport.errors import NotConvertibleError

LINES = sorted((Path(__file__).parents[3] / "data" / "docker_run").iterdir())


def service_of(conversion: Conversion, name: str | None = None) -> dict[str, object]:
    """The service as the definition has it; the only one without a name."""
    services = load_yaml(conversion.files["docker-compose.yml"].encode(), file="x").value["services"]
    return dict(services[name or next(iter(services))])


def app_of(conversion: Conversion) -> dict[str, object]:
    return dict(load_yaml(conversion.files["app.yml"].encode(), file="x").value)


def write(conversion: Conversion, folder: Path) -> Path:
    for name, text in conversion.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_there_are_sixty_lines() -> None:
    assert len(LINES) == 60


@pytest.mark.parametrize("folder", LINES, ids=lambda folder: folder.name)
def test_a_line_as_images_publish_it_becomes_the_definition_expected(folder: Path) -> None:
    conversion = convert((folder / "line.txt").read_text(encoding="utf-8"))

    expected = {file.name: file.read_text(encoding="utf-8") for file in (folder / "expected").iterdir()}
    assert dict(conversion.files) == expected
    assert [str(note) for note in conversion.notes] == (folder / "notes.txt").read_text().splitlines()


@pytest.mark.parametrize("folder", LINES, ids=lambda folder: folder.name)
def test_the_definition_of_a_line_passes_the_policy(folder: Path) -> None:
    loaded = read_definition(folder / "expected")

    assert loaded.main


@pytest.mark.parametrize(
    "line",
    [
        "docker run -d --name a -p 8080:80 image:1",
        "docker container run --detach --name=a --publish=8080:80 image:1",
        "sudo -E docker create --name a -dp 8080:80 image:1",
        "FOO=1 sudo docker run -d \\  \n  --name a \\\n  # the page\n  -p 8080:80 \\\n  image:1",
        "docker run -d `\n --name a `\n -p 8080:80 image:1",
        "docker run -d ^\n --name a ^\n -p 8080:80 image:1",
        'docker run "-d" --name \'a\' -p "8080":80 image:1',
        "$ docker run -d --name a -p8080:80 image:1",
        "root@box:~# docker run -d --name a -p=8080:80 image:1",
        "docker run -d --name a\n  -p 8080:80 \\\n  image:1",
        "Run this: `docker run -d --name a -p 8080:80 image:1`",
        "/usr/bin/docker --context=home run -d --name a -p 8080:80 -- image:1",
        "docker -H tcp://h:2375 --tlscacert /ca.pem -D run -d --name a -p 8080:80 image:1",
        "docker --context foo --log-level debug container run -d --name a -p 8080:80 image:1",
        "docker run -d --name a -p 8080:80 image:1 > /dev/null 2>&1",
        "cd /srv && docker run -d --name a -p 8080:80 image:1; docker ps",
    ],
)
def test_a_line_says_the_same_however_it_is_written(line: str) -> None:
    conversion = convert(line)

    assert conversion.name == "a-app"  # an app has two characters at least
    assert service_of(conversion)["ports"] == ["HOST_PORT:80"]
    assert service_of(conversion)["image"] == "image:1"


@pytest.mark.parametrize(
    ("flags", "key", "value"),
    [
        ("-p 9000:9000 -p 5000-5009:6000-6009/udp", "ports", ["HOST_PORT:9000", "5000-5009:6000-6009/udp"]),
        ("-p 9000 -p 127.0.0.1:7001:7001/udp", "ports", ["HOST_PORT:9000", "7001:7001/udp"]),
        ("-p published=8080,target=80,protocol=tcp", "ports", ["HOST_PORT:80"]),
        ("-p 80 --publish target=53,published=5353,protocol=udp", "ports", ["HOST_PORT:80", "5353:53/udp"]),
        ("-p target=80", "ports", ["HOST_PORT:80"]),
        ("-P --expose 8080", "ports", ["HOST_PORT:8080"]),
        ("-v data:/data", "volumes", ["data:/data"]),
        ("-v ./a/b:/data", "volumes", ["./a/b:/data"]),
        ("-v $(pwd):/data", "volumes", ["./data:/data"]),
        ('-v "${PWD}"/x:/data:ro', "volumes", ["./x:/data:ro"]),
        ("-v `pwd`/x:/data", "volumes", ["./x:/data"]),
        ("-v ~/x:/data", "volumes", ["./data:/data"]),
        ("-v $HOME/x:/data", "volumes", ["./data:/data"]),
        ("-v <path: to data>:/data", "volumes", ["./data:/data"]),
        ("-v %USERPROFILE%\\x:/data", "volumes", ["./data:/data"]),
        ("-v C:\\x\\y:/data", "volumes", ["./data:/data"]),
        ("-v /a:/x/data -v /b:/y/data", "volumes", ["./data:/x/data", "./b:/y/data"]),
        ("-v /a:/x -v /a:/y", "volumes", ["./x:/x", "./x:/y"]),
        ("-v ../up:/data", "volumes", ["./data:/data"]),
        ("-v /data", "volumes", ["data:/data"]),
        ("-v /srv/x", "volumes", ["x-data:/srv/x"]),
        ("-v /data/_x -v /", "volumes", ["x-data:/data/_x", "data:/"]),
        ("-v /a/x -v /b/x", "volumes", ["x-data:/a/x", "b-x:/b/x"]),
        ("-v ./definition:/data", "volumes", ["./data:/data"]),
        ("-v /media/films:/films:ro", "volumes", ["/media/films:/films:ro"]),
        ("-v /srv/media:/media:ro,z", "volumes", ["/srv/media:/media:ro"]),
        ("-v ./own:/own:z -v named:/x:ro,Z", "volumes", ["./own:/own:z", "named:/x:ro,Z"]),
        ("-v $XDG_RUNTIME_DIR/docker.sock:/s", "volumes", ["/var/run/docker.sock:/s"]),
        ("--mount type=volume,src=vol,dst=/data,readonly", "volumes", ["vol:/data:ro"]),
        ("--mount type=bind,source=/opt/x,destination=/data", "volumes", ["./data:/data"]),
        ("--mount source=vol,target=/data,volume-nocopy", "volumes", ["vol:/data:nocopy"]),
        (
            "--mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770",
            "volumes",
            [{"type": "tmpfs", "target": "/t", "tmpfs": {"size": 1048576, "mode": 0o1770}}],
        ),
        ("-e A=1 --env=B='two words' -e C=", "environment", {"A": "1", "B": "two words", "C": ""}),
        ("-e A='$x'", "environment", {"A": "$$x"}),
        ("-e A=${B:-c}", "environment", {"A": "c"}),
        ("--net=none", "network_mode", "none"),
        ("--net host", "network_mode", "host"),
        ("--network-alias db", "networks", {"default": {"aliases": ["db"]}}),
        ("--cap-add CAP_NET_ADMIN --cap-add=SYS_TIME", "cap_add", ["CAP_NET_ADMIN", "SYS_TIME"]),
        ("--cap-drop ALL", "cap_drop", ["ALL"]),
        ("--device=/dev/ttyUSB0", "devices", ["/dev/ttyUSB0"]),
        ("-v /dev/dri:/dev/dri", "devices", ["/dev/dri:/dev/dri"]),
        ("--gpus all", "gpus", "all"),
        ("--gpus '\"device=0,1\"'", "gpus", [{"device_ids": ["0", "1"]}]),
        ("--gpus 2", "gpus", [{"count": 2}]),
        ("--shm-size 1g", "shm_size", "1g"),
        (
            (
                "--health-cmd 'a || b' --health-interval=5s --health-timeout 2s --health-retries 3"
                " --health-start-period 1m --health-start-interval 1s"
            ),
            "healthcheck",
            {
                "test": ["CMD-SHELL", "a || b"],
                "interval": "5s",
                "timeout": "2s",
                "retries": 3,
                "start_period": "1m",
                "start_interval": "1s",
            },
        ),
        ("--no-healthcheck", "healthcheck", {"disable": True}),
        ("--label a=b -l c", "labels", {"a": "b", "c": ""}),
        ("--entrypoint /run.sh", "entrypoint", ["/run.sh"]),
        ('--entrypoint=""', "entrypoint", []),
        ("--user 33:33", "user", "33:33"),
        ("--restart on-failure:3", "restart", "on-failure:3"),
        ("--tmpfs /run:size=1m --tmpfs=/tmp", "tmpfs", ["/run:size=1m", "/tmp"]),
        ("--ulimit nofile=1:2 --ulimit=nproc=9", "ulimits", {"nofile": {"soft": 1, "hard": 2}, "nproc": 9}),
        ("--sysctl net.core.somaxconn=9", "sysctls", {"net.core.somaxconn": "9"}),
        ("--security-opt seccomp:unconfined", "security_opt", ["seccomp=unconfined"]),
        ("--pid host", "pid", "host"),
        ("--ipc=host", "ipc", "host"),
        ("--uts=host", "uts", "host"),
        ("--userns=host", "userns_mode", "host"),
        ("--cgroupns host", "cgroup", "host"),
        ("--group-add video", "group_add", ["video"]),
        ("-h box", "hostname", "box"),
        ("--domainname lan", "domainname", "lan"),
        ("--add-host a:1.2.3.4", "extra_hosts", ["a:1.2.3.4"]),
        ("--dns 1.1.1.1", "dns", ["1.1.1.1"]),
        ("--dns-option ndots:1", "dns_opt", ["ndots:1"]),
        ("--dns-search lan", "dns_search", ["lan"]),
        ("--init", "init", True),
        ("--read-only=true", "read_only", True),
        ("-w /srv", "working_dir", "/srv"),
        ("--stop-signal SIGINT", "stop_signal", "SIGINT"),
        ("--stop-timeout=9", "stop_grace_period", "9s"),
        (
            "--log-driver local --log-opt max-size=1m",
            "logging",
            {"driver": "local", "options": {"max-size": "1m"}},
        ),
        ("-dit", "tty", True),
        ("-dit", "stdin_open", True),
        ("-itp 9000:9000", "ports", ["HOST_PORT:9000"]),
        ("--runtime=nvidia", "gpus", "all"),
        ("--privileged", "privileged", True),
    ],
)
def test_a_flag_becomes_the_key_of_a_service(flags: str, key: str, value: object, tmp_path: Path) -> None:
    conversion = convert(f"docker run {flags} --name a image:1 command")

    assert service_of(conversion)[key] == value
    read_definition(write(conversion, tmp_path))


@pytest.mark.parametrize(
    ("flags", "key", "value"),
    [
        ("-m 512m", "limits", {"memory": "512M"}),
        ("--memory=1.5g --cpus 0.5 --pids-limit 99", "limits", {"memory": "1536M", "cpus": 0.5, "pids": 99}),
        ("--memory -1", "limits", None),
        ("-v /srv/app:/config", "data", ["config"]),
        ("--privileged=false", "permissions", None),
        ("-p 53:53/udp", "permissions", ["port:53/udp"]),
        ("-p 22:22", "web", None),
        ("-p 443:443", "web", {"service": "a", "port": 443}),
        ("--name my_App.1", "name", "my-app-1"),
    ],
)
def test_a_flag_becomes_a_key_of_app_yml(flags: str, key: str, value: object) -> None:
    conversion = convert(f"docker run --name a {flags} image:1")

    assert app_of(conversion).get(key) == value


@pytest.mark.parametrize(
    ("variable", "setting"),
    [
        ("PUID=99", {"default": "99"}),
        ("PGID=<your group>", {"default": "1000"}),
        ("PUID=$(id -u)", {"default": "1000"}),
        ("TZ=America/New_York", {"default": "America/New_York"}),
        ("TZ=<tz>", {"default": "Etc/UTC"}),
        ("UMASK=002", {"default": "002"}),
        ("ADMIN_PASSWORD=changeme", {"required": True}),
        ("API_TOKEN=abc123", {"required": True}),
        ("FROM_OUTSIDE", {"required": True}),
        ("DOMAIN=<your domain>", {"required": True}),
        ("DOMAIN=$DOMAIN", {"required": True}),
        ("FOLDER=$HOME/x", {"required": True}),
        ("FOLDER=$(pwd)", {"required": True}),
    ],
)
def test_what_each_box_has_its_own_value_for_is_a_setting(variable: str, setting: dict[str, object]) -> None:
    conversion = convert(f"docker run -e {variable} image:1")

    name = variable.partition("=")[0]
    settings = app_of(conversion)["settings"]
    assert isinstance(settings, dict)
    described = {key: value for key, value in settings[name].items() if key != "description"}
    assert described == setting
    assert service_of(conversion)["environment"] == {name: None}


@pytest.mark.parametrize("variable", ["KEY_FILE=/run/key", "USE_TOKEN=true", "TOKEN=", "KEYBOARD=de"])
def test_what_is_no_secret_stays_in_the_file(variable: str) -> None:
    conversion = convert(f"docker run -e {variable} image:1")

    name, _, value = variable.partition("=")
    assert service_of(conversion)["environment"] == {name: value}


@pytest.mark.parametrize(
    ("flags", "dropped"),
    [
        ("--rm", "--rm"),
        ("--cidfile /x", "--cidfile /x"),
        ("--memory-swap=2g", "--memory-swap 2g"),
        ("--platform linux/amd64", "--platform linux/amd64"),
        ("--pull always", "--pull always"),
        ("--ip 10.0.0.2", "--ip 10.0.0.2"),
        ("--volumes-from other", "--volumes-from other"),
        ("--link other:db", "--link other:db"),
        ("--network container:other", "--network container:other"),
        ("--network some", "--network some"),
        ("--runtime runsc", "runtime: runsc"),
        ("--security-opt seccomp=./profile.json", "seccomp=./profile.json"),
        ("-v /:/host", "/:/host"),
        ("-v /x:relative", "--volume /x:relative"),
        ("--hostname <name>", "--hostname <name>"),
        ("-l com.docker.stack=x", "labels.com.docker.stack: x"),
        ("-p a:b", "port a:b"),
        ("--use-api-socket", "use_api_socket: true"),
        ("…", "…"),
        ("-e HOST_PORT=80", "HOST_PORT"),
        ("-p published=80", "port 80:"),
        ("-p published=80,target=80,mode=host", "--publish mode=host"),
        ("-p target=80,udp", "--publish udp"),
        ("--mount 'type=bind\n,source=/a,target=/b'", "--mount type=bind\n,source=/a,target=/b"),
        ("--workdir $PWD", "--workdir $PWD"),
    ],
)
def test_what_has_no_place_in_a_definition_is_dropped_and_said(flags: str, dropped: str) -> None:
    conversion = convert(f"docker run --name a {flags} image:1")

    assert dropped in [note.what for note in conversion.notes if note.kind is NoteKind.DROPPED]
    assert conversion.permissions == ()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("docker run --name a", "names no image"),
        ("docker run --nmae a image", "no flag --nmae"),
        ("docker run -z image", "no flag -z"),
        ("docker run -e", "takes a value"),
        ("docker run --rm=perhaps image", "neither true nor false"),
        ("docker run --name 'a image", "never closed"),
        ("docker run <image>", "is no image"),
        ("docker run IMAGE", "IMAGE"),
        ("docker ps", "nothing that a definition"),
        ("hello", "nothing that a definition"),
        ("", "nothing that a definition"),
    ],
)
def test_a_line_that_docker_would_refuse_is_refused_in_words(line: str, words: str) -> None:
    with pytest.raises(NotConvertibleError) as caught:
        convert(line)

    assert words in str(caught.value)
    assert caught.value.remedy


def test_a_wrong_flag_is_told_with_the_nearest_right_one() -> None:
    with pytest.raises(NotConvertibleError) as caught:
        convert("docker pull x\ndocker run --volumme a:/b image")

    assert caught.value.remedy == "Did you mean --volume?"
    assert caught.value.facts["line"] == 2


def test_containers_of_several_lines_reach_each_other_as_before() -> None:
    conversion = convert(
        "docker network create net\n"
        "docker run -d --name db --network net --network-alias sql postgres:16\n"
        "docker run -d --name web --network net --link db:database --volumes-from db:ro -p 80:80 app:1\n"
        "docker run -d --name side --network container:web side:1\n"
    )

    assert service_of(conversion, "db")["networks"] == {"net": {"aliases": ["sql"]}}
    assert service_of(conversion, "web")["links"] == ["db:database"]
    assert service_of(conversion, "web")["volumes_from"] == ["db:ro"]
    assert service_of(conversion, "web")["depends_on"] == ["db"]
    assert service_of(conversion, "web")["container_name"] == "APP_IDENTIFIER"
    assert service_of(conversion, "side")["network_mode"] == "service:web"
    assert conversion.name == "web"


def test_a_folder_that_two_containers_share_stays_one() -> None:
    conversion = convert(
        "docker run --name a -v /srv/x/films:/films a:1\n"
        "docker run --name b -p 80:80 -v /srv/x/films:/data b:1"
    )

    assert service_of(conversion, "a")["volumes"] == ["./films:/films"]
    assert service_of(conversion, "b")["volumes"] == ["./films:/data"]


def test_an_engine_on_another_box_is_told() -> None:
    for engine in ("-H tcp://h:2375", "--host=tcp://h:2375", "--context foo"):
        conversion = convert(f"docker {engine} run a:1")

        assert engine.replace("=", " ") in [note.what for note in conversion.notes]


def test_options_that_label_the_boxs_own_folders_are_dropped_alone() -> None:
    conversion = convert("docker run -v /srv/media:/media:ro,z -v /var/run/docker.sock:/s:Z a:1")

    told = [note.what for note in conversion.notes if note.kind is NoteKind.DROPPED]
    assert told == ["/srv/media:/media:ro,z: z", "/var/run/docker.sock:/s:Z: Z"]
    assert service_of(conversion)["volumes"] == ["/srv/media:/media:ro", "/var/run/docker.sock:/s"]


def test_what_is_left_open_in_a_command_or_a_label_is_told() -> None:
    conversion = convert('docker run --label "a=$HOME" a:1 "$(pwd)/x"')

    assert service_of(conversion)["labels"] == {"a": "$$HOME"}
    assert service_of(conversion)["command"] == ["$$(pwd)/x"]
    told = [note.what for note in conversion.notes if note.kind is NoteKind.ASSUMED]
    assert {"--label a=$HOME", "$(pwd)/x"} <= set(told)


def test_a_file_of_variables_may_be_named_by_the_folder() -> None:
    conversion = convert("docker run --env-file $PWD/app.env a:1")

    assert service_of(conversion)["env_file"] == ["./app.env"]


def test_a_word_of_dots_is_read_at_once() -> None:
    conversion = convert(f"docker run a:1 {'.' * 5000}x {'etc' * 2000}x ...")

    assert service_of(conversion)["command"] == ["." * 5000 + "x", "etc" * 2000 + "x"]


def test_the_same_line_gives_the_same_text() -> None:
    line = "docker run -e B=1 -e A=2 -v /x:/y -v /z:/y2 -p 1:1 -p 80:80 --label b=1 --label a=2 image"

    assert convert(line) == convert(line)


def test_an_app_without_a_page_says_where_to_name_one() -> None:
    conversion = convert("docker run postgres:16")

    assert "no web page" in [note.what for note in conversion.notes]
    assert "web" not in app_of(conversion)
