"""The port: the interface between the worker and a provider. Independent of broker and HTTP.

A provider is a class with some of the methods of `Port`. An operation without a method is answered
with 501 before any I/O. A method takes the operation, whose fields the contract has validated, and
the `Call`. It returns the result of the operation or raises `contracts.faults.Fault` with one of
these codes:

- `invalid`: the platform can never accept the request. Names and labels are checked against the
  platform's own rules before a request is built from them.
- `not_found`, `conflict`, `platform_invalid`, `platform_forbidden`: the platform's answer. The
  message contains the platform's reason and, for a refusal, the right that is missing.
- `platform_limiting`, `platform_unreachable`: nothing was attempted and nothing will be. Raised
  only if every request that could have changed something was not sent or was refused.
- `platform_not_ready`: the platform is still preparing a prerequisite, and the command had no
  effect on traffic or machines. A later retry succeeds.
- `platform_failed`: any other failure of the platform, or an unexpected response.

A cancelled method stops at once: the deadline passed, or another worker may own the partition.
Only the provider retries requests, only where a repeat is safe, and within `call.left()`. For
metrics it sends each request within `call.request(…)`, and reports each retry by `call.retried(…)`.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from contracts import api
from contracts.faults import Code, Fault
from contracts.freshness import Freshness, Versions
from contracts.resources import (
    Controller,
    Controllers,
    Machine,
    MachineLabels,
    Object,
    OneController,
    ServiceEndpoint,
)
from worker import observations


class PlatformRequest:
    """A context around one request to the platform, which it reports to the call at its end.

    `action` is the verb of Kubernetes' API or the action of AWS's. `status` is set by the provider:
    the HTTP status or AWS's error code, from a closed set, because both become labels of metrics.
    Without it, `status` is the code of the fault that leaves the context.
    """

    __slots__ = ("_began", "_requests", "action", "seconds", "status")

    def __init__(self, action: str, requests: "list[PlatformRequest]") -> None:
        self._requests = requests
        self.action = action
        self.status = ""
        self.seconds = 0.0

    def __enter__(self) -> "PlatformRequest":
        self._began = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.seconds = time.perf_counter() - self._began
        if not self.status:
            self.status = error.code.value if isinstance(error, Fault) else "cancelled"
        self._requests.append(self)


class Call:
    """One run of an operation: its time limit, and what it reports beside its result."""

    def __init__(
        self,
        deadline: float,
        may_go_on: Callable[[], bool] = lambda: True,
        *,
        redelivered: bool = False,
        freshness: Freshness | None = None,
    ) -> None:
        """`deadline` is on the monotonic clock. `may_go_on` returns false behind a closed fence.

        `redelivered` is true for a redelivered command: another worker may have started it, and a
        request of that worker may still be on its way to the platform. A query with a `freshness`
        may be answered from a local copy that fulfils it.
        """
        self.deadline = deadline
        self.redelivered = redelivered
        self.freshness = freshness
        self._may_go_on = may_go_on
        self.before: Any = None
        self.after: Any = None
        self.warnings: list[str] = []
        self.requests: list[PlatformRequest] = []
        self.retries: list[Code] = []
        self.written: Versions = {}
        self.shown: Versions = {}
        self.age_s: float | None = None

    @classmethod
    def within(cls, seconds: float) -> "Call":
        """Return a call with a deadline in this many seconds."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Return the seconds until the deadline; 0 after the deadline or behind a closed fence.

        A provider checks this before each request to the platform: a frozen process resumes in the
        middle of a call and must not send the next request.
        """
        return max(0.0, self.deadline - time.monotonic()) if self._may_go_on() else 0.0

    def request(self, action: str) -> PlatformRequest:
        """Return a context for one request to the platform."""
        return PlatformRequest(action, self.requests)

    def retried(self, failure: Code) -> None:
        """Report that a request is sent again after a failure with this code."""
        self.retries.append(failure)

    def wrote(self, resource_type: str, version: int) -> None:
        """Report the version of a resource after a change, UNKNOWN if the platform hides it.

        Only a provider that answers queries from local copies reports versions.
        """
        self.written[resource_type] = max(version, self.written.get(resource_type, 0))

    def showed(self, resource_type: str, version: int, age_s: float | None = None) -> None:
        """Report the version of what a query shows, and the age of a local copy that it is from.

        A later query of this scope is then not answered from an older copy.
        """
        self.shown[resource_type] = max(version, self.shown.get(resource_type, 0))
        if age_s is not None:
            self.age_s = max(age_s, self.age_s or 0.0)

    def warn(self, text: str) -> None:
        """Add a text without secrets to the member `warnings` of the reply, at most once.

        Only for commands: their results are JSON objects.
        """
        if text not in self.warnings:
            self.warnings.append(text)

    def observed(self, before: Object | None, after: Object | None) -> None:
        """Record the state before and after a command for its outcome: `replicas 3 → 5`.

        Every command records both states, from the responses to requests that it makes anyway.
        None: not observed. Both are flat JSON objects, bounded to 20 entries per field and 4 KiB.
        The audit shows them, so they contain no secret.

        - `exists`: false for an object that was absent before, or is deleted after; true for an
          object without further known state. `deleting`: true while finalizers keep the object.
        - `replicas`: the wanted number of machines. `running`: the number of machines that run
          (ECS), or run and are ready (Kubernetes), if the platform's response contains it.
        - `images`, `labels`: of the controller or service. For set_machine_labels, the labels of
          the machine that the command names, null for an absent label.
        - `ports` of a service, `secretKeys` (names only) of a secret.
        - `hostnames`, `rules`, `backends` of a route.
        - `shortened`: the names of the fields from which entries were left out.

        `before` is the state at the start of this run. An earlier run of a redelivered command may
        have changed it.
        """
        self.before = None if before is None else observations.bounded(before)
        self.after = None if after is None else observations.bounded(after)


class Port(Protocol):
    """The methods that a provider may have, one per row of the table."""

    async def get_machine(self, operation: api.GetMachine, call: Call) -> Machine:
        """Return one machine. `not_found` if the scope has no machine with this id."""

    async def get_machines(self, operation: api.GetMachines, call: Call) -> list[Machine]:
        """Return the running and starting machines with all the labels, or all without labels.

        The list is complete, or a fault is raised; an owner that cannot be read only leaves
        `controller` incomplete.
        """

    async def set_machine_labels(
        self, operation: api.SetMachineLabels, call: Call
    ) -> MachineLabels:
        """Set the named labels, remove labels with the value None, and keep all others."""

    async def get_controllers(self, operation: api.GetControllers, call: Call) -> Controllers:
        """Return the controllers of the scope, or with `machine_id` the machine's top-level owner.

        Two controllers of one name and different kinds are both returned. Only get_controller
        returns the machines of a controller.
        """

    async def get_controller(self, operation: api.GetController, call: Call) -> OneController:
        """Return one controller with the machines that it owns.

        A machine that only matches the selector is not included. Without `kind` the provider finds
        the controller by its name.
        """

    async def update_controller_replicas(
        self, operation: api.UpdateControllerReplicas, call: Call
    ) -> Controller:
        """Set the wanted number of machines in one step, and return the controller after it.

        Idempotent. `conflict` if another controller would revert the change, or if the controller
        is being deleted. Warns if an autoscaler may change the number again. Records the wanted
        number before the change only if it is certain.
        """

    async def apply_controller(self, operation: api.ApplyController, call: Call) -> Object:
        """Create or update the controller; keep the replicas if the manifest names none.

        Removes only fields that an earlier manifest wrote, and keeps the fields of other writers. A
        field that the platform does not have is `invalid`.
        """

    async def delete_controller(self, operation: api.DeleteController, call: Call) -> Object:
        """Delete the controller with its machines. `not_found` if it does not exist.

        Every deletion returns a Deletion.
        """

    async def get_services_by_labels(
        self, operation: api.GetServicesByLabels, call: Call
    ) -> list[ServiceEndpoint]:
        """Return the endpoints of services with all the labels, ports in the platform's order."""

    async def apply_service(self, operation: api.ApplyService, call: Call) -> Object:
        """Create or update the service from the manifest."""

    async def delete_service(self, operation: api.DeleteService, call: Call) -> Object:
        """Delete the service. `not_found` if it does not exist."""

    async def apply_secret(self, operation: api.ApplySecret, call: Call) -> Object:
        """Create or update the secret without reading it; the result contains no secret data."""

    async def list_gateways(self, operation: api.ListGateways, call: Call) -> list[Object]:
        """Return the gateways as the platform describes them; a platform without any returns []."""

    async def apply_http_route(self, operation: api.ApplyHttpRoute, call: Call) -> Object:
        """Create or update the route. `unsupported` on a platform without routes."""

    async def get_http_route(self, operation: api.GetHttpRoute, call: Call) -> Object:
        """Return the route. `not_found` if it does not exist."""

    async def delete_http_route(self, operation: api.DeleteHttpRoute, call: Call) -> Object:
        """Delete the route. `not_found` if it does not exist."""

    async def apply_workload(self, operation: api.ApplyWorkload, call: Call) -> Object:
        """Create or update every object that the specification needs; keep the replicas."""

    async def apply_route_plan(self, operation: api.ApplyRoutePlan, call: Call) -> Object:
        """Replace the application's routes by the routes of the plan, as a whole.

        A reader sees the old plan or the new plan, never a mixture. `invalid` if the plan needs a
        service or a gateway that does not exist.
        """
