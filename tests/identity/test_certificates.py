"""Client certificates: their subject, and its rights."""

from pathlib import Path
from typing import Any

import pytest
from litestar.types import Receive, Scope, Send

from gateway.identity.certificates import subject_of
from tests.gateway.client import Answer, Client
from tests.identity.guarded import Guarded, by_token, rights_of, rule

SPIFFE = "spiffe://cluster.local/ns/platformatic/sa/icc"

NAMES: list[tuple[str, list[str], str | None]] = [
    ("CN=icc,O=Example", [], "icc"),
    ("O=Example,CN=icc", [], "icc"),
    ("CN=icc+OU=a,O=Example", [], "icc"),
    ("CN=first,CN=second", [], "first"),
    ("CN=icc,O=Example", [f"URI:{SPIFFE}"], SPIFFE),
    ("CN=icc", ["DNS:icc.example", f"URI:{SPIFFE}", "URI:urn:other"], SPIFFE),
    ("CN=icc", ["DNS:icc.example", "IP Address:127.0.0.1", "email:a@b.c"], "icc"),
    ("", [f"URI:{SPIFFE}"], SPIFFE),
    ("", [], None),
    ("", ["DNS:icc.example"], None),
    ("O=Example", [], None),
    (r"O=Example\,CN=admin", [], None),
    (r"O=Example\,CN=admin,CN=icc", [], "icc"),
    (r"O=a\\,CN=icc", [], "icc"),
    (r"O=a\+CN=admin,CN=icc", [], "icc"),
    (r"CN=a\,b", [], "a,b"),
    (r"CN=\C3\A4rger", [], "ärger"),
    (r"CN=a\0ab", [], None),
    ("CN=", [], None),
    (f"CN={'x' * 256}", [], None),
    ("CN=icc", ["URI:"], None),
    ("CN=icc", [f"URI:{'x' * 256}"], None),
    ("SERIALNUMBER=CN,O=x", [], None),
    ("DCN=admin,O=x", [], None),
]


@pytest.mark.parametrize(("name", "alternatives", "subject"), NAMES)
def test_the_subject_is_the_first_uri_or_else_the_common_name(
    name: str, alternatives: list[str], subject: str | None
) -> None:
    found = subject_of(name, alternatives)

    assert (found.name if found else None) == subject


class WithCertificate:
    """An application behind TLS whose clients present a certificate."""

    def __init__(self, app: Any, name: str | None, alternatives: list[str]) -> None:
        self._app = app
        self._tls = {"client_cert_name": name, "client_cert_sans": alternatives}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        extended: Any = {**scope, "extensions": {"tls": self._tls}}
        await self._app(extended, receive, send)


async def ask(guarded: Guarded, name: str | None, *alternatives: str) -> Answer:
    client = Client(WithCertificate(guarded, name, [*alternatives]))
    return await client.ask("DELETE", "/memory/services/shop/hello")


async def test_the_requester_is_the_subject_of_the_certificate() -> None:
    guarded = Guarded(None, None)

    await ask(guarded, "CN=icc", f"URI:{SPIFFE}")
    await ask(guarded, None)

    assert [context.requested_by for _, _, context in guarded.caller.calls] == [
        SPIFFE,
        "127.0.0.1",
    ]


async def test_a_client_with_a_certificate_has_the_rights_of_its_subject(tmp_path: Path) -> None:
    rules = [
        rule("spiffe://cluster.local/ns/platformatic/*", classes=["change"]),
        rule("auditor", classes=["read"]),
    ]
    guarded = Guarded(None, rights_of(tmp_path, *rules))

    permitted = await ask(guarded, "CN=icc", f"URI:{SPIFFE}")
    without_right = await ask(guarded, "CN=auditor")
    unknown = await ask(guarded, "CN=other")
    without_name = await ask(guarded, "O=Example")
    without_certificate = await ask(guarded, None)

    assert permitted.status == 200
    refused = [without_right, unknown, without_name, without_certificate]
    assert [(each.status, each.json()["code"]) for each in refused] == [(403, "forbidden")] * 4
    # No header of HTTP asks for a certificate.
    assert not any("www-authenticate" in each.headers for each in refused)
    assert [each.requested_by for each in guarded.records] == [
        "auditor",
        "other",
        "127.0.0.1",
        "127.0.0.1",
    ]


async def test_a_certificate_is_no_token(tmp_path: Path) -> None:
    guarded = Guarded(by_token(tmp_path), rights_of(tmp_path, rule("icc")))

    assert (await ask(guarded, "CN=icc")).status == 401
