"""The queues' replicas, leaders, policies and consumers on the nodes; no I/O."""

from collections import Counter
from collections.abc import Iterator, Sequence

from contracts import topology
from contracts.topology import DELIVERY_LIMIT, MINUTE_MS, OUTCOMES
from gateway.console.doctor.finding import Finding, error, listed, plural, shell, warning
from gateway.console.doctor.state import Queue, State
from gateway.console.doctor.topology import OF_PROVIDER

WANTED = 3
"""The number of replicas of a queue, on a cluster of at least this number of nodes."""

LEAST = {"message-ttl": MINUTE_MS, "delivery-limit": DELIVERY_LIMIT, "max-length": 1000}
"""The lowest values of a policy for partitions and queries."""


def findings(state: State) -> Iterator[Finding]:
    """Return the findings about the queues of machinist."""
    common = {each.name for each in topology.common().queues}
    ours = [
        each for each in state.queues if each.name in common or OF_PROVIDER.fullmatch(each.name)
    ]
    yield from _without_majority(ours)
    yield from _few_replicas(state, ours)
    yield from _one_leader(state, ours)
    yield from _policies(state, ours)
    yield from _classic_on_outcomes(state)


def _without_majority(queues: Sequence[Queue]) -> Iterator[Finding]:
    stopped = [
        each for each in queues if each.members and 2 * len(each.online or []) <= len(each.members)
    ]
    if not stopped:
        return
    down = sorted(
        {node for each in stopped for node in set(each.members or []) - set(each.online or [])}
    )
    yield error(
        "queue-without-majority",
        f"The queue{plural(stopped, '', 's')} {listed(each.name for each in stopped)} "
        f"{plural(stopped, 'has', 'have')} no majority of replicas.",
        "The queue accepts and delivers nothing until more of its nodes run.",
        f"Start {listed(down)}, on each machine: systemctl start rabbitmq-server",
    )


def _few_replicas(state: State, queues: Sequence[Queue]) -> Iterator[Finding]:
    wanted = min(WANTED, len(state.nodes))
    few = [each for each in queues if each.members and len(each.members) < wanted]
    if not few:
        return
    commands = []
    for node in state.running:
        if any(each.kind == "quorum" and node.name not in (each.members or []) for each in few):
            commands.append(shell("rabbitmq-queues", "grow", node.name, "all"))
        commands += [
            shell("rabbitmq-streams", "add_replica", "--vhost", state.vhost, each.name, node.name)
            for each in few
            if each.kind == "stream" and node.name not in (each.members or [])
        ]
    yield warning(
        "queue-replicas",
        f"The queue{plural(few, '', 's')} {listed(each.name for each in few)} "
        f"{plural(few, 'has', 'have')} fewer than {wanted} replicas on {len(state.nodes)} nodes.",
        "The loss of a node stops the queue, or loses its messages.",
        "\n".join(commands),
    )


def _one_leader(state: State, queues: Sequence[Queue]) -> Iterator[Finding]:
    leaders = Counter(each.leader for each in queues if each.kind == "quorum" and each.leader)
    if len(state.running) < WANTED or len(leaders) != 1 or leaders.total() < WANTED:
        return
    yield warning(
        "leaders-on-one-node",
        f"The node {next(iter(leaders))} leads all {leaders.total()} quorum queues.",
        "This node has the work of the cluster, and its loss interrupts every queue.",
        "rabbitmq-queues rebalance quorum",
    )


def _policies(state: State, queues: Sequence[Queue]) -> Iterator[Finding]:
    harmful: dict[tuple[str, str], dict[str, list[str]]] = {}
    for queue in queues:
        found = _too_low(queue)
        if found:
            kind = "operator_policy" if queue.operator_policy and not queue.policy else "policy"
            name = (queue.operator_policy if kind == "operator_policy" else queue.policy) or "?"
            harmful.setdefault((kind, name), {}).setdefault("; ".join(found), []).append(queue.name)
    for (kind, name), effects in harmful.items():
        shown = "; ".join(f"{effect} on {listed(names)}" for effect, names in effects.items())
        yield error(
            "policy-harmful",
            f"The {kind.replace('_', ' ')} {name} sets {shown}.",
            "Commands are refused, expire before their deadline or are dead-lettered early, or "
            "the queue itself is deleted.",
            shell("rabbitmqctl", f"clear_{kind}", "-p", state.vhost, name),
        )


def _too_low(queue: Queue) -> list[str]:
    found = [f"expires to {queue.limits['expires']}"] if "expires" in queue.limits else []
    if OF_PROVIDER.fullmatch(queue.name):
        for name, least in LEAST.items():
            value = queue.limits.get(name)
            if isinstance(value, int) and value < least:
                found.append(f"{name} to {value}")
    return found


def _classic_on_outcomes(state: State) -> Iterator[Finding]:
    """On one node, a classic queue is down only together with the whole broker."""
    if len(state.nodes) < 2:
        return
    bound = {each.destination for each in state.bindings if each.source == OUTCOMES}
    classic = [
        each.name
        for each in state.queues
        if each.name in bound and each.kind == "classic" and not each.exclusive
    ]
    if classic:
        yield warning(
            "classic-on-outcomes",
            f"The queue{plural(classic, '', 's')} {listed(classic)} on {OUTCOMES} "
            f"{plural(classic, 'is a classic queue', 'are classic queues')}.",
            "While the node of a classic queue is down, RabbitMQ 4 rejects every record, and no "
            "command is answered.",
            "Delete each one, and declare it again with the argument x-queue-type: quorum:\n"
            + "\n".join(
                shell("rabbitmqctl", "delete_queue", "-p", state.vhost, name) for name in classic
            ),
        )
