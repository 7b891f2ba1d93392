"""The checker finds every kind of violation, and none in a correct history."""

from msgspec.structs import replace

from contracts.outcomes import Result
from tests.history.checker import violations
from tests.history.history import KILL, Command, Disturbance, Fate, History, Record, Write
from tests.history.report import summary, timeline

OWNER = 11
SUCCESSOR = 12
CALL_S = 0.1


def command(value: int, fate: Fate = Fate.CONFIRMED) -> Command:
    """A command for the only address."""
    return Command(address="app", value=value, fate=fate, id=f"id-{value}")


def write(value: int, start: float, end: float | None = None) -> Write:
    """A call, by default of `CALL_S` seconds."""
    return Write(
        address="app", value=value, start=start, end=start + CALL_S if end is None else end
    )


def record(value: int, result: Result, at: float, worker: int = OWNER) -> Record:
    """A record by a worker."""
    return Record(id=f"id-{value}", address="app", result=result, at=at, worker=worker)


def superseded(value: int, by: int, at: float) -> Record:
    """A record of a superseded command."""
    return replace(record(value, Result.SUPERSEDED, at), superseded_by=f"id-{by}")


def disturbance(
    at: float, worker: int = OWNER, what: str = KILL, until: float | None = None
) -> Disturbance:
    """A disturbance of one worker."""
    ended = at if until is None else until
    return Disturbance(what=what, hits=frozenset({worker}), began=at, ended=ended)


def run(value: int, at: float, worker: int = OWNER) -> History:
    """One run of a command with its records."""
    return History(
        [],
        [write(value, at)],
        [
            record(value, Result.STARTED, at, worker),
            record(value, Result.DONE, at + CALL_S, worker),
        ],
        [],
    )


def history(*parts: History, commands: list[Command] | None = None) -> History:
    """Merge parts into a history, by default of confirmed events of the values 1 to 3."""
    return History(
        [command(1), command(2), command(3)] if commands is None else commands,
        [each for part in parts for each in part.writes],
        [each for part in parts for each in part.records],
        [each for part in parts for each in part.disturbances],
    )


def found_in(history: History) -> list[tuple[int, str]]:
    """Return the violations in a history, by value."""
    return [(each.value, each.what) for each in violations(history)]


CORRECT = history(run(1, 1), run(2, 2), run(3, 3))


def without(history: History, *, records: tuple[int, Result] | None = None) -> History:
    """Return the history without the records of one result of one value."""
    assert records is not None
    value, result = records
    kept = [each for each in history.records if (each.id, each.result) != (f"id-{value}", result)]
    return History(history.commands, history.writes, kept, history.disturbances)


def test_a_history_without_disturbances_is_correct() -> None:
    assert found_in(CORRECT) == []


def test_a_rerun_after_a_kill_is_correct_if_all_later_commands_run_again() -> None:
    killed = History([], [], [], [disturbance(2.5)])

    again = history(run(1, 1), run(2, 2), killed, run(1, 4, SUCCESSOR), run(2, 5, SUCCESSOR),
                    run(3, 6, SUCCESSOR))  # fmt: skip

    assert found_in(again) == []


def test_a_command_that_never_ran_is_lost() -> None:
    assert found_in(history(run(1, 1), run(3, 3))) == [(2, "no final outcome")]


def test_a_last_command_that_never_reached_the_platform_is_lost() -> None:
    ended = History([], [], [record(3, Result.DONE, 3)], [])

    assert found_in(history(run(1, 1), run(2, 2), ended)) == [
        (3, "ended as done, but was never written"),
        (3, "accepted last, but the platform has 2"),
    ]


def test_an_accepted_command_that_was_never_queued_is_lost() -> None:
    commands = [command(1), replace(command(2), id=None), command(3)]

    assert found_in(history(run(1, 1), run(3, 3), commands=commands)) == [
        (2, "accepted, but never queued")
    ]


def test_two_commands_in_the_wrong_order_are_found() -> None:
    found = found_in(history(run(2, 1), run(1, 2), run(3, 3)))

    assert (1, "first run after a later command") in found


