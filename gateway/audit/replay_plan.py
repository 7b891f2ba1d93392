"""The plan of a replay: the commands to publish again, and why others are skipped; no I/O."""

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from contracts.api import OPERATIONS
from contracts.outcomes import Result
from gateway.audit.commands import Command
from gateway.audit.states import State, States

NO_REQUEST: Final = "no request before them was read"
WITHHELD: Final = "the audit has no body"
REPLAY: Final = "replays of other commands"
REPEAT: Final = "repeats that were not run"
NO_OPERATION: Final = "operations that this version does not have"
STARTED: Final = "not ended"
UNKNOWN: Final = "unknown, may have had an effect"


class Planned(Struct):
    """The commands to replay on one address, and the state in which they leave it."""

    state: State
    commands: int = 0


class Plan:
    """The commands to replay, by the positions of their requests.

    A command takes 8 bytes, an address about 1.5 kB: the requests are read again when they are
    published.
    """

    def __init__(self) -> None:
        self.offsets = array("Q")
        self.addresses: dict[str, Planned] = {}
        self.skipped: Counter[str] = Counter()
        self._states = States()

    def add(self, command: Command) -> None:
        """Add a command of the provider."""
        reason = why_not(command)
        if reason is not None:
            self.skipped[reason] += 1
            return
        assert command.requested is not None
        self.offsets.append(command.requested.offset)
        state = self._states.add(command)
        self.addresses.setdefault(state.address, Planned(state)).commands += 1

    def ordered(self) -> Sequence[int]:
        """Return the positions in the order of the stream, in which commands were started."""
        self.offsets = array("Q", sorted(self.offsets))
        return self.offsets


def why_not(command: Command) -> str | None:
    """Return why a command is not replayed, None if it is."""
    outcome, requested = command.outcome, command.requested
    if requested is not None and requested.replay_of:
        return REPLAY
    if outcome.result is not Result.DONE:
        return {Result.STARTED: STARTED, Result.UNKNOWN: UNKNOWN}.get(
            outcome.result, outcome.result
        )
    if outcome.repeats:
        return REPEAT
    if outcome.operation not in OPERATIONS:
        return NO_OPERATION
    if requested is None:
        return NO_REQUEST
    return None if requested.is_kept else WITHHELD
