"""The platform's part, played through: what Amahi's does with an app, over the API and against Docker."""

import time

import requests

from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.leftovers import leftovers

APP_ID = 217


def test_the_platform_installs_shows_opens_and_removes_an_app(
    homeport_box: HomeportBox, pulled_images: EngineBox
) -> None:
    job = homeport_box.install("gitlab", app_id=APP_ID)
    numbers = poll(homeport_box, job)

    assert numbers[-1] == 100
    assert all(0 <= number <= 100 for number in numbers)
    assert numbers == sorted(numbers)

    container = pulled_images.client.containers.get("gitlab")
    assert container.status == "running"
    answer = requests.get(f"http://127.0.0.1:{35000 + APP_ID}/", timeout=10)
    assert (answer.status_code, answer.text) == (200, "gitlab\n")

    removal = homeport_box.uninstall("gitlab", purge=True)
    assert poll(homeport_box, removal)[-1] == 100
    assert pulled_images.client.containers.list(all=True, filters={"name": "^/gitlab$"}) == []
    assert leftovers(homeport_box, "gitlab") == []


def test_the_platform_is_told_999_when_an_install_fails(homeport_box: HomeportBox) -> None:
    homeport_box.add_definition(
        "nowhere",
        {
            "app.yml": 'name: nowhere\ntitle: N\nversion: "1"\ndescription: d\nweb: {service: a, port: 80}\n',
            "docker-compose.yml": "services:\n  a:\n    image: acme/never-pushed:1\n",
        },
    )

    job = homeport_box.install("nowhere", app_id=218)

    assert poll(homeport_box, job)[-1] == 999
    assert leftovers(homeport_box, "nowhere") == []


def test_the_platform_is_told_950_while_another_job_has_the_app(
    homeport_box: HomeportBox, pulled_images: EngineBox
) -> None:
    homeport_box.succeed(homeport_box.install("hydra", app_id=219))

    first = homeport_box.uninstall("hydra")
    second = homeport_box.uninstall("hydra", purge=True)
    seen = poll(homeport_box, second)
    homeport_box.wait(first)

    assert 950 in seen
    assert homeport_box.job(second)["state"] in ("succeeded", "failed")
    homeport_box.succeed(homeport_box.install("hydra", app_id=219))
    homeport_box.succeed(homeport_box.uninstall("hydra", purge=True))
    assert leftovers(homeport_box, "hydra") == []


def poll(box: HomeportBox, job: Json) -> list[int]:
    """Amahi's numbers of a job, as they were seen until it ended."""
    numbers: list[int] = []
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        now = box.job(job)
        numbers.append(now["amahi_progress"])
        if now["finished_at"]:
            return numbers
        time.sleep(0.02)
    raise TimeoutError(f"{box.job(job)}")
