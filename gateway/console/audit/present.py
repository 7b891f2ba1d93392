"""The dry run of a replay: what it would do on each address, and the platform's present state."""

from typing import Any

from msgspec import Struct

from gateway.audit.drift import Drift, Found, Kind, drifts, unchecked
from gateway.audit.platform import Platform
from gateway.audit.replay_plan import Plan, Planned
from gateway.audit.text import state_text, value_text
from gateway.console.audit.asking import CONCURRENCY, asker
from gateway.console.calls import with_rpc
from gateway.console.failures import Failure
from gateway.console.terminal.output import counted, note, print_json, print_table, progress
from gateway.rpc import Rpc

SAME, MOVED, ABSENT, UNKNOWN = "same", "moved on", "absent", "unknown"
HEADER = ("ADDRESS", "COMMANDS", "NOW", "EFFECT")
COLOURS = {MOVED: "yellow", ABSENT: "cyan", SAME: "green"}


class Preview(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The effect of a replay on an address: `leaves` is the state after it.

    `now` compares this state with the present one, `drift` has the members that differ.
    """

    address: str
    commands: int
    leaves: dict[str, Any]
    now: str
    drift: list[Drift] = []
    reason: str | None = None


def dry_run(plan: Plan, target: str, *, as_json: bool) -> None:
    """Print the effect of a replay on each address."""
    found, reason = _present(plan, target)
    previews = [
        preview(planned, found.get(address), reason) for address, planned in plan.addresses.items()
    ]
    if as_json:
        for each in previews:
            print_json(each)
    elif previews:
        print_table(HEADER, [_row(each) for each in previews], (0, 3), COLOURS)
    note(f"{_counts(previews)} would be published to {target}")
    note(f"the state has moved on: {_counts([each for each in previews if each.now == MOVED])}")


def _counts(previews: list[Preview]) -> str:
    commands = counted(sum(each.commands for each in previews), "command")
    return f"{commands} on {counted(len(previews), 'address')}"


def preview(planned: Planned, found: Found | None, reason: str | None) -> Preview:
    """Return the effect on one address; without `found` the present state is unknown."""
    state = planned.state
    leaves = {"exists": False} if state.exists is False else state.members
    now, drift = UNKNOWN, []
    if found is not None and (reason := unchecked(state, found)) is None:
        drift = drifts(state, found)
        is_gone = found.members is None and state.exists
        now = ABSENT if is_gone else MOVED if drift else SAME
    return Preview(
        address=state.address,
        commands=planned.commands,
        leaves=leaves,
        now=now,
        drift=drift,
        reason=reason,
    )


def _present(plan: Plan, target: str) -> tuple[dict[str, Found], str | None]:
    """Return the present states, or the reason why they are not known."""
    found: dict[str, Found] = {}

    async def look(rpc: Rpc) -> None:
        nonlocal found
        states = [planned.state for planned in plan.addresses.values()]
        found = await Platform(asker(rpc, target)).look(states, show)

    try:
        with progress("addresses looked up") as show:
            with_rpc("audit replay", look, in_flight=CONCURRENCY)
    except Failure as failure:
        note(f"the present state is not known: {failure}")
        return {}, str(failure)
    return found, None


def _row(preview: Preview) -> tuple[str, ...]:
    effect = state_text(preview.leaves)
    if preview.now == MOVED:
        effect = ", ".join(map(_change, preview.drift))
    return preview.address, str(preview.commands), preview.now, effect


def _change(drift: Drift) -> str:
    if drift.kind in (Kind.NOT_DELETED, Kind.DELETING):
        return str(drift.kind)
    return f"{drift.kind} {value_text(drift.found)} → {value_text(drift.expected)}"
