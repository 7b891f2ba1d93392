"""Around moto: logs each request, injects faults, answers what is corrected and asks moto the rest.

For people and other processes: `/_sandbox/calls` (GET, DELETE), `/_sandbox/faults` (GET, POST one
fault, DELETE) and `/_sandbox/reset` (POST).
"""

import io
import threading
import traceback
from collections.abc import Callable
from typing import Any

import msgspec
from moto.core.exceptions import ServiceException
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.exceptions import HTTPException
from werkzeug.test import run_wsgi_app

from deploy.sandbox.aws import wire
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.api import ANSWERED, CHECKED
from deploy.sandbox.aws.calls import Call, Calls
from deploy.sandbox.aws.faults import Fault, Faults
from deploy.sandbox.aws.messages import Answer, Refusal, Request
from deploy.sandbox.aws.rates import Rates
from deploy.sandbox.aws.scheduler import settle

CONTROL = "/_sandbox/"
_JSON = [("content-type", "application/json")]
# These services speak JSON, where every refusal is a 400; moto has 404 and 409 for some.
_ALWAYS_400 = ("secretsmanager:", "servicediscovery:", "ecs:", "tag:")


class Edge:
    def __init__(
        self,
        account: Account,
        calls: Calls,
        faults: Faults,
        rates: Rates,
        reset: Callable[[], None],
    ) -> None:
        self._account = account
        self._calls = calls
        self._faults = faults
        self._rates = rates
        self._reset = reset
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.stopping = threading.Event()

    def answer(self, environ: dict[str, Any], body: bytes) -> Answer | None:
        """None: cut the connection instead."""
        if environ["PATH_INFO"].startswith(CONTROL):
            return self._control(environ["REQUEST_METHOD"], environ["PATH_INFO"], body)
        try:
            request = wire.read(environ, body)
        except Refusal as refusal:
            return wire.write_refusal(environ, refusal)
        # Logged on arrival, so that a test can see a request while a fault holds it.
        agent = environ.get("HTTP_USER_AGENT", "")
        call = Call(request.action, dict(request.parameters), agent, wire.access_key(environ))
        self._calls.append(call)
        answer, error = self._decide(request)
        call.answered(None if answer is None else answer.status, error)
        return answer

    def _decide(self, request: Request) -> tuple[Answer | None, str | None]:
        """The answer and its error code."""
        fault = self._faults.take(request.action, request.parameters) or Fault()
        if fault.delay:
            self.stopping.wait(fault.delay)
        if fault.disconnect == "before":
            return None, None
        if fault.body is not None:
            return Answer(fault.status, [("content-type", "text/html")], fault.body.encode()), None
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
            self._rates.check(request.action)
            settle(self._account)
            try:
                return self._corrected(request) or self._ask_moto(request)
            except Refusal:
                raise
            except Exception as error:
                raise _refusal(error) from error

    def _corrected(self, request: Request) -> Answer | None:
        """None leaves the request to moto."""
        if request.action in ANSWERED:
            result = ANSWERED[request.action](self._account, request.parameters)
            return None if result is None else wire.write(request, result)
        if request.action in CHECKED:
            CHECKED[request.action](self._account, request.parameters)
            request.body = wire.rewritten(request)
        return None

    def _check_region(self, request: Request) -> None:
        """A request signed for another region is refused, as AWS does at a region's endpoint."""
        region, _ = wire.scope(request.environ)
        if region in {"", self._account.region}:
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

    def _control(self, method: str, path: str, body: bytes) -> Answer:
        match method, path.removeprefix(CONTROL).rstrip("/"):
            case "GET", "calls":
                return Answer(200, _JSON, msgspec.json.encode(list(self._calls)))
            case "DELETE", "calls":
                self._calls.clear()
            case "GET", "faults":
                return Answer(200, _JSON, msgspec.json.encode(self._faults.listed()))
            case "POST", "faults":
                try:
                    self._faults.put(msgspec.json.decode(body, type=Fault))
                except msgspec.DecodeError as error:
                    return Answer(400, _JSON, msgspec.json.encode({"message": str(error)}))
            case "DELETE", "faults":
                self._faults.clear()
            case "POST", "reset":
                self._reset()
            case _:
                return Answer(404, _JSON, b'{"message":"calls, faults or reset"}')
        return Answer(200, _JSON, b"{}")


def _refusal(error: Exception) -> Refusal:
    """What moto raises, of its newer and of its older kind, and errors of the sandbox's own."""
    match error:
        case ServiceException():
            return Refusal(error.code, error.message)
        case HTTPException():
            code = getattr(error, "error_type", None) or type(error).__name__
            return Refusal(code, getattr(error, "message", None) or str(error.description))
        case NotImplementedError():
            return Refusal("UnknownOperationException", str(error))
    # Shown, and answered as a failure: it must not look like a broken connection.
    traceback.print_exception(error)
    return Refusal("InternalFailure", f"The sandbox failed: {error!r}", 500)
