"""Forged JSON Web Tokens are not accepted."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from tests.identity.guarded import Guarded, bearer, by_issuer, rights_of, rule
from tests.identity.issuers import AUDIENCE, ISSUER, Issuer, assembled, claims_of

MACHINES = "/memory/machines/shop"


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer(algorithm="RS256")


@pytest.fixture(scope="module")
def signed(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    """A gateway with the keys of the issuer."""
    folder = tmp_path_factory.mktemp("signed")
    return Guarded(by_issuer(folder, issuer), rights_of(folder, rule("ci")))


def public_pem(issuer: Issuer) -> bytes:
    key: bytes = issuer.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return key


def with_hmac(issuer: Issuer, key: bytes) -> str:
    """Return a token that is signed with HS256 and a public key as the secret."""
    token = assembled({"alg": "HS256", "typ": "JWT", "kid": issuer.kid}, claims(), b"")
    unsigned = token.rpartition(".")[0]
    signature = hmac.new(key, unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{jwt.utils.base64url_encode(signature).decode()}"


def claims(**changes: Any) -> dict[str, Any]:
    valid = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ci", "exp": int(time.time()) + 600}
    return valid | changes


def header(issuer: Issuer, **changes: Any) -> dict[str, Any]:
    return {"alg": "RS256", "kid": issuer.kid, "typ": "JWT"} | changes


def resigned(token: str, **changes: Any) -> str:
    """Return a token with other claims under the signature of the first one."""
    head, _, signature = token.split(".")
    body = assembled({}, claims_of(token) | changes).split(".")[1]
    return f"{head}.{body}.{signature}"


Forge = Callable[[Issuer], str]

FORGED: dict[str, Forge] = {
    "alg none": lambda i: assembled(header(i, alg="none"), claims()),
    "alg None": lambda i: assembled(header(i, alg="None"), claims()),
    "alg none with a signature": lambda i: assembled(header(i, alg="none"), claims(), b"x" * 256),
    "no alg": lambda i: assembled({"kid": i.kid}, claims(), b"x" * 256),
    "alg is a list": lambda i: assembled(header(i, alg=["RS256"]), claims(), b"x" * 256),
    "HS256 with the public key in PEM": lambda i: with_hmac(i, public_pem(i)),
    "HS256 with the public key without its last line break": lambda i: with_hmac(
        i, public_pem(i).rstrip()
    ),
    "HS256 with the public key as JSON": lambda i: with_hmac(i, json.dumps(i.jwk).encode()),
    "another algorithm of the same key": lambda i: jwt.encode(
        claims(), i.private, "PS256", {"kid": i.kid}
    ),
    "another key under the same kid": lambda i: Issuer(i.kid, "RS256").token(),
    "no signature": lambda i: i.token().rpartition(".")[0] + ".",
    "the claims of another subject": lambda i: resigned(i.token("nobody"), sub="ci"),
    "a later expiry": lambda i: resigned(i.token(exp=1), exp=int(time.time()) + 600),
    "kid is a path": lambda i: i.token(headers={"kid": "../../../../etc/passwd"}),
    "kid is a URL": lambda i: i.token(headers={"kid": "https://attacker.test/keys"}),
    "kid is a query": lambda i: i.token(headers={"kid": "x' UNION SELECT 'key"}),
    "kid is another spelling": lambda i: i.token(headers={"kid": i.kid.upper()}),
    "kid is a list": lambda i: assembled(header(i, kid=[i.kid]), claims(), b"x" * 256),
    "no kid": lambda i: assembled({"alg": "RS256"}, claims(), b"x" * 256),
    "its own key in the header": lambda i: Issuer("mine", "RS256").token(
        headers={"jwk": Issuer("mine", "RS256").jwk, "jku": "https://attacker.test/keys"}
    ),
    "an unknown critical header": lambda i: i.token(headers={"crit": ["exp"]}),
    "a payload that is not base64": lambda i: i.token(headers={"b64": False}),
    "no expiry": lambda i: i.token(exp=None),
    "an expiry that is a text": lambda i: i.token(exp="soon"),
    "an endless expiry": lambda i: i.token(exp=float("inf")),
    "not valid yet": lambda i: i.token(nbf=int(time.time()) + 3600),
    "issued in the future": lambda i: i.token(iat=int(time.time()) + 3600),
    "no audience": lambda i: i.token(aud=None),
    "an audience that contains ours": lambda i: i.token(aud=f"{AUDIENCE}-test"),
    "an audience in another letter case": lambda i: i.token(aud=AUDIENCE.upper()),
    "an object as the audience": lambda i: i.token(aud={AUDIENCE: True}),
    "no issuer": lambda i: i.token(iss=None),
    "another issuer": lambda i: i.token(iss=f"{ISSUER}/"),
    "no subject": lambda i: assembled(header(i), {}, b"x"),
    "an empty subject": lambda i: i.token(subject=""),
    "a subject with a line break": lambda i: i.token(subject="ci\nadmin"),
    "a subject with half a surrogate pair": lambda i: i.token(subject="ci\ud800"),
    "a subject that is too long": lambda i: i.token(subject="c" * 256),
    "a list as the subject": lambda i: i.token(sub=["ci"]),
    "two parts": lambda i: i.token().rpartition(".")[0],
    "four parts": lambda i: f"{i.token()}.{i.token().rpartition('.')[2]}",
    "not JSON": lambda i: "eyJh.eyJh.eyJh",
    "deeply nested JSON": lambda i: ".".join(
        jwt.utils.base64url_encode(part.encode()).decode()
        for part in ("[" * 2500 + "]" * 2500, "{}", "x")
    ),
    "a huge number": lambda i: assembled(header(i), claims()).replace(".", ".MTIz", 1),
    "the word null": lambda i: "bnVsbA.bnVsbA.bnVsbA",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_token_is_not_accepted(
    signed: Guarded, issuer: Issuer, forge: Forge
) -> None:
    token = forge(issuer)

    answer = await signed.client.get(MACHINES, headers=bearer(token))

    assert answer.status == 401, answer.body
    assert not signed.caller.calls
    assert "invalid_token" in answer.headers["www-authenticate"]
    assert answer.headers["www-authenticate"].isascii()
    assert token not in answer.body.decode() + str(answer.headers)


async def test_the_token_of_the_issuer_is_accepted(signed: Guarded, issuer: Issuer) -> None:
    answer = await signed.client.get(MACHINES, headers=bearer(issuer.token()))

    assert answer.status == 200
