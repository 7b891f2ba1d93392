"""Counts the AMQP messages of a broker, with the counters of the node itself."""

import re

from msgspec import Struct, structs

from deploy.rabbitmq.server import Server

COUNTERS = "rabbit_global_counters:overview()."
NUMBER = re.compile(r"messages_(received|delivered|acknowledged)_total => (\d+)")


class Messages(Struct, frozen=True):
    """Numbers of messages: since the start of the node, between two readings, or per request."""

    received: float = 0
    """Published by clients."""
    delivered: float = 0
    acknowledged: float = 0

    def __sub__(self, earlier: "Messages") -> "Messages":
        return Messages(
            *(now - before for now, before in zip(self._all, earlier._all, strict=True))
        )

    def __mul__(self, factor: float) -> "Messages":
        return Messages(*(each * factor for each in self._all))

    def __truediv__(self, divisor: float) -> "Messages":
        return self * (1 / divisor)

    @property
    def _all(self) -> tuple[float, ...]:
        return structs.astuple(self)


def read(node: Server) -> Messages:
    """Return the numbers of all queue types and protocols so far."""
    totals = dict.fromkeys(Messages.__struct_fields__, 0)
    for name, number in NUMBER.findall(node.ctl("eval", COUNTERS)):
        totals[name] += int(number)
    return Messages(**totals)
