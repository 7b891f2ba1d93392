"""A gateway with a guard, whose calls and audit records are kept."""

import functools
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from litestar.types import Receive, Scope, Send

from contracts.broker.attendance import Attendance
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.operation import Operation, Row
from contracts.outcomes import Outcome
from contracts.wire import Header, Reply
from gateway.app import application
from gateway.calls.checks import Checks
from gateway.context import NOTHING, Context
from gateway.http.server import OnRawPath
from gateway.identity import rights_file, tokens
from gateway.identity.bearer import BearerAuthentication
from gateway.identity.guard import AnyRequest, Authentication, Guard
from gateway.identity.json_web_tokens import key_sets
from gateway.identity.json_web_tokens.key_sets import KeyFile, KeySource
from gateway.identity.json_web_tokens.verifier import Expected, JsonWebTokens
from gateway.identity.proxies import TrustedProxies
from gateway.identity.refusals import Refusals
from gateway.identity.requester import Requester, Subject
from gateway.identity.rights import Rights
from gateway.identity.watched_file import WatchedFile
from tests.gateway.client import Client
from tests.identity.issuers import AUDIENCE, ISSUER, Issuer, key_set
from tests.loopback import Front

MAX_BODY_BYTES = 100_000
LEEWAY_S = 120
EXPECTED = Expected(ISSUER, AUDIENCE, LEEWAY_S, "groups")


class Called:
    """A caller that keeps its calls, and answers each with 200."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Operation[Any], Context]] = []

    async def call(
        self, provider: str, operation: Operation[Any], context: Context = NOTHING
    ) -> Reply:
        self.calls.append((provider, operation, context))
        return Reply(200, b"{}")


class Guarded:
    """A client of a gateway, the calls that passed, and the records of refused commands.

    The clock of the limits on records goes on by an hour with each look, unless `limited`.
    """

    def __init__(
        self,
        authentication: Authentication | None,
        rights: WatchedFile[Rights] | None,
        proxies: TrustedProxies | None = None,
        *,
        limited: bool = False,
    ) -> None:
        self.caller = Called()
        self.records: list[Outcome] = []
        self._seconds = 0.0
        refusals = Refusals(self._record, (lambda: 0.0) if limited else self._later)
        self._guard = Guard(authentication, rights, proxies, refusals)
        self.client = Client(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; requests of several gateways must not overlap."""
        front, guard, app = _application()
        front.behind, guard.behind = self.caller, self._guard
        await app(scope, receive, send)

    def _record(self, outcome: Outcome, traceparent: Header | None) -> None:
        self.records.append(outcome)

    def _later(self) -> float:
        self._seconds += 3600
        return self._seconds


class SwitchedGuard(Guard):
    """Lets one application, which is slow to create, serve each test with another guard."""

    behind: Guard

    async def identify(self, request: AnyRequest, row: Row | None = None) -> Requester:
        return await self.behind.identify(request, row)

    def authorise(
        self, request: AnyRequest, requester: Requester, row: Row, provider: str, scope: str
    ) -> None:
        self.behind.authorise(request, requester, row, provider, scope)

    async def admit_to_pages(self, request: AnyRequest) -> Requester:
        return await self.behind.admit_to_pages(request)

    def may_read(self, subject: Subject | None, provider: str, scope: str | None = None) -> bool:
        return self.behind.may_read(subject, provider, scope)


@functools.cache
def _application() -> tuple[Front, SwitchedGuard, OnRawPath]:
    front, guard, checks = Front(), SwitchedGuard(), Checks(Attendance([]))
    link = ReconnectingConnection("amqp://broker.test/", "test")
    app = application(front, link, Attendance([]), checks, MAX_BODY_BYTES, guard=guard)
    return front, guard, app


def rule(
    *subjects: str,
    classes: Iterable[str] = ("read", "scale", "change", "secrets"),
    providers: Iterable[str] = ("memory",),
    scopes: Iterable[str] = ("shop",),
    groups: Iterable[str] = (),
) -> dict[str, Any]:
    """Return a rule of a rights file."""
    who = {"subjects": [*subjects]} if subjects else {}
    who |= {"groups": [*groups]} if groups else {}
    return who | {"providers": [*providers], "scopes": [*scopes], "classes": [*classes]}


def rights_of(folder: Path, *rules: dict[str, Any]) -> WatchedFile[Rights]:
    """Return the rights in a file."""
    path = folder / "rights.json"
    path.write_text(json.dumps({"rules": rules}))
    return WatchedFile("PLT_AUTH_RIGHTS", str(path), rights_file.parse)


def by_token(
    folder: Path, *lines: str, now: Callable[[], float] | None = None
) -> BearerAuthentication:
    """Return the authentication by these lines of a token file."""
    path = folder / "tokens"
    path.write_text("\n".join(lines))
    file = WatchedFile("PLT_AUTH_TOKENS", str(path), tokens.parse)
    return BearerAuthentication(tokens.TokenFile(file, now) if now else tokens.TokenFile(file))


def by_keys(keys: KeySource) -> BearerAuthentication:
    """Return the authentication by JSON Web Tokens with these keys."""
    return BearerAuthentication(JsonWebTokens(keys, EXPECTED))


def by_issuer(folder: Path, *issuers: Issuer) -> BearerAuthentication:
    """Return the authentication by JSON Web Tokens of these issuers, with their keys in a file."""
    path = folder / "keys.json"
    path.write_bytes(key_set(*issuers))
    return by_keys(KeyFile(WatchedFile("PLT_JWT_JWKS", str(path), key_sets.parse)))


def bearer(token: str) -> list[tuple[str, str]]:
    """Return the header with a token."""
    return [("authorization", f"Bearer {token}")]