def test_two_commands_in_the_wrong_order_are_found_also_after_a_kill() -> None:
    killed = History([], [], [], [disturbance(1.5)])

    found = found_in(history(run(2, 1), killed, run(1, 2), run(3, 3)))

    assert (1, "first run after a later command") in found


def test_a_rerun_without_a_disturbance_is_found() -> None:
    found = found_in(history(run(1, 1), run(2, 2), run(2, 2.5), run(3, 3)))

    assert (2, "run again without a disturbance") in found
    assert (2, "started after done without a disturbance") in found


def test_a_rerun_after_another_worker_was_killed_is_found() -> None:
    killed = History([], [], [], [disturbance(2.2, SUCCESSOR)])

    found = found_in(history(run(1, 1), run(2, 2), killed, run(2, 2.5, SUCCESSOR), run(3, 3)))

    assert (2, "run again without a disturbance") in found


def test_a_rerun_without_the_reruns_of_later_commands_is_found() -> None:
    killed = History([], [], [], [disturbance(2.5)])

    stepped_back = history(run(1, 1), run(2, 2), killed, run(1, 3), run(3, 4))

    assert found_in(stepped_back) == [(2, "not run again, although the command before it was")]


def test_a_rerun_of_an_older_command_at_the_end_leaves_a_wrong_value() -> None:
    killed = History([], [], [], [disturbance(3.5)])

    assert found_in(history(run(1, 1), run(2, 2), run(3, 3), killed, run(2, 4))) == [
        (3, "accepted last, but the platform has 2")
    ]


def test_a_superseded_command_may_run_after_its_successor_if_its_worker_was_killed() -> None:
    early = History([], [], [superseded(1, by=2, at=1)], [])
    killed = History([], [], [], [disturbance(2.5)])

    assert found_in(history(early, run(2, 2), killed, run(1, 3), run(2, 4), run(3, 5))) == []
    assert found_in(history(early, run(2, 2), run(1, 3), run(2, 4), run(3, 5))) != []


def test_an_overlap_is_found() -> None:
    long = History([], [write(1, 1, 2.5)], run(1, 1).records, [])

    assert found_in(history(long, run(2, 2), run(3, 3))) == [
        (2, "run during 1, whose worker was not killed")
    ]


def test_an_overlap_with_an_earlier_than_the_previous_call_is_found() -> None:
    long = History([], [write(1, 1, 3.5)], run(1, 1).records, [])

    found = found_in(history(long, run(2, 2), run(3, 3)))

    assert (3, "run during 1, whose worker was not killed") in found


def test_a_call_in_flight_when_its_worker_was_killed_may_overlap() -> None:
    long = History([], [write(1, 1, 2.5)], run(1, 1).records, [disturbance(1.5)])

    assert found_in(history(long, run(2, 2, SUCCESSOR), run(3, 3, SUCCESSOR))) == []


def test_an_overlap_with_the_call_of_a_frozen_worker_is_found() -> None:
    frozen = History(
        [], [write(1, 1, 2.5)], run(1, 1).records, [disturbance(1.5, what="freeze", until=4)]
    )

    assert found_in(history(frozen, run(2, 2, SUCCESSOR), run(3, 3, SUCCESSOR))) == [
        (2, "run during 1, whose worker was not killed")
    ]


def test_a_missing_outcome_is_found() -> None:
    assert found_in(without(CORRECT, records=(2, Result.DONE))) == [(2, "no final outcome")]


def test_a_run_that_was_not_recorded_as_started_is_found() -> None:
    assert found_in(without(CORRECT, records=(2, Result.STARTED))) == [
        (2, "written before it was recorded as started")
    ]


def test_a_second_final_outcome_is_found_unless_its_worker_was_disturbed() -> None:
    twice = history(run(1, 1), run(2, 2), History([], [], [record(2, Result.DONE, 2.8)], []))
    more = run(3, 3)

    assert found_in(history(twice, more)) == [(2, "done after done without a disturbance")]
    assert found_in(history(twice, more, History([], [], [], [disturbance(2.5, what="cut")]))) == []


