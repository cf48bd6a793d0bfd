"""Volumes that an image asks for by itself: kept, found again, and purged like the others."""

from tests.harness.definitions import built_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox
from tests.harness.leftovers import leftovers

SERVER = (
    'CMD ["perl", "-MIO::Socket::INET", "-e", "my $s = IO::Socket::INET->new(LocalPort=>80,Listen=>9);'
    ' while (my $c = $s->accept) { print $c qq(HTTP/1.0 200 OK\\r\\n\\r\\nhi); close $c }"]\n'
)


def test_a_volume_of_the_image_keeps_its_files_until_it_is_purged(
    homeport_box: HomeportBox, engine_box: EngineBox
) -> None:
    dockerfile = (
        f"FROM debian:bookworm-slim\nRUN mkdir /kept && echo first > /kept/file\nVOLUME /kept\n{SERVER}"
    )
    homeport_box.add_definition("voluminous", built_app("voluminous", dockerfile))
    before = {volume.name for volume in engine_box.client.volumes.list()}
    homeport_box.succeed(homeport_box.install("voluminous"))
    container = engine_box.client.containers.get("voluminous")
    assert container.exec_run(["sh", "-c", "cat /kept/file; echo second > /kept/file"]).output == b"first\n"

    homeport_box.succeed(homeport_box.uninstall("voluminous"))
    homeport_box.succeed(homeport_box.install("voluminous"))

    container = engine_box.client.containers.get("voluminous")
    assert container.exec_run(["cat", "/kept/file"]).output == b"second\n"
    homeport_box.succeed(homeport_box.uninstall("voluminous", purge=True, remove_images=True))
    assert leftovers(homeport_box, "voluminous") == []
    assert {volume.name for volume in engine_box.client.volumes.list()} == before
