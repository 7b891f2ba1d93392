"""The roll of a provider's workers: gateways send it to each partition to check the route."""

import logging

import msgspec

from contracts.checks.json_limits import MESSAGES, decode
from contracts.topology import ATTENDANCE, COMMANDS
from contracts.wire import Message

log = logging.getLogger(__name__)


class Roll(msgspec.Struct, frozen=True):
    """The number of attached workers, which share the partitions."""

    workers: int


def workers_in(message: Message) -> int | None:
    """Return the number of workers in a gateway's check, None for any other message."""
    if message.type != ATTENDANCE or message.exchange != COMMANDS:
        return None
    try:
        return max(1, decode(message.body, MESSAGES, type=Roll).workers)
    except msgspec.DecodeError as error:
        log.warning("cannot decode the check with the routing key %s: %s", message.key, error)
        return 1