def test_a_delayed_outcome_may_have_an_earlier_time_than_the_one_before() -> None:
    """The broker was silent after the run, so the recorder recorded the command as unknown."""
    gateway = 0
    commands = [command(1), command(2, Fate.OPEN), command(3)]
    late = History([], [write(2, 2)], [record(2, Result.STARTED, 2),
                                       record(2, Result.UNKNOWN, 60, gateway),
                                       record(2, Result.DONE, 2.1)], [])  # fmt: skip
    rest = run(3, 61)

    found = found_in(history(run(1, 1), late, rest, commands=commands))
    assert found == [(2, "done after unknown without a disturbance")]
    silent = History([], [], [], [disturbance(2.2, what="freeze", until=47)])
    assert found_in(history(run(1, 1), late, rest, silent, commands=commands)) == []


def test_a_run_may_be_recorded_after_its_rerun_if_its_worker_was_disturbed() -> None:
    late = record(2, Result.DONE, 2 + CALL_S)
    first = History([], [write(2, 2)], [record(2, Result.STARTED, 2)], [])
    again = run(2, 60, SUCCESSOR)
    rest = History([], [], [late], []), run(3, 61)
    restart = History([], [], [], [disturbance(2.1, what="restart", until=55)])

    assert (2, "done after done without a disturbance") in found_in(
        history(run(1, 1), first, again, *rest)
    )
    assert found_in(history(run(1, 1), first, again, *rest, restart)) == []


def test_an_outcome_that_contradicts_the_publishers_result_is_found() -> None:
    answered = [command(1), command(2, Fate.ANSWERED), command(3)]
    unknown = History([], [write(2, 2)], [record(2, Result.STARTED, 2),
                                          record(2, Result.UNKNOWN, 2.2)], [])  # fmt: skip

    assert found_in(history(run(1, 1), unknown, run(3, 3), commands=answered)) == [
        (2, "ended as unknown, but the publisher got answered")
    ]


def test_a_command_with_an_unknown_result_may_or_may_not_run() -> None:
    commands = [command(1), command(2, Fate.OPEN), command(3)]
    expired = History([], [], [record(2, Result.EXPIRED, 2.5)], [])

    assert found_in(history(run(1, 1), run(2, 2), run(3, 3), commands=commands)) == []
    assert found_in(history(run(1, 1), expired, run(3, 3), commands=commands)) == []


def test_an_expired_command_that_was_run_is_found() -> None:
    commands = [command(1), command(2, Fate.OPEN), command(3)]
    expired = History([], [write(2, 2)], [record(2, Result.STARTED, 2),
                                          record(2, Result.EXPIRED, 2.5)], [])  # fmt: skip

    assert found_in(history(run(1, 1), expired, run(3, 3), commands=commands)) == [
        (2, "ended as expired, but was written")
    ]


def test_a_refused_command_that_was_run_is_found() -> None:
    commands = [command(1), command(2, Fate.REFUSED), command(3)]

    found = found_in(history(run(1, 1), run(2, 2), run(3, 3), commands=commands))

    assert (2, "written, but the publisher got 'not attempted'") in found
    assert found_in(history(run(1, 1), run(3, 3), commands=commands)) == []


def test_a_command_superseded_by_an_earlier_one_is_found() -> None:
    wrong = History([], [], [superseded(2, by=1, at=2)], [])
    right = History([], [], [superseded(2, by=3, at=2)], [])

    assert found_in(history(run(1, 1), right, run(3, 3))) == []
    assert found_in(history(run(1, 1), wrong, run(3, 3))) == [
        (2, "superseded by id-1, not a later command of the address")
    ]


def test_a_write_and_an_outcome_without_a_command_are_found() -> None:
    found = found_in(history(CORRECT, run(4, 4)))

    assert (4, "written, but never published") in found
    assert (0, "outcomes of 1 commands that were never published") in found


def test_the_timeline_shows_a_violation_with_the_events_around_it() -> None:
    broken = history(
        run(1, 1), run(2, 2), History([], [], [], [disturbance(2.5, SUCCESSOR)]), run(2, 3)
    )

    lines = "\n".join(timeline(broken, violations(broken)[0]))

    assert "2.000 write 2 until 2.100" in lines
    assert f"kill of [{SUCCESSOR}]" in lines
    assert "re-runs after a disturbance: 1" in "\n".join(summary(broken))
