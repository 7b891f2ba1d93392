"""What the every-provider suite needs of a platform beside the provider: its data, not its code.

The platforms themselves are in `stand_ins`, one for each registered provider.
"""

from collections.abc import Mapping
from typing import Protocol

Keys = tuple[set[str], set[str]]
"""What a command notes at least of before and after, where its object is there already."""

EXISTS = {"exists"}
_CONTROLLER = {"replicas", "running", "labels"}
_ROUTE = {"hostnames", "rules", "backends"}

NOTED: Mapping[str, Keys] = {
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
"""What each command notes on every platform that has it."""


class Platform(Protocol):
    """A platform that was started for tests and that they look at past the provider."""

    name: str
    """Under which its provider is registered."""
    scope: str
    page: int
    """The most things that one answer of its API lists."""
    lacks: Mapping[str, str]
    """The operations that its provider does not support, and what to use instead."""
    notes: Mapping[str, Keys]
    """What its provider notes of commands, where that is not what every one notes."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What configures a provider for it."""

    def run(self, application: str, machines: int, labels: Mapping[str, str]) -> None:
        """Have an application run, with these labels on its machines."""

    def run_alone(self) -> None:
        """Have one machine run that no controller keeps running."""

    def gateway(self) -> str:
        """Have a gateway that routes can attach to, and return its name."""

    def size(self, application: str) -> int:
        """How many machines of it are wanted, as the platform itself says."""

    def throttle(self, times: int | None) -> None:
        """Turn so many requests away, all for None, with a wait of one second asked for."""

    def deny(self) -> None:
        """Refuse the next scaling, because the worker lacks the right to it."""

    def cut(self, times: int | None) -> None:
        """Carry requests out and break the connection instead of answering."""

    def heal(self) -> None:
        """Serve all requests again."""

    @property
    def writes(self) -> int:
        """How many requests arrived that change something."""
