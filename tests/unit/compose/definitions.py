"""Definitions for tests, read as any other."""

from pathlib import Path

from homeport.catalog.reader import LoadedDefinition, read_definition
from homeport.settings import Settings

HYDRA = """
services:
  hydra:
    image: example/hydra:1
    container_name: APP_IDENTIFIER
    restart: unless-stopped
    environment:
      HOST: APP_HOSTNAME
      PRICE: "5$$ a$$HOME"
    ports:
      - HOST_PORT:5075
      - 2224:22
      - 6060:6060/udp
    volumes:
      - ./config:/config
      - WEBAPP_PATH/downloads:/downloads
      - /etc/localtime:/etc/localtime:ro
"""

PAIR = """
services:
  web:
    image: example/web:1
    depends_on: {db: {condition: service_healthy}, seed: {condition: service_completed_successfully}}
    networks: [front, default]
    deploy: {resources: {limits: {memory: 64M}}}
    labels: [colour=blue]
  db:
    image: example/db:1
    container_name: APP_IDENTIFIER_db
    volumes: [store:/var/lib/db, /scratch]
    healthcheck: {test: [CMD, ready], interval: 30s}
    restart: on-failure:3
  seed:
    image: example/seed:1
    volumes: [store:/var/lib/db]
    healthcheck: {disable: true}
volumes:
  store:
networks:
  front: {labels: {use: pages}}
"""


def settings(folder: Path, **changed: object) -> Settings:
    """Settings whose folders lie below this one."""
    given = {"state_dir": folder / "state", "run_dir": folder / "run", "catalog_dir": folder / "apps"}
    return Settings(**{**given, **changed})  # type: ignore[arg-type]


def definition(folder: Path, compose: str, app: str = "") -> LoadedDefinition:
    """A definition of this compose file; `app` is what app.yml says beside the necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.yml").write_text('name: sample\ntitle: Sample\nversion: "1.0"\n' + app)
    (folder / "docker-compose.yml").write_text(compose)
    return read_definition(folder)
