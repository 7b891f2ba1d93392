"""The checker finds each way in which a history can be broken, and nothing in one that is whole."""

from msgspec.structs import replace

from contracts.outcomes import Result
from tests.history.checker import violations
from tests.history.history import KILL, Command, Disturbance, Fate, History, Record, Write
from tests.history.telling import summary, timeline

OWNER = 11
SUCCESSOR = 12
CALL_S = 0.1


def command(value: int, fate: Fate = Fate.CONFIRMED) -> Command:
    """Asked of the only address."""
    return Command(address="app", value=value, fate=fate, id=f"id-{value}")


def write(value: int, start: float, end: float | None = None) -> Write:
    """A call that takes a tenth of a second, unless told otherwise."""
    return Write(
        address="app", value=value, start=start, end=start + CALL_S if end is None else end
    )


def record(value: int, result: Result, at: float, worker: int = OWNER) -> Record:
    """What a worker recorded."""
    return Record(id=f"id-{value}", address="app", result=result, at=at, worker=worker)


def superseded(value: int, by: int, at: float) -> Record:
    """What a worker recorded of a command that a later one made needless."""
    return replace(record(value, Result.SUPERSEDED, at), superseded_by=f"id-{by}")


def hurt(
    at: float, worker: int = OWNER, what: str = KILL, until: float | None = None
) -> Disturbance:
    """A worker was hurt."""
    ended = at if until is None else until
    return Disturbance(what=what, hits=frozenset({worker}), began=at, ended=ended)


def run(value: int, at: float, worker: int = OWNER) -> History:
    """One command run from its start to its end."""
    return History(
        [],
        [write(value, at)],
        [
            record(value, Result.STARTED, at, worker),
            record(value, Result.DONE, at + CALL_S, worker),
        ],
        [],
    )


def history(*parts: History, asked: list[Command] | None = None) -> History:
    """Parts put together: confirmed events of the values 1 to 3, unless told otherwise."""
    return History(
        [command(1), command(2), command(3)] if asked is None else asked,
        [each for part in parts for each in part.writes],
        [each for part in parts for each in part.records],
        [each for part in parts for each in part.disturbances],
    )


def said(history: History) -> list[tuple[int, str]]:
    """What is found, by value."""
    return [(each.value, each.what) for each in violations(history)]


WHOLE = history(run(1, 1), run(2, 2), run(3, 3))


def without(history: History, *, records: tuple[int, Result] | None = None) -> History:
    """The history without the records of a value's result."""
    assert records is not None
    value, result = records
    kept = [each for each in history.records if (each.id, each.result) != (f"id-{value}", result)]
    return History(history.commands, history.writes, kept, history.disturbances)


def test_a_history_in_which_nothing_happens_is_whole() -> None:
    assert said(WHOLE) == []


def test_a_rerun_after_its_worker_was_killed_is_whole_when_all_behind_it_is_run_again() -> None:
    killed = History([], [], [], [hurt(2.5)])

    again = history(run(1, 1), run(2, 2), killed, run(1, 4, SUCCESSOR), run(2, 5, SUCCESSOR),
                    run(3, 6, SUCCESSOR))  # fmt: skip

    assert said(again) == []


def test_a_command_that_nobody_ran_is_lost() -> None:
    assert said(history(run(1, 1), run(3, 3))) == [(2, "no final outcome")]


def test_a_last_command_that_the_platform_never_saw_is_lost() -> None:
    ended = History([], [], [record(3, Result.DONE, 3)], [])

    assert said(history(run(1, 1), run(2, 2), ended)) == [
        (3, "ended as done, but was never written"),
        (3, "accepted last, but the platform has 2"),
    ]


def test_an_accepted_command_that_no_queue_got_is_lost() -> None:
    asked = [command(1), replace(command(2), id=None), command(3)]

    assert said(history(run(1, 1), run(3, 3), asked=asked)) == [
        (2, "accepted, but no queue ever got it")
    ]


def test_two_commands_in_the_wrong_order_are_found() -> None:
    found = said(history(run(2, 1), run(1, 2), run(3, 3)))

    assert (1, "run for the first time after a later one") in found


