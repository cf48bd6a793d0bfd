"""Writes a draft down as a definition that passes the policy; what has no place in one is dropped, and said."""

from homeport.catalog.convert.conversion import Conversion
from homeport.catalog.convert.draft import Draft


def write_definition(draft: Draft) -> Conversion:
    """The draft as a definition: app.yml, docker-compose.yml, and files that the owner's own take the place of.

    Host paths become folders of the project where they hold the app's own data, the web page's port becomes
    HOST_PORT, variables that each box has its own value for become settings, permissions are declared as the
    policy needs them, and what the policy refuses is dropped. The same draft gives the same text.

    Raises:
        NotConvertibleError: nothing that could run is left.
    """
    raise NotImplementedError
