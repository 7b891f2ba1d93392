"""Authentication and rights in the OpenAPI document."""

from http import HTTPStatus
from typing import Any

SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token from the gateway's token file, or a JSON Web Token of its issuer.",
    },
    "certificate": {"type": "mutualTLS", "description": "A client certificate."},
}
"""The ways of authentication; the configuration of a gateway chooses."""

CHALLENGE = {
    "description": "The challenge of RFC 6750.",
    "schema": {"type": "string"},
    "example": 'Bearer realm="machinist"',
}


def requirements(*access: str) -> list[dict[str, list[str]]]:
    """Return the ways to call an operation: a scheme with the class of the right, or none at all.

    OpenAPI 3.1 lists required roles in the value of a scheme. A gateway with PLT_AUTH=none needs no
    scheme.
    """
    return [*({name: [*access]} for name in SCHEMES), {}]


def headers(status: HTTPStatus) -> dict[str, Any]:
    """Return the headers of a response with a status; a 403 of a platform has no challenge."""
    if status is HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": {**CHALLENGE, "required": True}}
    return {"WWW-Authenticate": CHALLENGE} if status is HTTPStatus.FORBIDDEN else {}
