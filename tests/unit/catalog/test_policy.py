"""Each template here is a sound one with something added; the tables say which rule must name which key."""

import pytest

from homeport.catalog.policy import judge_compose
from homeport.catalog.schema import check_schema
from homeport.catalog.yaml12 import load_yaml
from homeport.errors import Finding

SOUND = """\
services:
  web:
    image: nginx:1.27
"""


def check(text: str) -> list[Finding]:
    document = load_yaml(text.encode(), file="docker-compose.yml")
    assert check_schema(document) == []
    return list(judge_compose(document.value, lines=document.line_of, file="docker-compose.yml").findings)


def of_service(text: str) -> list[Finding]:
    return check(SOUND + "".join(f"    {line}\n" for line in text.splitlines()))


REFUSED_IN_SERVICE = [
    # text in the service, rule, key below services.web, line in the text
    ("provider: {type: ./evil.sh}", "runs-on-host", "provider", 1),
    ("use_api_socket: true", "docker-socket", "use_api_socket", 1),
    ("device_cgroup_rules: ['c 1:3 mr']", "devices", "device_cgroup_rules", 1),
    ("network_mode: container:other", "foreign-object", "network_mode", 1),
    ("network_mode: bridge", "network", "network_mode", 1),
    ("network_mode: service:other", "service-unknown", "network_mode", 1),
    ("cgroup_parent: /", "host-access", "cgroup_parent", 1),
    ("runtime: runc", "host-access", "runtime", 1),
    ("annotations: {a: b}", "host-access", "annotations", 1),
    ("post_start: [{command: x, privileged: true}]", "host-access", "post_start", 1),
    ("credential_spec: {file: x}", "host-access", "credential_spec", 1),
    ("mac_address: 02:42:ac:11:00:03", "network", "mac_address", 1),
    ("oom_score_adj: -1000", "resources", "oom_score_adj", 1),
    ("oom_kill_disable: true", "resources", "oom_kill_disable", 1),
    ("memswap_limit: -1", "ours", "memswap_limit", 1),
    ("pull_policy: always", "ours", "pull_policy", 1),
    ("profiles: [x]", "not-supported", "profiles", 1),
    ("scale: 2", "not-supported", "scale", 1),
    ("deploy: {replicas: 3}", "not-supported", "deploy.replicas", 1),
    ("deploy: {resources: {limits: {cpu: 1}}}", "unknown-key", "deploy.resources.limits.cpu", 1),
    ("secrets: [x]", "not-supported", "secrets", 1),
    ("develop: {watch: []}", "not-supported", "develop", 1),
    ("external_links: [other]", "foreign-object", "external_links", 1),
    ("volumes_from: ['container:other']", "foreign-object", "volumes_from[0]", 1),
    ("volumes_from: [other]", "service-unknown", "volumes_from[0]", 1),
    ("depends_on: [db]", "service-unknown", "depends_on[0]", 1),
    ("depends_on: {db: {condition: service_healthy}}", "service-unknown", "depends_on.db", 1),
    ("links: ['db:database']", "service-unknown", "links[0]", 1),
    ("links: ['container:wiki']", "service-unknown", "links[0]", 1),
    ("imag: x", "unknown-key", "imag", 1),
    ("volume: ['./a:/a']", "unknown-key", "volume", 1),
    ("healthcheck: {test: [curl, localhost]}", "health-test", "healthcheck.test", 1),
    ("healthcheck: {test: x, every: 5s}", "unknown-key", "healthcheck.every", 1),
    ("logging: {driver: syslog}", "logging-driver", "logging.driver", 1),
    ("logging: {driver: json-file, options: {env: X}}", "unknown-key", "logging.options.env", 1),
    ("labels: {homeport.app: other}", "label-reserved", "labels.homeport.app", 1),
    ("labels: ['com.docker.compose.project=other']", "label-reserved", "labels[0]", 1),
    ("container_name: nginx", "container-name", "container_name", 1),
    ("container_name: APP_IDENTIFIER-db", "container-name", "container_name", 1),
    ("container_name: MY_APP_IDENTIFIER", "container-name", "container_name", 1),
    ("labels: {APP_IDENTIFIER.app: x}", "label-reserved", "labels.APP_IDENTIFIER.app", 1),
    ("labels: ['com.APP_IDENTIFIER.compose.project=x']", "label-reserved", "labels[0]", 1),
    ("networks: [other]", "network-undeclared", "networks[0]", 1),
    ("ulimits: {nofile: 1024, rtprio: 99}", "resources", "ulimits.rtprio", 1),
    ("ulimits: {nicer: 1}", "unknown-key", "ulimits.nicer", 1),
    ("platform: linux/amd64", "not-supported", "platform", 1),
    ("restart: sometimes", "restart", "restart", 1),
    ("networks: {default: {ipv4_address: 10.0.0.5}}", "network", "networks.default.ipv4_address", 1),
    ("env_file: ../.env", "env-file-outside", "env_file", 1),
    ("env_file: /etc/passwd", "env-file-outside", "env_file", 1),
    ("env_file: [{path: ~/x}]", "env-file-outside", "env_file[0].path", 1),
    ("extends: {service: x, file: /etc/x.yml}", "extends-outside", "extends.file", 1),
    ("extends: {service: x, file: 'https://example.org/x.yml'}", "extends-outside", "extends.file", 1),
    ("build: https://example.org/x.git", "build-remote-context", "build", 1),
    ("build: git@example.org:x/y", "build-remote-context", "build", 1),
    ("build: {context: 'git://example.org/x'}", "build-remote-context", "build.context", 1),
    ("build: {context: 'docker-image://x'}", "build-remote-context", "build.context", 1),
    ("build: {context: 'github.com/x/y'}", "build-remote-context", "build.context", 1),
    ("build: {context: /}", "build-context", "build.context", 1),
    ("build: {context: ./a/../../b}", "build-context", "build.context", 1),
    ("build: {additional_contexts: {x: /etc}}", "build-context", "build.additional_contexts.x", 1),
    ("build: {additional_contexts: [x=../y]}", "build-context", "build.additional_contexts[0]", 1),
    (
        "build: {additional_contexts: {x: 'docker-image://y'}}",
        "build-remote-context",
        "build.additional_contexts.x",
        1,
    ),
    ("build: {additional_contexts: {-x: ./y}}", "build-context", "build.additional_contexts.-x", 1),
    ("build: {context: ., labels: {homeport.app: x}}", "label-reserved", "build.labels.homeport.app", 1),
    ("build: {context: ., tags: [other]}", "ours", "build.tags", 1),
    ("build: {context: ., entitlements: [security.insecure]}", "build-privileges", "build.entitlements", 1),
    ("build: {context: ., privileged: true}", "build-privileges", "build.privileged", 1),
    ("build: {context: ., network: host}", "build-privileges", "build.network", 1),
    ("build: {context: ., ssh: [default]}", "build-secrets", "build.ssh", 1),
    ("build: {context: ., secrets: [x]}", "build-secrets", "build.secrets", 1),
    ("build: {context: ., cache_to: ['type=local,dest=/etc']}", "build-privileges", "build.cache_to", 1),
    ("build: {context: ., args: [HOME]}", "environment-from-host", "build.args[0]", 1),
    ("environment: {DOCKER_HOST: }", "environment-from-host", "environment.DOCKER_HOST", 1),
    ("environment: [A=1, PATH]", "environment-from-host", "environment[1]", 1),
    ("environment: {A: '${HOME}'}", "interpolation", "environment.A", 1),
    ("command: echo $PATH", "interpolation", "command", 1),
    ("command: [echo, '$$$PATH']", "interpolation", "command[1]", 1),
    ("volumes: ['${HOME}:/h']", "bind-outside-project", "volumes[0]", 1),
    ("volumes: ['/var//run/../run/docker.sock:/s']", "docker-socket", "volumes[0]", 1),
    ("volumes: ['//var/run:/s']", "docker-socket", "volumes[0]", 1),
    ("volumes: ['/:/host']", "docker-socket", "volumes[0]", 1),
    ("volumes: [{type: bind, source: /run, target: /s}]", "docker-socket", "volumes[0]", 1),
    ("volumes: ['/run/containerd/containerd.sock:/s']", "docker-socket", "volumes[0]", 1),
    ("volumes:\n  - ./a:/a\n  - ../b:/b", "bind-outside-project", "volumes[1]", 3),
    ("volumes: ['./a/../../b:/b']", "bind-outside-project", "volumes[0]", 1),
    ("volumes: ['~/b:/b']", "bind-outside-project", "volumes[0]", 1),
    ("volumes: ['~:/b']", "bind-outside-project", "volumes[0]", 1),
    ("volumes: ['WEBAPP_PATH/../b:/b']", "bind-outside-project", "volumes[0]", 1),
    ("volumes: ['WEBAPP_PATHevil:/b']", "bind-outside-project", "volumes[0]", 1),
    ("volumes: ['WEBAPP_PATH_evil:/b']", "bind-outside-project", "volumes[0]", 1),
    ("volumes: ['MY_WEBAPP_PATH/x:/b']", "bind-outside-project", "volumes[0]", 1),
    ("volumes: ['./x/WEBAPP_PATH/../../..:/b']", "bind-outside-project", "volumes[0]", 1),
    ("volumes: ['a/b:/b']", "bind-outside-project", "volumes[0]", 1),
    ("volumes: ['C:\\x:/b']", "mount-target", "volumes[0]", 1),
    ("volumes: [{type: bind, source: ../x, target: /x}]", "bind-outside-project", "volumes[0]", 1),
    ("volumes: [{type: bind, source: x/../../y, target: /x}]", "bind-outside-project", "volumes[0]", 1),
    ("volumes: ['.:/all']", "bind-project-files", "volumes[0]", 1),
    ("volumes: ['WEBAPP_PATH:/all']", "bind-project-files", "volumes[0]", 1),
    ("volumes: ['./a/../docker-compose.yml:/x']", "bind-project-files", "volumes[0]", 1),
    ("volumes: ['./Compose.yml:/x']", "bind-project-files", "volumes[0]", 1),
    ("volumes: ['./APP_IDENTIFIER:/x']", "bind-placeholder", "volumes[0]", 1),
    ("volumes: ['./srv/APP_HOSTNAME/x:/x']", "bind-placeholder", "volumes[0]", 1),
    (
        "volumes: [{type: volume, source: '', target: /x, volume: {subpath: ../y}}]",
        "mount-option",
        "volumes[0].volume.subpath",
        1,
    ),
    ("volumes: ['./a:/a', './a/b:/b']", "bind-nested", "volumes[1]", 1),
    ("volumes: ['/etc/localtime:/etc/localtime']", "bind-clock-writable", "volumes[0]", 1),
    ("volumes: ['/etc/localtime:/etc/localtime:ro,z']", "bind-clock-writable", "volumes[0]", 1),
    ("volumes: ['./a:/a:shared']", "mount-option", "volumes[0]", 1),
    ("volumes: ['data:/a']", "volume-undeclared", "volumes[0]", 1),
    ("volumes: [{type: volume, source: /etc, target: /x}]", "volume-name", "volumes[0]", 1),
    ("volumes: [':/x']", "volume-name", "volumes[0]", 1),
    ("volumes: [{type: npipe, source: x, target: /x}]", "mount-type", "volumes[0]", 1),
    ("volumes: [{type: image, source: x, target: /x}]", "mount-type", "volumes[0]", 1),
    (
        "volumes:\n  - type: bind\n    source: ./x\n    target: /x\n    bind: {propagation: rshared}",
        "bind-propagation",
        "volumes[0].bind.propagation",
        5,
    ),
    ("ports: [80]", "port-random", "ports[0]", 1),
    ("ports: ['127.0.0.1:8080:80']", "port-address", "ports[0]", 1),
    ("ports: ['[::]:8080:80']", "port-address", "ports[0]", 1),
    ("ports: ['0.0.0.0::80']", "port-address", "ports[0]", 1),
    (
        "ports: [{target: 80, published: 8080, host_ip: 0.0.0.0}]",
        "port-address",
        "ports[0].host_ip",
        1,
    ),
    ("ports: ['8080:80/sctp']", "port-protocol", "ports[0]", 1),
    ("ports: ['70000:80']", "port-invalid", "ports[0]", 1),
    ("ports: ['2000-60000:2000-60000']", "port-invalid", "ports[0]", 1),
    ("ports: ['2000-2001:2000']", "port-invalid", "ports[0]", 1),
    ("ports: ['HOST_PORT0:80']", "port-invalid", "ports[0]", 1),
    ("ports: ['HOST_PORT:80/udp']", "web-port", "ports[0]", 1),
    ("ports: ['2000:80', '1990-2010:90-110']", "port-twice", "ports[1]", 1),
    ("configs: [{source: x, file: /etc/passwd}]", "unknown-key", "configs[0].file", 1),
]


