"""The files of the page, which are served without identity: they contain no data."""

import hashlib
from importlib.resources import files

from litestar.types import Receive, Scope, Send
from msgspec import Struct

TYPES = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    b"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    b"require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Only the gateway's own files and data. Texts of the audit cannot become HTML or scripts: with
`trusted-types 'none'` the browser refuses to parse HTML from strings.
"""


class Asset(Struct, frozen=True):
    """A file as an ASGI response, which a browser keeps and asks for again with its `etag`."""

    content: bytes
    content_type: bytes
    etag: bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or 304 if the client has it."""
        has_it = (b"if-none-match", self.etag) in scope["headers"]
        headers = [(b"etag", self.etag), (b"cache-control", b"no-cache")]
        headers += [(b"content-security-policy", POLICY), (b"x-content-type-options", b"nosniff")]
        headers += [(b"referrer-policy", b"no-referrer")]
        if not has_it:
            headers += [(b"content-type", self.content_type)]
            headers += [(b"content-length", b"%d" % len(self.content))]
        status = 304 if has_it else 200
        await send({"type": "http.response.start", "status": status, "headers": headers})
        body = b"" if has_it else self.content
        await send({"type": "http.response.body", "body": body, "more_body": False})


def assets() -> dict[str, Asset]:
    """Return the files by their names."""
    folder = files("gateway.page").joinpath("static")
    return {each.name: _asset(each.name, each.read_bytes()) for each in folder.iterdir()}


def _asset(name: str, content: bytes) -> Asset:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'.encode()
    return Asset(content, TYPES[name.rpartition(".")[2]], etag)
