"""Small definitions for tests: as text, as a packager would write them."""


def pulled_app(
    name: str, image: str, *, port: int = 80, version: str = "1.0", service: str = "", more: str = ""
) -> dict[str, str]:
    """An app of one pulled image that answers HTTP.

    Args:
        name: of the definition.
        image: reference of the image.
        port: where it answers inside its container.
        version: of the definition.
        service: further lines of the service, each indented by four blanks and ended.
        more: further lines of app.yml.
    """
    app = f'name: {name}\ntitle: {name.title()}\nversion: "{version}"\ndescription: A test app\n'
    app += f"web: {{service: {name}, port: {port}, path: /, health: /}}\n{more}"
    compose = f"services:\n  {name}:\n    image: {image}\n    ports:\n      - HOST_PORT:{port}\n{service}"
    return {"app.yml": app, "docker-compose.yml": compose}


def headless_app(name: str, image: str, *, service: str = "") -> dict[str, str]:
    """An app of one pulled image without a web port."""
    app = f'name: {name}\ntitle: {name.title()}\nversion: "1.0"\ndescription: A headless test app\n'
    return {"app.yml": app, "docker-compose.yml": f"services:\n  {name}:\n    image: {image}\n{service}"}


def built_app(name: str, dockerfile: str, *, port: int = 80, more: str = "") -> dict[str, str]:
    """An app whose only image is built from a Dockerfile."""
    app = f'name: {name}\ntitle: {name.title()}\nversion: "1.0"\ndescription: A built test app\n'
    app += f"web: {{service: {name}, port: {port}, path: /, health: /}}\n"
    app += f"images:\n  {name}: {{context: ./image, dockerfile: Dockerfile}}\n{more}"
    compose = f"services:\n  {name}:\n    ports:\n      - HOST_PORT:{port}\n"
    return {"app.yml": app, "docker-compose.yml": compose, "image/Dockerfile": dockerfile}