@pytest.mark.parametrize(("text", "rule", "key", "line"), REFUSED_IN_SERVICE)
def test_a_service_that_asks_for_too_much_is_refused_by_key_and_line(
    text: str, rule: str, key: str, line: int
) -> None:
    findings = [finding for finding in of_service(text) if finding.rule == rule]

    assert [(finding.key, finding.line) for finding in findings] == [(f"services.web.{key}", 3 + line)]
    assert findings[0].file == "docker-compose.yml"
    assert findings[0].what
    assert findings[0].remedy


@pytest.mark.parametrize(
    "image",
    [
        "sha256:" + "a" * 64,
        "a" * 64,
        "homeport/wiki-web:1",
        "docker.io/homeport/wiki-web:1",
        "index.docker.io/homeport/wiki-web:1",
    ],
)
def test_images_of_the_box_are_not_for_templates(image: str) -> None:
    (finding,) = check(f"services:\n  web:\n    image: {image}\n")

    assert (finding.rule, finding.key, finding.line) == ("image-local", "services.web.image", 3)


@pytest.mark.parametrize(
    "image", ["Nginx", "nginx:", "a b", "https://x/y", "-x", "nginx@sha256:12", "x" * 500]
)
def test_what_is_no_image_reference_is_refused(image: str) -> None:
    (finding,) = check(f"services:\n  web:\n    image: '{image}'\n")

    assert finding.rule == "image-invalid"


