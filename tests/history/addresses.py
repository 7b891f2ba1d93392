"""A history seen address by address: who ran what, what was recorded, who was hurt in between."""

from collections import defaultdict
from functools import cached_property

from contracts.outcomes import Result
from tests.history.history import KILL, Command, History, Record, Write

SETTLED_S = 10.0
"""A worker that was disturbed may drop its connection this much later: what a pulse waits for."""


class Address:
    """What happened to one address."""

    def __init__(self, history: History, commands: list[Command], writes: list[Write]) -> None:
        self.commands = commands
        self.writes = sorted(writes, key=lambda write: write.start)
        self.places = {command.value: place for place, command in enumerate(commands)}
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
        """The record of the run that made this call."""
        command = self.commands[self.places[write.value]]
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
        """Whether the worker was killed while its call was on the wire."""
        run = self.run_of(write)
        return any(
            each.what == KILL
            and (run is None or run.worker in each.hits)
            and write.start <= each.ended
            and (write.end is None or each.began <= write.end)
            for each in self._disturbances
        )

    def again_after(self, former: Record | None, since: float, until: float) -> bool:
        """Whether something may have happened twice: its worker was disturbed in between."""
        return former is not None and self.disturbed(former.worker, since, until)


def addresses(history: History) -> list[Address]:
    """The history by address; calls for values that nobody asked for are left out."""
    commands: dict[str, list[Command]] = defaultdict(list)
    writes: dict[str, list[Write]] = defaultdict(list)
    for command in history.commands:
        commands[command.address].append(command)
    asked = {(command.address, command.value) for command in history.commands}
    for write in history.writes:
        if (write.address, write.value) in asked:
            writes[write.address].append(write)
    return [Address(history, own, writes[name]) for name, own in commands.items()]
