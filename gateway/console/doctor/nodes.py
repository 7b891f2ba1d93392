"""The nodes of a broker: members, alarms, versions, disk, clock; no I/O."""

from collections.abc import Iterator
from typing import Any

from contracts.topology import AUDIT, DEAD, ENDED, GIB, MIB
from gateway.console.doctor.finding import Finding, error, listed, plural, shell, warning
from gateway.console.doctor.state import Node, State

OLDEST = (3, 10)
TOO_NEW = 5
CLOCK_S = 5.0
"""A smaller difference may be the time of the request, or the cut fraction of a second."""

RESERVE = 2 * GIB
"""Partitions and the write-ahead log of quorum queues."""

SEGMENT = 100 * MIB
"""A stream exceeds its bound by up to one segment."""

RECORD = 16 * 1024
"""An upper estimate of the mean size of a record: with it, a stream that has grown counts as
larger than it is, and a sufficient disk is never reported."""


def findings(state: State) -> Iterator[Finding]:
    """Return the findings about the nodes."""
    yield from _down(state)
    yield from _even(state)
    yield from _versions(state)
    yield from _feature_flags(state)
    yield from _clock(state)
    for node in state.running:
        yield from _alarms(node)
        yield from _partition(node)
        yield from _disk(node, state)


def _down(state: State) -> Iterator[Finding]:
    for node in state.nodes:
        if not node.running:
            yield error(
                "node-down",
                f"The node {node.name} does not run.",
                "The cluster has fewer copies, and the loss of a further node may stop it.",
                "On its machine: systemctl start rabbitmq-server\nIf the node is lost with its "
                "disk, on another node:\n"
                f"{shell('rabbitmq-queues', 'shrink', node.name)}\n"
                f"{shell('rabbitmqctl', 'forget_cluster_node', node.name)}",
            )


def _even(state: State) -> Iterator[Finding]:
    if len(state.nodes) == 2:
        yield warning(
            "two-nodes",
            "The cluster has two nodes.",
            "Quorum queues need a majority, so the loss of either node stops the cluster.",
            "Add a third node, on its machine: rabbitmqctl stop_app; "
            f"{shell('rabbitmqctl', 'join_cluster', state.nodes[0].name)}; rabbitmqctl start_app",
        )


def version_finding(version: str) -> Finding | None:
    """Return a finding for a version of RabbitMQ that is not supported."""
    parts = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    if len(parts) < 2 or (tuple(parts) >= OLDEST and parts[0] < TOO_NEW):
        return None
    return warning(
        "broker-version",
        f"RabbitMQ {version} is not supported: expected 3.10 to 4.x.",
        "Nothing is known about the order and the durability of this version's queues.",
        "Install RabbitMQ 4.x: https://www.rabbitmq.com/docs/upgrade",
    )


def _versions(state: State) -> Iterator[Finding]:
    found = sorted({node.version for node in state.running if node.version})
    yield from filter(None, [version_finding(found[0])] if found else [])
    if len(found) > 1:
        shown = listed(f"{node.name} {node.version}" for node in state.running)
        yield warning(
            "node-versions-differ",
            f"The nodes have different versions of RabbitMQ: {shown}.",
            "This is normal only during an upgrade; new features stay disabled.",
            f"Upgrade the other nodes to {found[-1]}, then: rabbitmqctl enable_feature_flag all",
        )


def _feature_flags(state: State) -> Iterator[Finding]:
    disabled = [
        flag.name
        for flag in state.feature_flags or ()
        if flag.state == "disabled" and flag.stability in ("stable", "required")
    ]
    if disabled:
        yield warning(
            "feature-flags",
            f"The feature flag{plural(disabled, '', 's')} {listed(disabled)} "
            f"{plural(disabled, 'is', 'are')} disabled.",
            "A later version of RabbitMQ requires the flags, and does not start without them.",
            "rabbitmqctl enable_feature_flag all",
        )


