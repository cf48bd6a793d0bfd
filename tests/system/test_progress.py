"""Progress that is honest: it never falls, follows the bytes, and names its step."""

import json
import time

from tests.harness.definitions import built_app, headless_app, pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.standins import publish_standin


def events_of(box: HomeportBox, job: Json) -> list[Json]:
    """All events of an ended job, read from the stream from its beginning."""
    found: list[Json] = []
    with box.request("GET", f"/v1/events?after=0&job={job['id']}", stream=True) as answer:
        for line in answer.iter_lines():
            if line.startswith(b"data:"):
                found.append(json.loads(line[5:]))
                if found[-1]["kind"] == "job.finished":
                    return found
    raise AssertionError("the stream ended before the job")


def test_a_pull_is_followed_by_its_bytes(homeport_box: HomeportBox, line: EngineBox) -> None:
    publish_standin(line, "acme/steady:1", payload_bytes=6_000_000)
    homeport_box.add_definition("steady", pulled_app("steady", "acme/steady:1"))
    line.line.throttle(2_000_000)

    job = homeport_box.install("steady")
    homeport_box.succeed(job)
    moved = [event["facts"] for event in events_of(homeport_box, job) if event["kind"] == "job.progress"]
    pulled = [facts for facts in moved if facts["step"] == "fetch images"]

    assert [facts["progress"] for facts in moved] == sorted(facts["progress"] for facts in moved)
    assert len({facts["progress"] for facts in pulled}) >= 4, pulled
    assert any("MB" in facts["detail"] or "MiB" in facts["detail"] for facts in pulled), pulled
    homeport_box.succeed(homeport_box.uninstall("steady", purge=True, remove_images=True))


def test_a_build_is_followed_by_its_instructions(homeport_box: HomeportBox, engine_box: EngineBox) -> None:
    run = "".join(f"RUN sleep 0.6; echo {number}\n" for number in range(4))
    perl = 'CMD ["perl", "-MIO::Socket::INET", "-e", "my $s = IO::Socket::INET->new(LocalPort=>80,Listen=>9);'
    perl += ' while (my $c = $s->accept) { print $c qq(HTTP/1.0 200 OK\\r\\n\\r\\nhi); close $c }"]\n'
    homeport_box.add_definition("stepwise", built_app("stepwise", f"FROM debian:bookworm-slim\n{run}{perl}"))

    job = homeport_box.install("stepwise")
    homeport_box.succeed(job)
    moved = [event["facts"] for event in events_of(homeport_box, job) if event["kind"] == "job.progress"]
    built = [facts for facts in moved if facts["step"] == "fetch images"]

    assert [facts["progress"] for facts in moved] == sorted(facts["progress"] for facts in moved)
    assert sum("RUN sleep" in facts["detail"] for facts in built) >= 3, built
    assert "echo 3" in homeport_box.job_log(job)
    homeport_box.succeed(homeport_box.uninstall("stepwise", purge=True, remove_images=True))


def test_a_stream_goes_on_after_the_last_event_that_was_seen(
    homeport_box: HomeportBox, pulled_images: EngineBox
) -> None:
    job = homeport_box.install("hydra")
    homeport_box.succeed(job)
    everything = events_of(homeport_box, job)
    middle = everything[len(everything) // 2]

    headers = {"Last-Event-ID": str(middle["id"])}
    with homeport_box.request("GET", f"/v1/events?job={job['id']}", headers=headers, stream=True) as answer:
        first = next(line for line in answer.iter_lines() if line.startswith(b"data:"))

    assert json.loads(first[5:])["id"] == everything[len(everything) // 2 + 1]["id"]
    homeport_box.succeed(homeport_box.uninstall("hydra", purge=True))


def test_logs_of_an_app_are_tailed_and_followed(homeport_box: HomeportBox, pulled_images: EngineBox) -> None:
    homeport_box.succeed(homeport_box.install("hydra"))
    for number in range(5):
        homeport_box.visit("hydra", f"/visit-{number}")

    tail = homeport_box.request("GET", "/v1/apps/hydra/logs?tail=2").text.splitlines()
    assert len(tail) == 2
    assert "visit-4" in tail[-1]

    began = time.monotonic()
    with homeport_box.request("GET", "/v1/apps/hydra/logs?tail=1&follow=true", stream=True) as answer:
        lines = answer.iter_lines(chunk_size=None)
        assert b"visit-4" in next(lines)
        homeport_box.visit("hydra", "/later")
        assert b"later" in next(lines)
    assert time.monotonic() - began < 20

    assert homeport_box.request("GET", "/v1/apps/never/logs").status_code == 404
    homeport_box.succeed(homeport_box.uninstall("hydra", purge=True))


def test_a_followed_log_goes_on_over_a_restart_and_ends_with_the_app(
    homeport_box: HomeportBox, pulled_images: EngineBox
) -> None:
    homeport_box.succeed(homeport_box.install("hydra"))
    path = "/v1/apps/hydra/logs?tail=0&follow=true"

    with homeport_box.request("GET", path, stream=True, timeout=60) as answer:
        lines = answer.iter_lines(chunk_size=None)
        pulled_images.client.containers.get("hydra").restart(timeout=5)
        assert b"starting as web" in next(lines)

        homeport_box.succeed(homeport_box.uninstall("hydra", purge=True))

        assert list(lines) == [], "the log ends with its container"


def test_a_reader_that_does_not_read_costs_no_memory(
    homeport_box: HomeportBox, pulled_images: EngineBox
) -> None:
    chatter = """    command: [perl, -e, "print 'x' x 500, qq(\\n) while 1"]\n"""
    homeport_box.add_definition("chatty", headless_app("chatty", "linuxserver/hydra:latest", service=chatter))
    homeport_box.succeed(homeport_box.install("chatty"))
    processes = [homeport_box.component(module) for module in ("api", "workers.steward")]
    path = "/v1/apps/chatty/logs?tail=10&follow=true"

    with homeport_box.request("GET", path, stream=True, timeout=60) as answer:
        next(answer.iter_content(1000))
        before = [process.memory_info().rss for process in processes]
        time.sleep(4)
        grown = [process.memory_info().rss - rss for process, rss in zip(processes, before, strict=True)]

    homeport_box.succeed(homeport_box.uninstall("chatty", purge=True))
    assert max(grown) < 30_000_000, grown
