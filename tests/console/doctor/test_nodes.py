"""Findings about the nodes of a broker."""

import pytest
from msgspec import structs

from contracts.topology import AUDIT, GIB, MIB
from gateway.console.doctor.finding import Severity
from gateway.console.doctor.nodes import findings, version_finding
from gateway.console.doctor.state import Application, FeatureFlag, Node, State
from tests.console.doctor.builders import checks, node, only, state, with_queue


@pytest.mark.parametrize("nodes", [1, 3])
def test_a_healthy_broker_has_no_findings(nodes):
    assert list(findings(state(nodes))) == []


def test_a_node_that_is_down_is_named_with_both_remedies():
    broker = state(nodes=3)
    broker = structs.replace(
        broker, nodes=[*broker.nodes[:2], Node("rabbit@rabbitmq-3", running=False)]
    )

    found = only(findings(broker))

    assert found.check == "node-down"
    assert "rabbit@rabbitmq-3" in found.what
    assert "systemctl start rabbitmq-server" in found.remedy
    assert "rabbitmqctl forget_cluster_node rabbit@rabbitmq-3" in found.remedy


def test_two_nodes_are_no_better_than_one():
    assert only(findings(state(nodes=2))).check == "two-nodes"


@pytest.mark.parametrize("version", ["3.10.8", "3.13.7", "4.0.5", "4.2.1", "", "unknown"])
def test_a_supported_or_unknown_version_is_no_finding(version):
    assert version_finding(version) is None


@pytest.mark.parametrize("version", ["3.9.29", "3.8.0", "5.0.0"])
def test_another_version_is_a_warning(version):
    found = version_finding(version)

    assert found is not None
    assert (found.check, found.severity) == ("broker-version", Severity.WARNING)
    assert version in found.what


def test_different_versions_of_the_nodes_are_found():
    newer = node(3, applications=[Application("rabbit", "4.1.0")])
    broker = state(nodes=3)

    found = only(findings(structs.replace(broker, nodes=[*broker.nodes[:2], newer])))

    assert found.check == "node-versions-differ"
    assert "rabbit@rabbitmq-3 4.1.0" in found.what
    assert "Upgrade the other nodes to 4.1.0" in found.remedy


def test_disabled_stable_feature_flags_are_found():
    flags = [
        FeatureFlag("quorum_queue", "enabled"),
        FeatureFlag("message_containers", "disabled"),
        FeatureFlag("khepri_db", "disabled", "experimental"),
    ]

    found = only(findings(state(feature_flags=flags)))

    assert found.check == "feature-flags"
    assert "message_containers is disabled" in found.what
    assert found.remedy == "rabbitmqctl enable_feature_flag all"


def test_unknown_feature_flags_are_no_finding():
    assert list(findings(state(feature_flags=None))) == []


@pytest.mark.parametrize(("ahead", "words"), [(90.4, "90 s ahead of"), (-7.0, "7 s behind")])
def test_a_different_clock_of_the_broker_is_found(ahead, words):
    found = only(findings(state(clock_ahead=ahead)))

    assert found.check == "broker-clock"
    assert words in found.what


def test_alarms_are_found_on_each_node():
    alarmed = [node(1, mem_alarm=True), node(2, disk_free_alarm=True, disk_free=GIB), node(3)]

    memory, disk = findings(_with(alarmed))

    assert (memory.check, disk.check) == ("memory-alarm", "disk-alarm")
    assert "-n rabbit@rabbitmq-1 set_vm_memory_high_watermark 0.6" in memory.remedy
    assert "1.0 GiB of free disk, under its limit of 2.0 GiB" in disk.what


def test_a_network_partition_is_found():
    split = [node(1, partitions=["rabbit@rabbitmq-2"]), node(2), node(3)]

    found = only(findings(_with(split)))

    assert found.check == "network-partition"
    assert found.remedy.splitlines() == [
        "rabbitmqctl -n rabbit@rabbitmq-1 stop_app",
        "rabbitmqctl -n rabbit@rabbitmq-1 start_app",
    ]


def test_a_disk_under_the_bounds_of_the_queues_is_found_with_a_lower_bound_that_fits():
    broker = state(nodes=1)
    small = structs.replace(broker, nodes=[node(disk_free=12 * GIB)])

    found = only(findings(small))

    assert found.check == "disk-small"
    assert "may grow by 14.1 GiB" in found.what
    bound = int(found.remedy.split('"max-length-bytes":')[1].rstrip("}'"))
    lowered = with_queue(small, AUDIT, effective_policy_definition={"max-length-bytes": bound})
    assert list(findings(lowered)) == []


def test_a_disk_that_is_too_small_even_for_other_queues_must_be_enlarged():
    found = only(findings(_with([node(disk_free=5 * GIB)])))

    assert found.remedy == "Enlarge the disk, or free space on it"


def test_a_stream_that_has_grown_needs_no_room_for_that():
    grown = with_queue(state(nodes=1), AUDIT, messages=10 * GIB // (16 * 1024))
    grown = structs.replace(grown, nodes=[node(disk_free=6 * GIB + 200 * MIB)])

    assert list(findings(grown)) == []


@pytest.mark.parametrize("free", [None, "disk_free_monitoring_disabled"])
def test_an_unknown_disk_is_no_finding(free):
    assert checks(findings(_with([node(disk_free=free)]))) == []


def _with(nodes: list[Node]) -> State:
    return structs.replace(state(nodes=len(nodes)), nodes=nodes)