@pytest.mark.parametrize(
    "image",
    [
        "debian",
        "gitlab/gitlab-ce:17.0.0-ce.0",
        "localhost:5000/a/b:c",
        "lscr.io/linuxserver/hydra2@sha256:" + "0" * 64,
        "a__b",
    ],
)
def test_image_references_pass(image: str) -> None:
    assert check(f"services:\n  web:\n    image: {image}\n") == []


@pytest.mark.parametrize(
    ("text", "rule", "key", "line"),
    [
        ("name: other\n", "ours", "name", 4),
        ("include: [../x.yml]\n", "include", "include", 4),
        ("include:\n  - path: https://example.org/x.git\n", "include", "include", 4),
        ("secrets: {x: {file: /etc/shadow}}\n", "not-supported", "secrets", 4),
        ("models: {x: {model: y}}\n", "not-supported", "models", 4),
        ("service: {}\n", "unknown-key", "service", 4),
        ("volumes:\n  x:\n    driver_opts: {type: none, o: bind, device: /etc}\n", "volume-driver-opts",
         "volumes.x.driver_opts", 6),
        ("volumes: {x-y: {driver_opts: {o: bind}}}\n", "volume-driver-opts", "volumes.x-y.driver_opts", 4),
        ("volumes: {x: {external: true}}\n", "foreign-object", "volumes.x.external", 4),
        ("volumes: {x: {name: other_data}}\n", "foreign-object", "volumes.x.name", 4),
        ("volumes: {x: {driver: sshfs}}\n", "volume-driver", "volumes.x.driver", 4),
        ("volumes: {x: {labels: {homeport.app: y}}}\n", "label-reserved", "volumes.x.labels.homeport.app", 4),
        ("networks: {x: {external: true}}\n", "foreign-object", "networks.x.external", 4),
        ("networks: {x: {name: bridge}}\n", "foreign-object", "networks.x.name", 4),
        ("networks: {x: {driver: host}}\n", "network-driver", "networks.x.driver", 4),
        ("networks: {x: {driver: macvlan}}\n", "network-driver", "networks.x.driver", 4),
        ("networks: {x: {driver_opts: {parent: eth0}}}\n", "network", "networks.x.driver_opts", 4),
        ("networks: {x: {ipam: {config: [{subnet: 192.168.1.0/24}]}}}\n", "network", "networks.x.ipam", 4),
        ("configs: {x: {environment: HOME}}\n", "config-source", "configs.x.environment", 4),
        ("configs: {x: {file: ../../etc/passwd}}\n", "config-outside", "configs.x.file", 4),
        ("configs: {x: {external: true}}\n", "foreign-object", "configs.x.external", 4),
        ("x-any:\n  a: ${HOME}\n", "interpolation", "x-any.a", 5),
    ],
)  # fmt: skip
def test_a_file_that_asks_for_too_much_is_refused_by_key_and_line(
    text: str, rule: str, key: str, line: int
) -> None:
    findings = [finding for finding in check(SOUND + text) if finding.rule == rule]

    assert [(finding.key, finding.line) for finding in findings] == [(key, line)]


