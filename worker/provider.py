"""The port: what a provider offers to the worker. Knows no broker, no HTTP and no platform.

A provider is any class with some of the methods of `Port`; what it cannot do has no method and is
answered 501 before any I/O. Methods take the operation, validated as far as the contract goes, and
the `Call`. They return the operation's result or raise `contracts.faults.Fault`:

- `invalid`: this platform can never have meant that. Names and labels are checked against the
  platform's own rules before a request is built from them.
- `not_found`, `conflict`, `platform_invalid`, `platform_forbidden`: the platform said so; its own
  reason and message are in the fault's words, and for a refusal the right that is missing.
- `platform_limiting`, `platform_unreachable`: nothing was attempted and nothing will be. Raised
  only when every request that could have changed something did not arrive or was turned away.
- `platform_not_ready`: the platform is still getting ready for what was asked, and nothing of that
  was done; a repeat succeeds once it is.
- `platform_failed`: any other failure of the platform, or an answer that makes no sense.

A method that is cancelled stops at once: the deadline has passed, or another worker takes over.
Retries happen in the provider alone, only where a repeat is safe, and within `call.left()`.
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

from contracts import api
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


class Call:
    """One run of an operation: how long it may take, and what it saw on its way."""

    def __init__(
        self,
        deadline: float,
        may_go_on: Callable[[], bool] = lambda: True,
        *,
        redelivered: bool = False,
    ) -> None:
        """`deadline` is on the monotonic clock; `may_go_on` says whether the run is still ours.

        `redelivered` is true for a command that another worker may have started: a request of
        that worker may still be on its way to the platform.
        """
        self.deadline = deadline
        self.redelivered = redelivered
        self._may_go_on = may_go_on
        self.before: Any = None
        self.after: Any = None
        self.warnings: list[str] = []

    @classmethod
    def within(cls, seconds: float) -> "Call":
        """A call that may take this long from now on."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """The seconds until the deadline, 0 when it has passed or another worker takes over.

        Asked before each request to the platform: a process that was frozen wakes up in the middle
        of a call, and must not send the next one.
        """
        return max(0.0, self.deadline - time.monotonic()) if self._may_go_on() else 0.0

    def warn(self, text: str) -> None:
        """Tell the caller something beside the result: it is the member `warnings` of the answer.

        For commands, whose results are JSON objects. A text comes once, and holds no secret.
        """
        if text not in self.warnings:
            self.warnings.append(text)

    def observed(self, before: Object | None, after: Object | None) -> None:
        """Note for the command's outcome what it found and what it left: `replicas 3 → 5`.

        Every command notes both, from the requests that it makes anyway; what those do not tell is
        left out. None means that nothing was noted. Both are flat JSON objects, shortened to 20
        entries per field and 4 KiB. They go into the audit, so they hold no secret.

        - `exists`: false for what was absent before or is deleted after; true where an object was
          there and no more is known of it. `deleting` is true while finalizers hold it.
        - `replicas`: the wanted number of machines. `running`: the number that run (ECS), or run
          and are ready (Kubernetes), when the platform answered.
        - `images`, `labels`: of the controller or service. For set_machine_labels, the labels of
          the machine itself that the command names, null for an absent one.
        - `ports` of a service, `secretKeys` (names only) of a secret.
        - `hostnames`, `rules`, `backends` of a route.
        - `shortened`: the fields of which entries are left out.

        `before` is what this run found. A former run of a redelivered command may have changed it.
        """
        self.before = None if before is None else observations.bounded(before)
        self.after = None if after is None else observations.bounded(after)


class Port(Protocol):
    """Every method that a provider may have; name, operation and result are the table's."""

    async def get_machine(self, operation: api.GetMachine, call: Call) -> Machine:
        """One machine. `not_found` when there is none of that id in the scope."""

    async def get_machines(self, operation: api.GetMachines, call: Call) -> list[Machine]:
        """Machines that run or start and carry all the labels; all of the scope without labels.

        Complete or a fault, never a part: but an owner that cannot be read leaves `controller` at
        what is known of it and fails nothing.
        """

    async def set_machine_labels(
        self, operation: api.SetMachineLabels, call: Call
    ) -> MachineLabels:
        """Set the labels named, remove those that are None, leave all others as they are."""

    async def get_controllers(self, operation: api.GetControllers, call: Call) -> Controllers:
        """Controllers of the scope; with `machine_id` the one at the top of the machine's owners.

        Two of one name and different kinds are two controllers. None has its machines, which only
        get_controller tells.
        """

    async def get_controller(self, operation: api.GetController, call: Call) -> OneController:
        """One controller with the machines that are its own, not those of a look-alike selector.

        Without `kind` the provider finds the controller by its name alone.
        """

    async def update_controller_replicas(
        self, operation: api.UpdateControllerReplicas, call: Call
    ) -> Controller:
        """Set the wanted number of machines in one step and answer with what is wanted then.

        Repeating it has one effect. `conflict` where another controller would undo it, or where the
        controller is being deleted; warns where an autoscaler may change the number again. Notes
        the wanted number found only if it is certain.
        """

    async def apply_controller(self, operation: api.ApplyController, call: Call) -> Object:
        """Create or update from the manifest; a running count that it does not name is kept.

        Removes only what an earlier manifest wrote, and keeps what others wrote. A field that the
        platform does not have is `invalid`.
        """

    async def delete_controller(self, operation: api.DeleteController, call: Call) -> Object:
        """Delete the controller with its machines. `not_found` when there is none.

        The answer to every deletion is a Deletion.
        """

    async def get_services_by_labels(
        self, operation: api.GetServicesByLabels, call: Call
    ) -> list[ServiceEndpoint]:
        """Endpoints of the services that carry all the labels, ports in the platform's order."""

    async def apply_service(self, operation: api.ApplyService, call: Call) -> Object:
        """Create or update from the manifest."""

    async def delete_service(self, operation: api.DeleteService, call: Call) -> Object:
        """Delete the service. `not_found` when there is none."""

    async def apply_secret(self, operation: api.ApplySecret, call: Call) -> Object:
        """Create or update without reading; the answer holds none of the secret's data."""

    async def list_gateways(self, operation: api.ListGateways, call: Call) -> list[Object]:
        """Gateways as the platform describes them; none on a platform without gateways."""

    async def apply_http_route(self, operation: api.ApplyHttpRoute, call: Call) -> Object:
        """Create or update from the manifest. `unsupported` on a platform without routes."""

    async def get_http_route(self, operation: api.GetHttpRoute, call: Call) -> Object:
        """The route. `not_found` when there is none."""

    async def delete_http_route(self, operation: api.DeleteHttpRoute, call: Call) -> Object:
        """Delete the route. `not_found` when there is none."""

    async def apply_workload(self, operation: api.ApplyWorkload, call: Call) -> Object:
        """Create or update everything that the specification needs; a running count is kept."""

    async def apply_route_plan(self, operation: api.ApplyRoutePlan, call: Call) -> Object:
        """Make the routes those of the plan, whole: a reader sees the old plan or the new one.

        `invalid` where the plan needs a service or a gateway that is not there.
        """
