"""A request to AWS in the call log."""

import re

from deploy.sandbox import control
from deploy.sandbox.aws.messages import Json

_READS = re.compile(r":(Describe|List|Get|Simulate|Discover|BatchGet)")


class Call(control.Call):
    """`action` is spelt as in IAM; `error` is the code of an error response."""

    action: str
    parameters: Json
    access_key: str = ""
    error: str | None = None

    @property
    def writes(self) -> bool:
        return _READS.search(self.action) is None

    def matches(self, *wanted: str) -> bool:
        """Compare an action, such as `ecs:DescribeTasks`, or a service, such as `ecs:`."""
        action, *_ = (*wanted, "")
        if action.endswith(":"):
            return self.action.startswith(action)
        return action in {"", self.action}


class Calls(control.Calls[Call]):
    def actions(self) -> list[str]:
        return [call.action for call in self]