def test_a_service_named_like_an_extension_is_checked_like_any_other() -> None:
    (finding,) = check(SOUND + "  x-evil:\n    image: a\n    use_api_socket: true\n")

    assert (finding.rule, finding.key) == ("docker-socket", "services.x-evil.use_api_socket")


def test_two_containers_are_not_called_the_same() -> None:
    text = (
        SOUND + "    container_name: a_APP_IDENTIFIER\n  db: {image: x, container_name: a_APP_IDENTIFIER}\n"
    )

    (finding,) = check(text)

    assert (finding.rule, finding.key) == ("container-name", "services.db.container_name")


def test_what_would_steer_a_terminal_is_written_out() -> None:
    (finding,) = of_service('"evil\\e[2J": x')

    assert finding.key == "services.web.evil\\x1b[2J"
    assert str(finding).isprintable()


def test_a_file_without_services_is_refused() -> None:
    assert [finding.rule for finding in check("x-a: 1\n")] == ["services-missing"]
    assert [finding.rule for finding in check("services: {}\n")] == ["services-missing"]


def test_a_near_miss_is_named() -> None:
    (finding,) = of_service("enviroment: {A: b}")

    assert finding.remedy == "Did you mean 'environment'?"


def test_more_ports_than_the_bound_are_refused() -> None:
    findings = of_service("ports: ['2000-2099:2000-2099', '3000:3000']")

    assert [finding.rule for finding in findings] == ["port-count"]


