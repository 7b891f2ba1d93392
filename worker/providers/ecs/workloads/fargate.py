"""The task size of a workload among those that Fargate offers; pure."""

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from contracts.checks.validation import show
from contracts.faults import Code, Fault
from contracts.neutral import quantities
from contracts.neutral.quantities import MIB, Quantity
from contracts.neutral.workload import Amounts

UNITS_PER_CORE = 1024

OFFERED: dict[int, Sequence[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}
"""The sizes of memory in MiB for each number of cpu units. AWS refuses every other pair."""

DEFAULTS = {"cpu": "500m", "memory": "1Gi"}


class Size(NamedTuple):
    """The size of a task: cpu units (1024 are a core) and MiB."""

    cpu: int
    memory: int


def size(amounts: Amounts | None, where: str = "workload.resources") -> Size:
    """Return the smallest size that is large enough, or raise `invalid`.

    A task has one size: the limit counts, otherwise the request.
    """
    wanted = amounts or Amounts()
    _refuse_unknown(wanted, where)
    cores = _amount(wanted, "cpu", where)
    memory = _amount(wanted, "memory", where)
    units = _ceiling(cores * UNITS_PER_CORE)
    mib = _ceiling(memory / MIB)
    for cpu, steps in OFFERED.items():
        enough = next((step for step in steps if step >= mib), None)
        if units <= cpu and enough is not None:
            return Size(cpu, enough)
    most = max(OFFERED)
    raise Fault(
        Code.INVALID,
        f"{where}: expected at most {most // UNITS_PER_CORE} cores and "
        f"{max(OFFERED[most]) // 1024}Gi, which is the largest size of Fargate, got "
        f"{_requested(wanted, 'cpu')} and {_requested(wanted, 'memory')}",
    )


def _refuse_unknown(wanted: Amounts, where: str) -> None:
    for part in ("limits", "requests"):
        for resource in getattr(wanted, part):
            if resource not in DEFAULTS:
                raise Fault(
                    Code.INVALID,
                    f"{where}.{part}: expected cpu and memory, the only resources of a task on "
                    f"Fargate, got {show(resource)}",
                )


def _amount(wanted: Amounts, resource: str, where: str) -> Decimal:
    return quantities.read(_requested(wanted, resource), f"{where}.{resource}")


def _requested(wanted: Amounts, resource: str) -> Quantity:
    default = DEFAULTS[resource]
    return wanted.limits.get(resource, wanted.requests.get(resource, default))


def _ceiling(amount: Decimal) -> int:
    most = Decimal(2**40)
    return int(min(amount, most).to_integral_value(ROUND_CEILING))
