"""The targets of target groups, with their age and the state that a test sets."""

import time
from dataclasses import dataclass, field

from deploy.sandbox.aws.messages import Json

# The reason and description for a state.
_REASONS = {
    "initial": ("Elb.RegistrationInProgress", "Target registration is in progress"),
    "unhealthy": (
        "Target.ResponseCodeMismatch",
        "Health checks failed with these codes: [500]",
    ),
    "draining": ("Target.DeregistrationInProgress", "Target deregistration is in progress"),
}
_UNUSED = {
    "State": "unused",
    "Reason": "Target.NotInUse",
    "Description": "Target group is not configured to receive traffic from the load balancer",
}
NOT_REGISTERED = {
    "State": "unused",
    "Reason": "Target.NotRegistered",
    "Description": "Target is not registered to the target group",
}


@dataclass
class Target:
    """A target; its health follows from its age unless a test has set `state`."""

    id: str
    port: int
    state: str | None = None
    since: float = field(default_factory=time.monotonic)

    def health(self, in_use: bool, healthy_after: float | None) -> Json:
        if not in_use:
            return _UNUSED
        state = self.state or self._state_by_age(healthy_after)
        if state not in _REASONS:
            return {"State": state}
        reason, description = _REASONS[state]
        return {"State": state, "Reason": reason, "Description": description}

    def _state_by_age(self, healthy_after: float | None) -> str:
        if healthy_after is None or time.monotonic() - self.since < healthy_after:
            return "initial"
        return "healthy"


class Targets:
    """Targets by the ARN of their group, and by id and port."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[tuple[str, int], Target]] = {}

    def of(self, group: str) -> dict[tuple[str, int], Target]:
        return self._groups.setdefault(group, {})

    def register(self, group: str, id: str, port: int) -> None:
        self.of(group).setdefault((id, port), Target(id, port))

    def deregister(self, id: str) -> None:
        """Deregister a target in all groups."""
        for targets in self._groups.values():
            for key in [key for key in targets if key[0] == id]:
                del targets[key]
