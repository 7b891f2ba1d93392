"""Findings about replicas, leaders and policies of queues."""

import pytest
from msgspec import structs

from contracts import topology
from gateway.console.doctor.finding import Severity
from gateway.console.doctor.replicas import findings
from gateway.console.doctor.state import Binding, Node, Queue, State
from tests.console.doctor.builders import only, state, with_queue

PARTITION = "machinist.k8s.commands.0"


@pytest.mark.parametrize("nodes", [1, 2, 3, 5])
def test_a_healthy_broker_has_no_findings(nodes):
    assert list(findings(state(nodes))) == []


def test_a_queue_without_a_majority_is_found():
    broker = with_queue(state(3), PARTITION, online=["rabbit@rabbitmq-1"])

    found = only(findings(broker))

    assert found.check == "queue-without-majority"
    assert PARTITION in found.what
    assert "Start rabbit@rabbitmq-2, rabbit@rabbitmq-3" in found.remedy


def test_the_loss_of_one_of_three_replicas_is_left_to_the_finding_about_its_node():
    broker = with_queue(state(3), PARTITION, online=["rabbit@rabbitmq-1", "rabbit@rabbitmq-2"])

    assert list(findings(broker)) == []


def test_missing_replicas_are_found_with_a_command_for_each_node():
    two = ["rabbit@rabbitmq-1", "rabbit@rabbitmq-2"]
    broker = with_queue(state(3), PARTITION, members=two, online=two)
    broker = with_queue(broker, topology.AUDIT, members=two[:1], online=two[:1])

    found = only(findings(broker))

    assert (found.check, found.severity) == ("queue-replicas", Severity.WARNING)
    assert found.remedy.splitlines() == [
        f"rabbitmq-streams add_replica --vhost / {topology.AUDIT} rabbit@rabbitmq-2",
        "rabbitmq-queues grow rabbit@rabbitmq-3 all",
        f"rabbitmq-streams add_replica --vhost / {topology.AUDIT} rabbit@rabbitmq-3",
    ]


def test_replicas_cannot_be_added_on_a_node_that_is_down():
    broker = with_queue(
        state(3), PARTITION, members=["rabbit@rabbitmq-1"], online=["rabbit@rabbitmq-1"]
    )
    broker = structs.replace(
        broker, nodes=[*broker.nodes[:2], Node("rabbit@rabbitmq-3", running=False)]
    )

    assert "rabbitmq-3" not in only(findings(broker)).remedy


def test_all_leaders_on_one_of_three_nodes_are_found():
    broker = state(3)
    queues = [structs.replace(each, leader="rabbit@rabbitmq-2") for each in broker.queues]

    found = only(findings(structs.replace(broker, queues=queues)))

    assert found.check == "leaders-on-one-node"
    assert "rabbit@rabbitmq-2 leads all 12 quorum queues" in found.what
    assert found.remedy == "rabbitmq-queues rebalance quorum"


@pytest.mark.parametrize(
    ("queue", "limits"),
    [
        (PARTITION, {"message-ttl": 500}),
        (PARTITION, {"delivery-limit": 3}),
        ("machinist.k8s.queries", {"max-length": 1}),
        (topology.DEAD, {"expires": 1000}),
    ],
)
def test_a_policy_that_breaks_a_promise_is_found(queue, limits):
    broker = with_queue(state(), queue, policy="p", effective_policy_definition=limits)

    found = only(findings(broker))

    assert found.check == "policy-harmful"
    assert f"on {queue}" in found.what
    assert found.remedy == "rabbitmqctl clear_policy -p / p"


@pytest.mark.parametrize(
    ("queue", "limits"),
    [
        (topology.AUDIT, {"max-age": "7D", "max-length-bytes": 2147483648}),
        (topology.DEAD, {"max-length-bytes": 104857600}),
        (PARTITION, {"max-length": 50_000}),
        (PARTITION, {}),
    ],
)
def test_a_policy_that_only_lowers_a_limit_is_no_finding(queue, limits):
    broker = with_queue(state(), queue, policy="p", effective_policy_definition=limits)

    assert list(findings(broker)) == []


def test_an_operator_policy_is_cleared_by_its_own_command():
    broker = with_queue(
        state(),
        PARTITION,
        operator_policy="limits",
        effective_policy_definition={"message-ttl": 500},
    )

    assert only(findings(broker)).remedy == "rabbitmqctl clear_operator_policy -p / limits"


def test_a_classic_queue_on_the_outcomes_is_found_on_a_cluster():
    def with_classic(nodes: int) -> State:
        broker = state(nodes)
        binding = Binding(topology.OUTCOMES, "billing", "queue", "done.#")
        added = [*broker.queues, Queue("billing"), Queue("mine", exclusive=True)]
        return structs.replace(
            broker,
            queues=added,
            bindings=[*broker.bindings, binding, structs.replace(binding, destination="mine")],
        )

    assert list(findings(with_classic(1))) == []
    found = only(findings(with_classic(3)))
    assert (found.check, found.severity) == ("classic-on-outcomes", Severity.WARNING)
    assert "billing on machinist.outcomes is a classic queue" in found.what
