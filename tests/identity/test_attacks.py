"""Attempts to pass the guard: forged tokens, ambiguous headers, and other spellings of a scope."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from gateway.identity import tokens
from gateway.identity.bearer import TOKEN_LIMIT
from tests.gateway.client import Answer
from tests.gateway.requests import MANIFEST, REQUESTS
from tests.identity.guarded import Guarded, bearer, by_issuer, by_token, rights_of, rule
from tests.identity.issuers import AUDIENCE, ISSUER, Issuer, assembled, claims_of

MACHINES = "/memory/machines/shop"
TOKEN = tokens.new_token()


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer(algorithm="RS256")


@pytest.fixture(scope="module")
def signed(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    """A gateway with the keys of the issuer."""
    folder = tmp_path_factory.mktemp("signed")
    return Guarded(by_issuer(folder, issuer), rights_of(folder, rule("ci")))


@pytest.fixture(scope="module")
def opaque(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    """A gateway that knows one token."""
    folder = tmp_path_factory.mktemp("opaque")
    lines = by_token(folder, tokens.line_of(TOKEN, "ci", None))
    return Guarded(lines, rights_of(folder, rule("ci")))


@pytest.fixture(autouse=True)
def forgotten(signed: Guarded, opaque: Guarded) -> None:
    """Forget the calls of other tests."""
    signed.caller.calls.clear()
    opaque.caller.calls.clear()


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


AMBIGUOUS = {
    "two headers": [("authorization", f"Bearer {TOKEN}"), ("authorization", f"Bearer {TOKEN}")],
    "two headers, the second one wrong": [
        ("authorization", f"Bearer {TOKEN}"),
        ("authorization", "Bearer wrong"),
    ],
    "two tokens in a header": [("authorization", f"Bearer {TOKEN}, Bearer {TOKEN}")],
    "another scheme": [("authorization", f"Basic {TOKEN}")],
    "no scheme": [("authorization", TOKEN)],
    "no token": [("authorization", "Bearer ")],
    "an empty header": [("authorization", "")],
    "a space within the token": [("authorization", f"Bearer {TOKEN[:20]} {TOKEN[20:]}")],
    "a quoted token": [("authorization", f'Bearer "{TOKEN}"')],
    "a character that is not ASCII": [("authorization", f"Bearer {TOKEN}\xe9")],
    "a NUL at the end": [("authorization", f"Bearer {TOKEN}\0")],
    "an oversized token": [("authorization", f"Bearer {TOKEN}{'a' * TOKEN_LIMIT}")],
    "a token in another letter case": [("authorization", f"Bearer {TOKEN.swapcase()}")],
    "the beginning of a token": [("authorization", f"Bearer {TOKEN[:-1]}")],
    "a token with one more character": [("authorization", f"Bearer {TOKEN}A")],
    "the hash of a token": [("authorization", tokens.line_of(TOKEN, "Bearer", None))],
    "a cookie": [("cookie", f"token={TOKEN}; authorization=Bearer {TOKEN}")],
    "the header of a proxy": [
        ("proxy-authorization", f"Bearer {TOKEN}"),
        ("x-forwarded-user", "ci"),
        ("x-forwarded-access-token", TOKEN),
    ],
}


@pytest.mark.parametrize("headers", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_only_one_well_formed_header_authorization_counts(
    opaque: Guarded, headers: list[tuple[str, str]]
) -> None:
    answer = await opaque.client.get(MACHINES, headers=headers)

    assert (answer.status, answer.json()["code"]) == (401, "unauthenticated")
    assert not opaque.caller.calls
    assert TOKEN not in answer.body.decode() + str(answer.headers)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", " Bearer", "Bearer  "])
async def test_the_scheme_is_read_without_regard_to_case_and_spaces(
    opaque: Guarded, scheme: str
) -> None:
    answer = await opaque.client.get(MACHINES, headers=[("authorization", f"{scheme} {TOKEN} ")])

    assert answer.status == 200


@pytest.mark.parametrize("name", ["access_token", "token", "authorization", "bearer"])
async def test_a_token_in_the_query_string_or_the_body_is_not_accepted(
    opaque: Guarded, name: str
) -> None:
    in_query = await opaque.client.get(f"{MACHINES}?{name}={TOKEN}")
    in_body = await opaque.client.send(
        "POST", "/memory/controllers/shop/hello", {"replicas": 1, name: TOKEN}
    )

    assert [in_query.status, in_body.status] == [401, 401]


SPELLINGS = [
    ("GET", "/memory/machines/sh%6Fp"),
    ("GET", "/m%65mory/machines/shop"),
    ("GET", "/memory/machines/shop/"),
    ("GET", "//memory/machines/shop"),
    ("GET", "/memory//machines/shop"),
    ("GET", "/memory/machines/SHOP"),
    ("GET", "/MEMORY/machines/shop"),
    ("GET", "/memory/machines/shop%2F"),
    ("GET", "/memory/machines/shop%2F..%2Fbakery"),
    ("GET", "/memory/machines/bakery%2F..%2Fshop"),
    ("GET", "/memory/machines/bakery/../shop"),
    ("GET", "/memory/machines/shop/../../machines/bakery"),
    ("GET", "/memory/machines/./shop"),
    ("GET", "/memory/machines/shop%00"),
    ("GET", "/memory/machines/shop%0a"),
    ("GET", "/memory/machines/shop%20"),
    ("GET", "/memory/machines/ shop"),
    ("GET", "/memory/machines/shop;bakery"),
    ("GET", "/memory/machines/%2573hop"),
    ("GET", "/memory/machines/shop%ff"),
    ("GET", "/memory/machines/shop,bakery"),
    ("GET", "/memory/machines/*"),
    ("GET", "/memory/machines/arn:aws:ecs:eu-west-1:123456789012:cluster%2Fshop"),
    ("GET", "/memory/machines/arn:aws:ecs:eu-west-1:123456789012:cluster%2Fbakery"),
    ("GET", "/memory/machines/arn:aws:ecs:eu-west-1:123456789012:cluster%2Fbakery%2Fshop"),
    ("GET", "/memory/machines/shop?scope=bakery"),
    ("GET", "/memory/machines/shop?path_scope=bakery&provider=other"),
    ("GET", "/memory/controllers/shop/hello?scope=bakery&namespace=bakery"),
    ("GET", "/other/machines/shop"),
    ("GET", "/memory/machines/bakery"),
    ("HEAD", "/memory/machines/shop"),
    ("HEAD", "/memory/machines/bakery"),
    ("DELETE", "/memory/controllers/bakery/..%2Fshop"),
    ("DELETE", "/memory/controllers/shop/..%2F..%2Fbakery%2Fhello"),
]


@pytest.mark.parametrize(("method", "target"), SPELLINGS)
async def test_whatever_the_spelling_nothing_outside_the_rights_is_called(
    opaque: Guarded, method: str, target: str
) -> None:
    answer = await opaque.client.ask(method, target, headers=bearer(TOKEN))

    called = [(provider, operation.scope) for provider, operation, _ in opaque.caller.calls]
    arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/"
    allowed = {("memory", "shop"), ("memory", f"{arn}shop"), ("memory", f"{arn}bakery/shop")}
    assert {*called} <= allowed
    assert bool(called) == (answer.status == 200)
    if "bakery" in target.partition("?")[0] and not called:
        assert answer.status in {400, 403, 404}


@pytest.mark.parametrize(("method", "target"), [s for s in SPELLINGS if not s[1].startswith("//")])
async def test_whatever_the_spelling_nothing_is_called_without_a_token(
    opaque: Guarded, method: str, target: str
) -> None:
    answer = await opaque.client.ask(method, target)

    assert answer.status in {401, 404}
    assert not opaque.caller.calls


@pytest.mark.parametrize("member", ["scope", "namespace", "provider", "path_scope"])
async def test_no_member_of_a_body_replaces_the_scope_of_the_path(
    opaque: Guarded, member: str
) -> None:
    paths = ["/memory/controllers/shop/hello", "/memory/services/shop"]
    bodies = [("POST", {"replicas": 2, member: "bakery"}), ("PUT", MANIFEST | {member: "bakery"})]

    for path, (method, body) in zip(paths, bodies, strict=True):
        await opaque.client.send(method, path, body, headers=bearer(TOKEN))

    assert {(call[0], call[1].scope) for call in opaque.caller.calls} <= {("memory", "shop")}


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.operation.row.name)
async def test_options_needs_no_token_and_calls_nothing(opaque: Guarded, case: Any) -> None:
    answer = await opaque.client.ask("OPTIONS", f"/memory{case.path}")

    assert (answer.status, answer.body) == (204, b"")
    assert not opaque.caller.calls


@pytest.mark.parametrize(
    "override", ["x-http-method-override", "x-method-override", "x-original-url"]
)
async def test_no_header_changes_the_method_or_the_path(tmp_path: Path, override: str) -> None:
    guarded = Guarded(
        by_token(tmp_path, tokens.line_of(TOKEN, "ci", None)),
        rights_of(tmp_path, rule("ci", classes=["read"])),
    )
    value = "/memory/machines/bakery" if override.endswith("url") else "DELETE"

    await guarded.client.get(
        "/memory/controllers/shop/hello", headers=[*bearer(TOKEN), (override, value)]
    )

    [(_, operation, _)] = guarded.caller.calls
    assert (operation.row.name, operation.scope) == ("get_controller", "shop")


@pytest.mark.parametrize("headers", [[], bearer("wrong")], ids=["no token", "a wrong token"])
async def test_a_refused_request_is_answered_before_its_body_is_read(
    opaque: Guarded, headers: list[tuple[str, str]]
) -> None:
    answer = await without_body(opaque, "/memory/workloads/shop", headers)

    assert answer.status == 401


async def test_a_request_without_the_right_is_answered_before_its_body_is_read(
    opaque: Guarded,
) -> None:
    answer = await without_body(opaque, "/memory/workloads/bakery", bearer(TOKEN))

    assert answer.status == 403


async def without_body(guarded: Guarded, target: str, headers: list[tuple[str, str]]) -> Answer:
    """Announce a body that never arrives, and return the response."""
    sent = [("host", "x"), ("content-length", "1000"), ("content-type", "application/json")]
    scope = {
        "type": "http",
        "method": "PUT",
        "path": target,
        "raw_path": target.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "headers": [(name.encode(), value.encode()) for name, value in [*sent, *headers]],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 3042),
        "state": {},
    }
    answer = Answer(0, {}, b"")

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    async def send(event: Any) -> None:
        answer.status = event.get("status", answer.status)

    async with asyncio.timeout(10):
        await guarded(cast(Any, scope), cast(Any, receive), cast(Any, send))
    return answer
