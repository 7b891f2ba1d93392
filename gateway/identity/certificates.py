"""The subject of a client certificate, from the ASGI TLS extension.

The extension has `client_cert_name`, the name of a verified certificate by RFC 4514, and
`client_cert_sans`, its alternative names such as `URI:spiffe://cluster/team` and `DNS:client`.
"""

import re
from typing import Any

from litestar.types import Scope

from gateway.identity import refused
from gateway.identity.requester import Subject, is_name

URI = "URI:"
ATTRIBUTE = re.compile(r"((?:\\.|[^,+\\])+)", re.DOTALL)
"""One attribute of a name: commas and plus signs separate attributes unless escaped."""

ESCAPES = re.compile(rb"\\([0-9A-Fa-f]{2})|\\(.)", re.DOTALL)


class CertificateAuthentication:
    """Authenticates a request by the client certificate of its connection, if there is one."""

    uses_tokens = False

    async def authenticate(self, scope: Scope) -> Subject | None:
        """Return the subject of a connection, None for one without a client certificate."""
        extensions: dict[str, Any] = scope.get("extensions") or {}
        tls: dict[str, Any] = extensions.get("tls") or {}
        name = tls.get("client_cert_name")
        if name is None:
            return None
        subject = subject_of(name, tls.get("client_cert_sans") or [])
        if subject is None:
            raise refused.without_certificate(
                "expected a client certificate with a URI as its alternative name, or with a "
                "common name, of at most 255 printable characters"
            )
        return subject

    async def run(self) -> None:
        """Do nothing: the TLS library verified the certificate."""


def subject_of(name: str, alternative_names: list[str]) -> Subject | None:
    """Return the first URI among the alternative names, else the first common name."""
    uris = [each.removeprefix(URI) for each in alternative_names if each.startswith(URI)]
    for candidate in [*uris, *_common_names(name)][:1]:
        if is_name(candidate):
            return Subject(candidate)
    return None


def _common_names(name: str) -> list[str]:
    attributes = (each.partition("=") for each in ATTRIBUTE.findall(name))
    return [_unescaped(value) for key, _, value in attributes if key.upper() == "CN"]


def _unescaped(value: str) -> str:
    def plain(found: re.Match[bytes]) -> bytes:
        return bytes.fromhex(found[1].decode()) if found[1] else found[2]

    return ESCAPES.sub(plain, value.encode()).decode("utf-8", "replace")
