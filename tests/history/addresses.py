"""A history by address: its commands, platform calls, records and disturbances."""

from collections import defaultdict
from functools import cached_property

from contracts.outcomes import Result
from tests.history.history import KILL, Command, History, Record, Write

SETTLED_S = 10.0
"""A disturbed worker may close its connection this much later, when its checks time out."""


class Address:
    """The part of a history that concerns one address."""

    def __init__(self, history: History, commands: list[Command], writes: list[Write]) -> None:
        self.commands = commands
        self.writes = sorted(writes, key=lambda write: write.start)
        self.positions = {command.value: position for position, command in enumerate(commands)}
        self._disturbances = history.disturbances
        self.records: dict[str, list[Record]] = {each.id: [] for each in commands if each.id}
        for record in history.records:
            if record.id in self.records:
                self.records[record.id].append(record)

    def recorded(self, command: Command) -> list[Record]:
        return self.records.get(command.id or "", [])

    def finals(self, command: Command) -> list[Record]:
        return [each for each in self.recorded(command) if each.result is not Result.STARTED]

    @cached_property
    def written(self) -> set[int]:
        return {write.value for write in self.writes}

    def run_of(self, write: Write) -> Record | None:
        """Return the `started` record of the run that made this call."""
        command = self.commands[self.positions[write.value]]
        starts = [each for each in self.recorded(command) if each.result is Result.STARTED]
        return max(
            (each for each in starts if each.at <= write.start),
            key=lambda each: each.at,
            default=None,
        )

    def disturbed(self, worker: int, since: float, until: float) -> bool:
        return any(
            worker in each.hits and each.began <= until and each.ended + SETTLED_S >= since
            for each in self._disturbances
        )

    def killed(self, write: Write) -> bool:
        """Tell whether the worker was killed while its call was in flight."""
        run = self.run_of(write)
        return any(
            each.what == KILL
            and (run is None or run.worker in each.hits)
            and write.start <= each.ended
            and (write.end is None or each.began <= write.end)
            for each in self._disturbances
        )

    def may_repeat(self, former: Record | None, since: float, until: float) -> bool:
        """Tell whether a repeat is allowed, because the worker was disturbed in between."""
        return former is not None and self.disturbed(former.worker, since, until)


def addresses(history: History) -> list[Address]:
    """Split a history by address, without calls for values that were never published."""
    commands: dict[str, list[Command]] = defaultdict(list)
    writes: dict[str, list[Write]] = defaultdict(list)
    for command in history.commands:
        commands[command.address].append(command)
    published = {(command.address, command.value) for command in history.commands}
    for write in history.writes:
        if (write.address, write.value) in published:
            writes[write.address].append(write)
    return [Address(history, own, writes[name]) for name, own in commands.items()]
