"""Parses Kubernetes quantities, and refuses amounts that no platform can provide."""

import re
from collections.abc import Mapping
from decimal import Decimal

from contracts.checks.validation import show
from contracts.faults import Code, Fault

Quantity = str | int | float

DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}

SPELLING = re.compile(
    r"(?P<number>\+?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40}))"
    rf"(?:[eE](?P<exponent>[+-]?[0-9]{{1,3}})|(?P<suffix>{'|'.join([*BINARY, *DECIMAL])}))"
)
"""An `E` before digits is an exponent, otherwise a suffix."""

EXPECTED = (
    "a quantity of Kubernetes: a number, alone or with one of n u m k M G T P E Ki Mi Gi Ti Pi Ei, "
    "or with an exponent such as e3"
)


def read(value: Quantity, where: str) -> Decimal:
    """Return the amount in its base unit (cores, bytes), or raise `invalid`."""
    found = SPELLING.fullmatch(str(value))
    if found is None:
        raise Fault(Code.INVALID, f"{where}: expected {EXPECTED}, got {show(value)}")
    number = Decimal(found["number"])
    suffix = found["suffix"] or ""
    if suffix in BINARY:
        return number * Decimal(1024 ** BINARY[suffix])
    return number.scaleb(int(found["exponent"] or DECIMAL[suffix]))


MIB = 1024**2
LEAST = {"cpu": Decimal("0.001"), "memory": Decimal(6 * MIB)}
"""A millicore is the precision of Kubernetes; a container needs 6 MiB to start."""

MOST = {"cpu": Decimal(8192), "memory": Decimal(2**52)}
"""The limits of one machine under Linux: 8192 processors (`NR_CPUS` of x86-64, the largest of any
architecture), and 4 PiB of memory (52 bits of physical address on x86-64 and ARM64).
"""

PORTABLE = ("cpu", "memory")
PLATFORM_SPECIFIC = re.compile(r"ephemeral-storage|hugepages-.+|[^/]+/.+")
"""Other resources of Kubernetes: built-in ones, and extended resources, which have a domain."""


def check(requests: Mapping[str, Quantity], limits: Mapping[str, Quantity], where: str) -> None:
    """Raise `invalid` for an amount that no platform can provide; the reply is the same on all."""
    for part, amounts in {"requests": requests, "limits": limits}.items():
        for resource, amount in amounts.items():
            if resource not in PORTABLE and not PLATFORM_SPECIFIC.fullmatch(resource):
                raise Fault(
                    Code.INVALID,
                    f"{where}.{part}: expected cpu, memory or another resource of Kubernetes, "
                    f"got {show(resource)}",
                )
            read(amount, f"{where}.{part}.{resource}")
    for resource in PORTABLE:
        _check_bounds(requests, limits, resource, where)
    for resource in requests.keys() & limits.keys():
        place = f"{where}.requests.{resource}"
        if read(requests[resource], place) > read(limits[resource], place):
            raise Fault(
                Code.INVALID,
                f"{place}: expected at most the limit {show(limits[resource])}, "
                f"got {show(requests[resource])}",
            )


def _check_bounds(
    requests: Mapping[str, Quantity], limits: Mapping[str, Quantity], resource: str, where: str
) -> None:
    """Check the limit of a resource, or its request if it has no limit."""
    part, amounts = ("limits", limits) if resource in limits else ("requests", requests)
    if resource not in amounts:
        return
    place = f"{where}.{part}.{resource}"
    amount = read(amounts[resource], place)
    if amount < LEAST[resource]:
        raise Fault(Code.INVALID, f"{place}: {_too_little(resource, amounts[resource])}")
    if amount > MOST[resource]:
        most = "8192 cores" if resource == "cpu" else "4Pi"
        raise Fault(
            Code.INVALID, f"{place}: expected at most {most}, got {show(amounts[resource])}"
        )


def _too_little(resource: str, amount: Quantity) -> str:
    got = show(amount)
    if resource == "cpu":
        return f"expected at least 1m, a thousandth of a core, got {got}"
    return (
        f"expected at least 6Mi, got {got}: a number alone is bytes, and m stands for thousandths"
    )
