"""The guard before every operation: authentication, rights, and records of refused commands."""

from typing import Any, Protocol

from litestar import Request
from litestar.types import Scope

from contracts.operation import Row
from gateway.context import REQUESTED_BY, command_id_of, trace_of
from gateway.http.path_parameters import segment
from gateway.identity import refused
from gateway.identity.certificates import CertificateAuthentication
from gateway.identity.proxies import TrustedProxies
from gateway.identity.refusals import Refusals, RefusedCommand
from gateway.identity.refused import Refused
from gateway.identity.requester import Requester, Subject
from gateway.identity.rights import Rights
from gateway.identity.watched_file import WatchedFile

AnyRequest = Request[Any, Any, Any]


class Authentication(Protocol):
    """A way to authenticate requests."""

    uses_tokens: bool

    async def authenticate(self, scope: Scope) -> Subject | None:
        """Return the subject of a request, None for an anonymous one. Raise `Refused`."""

    async def run(self) -> None:
        """Keep what authentication needs up to date until cancelled."""


class Guard:
    """Lets requests pass, or refuses them before their bodies are read."""

    def __init__(
        self,
        authentication: Authentication | None = None,
        rights: WatchedFile[Rights] | None = None,
        proxies: TrustedProxies | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        """Without `rights` every subject may do everything; without `refusals` none is recorded."""
        self._authentication = authentication or CertificateAuthentication()
        self._rights = rights
        self._proxies = proxies or TrustedProxies()
        self._refusals = refusals

    @property
    def uses_tokens(self) -> bool:
        """True if clients authenticate with a token in the header Authorization."""
        return self._authentication.uses_tokens

    async def run(self) -> None:
        """Keep what authentication needs up to date until cancelled."""
        await self._authentication.run()

    async def identify(self, request: AnyRequest, row: Row | None = None) -> Requester:
        """Return the requester, or raise `Refused`. `row` is None for a page of the gateway."""
        address = self._proxies.client(request.scope)
        try:
            subject = await self._authentication.authenticate(request.scope)
            if subject is None and self._rights is not None:
                raise refused.without_certificate("expected a client certificate, got none")
        except Refused as fault:
            self._record(request, row, Requester(address), fault)
            raise
        requester = Requester(address, subject)
        request.scope["state"][REQUESTED_BY] = requester.name
        return requester

    def authorise(
        self, request: AnyRequest, requester: Requester, row: Row, provider: str, scope: str
    ) -> None:
        """Raise `Refused` if the requester does not have the right to an operation."""
        subject = requester.subject
        if self._rights is None or subject is None:
            return
        if self._rights.current().permits(subject, row.access, provider, scope):
            return
        fault = self._without_right(
            subject, f"the right {row.access} in this scope of this provider"
        )
        self._record(request, row, requester, fault)
        raise fault

    async def admit_to_pages(self, request: AnyRequest) -> Requester:
        """Return the requester; raise `Refused` without any right. For the gateway's own pages."""
        requester = await self.identify(request)
        subject = requester.subject
        if self._rights is not None and subject and not self._rights.current().knows(subject):
            raise self._without_right(subject, "any right")
        return requester

    def may_read(self, subject: Subject | None, provider: str, scope: str | None = None) -> bool:
        """Tell whether a subject may read in a scope of a provider; None means in any scope."""
        if self._rights is None or subject is None:
            return True
        rights = self._rights.current()
        if scope is None:
            return rights.permits_in_some_scope(subject, "read", provider)
        return rights.permits(subject, "read", provider, scope)

    def _without_right(self, subject: Subject, right: str) -> Refused:
        message = f"the subject {subject.name} does not have {right}: see PLT_AUTH_RIGHTS"
        return refused.without_right(message, has_token=self.uses_tokens)

    def _record(
        self, request: AnyRequest, row: Row | None, requester: Requester, fault: Refused
    ) -> None:
        """Record the refusal of a command; queries are not in the audit."""
        command_id = command_id_of(request)
        if row is None or command_id is None or self._refusals is None:
            return
        trace = trace_of(request)
        named = row.subject if row.subject in row.path_fields else None
        command = RefusedCommand(
            row=row,
            command_id=command_id,
            provider=segment(request, "provider", errors="replace"),
            scope=segment(request, "scope", errors="replace"),
            name=None if named is None else segment(request, named, errors="replace"),
            requested_by=requester.name,
            client=requester.address,
            traceparent=None if trace is None else trace.traceparent,
        )
        self._refusals.add(command, fault)
