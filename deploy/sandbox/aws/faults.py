"""Injected faults: delays, refusals and cut connections, for the requests they match."""

import threading
from typing import Literal

import msgspec

from deploy.sandbox.aws.messages import Json, Refusal

USER = "arn:aws:sts::123456789012:assumed-role/worker/sandbox"


class Fault(msgspec.Struct):
    """What to do to a matching request, in this order: wait, then cut, refuse or act.

    `action` in IAM's spelling, None for every action. `parameters` have to be among those of the
    request. `times` None means always. `delay` in seconds. `disconnect` "before" cuts without
    acting, "after" acts and cuts instead of answering. With a `code` the request is refused so
    and not acted on; a `body` is answered as it is, with the status.
    """

    action: str | None = None
    code: str | None = None
    status: int = 400
    message: str = ""
    times: int | None = 1
    delay: float = 0
    disconnect: Literal["before", "after"] | None = None
    parameters: Json = {}
    body: str | None = None
    hits: int = 0

    @property
    def refusal(self) -> Refusal | None:
        return None if self.code is None else Refusal(self.code, self.message, self.status)

    def matches(self, action: str, parameters: Json) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        if self.action not in {None, action}:
            return False
        return all(parameters.get(name) == value for name, value in self.parameters.items())


class Faults:
    """The first fault that matches applies; one that is used up stays listed without effect."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(
        self,
        action: str | None = None,
        code: str | None = None,
        status: int = 400,
        message: str = "",
        times: int | None = 1,
        delay: float = 0,
        disconnect: Literal["before", "after"] | None = None,
        parameters: Json | None = None,
        body: str | None = None,
    ) -> Fault:
        fault = Fault(
            action, code, status, message, times, delay, disconnect, parameters or {}, body
        )
        return self.put(fault)

    def throttle(self, action: str, times: int | None = 1) -> Fault:
        """Refuse as the service does that has had too many requests."""
        code = "Throttling" if action.startswith("elastic") else "ThrottlingException"
        return self.add(action, code, 400, "Rate exceeded", times)

    def deny(self, action: str, times: int | None = None) -> Fault:
        """Refuse as IAM does when the caller's role lacks the action."""
        message = (
            f"User: {USER} is not authorized to perform: {action} on resource: * "
            f"because no identity-based policy allows the {action} action"
        )
        # The query protocol has another code and status for it than the JSON protocols.
        if action.startswith("elastic"):
            return self.add(action, "AccessDenied", 403, message, times)
        return self.add(action, "AccessDeniedException", 400, message, times)

    def put(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def take(self, action: str, parameters: Json) -> Fault | None:
        """The fault for this request, counted as used."""
        with self._lock:
            for fault in self._faults:
                if fault.matches(action, parameters):
                    fault.hits += 1
                    return fault
        return None

    def listed(self) -> list[Fault]:
        with self._lock:
            return list(self._faults)

    def remove(self, fault: Fault) -> None:
        with self._lock:
            self._faults = [each for each in self._faults if each is not fault]

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
