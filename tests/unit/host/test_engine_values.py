from typing import Any

from homeport.host.engine_values import ContainerState


def _inspection(**state: Any) -> dict[str, Any]:
    return {
        "Id": "abc",
        "Name": "/wiki",
        "Image": "sha256:1",
        "RestartCount": 2,
        "State": {"Status": "running", "ExitCode": 0, "StartedAt": "2026-01-01T00:00:00Z", **state},
        "Config": {
            "Labels": {"com.docker.compose.project": "homeport-wiki", "com.docker.compose.service": "web"}
        },
        "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}},
        "NetworkSettings": {
            "Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "35001"}], "81/tcp": None}
        },
    }


def test_a_container_is_described_by_its_compose_labels() -> None:
    state = ContainerState.from_inspection(_inspection())

    assert (state.name, state.project, state.service) == ("wiki", "homeport-wiki", "web")
    assert (state.restart_count, state.restart_policy) == (2, "unless-stopped")
    assert state.network_ports["80/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "35001"}]


def test_health_is_unknown_without_a_check() -> None:
    assert ContainerState.from_inspection(_inspection()).health is None
    assert ContainerState.from_inspection(_inspection(Health={"Status": "none"})).health is None


def test_the_last_check_s_output_is_kept_and_cut() -> None:
    checks = [{"Output": "old"}, {"Output": "no answer " + "x" * 5000}]

    state = ContainerState.from_inspection(_inspection(Health={"Status": "unhealthy", "Log": checks}))

    assert state.health == "unhealthy"
    assert state.health_output.startswith("no answer")
    assert len(state.health_output) <= 2000
