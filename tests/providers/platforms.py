"""The interface between the every-provider suite and a platform, apart from the provider.

`stand_ins` has a platform for each registered provider.
"""

from collections.abc import Mapping
from typing import Protocol

Keys = tuple[set[str], set[str]]
"""The least members of a command's `before` and `after`, if its object exists already."""

EXISTS = {"exists"}
_CONTROLLER = {"replicas", "running", "labels"}
_ROUTE = {"hostnames", "rules", "backends"}

OBSERVED: Mapping[str, Keys] = {
    "set_machine_labels": (set(), {"labels"}),
    "update_controller_replicas": ({"running"}, {"replicas", "running"}),
    "apply_controller": (_CONTROLLER | {"images"}, _CONTROLLER | {"images"}),
    "delete_controller": (_CONTROLLER, EXISTS),
    "apply_service": ({"ports", "labels"}, {"ports", "labels"}),
    "delete_service": (set(), set()),
    "apply_secret": (EXISTS, {"secretKeys"}),
    "apply_http_route": (_ROUTE, _ROUTE),
    "delete_http_route": (set(), EXISTS),
    "apply_workload": (_CONTROLLER | {"images"}, _CONTROLLER | {"images", "ports"}),
    "apply_route_plan": (_ROUTE, _ROUTE),
}
"""The least members that each command observes on every platform."""


class Platform(Protocol):
    """A platform for tests, which read and change it without the provider."""

    name: str
    """The name of its registered provider."""
    scope: str
    page: int
    """The number of items in a full page of its API."""
    unsupported: Mapping[str, str]
    """The operations that its provider does not support, with the operation to use instead."""
    observed: Mapping[str, Keys]
    """The members that its provider observes, for commands that differ from `OBSERVED`."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables of a provider for this platform."""

    def run(self, application: str, machines: int, labels: Mapping[str, str]) -> None:
        """Run an application, with these labels on its machines."""

    def run_without_controller(self) -> None:
        """Run one machine without a controller."""

    def gateway(self) -> str:
        """Create a gateway that routes can attach to; return its name."""

    def size(self, application: str) -> int:
        """Return the wanted number of machines of an application, read from the platform."""

    def throttle(self, times: int | None) -> None:
        """Throttle this many requests, all for None, with a retry-after of one second."""

    def deny(self) -> None:
        """Refuse the next scaling for lack of permission."""

    def cut(self, times: int | None) -> None:
        """Execute this many requests, all for None, and close the connection without a response."""

    def clear_faults(self) -> None:
        """End all injected faults."""

    @property
    def writes(self) -> int:
        """The number of received requests that change something."""

    @property
    def denials(self) -> list[str]:
        """The requests of the provider that the shipped rights do not allow."""
