"""The owner's certificates: list, give, remove."""

from datetime import UTC, datetime

from aiohttp import web

from api.context import Context
from homeport.asked import CertificateRequest, PageQuery
from homeport.state.certificates import list_certificates, put_certificate, remove_certificate, require_https
from homeport.state.given_certificate import read_certificate
from homeport.wire import certificate_json, part


async def list_all(context: Context, *, query: PageQuery) -> web.Response:
    """The certificates that HTTPS is served with; their keys are told to nobody."""
    found = part(await context.read(list_certificates), lambda one: one.name, query.limit, query.cursor)
    return web.json_response({"items": [certificate_json(one) for one in found.items], "next": found.next})


async def put(context: Context, *, body: CertificateRequest) -> web.Response:
    """Keeps a certificate with its key, in the place of one of its name; it is served as soon as can be."""
    require_https(context.settings)
    certificate = read_certificate(body.name, chain=body.chain, key=body.key, now=datetime.now(UTC))
    await context.writer.write(lambda connection: put_certificate(connection, certificate))
    await context.ringer.tell_proxy()
    return web.json_response(certificate_json(certificate), status=201)


async def remove(context: Context, *, name: str) -> web.Response:
    """Removes a certificate: its names are served without HTTPS."""
    await context.writer.write(lambda connection: remove_certificate(connection, name))
    await context.ringer.tell_proxy()
    return web.Response(status=204)