def _clock(state: State) -> Iterator[Finding]:
    if abs(state.clock_ahead) <= CLOCK_S:
        return
    side = "ahead of" if state.clock_ahead > 0 else "behind"
    yield warning(
        "broker-clock",
        f"The broker's clock is {abs(state.clock_ahead):.0f} s {side} the clock of this machine.",
        "Times of the audit are wrong, and TLS certificates may be refused.",
        "On both machines: timedatectl set-ntp true",
    )


def _alarms(node: Node) -> Iterator[Finding]:
    blocked = "RabbitMQ blocks all publishers: every command gets 503 broker_blocked."
    if node.mem_alarm:
        yield error(
            "memory-alarm",
            f"The node {node.name} is over its memory limit.",
            blocked,
            "Give the machine more memory, or stop what uses it "
            f"({shell('rabbitmq-diagnostics', '-n', node.name, 'memory_breakdown')}). If the "
            "limit is too low:\n"
            f"{shell('rabbitmqctl', '-n', node.name, 'set_vm_memory_high_watermark', '0.6')}",
        )
    if node.disk_free_alarm:
        yield error(
            "disk-alarm",
            f"The node {node.name} has {_shown(node.disk_free)} of free disk, under its limit of "
            f"{_shown(node.disk_free_limit)}.",
            blocked,
            "Free or enlarge its disk. If the limit is higher than the shipped one:\n"
            f"{shell('rabbitmqctl', '-n', node.name, 'set_disk_free_limit', '2GB')}",
        )


def _partition(node: Node) -> Iterator[Finding]:
    if node.partitions:
        yield error(
            "network-partition",
            f"The node {node.name} does not see {listed(node.partitions)}.",
            "Clients of both sides may see different queues and bindings.",
            f"{shell('rabbitmqctl', '-n', node.name, 'stop_app')}\n"
            f"{shell('rabbitmqctl', '-n', node.name, 'start_app')}",
        )


def _disk(node: Node, state: State) -> Iterator[Finding]:
    free, limit = node.disk_free, node.disk_free_limit
    if not isinstance(free, int) or not isinstance(limit, int) or node.disk_free_alarm:
        return
    growth = sum(_growth(state, name) for name in (AUDIT, ENDED, DEAD)) + RESERVE
    if free - limit >= growth:
        return
    room = free - limit - (growth - _growth(state, AUDIT)) - SEGMENT
    remedy = "Enlarge the disk, or free space on it"
    if room >= SEGMENT:
        bound = room * 4 // 5
        limits = f'{{"max-age":"30D","max-length-bytes":{bound}}}'
        words = ["rabbitmqctl", "set_policy", "-p", state.vhost, "--apply-to", "queues"]
        command = shell(*words, "machinist-audit", r"^machinist\.audit$", limits)
        remedy += f", or keep at most {_shown(bound)} of the audit:\n{command}"
    yield warning(
        "disk-small",
        f"The node {node.name} has {_shown(free)} of free disk and a limit of {_shown(limit)}; "
        f"the audit, the dead letters and the partitions may grow by {_shown(growth)}.",
        "When the limit is reached, RabbitMQ blocks all publishers.",
        remedy,
    )


def _growth(state: State, name: str) -> int:
    """Return by how many bytes a queue may still grow, with the segment that exceeds a stream."""
    queue = next((each for each in state.queues if each.name == name), None)
    if queue is None:
        return 0
    bounds: list[Any] = [
        queue.arguments.get("x-max-length-bytes"),
        queue.limits.get("max-length-bytes"),
    ]
    bound = min((each for each in bounds if isinstance(each, int)), default=0)
    segment = SEGMENT if name == AUDIT else 0
    return max(0, bound + segment - queue.messages * RECORD)


def _shown(size: int | str | None) -> str:
    if not isinstance(size, int):
        return "an unknown amount"
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.0f} MiB"
