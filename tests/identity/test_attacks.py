"""Attempts to pass the guard: ambiguous headers, and other spellings of a scope."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.http.server import OnRawPath
from gateway.identity import tokens
from gateway.identity.bearer import TOKEN_LIMIT
from tests.gateway.client import Answer
from tests.gateway.requests import MANIFEST, REQUESTS
from tests.gateway.served import exchange, request, served
from tests.identity.guarded import Guarded, bearer, by_token, rights_of, rule

MACHINES = "/memory/machines/shop"
TOKEN = tokens.new_token()


@pytest.fixture(scope="module")
def opaque(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    """A gateway that knows one token."""
    folder = tmp_path_factory.mktemp("opaque")
    lines = by_token(folder, tokens.line_of(TOKEN, "ci", None))
    return Guarded(lines, rights_of(folder, rule("ci")))


@pytest.fixture(autouse=True)
def forgotten(opaque: Guarded) -> None:
    """Forget the calls of other tests."""
    opaque.caller.calls.clear()


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


async def test_the_unread_body_of_a_refused_request_is_not_the_next_request(
    opaque: Guarded,
) -> None:
    smuggled = f"GET {MACHINES} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
    refused = (
        "PUT /memory/services/shop HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"content-length: {len(smuggled)}\r\n\r\n"
    )

    async with served(OnRawPath(opaque)) as port:
        answers = await exchange(
            port,
            (refused + smuggled).encode(),
            request(b"GET /status HTTP/1.1"),
        )

    assert answers.count(b"HTTP/1.1 ") == 2
    assert answers.startswith(b"HTTP/1.1 401 Unauthorized")
    assert b'{"status":"ok"' in answers
    assert not opaque.caller.calls
