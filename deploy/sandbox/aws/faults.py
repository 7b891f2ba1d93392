"""Faults for requests to AWS."""

import msgspec

from deploy.sandbox import control
from deploy.sandbox.aws.calls import Call
from deploy.sandbox.aws.iam.guard import denial
from deploy.sandbox.aws.messages import QUERY, Json, Refusal
from deploy.sandbox.control import P


class Fault(control.Fault):
    """`action` is spelt as in IAM; `parameters` must be among those of the request.

    A fault with a `code` refuses with it and does not act; one with a `body` answers with that
    body as HTML. The status is 400 where the fault names none.
    """

    action: str | None = None
    code: str | None = None
    message: str = ""
    parameters: Json = msgspec.field(default_factory=dict)

    @property
    def refusal(self) -> Refusal | None:
        return None if self.code is None else Refusal(self.code, self.message, self.status or 400)

    def matches(self, call: Call) -> bool:
        return self.action in {None, call.action} and all(
            call.parameters.get(name) == value for name, value in self.parameters.items()
        )


class Faults(control.Faults[P, Fault]):
    def throttle(self, action: str, times: int | None = 1) -> Fault:
        """Refuse as a service that has received too many requests."""
        code = "Throttling" if action.startswith(QUERY) else "ThrottlingException"
        return self.put(Fault(action, code, "Rate exceeded", times=times))

    def deny(self, action: str, times: int | None = None) -> Fault:
        """Refuse as IAM when the caller's role lacks the action."""
        refusal = denial(action)
        fault = Fault(action, refusal.code, refusal.message, status=refusal.status, times=times)
        return self.put(fault)