def test_the_wrong_order_is_found_also_after_a_kill() -> None:
    killed = History([], [], [], [hurt(1.5)])

    found = said(history(run(2, 1), killed, run(1, 2), run(3, 3)))

    assert (1, "run for the first time after a later one") in found


def test_a_rerun_without_a_disturbance_is_found() -> None:
    found = said(history(run(1, 1), run(2, 2), run(2, 2.5), run(3, 3)))

    assert (2, "run again without a disturbance") in found
    assert (2, "started after done without a disturbance") in found


def test_a_rerun_after_another_worker_was_killed_is_found() -> None:
    killed = History([], [], [], [hurt(2.2, SUCCESSOR)])

    found = said(history(run(1, 1), run(2, 2), killed, run(2, 2.5, SUCCESSOR), run(3, 3)))

    assert (2, "run again without a disturbance") in found


def test_a_step_back_that_is_not_made_good_is_found() -> None:
    killed = History([], [], [], [hurt(2.5)])

    stepped_back = history(run(1, 1), run(2, 2), killed, run(1, 3), run(3, 4))

    assert said(stepped_back) == [(2, "not run again, though what was before it was")]


def test_a_step_back_that_is_never_made_good_leaves_the_platform_wrong() -> None:
    killed = History([], [], [], [hurt(3.5)])

    assert said(history(run(1, 1), run(2, 2), run(3, 3), killed, run(2, 4))) == [
        (3, "accepted last, but the platform has 2")
    ]


def test_a_superseded_command_may_be_run_after_its_successor_when_its_worker_was_killed() -> None:
    early = History([], [], [superseded(1, by=2, at=1)], [])
    killed = History([], [], [], [hurt(2.5)])

    assert said(history(early, run(2, 2), killed, run(1, 3), run(2, 4), run(3, 5))) == []
    assert said(history(early, run(2, 2), run(1, 3), run(2, 4), run(3, 5))) != []


def test_an_overlap_is_found() -> None:
    long = History([], [write(1, 1, 2.5)], run(1, 1).records, [])

    assert said(history(long, run(2, 2), run(3, 3))) == [
        (2, "run while 1 was, whose worker was not killed")
    ]


def test_an_overlap_with_a_call_that_is_not_the_one_before_is_found() -> None:
    long = History([], [write(1, 1, 3.5)], run(1, 1).records, [])

    found = said(history(long, run(2, 2), run(3, 3)))

    assert (3, "run while 1 was, whose worker was not killed") in found


def test_a_call_on_the_wire_when_its_worker_was_killed_may_overlap() -> None:
    long = History([], [write(1, 1, 2.5)], run(1, 1).records, [hurt(1.5)])

    assert said(history(long, run(2, 2, SUCCESSOR), run(3, 3, SUCCESSOR))) == []


def test_a_frozen_worker_may_not_overlap() -> None:
    frozen = History([], [write(1, 1, 2.5)], run(1, 1).records, [hurt(1.5, what="freeze", until=4)])

    assert said(history(frozen, run(2, 2, SUCCESSOR), run(3, 3, SUCCESSOR))) == [
        (2, "run while 1 was, whose worker was not killed")
    ]


def test_a_missing_outcome_is_found() -> None:
    assert said(without(WHOLE, records=(2, Result.DONE))) == [(2, "no final outcome")]


def test_a_run_that_was_not_recorded_as_started_is_found() -> None:
    assert said(without(WHOLE, records=(2, Result.STARTED))) == [
        (2, "written before it was recorded as started")
    ]


def test_a_second_final_outcome_is_found_unless_its_worker_was_disturbed() -> None:
    twice = history(run(1, 1), run(2, 2), History([], [], [record(2, Result.DONE, 2.8)], []))
    more = run(3, 3)

    assert said(history(twice, more)) == [(2, "done after done without a disturbance")]
    assert said(history(twice, more, History([], [], [], [hurt(2.5, what="cut")]))) == []


