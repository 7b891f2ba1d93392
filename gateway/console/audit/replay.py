"""`machinist audit replay`: publishes the successful commands of the audit again."""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from contracts.broker.connection import Connection
from contracts.printable import printable
from gateway.audit.filters import Filters
from gateway.audit.replay_plan import Plan
from gateway.audit.search import range_with_requests, read_commands
from gateway.audit.stream import Range
from gateway.console.audit.options import filter_options, filters_of
from gateway.console.audit.present import dry_run
from gateway.console.audit.replaying import CONCURRENCY, Progress, Replay
from gateway.console.audit.sending import FAILED, Replayed, Sender
from gateway.console.broker import environment, on_broker
from gateway.console.calls import with_rpc
from gateway.console.checkpoint import Checkpoint
from gateway.console.failures import Failure
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.output import (
    counted,
    json_option,
    note,
    print_json,
    print_table,
    progress,
)
from gateway.console.terminal.values import Provider
from gateway.rpc import Rpc

RATE = 10.0


@console_command(
    "replay",
    example="""
        audit replay --provider k8s --since 2d --scope default
        audit replay --provider k8s --since 2d --execute --checkpoint replay.json --yes k8s
    """,
)
@filter_options
@click.option("--to", type=Provider(), metavar="PROVIDER", help="Replay onto another provider.")
@click.option(
    "--execute", is_flag=True, help="Publish the commands; without it nothing is changed."
)
@click.option(
    "--checkpoint",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The file from which an interrupted replay goes on; required by --execute.",
)
@click.option("--yes", metavar="PROVIDER", help="Confirm --execute with the provider's name.")
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 1000),
    default=RATE,
    show_default=True,
    help="The maximal number of commands per second.",
)
@click.option(
    "--continue",
    "skip_failed",
    is_flag=True,
    help="After a failure, go on with the later commands on the address.",
)
@json_option
def command(
    to: str | None,
    execute: bool,
    checkpoint: Path | None,
    yes: str | None,
    rate: float,
    skip_failed: bool,
    as_json: bool,
    **conditions: Any,
) -> int:
    """Publish successful commands of one provider again, in their order in each scope.

    Without --execute, show for each address how many commands would be published, the state in
    which they leave it, and whether the platform's state has moved on. Commands that are refused,
    expired, superseded, failed or dead are skipped, and those that are replays themselves.

    Each command waits for the end of the one before it in its scope. The audit shows it under a new
    id, as a replay of the old one. A resource passes again through all its states. After a failure,
    the later commands on the address are left. The same command line goes on where the checkpoint
    ends, also after an interruption: only commands under way are then repeated.
    """
    filters = filters_of(conditions)
    if filters.provider is None or "*" in filters.provider:
        raise click.UsageError("--provider: expected the name of one provider, without `*`")
    target = to or filters.provider
    if not execute:
        plan, _ = read_plan(filters)
        dry_run(plan, target, as_json=as_json)
        note_skipped(plan.skipped)
        return 0
    if checkpoint is None:
        raise click.UsageError(
            "--execute: expected --checkpoint FILE, to go on after an interruption"
        )
    with Checkpoint(checkpoint, Progress) as file:
        plan, saved = _resumed(filters, target, file)
        note(_summary(plan, saved))
        if sum(saved.results.values()) < saved.total:
            confirm(target, yes)
            file.save(saved)
            _execute(plan, saved, file, rate=rate, skip_failed=skip_failed, as_json=as_json)
        note_skipped(plan.skipped)
        return _ended(saved)


def read_plan(filters: Filters, within: Range | None = None) -> tuple[Plan, Range]:
    """Return the plan of a range, by default of that of the filters, and the range."""
    plan, known = Plan(), within or Range(0, 0)

    async def read(connection: Connection) -> None:
        nonlocal plan, known
        plan, known = Plan(), within or await range_with_requests(connection, filters)
        await read_commands(connection, known, filters, plan.add, show)

    with progress("records read") as show:
        on_broker("audit replay", read)
    plan.ordered()
    return plan, known


