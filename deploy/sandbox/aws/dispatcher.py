"""The layer around moto: the call log, faults, corrections, and moto for all other requests."""

import io
import threading
import time
import traceback
from collections.abc import Callable
from functools import cache
from typing import Any

from moto.core.exceptions import ServiceException
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.exceptions import HTTPException
from werkzeug.test import run_wsgi_app

from deploy.sandbox.aws import wire
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.api import ANSWERED, CHECKED
from deploy.sandbox.aws.calls import Call, Calls
from deploy.sandbox.aws.faults import Fault, Faults
from deploy.sandbox.aws.messages import Answer, Json, Refusal, Request
from deploy.sandbox.aws.scheduler import run_due
from deploy.sandbox.control import LOOK_S, PREFIX, Control

_JSON = [("content-type", "application/json")]
# In the JSON protocols every client error is 400; moto answers 404 and 409 for some.
_ALWAYS_400 = ("secretsmanager:", "servicediscovery:", "ecs:", "tag:")
# Services without a region; some clients sign for us-east-1, and others for their own region.
_GLOBAL = {"iam"}


class Dispatcher:
    def __init__(
        self,
        account: Account,
        calls: Calls,
        faults: Faults[...],
        guard: Callable[[Request], Json | None],
        reset: Callable[[], None],
    ) -> None:
        """`guard` raises Refusal for a request that its identity may not make.

        It answers requests about the identity itself.
        """
        self._account = account
        self._guard = guard
        self._calls = calls
        self._faults = faults
        self._control = Control(calls, faults, reset)
        self._moto = DomainDispatcherApplication(create_backend_app)
        # moto lists its own folders and tries the patterns of all services for each request.
        find = cache(self._moto.get_backend_for_host)
        self._moto.get_backend_for_host = find  # type: ignore[method-assign]  # the same, cached
        self.stopping = threading.Event()

    def answer(self, environ: dict[str, Any], body: bytes) -> Answer | None:
        """Return the answer, or None to cut the connection instead."""
        path = environ["PATH_INFO"]
        if path.startswith(PREFIX):
            status, content = self._control.answer(environ["REQUEST_METHOD"], path, body)
            return Answer(status, _JSON, content)
        try:
            request = wire.read(environ, body)
        except Refusal as refusal:
            return wire.write_refusal(environ, refusal)
        # Logged on arrival, so that a test sees a request that a fault delays.
        call = Call(
            request.action,
            dict(request.parameters),
            wire.access_key(environ),
            user_agent=environ.get("HTTP_USER_AGENT", ""),
        )
        self._calls.append(call)
        answer, call.error = self._decide(request, self._faults.take(call) or Fault())
        call.answered(None if answer is None else answer.status)
        return answer

    def _decide(self, request: Request, fault: Fault) -> tuple[Answer | None, str | None]:
        """Return the answer and its error code."""
        began = time.monotonic()
        while (rest := fault.rest(began)) > 0:
            if self.stopping.wait(min(rest, LOOK_S)):
                break
        if fault.disconnect == "before":
            return None, None
        if fault.body is not None:
            return Answer(fault.status or 400, [("content-type", "text/html")], fault.content), None
        try:
            if fault.refusal is not None:
                raise fault.refusal
            answer = self._act(request)
        except Refusal as refusal:
            return wire.write_refusal(request.environ, refusal), refusal.code
        return (None if fault.disconnect == "after" else answer), None

    def _act(self, request: Request) -> Answer:
        self._check_region(request)
        with self._account.lock:
            run_due(self._account)
            try:
                if (about_itself := self._guard(request)) is not None:
                    return wire.write(request, about_itself)
                return self._corrected(request) or self._ask_moto(request)
            except Refusal:
                raise
            except Exception as error:
                raise _refusal(error) from error

    def _corrected(self, request: Request) -> Answer | None:
        """Return the corrected answer, or None to leave the request to moto."""
        if request.action in ANSWERED:
            result = ANSWERED[request.action](self._account, request.parameters)
            return None if result is None else wire.write(request, result)
        if request.action in CHECKED:
            CHECKED[request.action](self._account, request.parameters)
            request.body = wire.rewritten(request)
        return None

    def _check_region(self, request: Request) -> None:
        """Refuse a request that is signed for another region, as a regional endpoint does."""
        region, service = wire.scope(request.environ)
        if region in {"", self._account.region} or service in _GLOBAL:
            return
        message = f"Credential should be scoped to a valid region, not '{region}'."
        if wire.is_query(request.environ):
            raise Refusal("SignatureDoesNotMatch", message, 403)
        raise Refusal("InvalidSignatureException", message)

    def _ask_moto(self, request: Request) -> Answer:
        environ = {
            **request.environ,
            "wsgi.input": io.BytesIO(request.body),
            "CONTENT_LENGTH": str(len(request.body)),
            "HTTP_X_MOTO_ACCOUNT_ID": self._account.number,
        }
        chunks, status, headers = run_wsgi_app(self._moto, environ, buffered=True)
        number = int(status.split(" ", 1)[0])
        if 400 < number < 500 and request.action.startswith(_ALWAYS_400):
            number = 400
        hidden = {"content-length", "connection", "server", "date"}
        listed = [(name, text) for name, text in headers if name.lower() not in hidden]
        return Answer(number, listed, b"".join(chunks))


def _refusal(error: Exception) -> Refusal:
    """Turn an exception of moto, in its new or its old form, or of the sandbox into a refusal."""
    match error:
        case ServiceException():
            return Refusal(error.code, error.message)
        case HTTPException():
            code = getattr(error, "error_type", None) or type(error).__name__
            return Refusal(code, getattr(error, "message", None) or str(error.description))
        case NotImplementedError():
            return Refusal("UnknownOperationException", str(error))
    # Printed and answered with 500, so that a bug does not look like a broken connection.
    traceback.print_exception(error)
    return Refusal("InternalFailure", f"The sandbox failed: {error!r}", 500)
