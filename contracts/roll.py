"""The roll of a provider's workers, which gateways send to the owners of partitions as a check."""

import logging

import msgspec

from contracts.json_limits import MESSAGES, decode
from contracts.topology import ATTENDANCE, COMMANDS
from contracts.wire import Message

log = logging.getLogger(__name__)


class Roll(msgspec.Struct, frozen=True):
    """How many workers are attached, and so share the partitions."""

    workers: int


def workers_in(message: Message) -> int | None:
    """Return how many workers a gateway's check tells of, None for any other message."""
    if message.type != ATTENDANCE or message.exchange != COMMANDS:
        return None
    try:
        return max(1, decode(message.body, MESSAGES, type=Roll).workers)
    except msgspec.DecodeError as error:
        log.warning("a check under %s cannot be read: %s", message.key, error)
        return 1