def confirm(target: str, yes: str | None) -> None:
    """Ask for the name of the provider; raises Failure for another name."""
    if yes is None and not sys.stdin.isatty():
        raise click.UsageError("--execute: expected a terminal, or --yes PROVIDER")
    typed = yes or click.prompt("The name of the provider, to publish them", err=True)
    if typed != target:
        raise Failure(f"nothing was published: expected the provider's name, {target}, got {typed}")


def note_skipped(reasons: Mapping[str, int]) -> None:
    """Print how many commands are skipped, by reason."""
    for reason, number in sorted(reasons.items()):
        note(f"skipped: {number:,}, {reason}")


def _resumed(filters: Filters, target: str, file: Checkpoint[Progress]) -> tuple[Plan, Progress]:
    """Return the plan, and the progress so far; raises Failure for the file of another replay."""
    saved = file.load()
    if saved is None:
        plan, within = read_plan(filters)
        assert filters.provider is not None  # checked with the arguments
        return plan, Progress(
            provider=filters.provider,
            target=target,
            filters=filters,
            start=within.start,
            end=within.end,
            total=len(plan.offsets),
        )
    if (saved.target, _timeless(saved.filters)) != (target, _timeless(filters)):
        raise Failure("the checkpoint is that of a replay with other arguments: name another file")
    plan, _ = read_plan(saved.filters, Range(saved.start, saved.end))
    if len(plan.offsets) != saved.total:
        raise Failure(
            f"the audit has {len(plan.offsets):,} commands of this replay, and it had "
            f"{saved.total:,}: its oldest records were deleted meanwhile"
        )
    return plan, saved


def _timeless(filters: Filters) -> dict[str, Any]:
    """Return the conditions without the times, which may be relative to now."""
    return {
        name: getattr(filters, name)
        for name in filters.__struct_fields__
        if name not in ("since", "until")
    }


def _execute(
    plan: Plan,
    saved: Progress,
    file: Checkpoint[Progress],
    *,
    rate: float,
    skip_failed: bool,
    as_json: bool,
) -> None:
    failures: list[Replayed] = []
    settings = environment()

    def ended(replayed: Replayed) -> None:
        if replayed.result == FAILED:
            failures.append(replayed)
        if as_json:
            print_json(replayed)
        show(sum(saved.results.values()), saved.total)

    async def work(rpc: Rpc) -> None:
        sender = Sender(rpc, saved.target, rate)
        replay = Replay(sender, plan.offsets, saved, file, skip_failed=skip_failed, ended=ended)
        await replay.run(settings.amqp_url)

    try:
        with progress("commands replayed", beside_rows=as_json) as show:
            with_rpc("audit replay", work, in_flight=2 * CONCURRENCY)
    except KeyboardInterrupt:
        note(f"interrupted after {sum(saved.results.values()):,}: the same command line goes on")
        raise
    if failures and not as_json:
        rows = [(each.address, each.replay_of, each.failure or "") for each in failures]
        print_table(("ADDRESS", "ID", "FAILURE"), rows, (0, 1, 2))


def _summary(plan: Plan, saved: Progress) -> str:
    done = sum(saved.results.values())
    begun = f", {done:,} done already" if done else ""
    commands = f"{counted(saved.total, 'command')} on {counted(len(plan.addresses), 'address')}"
    return f"{saved.provider} to {saved.target}: {commands}{begun}"


def _ended(saved: Progress) -> int:
    results = Counter(saved.results)
    left = saved.total - results.total()
    texts = [f"{number:,} {result}" for result, number in sorted(results.items())]
    if left:
        texts.append(f"{left:,} left on {counted(len(saved.stopped), 'address')} after a failure")
    note(printable(", ".join(texts) or "nothing to replay"))
    return 1 if left or results[FAILED] else 0