@pytest.mark.parametrize(
    "text",
    [
        "ports: ['HOST_PORT:80', '2224:22', '1514:514/udp', '5000-5009:5000-5009']",
        "ports: [{target: 80, published: HOST_PORT, protocol: tcp, mode: host}]",
        "ports: ['2224:22/tcp', '2224:22/udp']",
        "volumes: ['./config:/config', 'WEBAPP_PATH/downloads:/d:ro', './srv/gitlab/logs:/l']",
        "volumes: [{type: bind, source: ./x, target: /x, bind: {create_host_path: true}}]",
        "volumes: [{type: tmpfs, target: /x, tmpfs: {size: 1000}}, /anonymous]",
        "volumes: ['./a:/a:ro', './a/b:/b']",
        "volumes: ['/etc/localtime:/etc/localtime:ro', '/etc/timezone:/etc/timezone:ro']",
        "volumes: [{type: bind, source: /etc/localtime, target: /etc/localtime, read_only: true}]",
        "container_name: APP_IDENTIFIER",
        "container_name: APP_IDENTIFIER_db",
        "container_name: db_APP_IDENTIFIER",
        "privileged: false",
        "ipc: private",
        "restart: 'no'",
        "restart: no",
        "restart: on-failure:5",
        "environment: {PRICE: '5$', SHELL: $$HOME, EMPTY: ''}",
        "network_mode: none",
        "security_opt: ['no-new-privileges:true']",
        "logging: {driver: json-file, options: {max-size: 10m}}",
        "labels: {traefik.enable: 'true', traefik.http.routers.APP_IDENTIFIER.rule: x}",
        "networks: [default]",
        "build: {context: ./web, dockerfile: Dockerfile, args: {A: 1}}",
        "build: {context: ., target: web, additional_contexts: {x: ./y, b: 'service:base'}, cache_from: [z]}",
        "env_file: ./web.env",
        "x-anything: {privileged: true}",
        "deploy: {resources: {limits: {cpus: '0.5', memory: 1G, pids: 10}}}",
        "healthcheck: {test: [CMD, 'true'], interval: 5s}",
        "healthcheck: {test: [NONE]}",
        "networks: {default: {aliases: [a]}}",
        "shm_size: 256m",
        "extra_hosts: ['host.docker.internal:host-gateway']",
        "ulimits: {nofile: {soft: 1024, hard: 4096}, nproc: 10}",
        "cap_drop: [ALL]",
    ],
)
def test_what_every_app_may_have_passes(text: str) -> None:
    assert of_service(text) == []


def test_declared_volumes_networks_and_configs_pass() -> None:
    text = SOUND + (
        "    volumes: ['APP_IDENTIFIER_db:/db', 'data:/data']\n"
        "    networks: [back]\n"
        "    configs: [{source: c, target: /c, mode: 0440}]\n"
        "version: '3.9'\n"
        "volumes: {APP_IDENTIFIER_db: , data: {labels: {a: b}}}\n"
        "networks: {back: {internal: true}}\n"
        "configs: {c: {content: hello}}\n"
        "x-note: any\n"
    )

    assert check(text) == []
