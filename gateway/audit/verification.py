"""The comparison of audited states with what the platforms have; no I/O."""

from collections.abc import Collection, Mapping

from msgspec import Struct, field

from contracts.address import word
from contracts.resources import Object
from gateway.audit.drift import Drift, Found, Kind, drifts, unchecked
from gateway.audit.states import Address, State


class Unchecked(Struct, frozen=True, kw_only=True):
    """An address that could not be compared."""

    provider: str
    address: str
    unchecked: str


class Report(Struct):
    """The comparison of all addresses."""

    compared: int = 0
    drift: list[Drift] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)


def compare(
    states: Mapping[Address, State], found: Mapping[Address, Found], changed: Collection[Address]
) -> Report:
    """Compare all addresses but those with a command since the audit was read."""
    report = Report()
    for key, state in states.items():
        reason = "a command came meanwhile" if key in changed else unchecked(state, found[key])
        if reason is not None:
            provider, address = key
            report.unchecked.append(Unchecked(provider=provider, address=address, unchecked=reason))
        else:
            report.compared += 1
            report.drift += drifts(state, found[key])
    return report


def foreign_in(
    provider: str, scope: str, controllers: list[Object], states: Collection[Address]
) -> list[Drift]:
    """Return the controllers of a scope of which the audit has no command."""
    addresses = {f"controllers.{word(scope)}.{word(each['name'])}": each for each in controllers}
    return [
        Drift(
            provider=provider,
            address=address,
            kind=Kind.FOREIGN,
            found={"replicas": each.get("replicas")},
        )
        for address, each in addresses.items()
        if (provider, address) not in states
    ]
