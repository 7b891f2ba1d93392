"""An issuer of JSON Web Tokens, and tokens in every wrong form."""

import base64
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

ISSUER = "https://issuer.test"
AUDIENCE = "machinist"
HOUR_S = 3600


class Issuer:
    """A key, and the tokens that are signed with it."""

    def __init__(self, kid: str = "key-1", algorithm: str = "ES256", bits: int = 2048) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private: Any
        if algorithm.startswith("ES"):
            self.private = ec.generate_private_key(ec.SECP256R1())
        elif algorithm == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=bits)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as a JSON Web Key, in the form of a Kubernetes API server."""
        encoder: Any = get_default_algorithms()[self.algorithm]
        public = json.loads(encoder.to_jwk(self.private.public_key()))
        return {"use": "sig", "kid": self.kid, "alg": self.algorithm} | {
            name: value for name, value in public.items() if name not in {"key_ops", "use", "alg"}
        }

    def token(
        self, subject: str = "ci", *, headers: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """Return a valid token with these claims changed; None removes a claim."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + HOUR_S,
        }
        given = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(given, self.private, self.algorithm, {"kid": self.kid} | (headers or {}))


def key_set(*issuers: Issuer) -> bytes:
    """Return the JSON Web Key Set of these issuers."""
    return json.dumps({"keys": [each.jwk for each in issuers]}).encode()


def assembled(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """Return a token with any header and any signature."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a token without verifying it."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