def test_an_end_that_is_recorded_late_may_be_earlier_than_the_one_before_it() -> None:
    """The broker fell silent after the run, and the recorder took the command for unfinished."""
    gateway = 0
    asked = [command(1), command(2, Fate.OPEN), command(3)]
    late = History([], [write(2, 2)], [record(2, Result.STARTED, 2),
                                       record(2, Result.UNKNOWN, 60, gateway),
                                       record(2, Result.DONE, 2.1)], [])  # fmt: skip
    rest = run(3, 61)

    found = said(history(run(1, 1), late, rest, asked=asked))
    assert found == [(2, "done after unknown without a disturbance")]
    silent = History([], [], [], [hurt(2.2, what="freeze", until=47)])
    assert said(history(run(1, 1), late, rest, silent, asked=asked)) == []


def test_a_run_that_is_recorded_after_its_re_run_is_whole_if_its_worker_was_disturbed() -> None:
    late = record(2, Result.DONE, 2 + CALL_S)
    first = History([], [write(2, 2)], [record(2, Result.STARTED, 2)], [])
    again = run(2, 60, SUCCESSOR)
    rest = History([], [], [late], []), run(3, 61)
    restart = History([], [], [], [hurt(2.1, what="restart", until=55)])

    assert (2, "done after done without a disturbance") in said(
        history(run(1, 1), first, again, *rest)
    )
    assert said(history(run(1, 1), first, again, *rest, restart)) == []


def test_an_outcome_that_does_not_fit_what_the_publisher_was_told_is_found() -> None:
    answered = [command(1), command(2, Fate.ANSWERED), command(3)]
    unknown = History([], [write(2, 2)], [record(2, Result.STARTED, 2),
                                          record(2, Result.UNKNOWN, 2.2)], [])  # fmt: skip

    assert said(history(run(1, 1), unknown, run(3, 3), asked=answered)) == [
        (2, "ended as unknown, though its publisher was told answered")
    ]


def test_a_command_whose_end_nobody_knows_may_have_been_run_or_not() -> None:
    asked = [command(1), command(2, Fate.OPEN), command(3)]
    expired = History([], [], [record(2, Result.EXPIRED, 2.5)], [])

    assert said(history(run(1, 1), run(2, 2), run(3, 3), asked=asked)) == []
    assert said(history(run(1, 1), expired, run(3, 3), asked=asked)) == []


def test_an_expired_command_that_was_run_is_found() -> None:
    asked = [command(1), command(2, Fate.OPEN), command(3)]
    expired = History([], [write(2, 2)], [record(2, Result.STARTED, 2),
                                          record(2, Result.EXPIRED, 2.5)], [])  # fmt: skip

    assert said(history(run(1, 1), expired, run(3, 3), asked=asked)) == [
        (2, "ended as expired, which never starts, but was written")
    ]


def test_what_was_refused_may_not_be_run() -> None:
    asked = [command(1), command(2, Fate.REFUSED), command(3)]

    found = said(history(run(1, 1), run(2, 2), run(3, 3), asked=asked))

    assert (2, "written, though its publisher was told that nothing was attempted") in found
    assert said(history(run(1, 1), run(3, 3), asked=asked)) == []


def test_a_command_superseded_by_an_earlier_one_is_found() -> None:
    wrong = History([], [], [superseded(2, by=1, at=2)], [])
    right = History([], [], [superseded(2, by=3, at=2)], [])

    assert said(history(run(1, 1), right, run(3, 3))) == []
    assert said(history(run(1, 1), wrong, run(3, 3))) == [
        (2, "superseded by id-1, which is no later command of the address")
    ]


def test_a_write_and_an_outcome_that_nobody_asked_for_are_found() -> None:
    found = said(history(WHOLE, run(4, 4)))

    assert (4, "written, though nobody asked for it") in found
    assert (0, "outcomes of 1 commands that nobody published") in found


def test_a_violation_is_shown_with_what_happened_around_it() -> None:
    broken = history(run(1, 1), run(2, 2), History([], [], [], [hurt(2.5, SUCCESSOR)]), run(2, 3))

    lines = "\n".join(timeline(broken, violations(broken)[0]))

    assert "2.000 write 2 until 2.100" in lines
    assert f"kill of [{SUCCESSOR}]" in lines
    assert "re-runs after a disturbance: 1" in "\n".join(summary(broken))
