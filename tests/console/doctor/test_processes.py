"""Findings about gateways and workers."""

from collections.abc import Sequence

import pytest
from msgspec import structs

from contracts import VERSION, topology
from contracts.broker.attendance import Announcement
from gateway.console.doctor.finding import Finding, Severity
from gateway.console.doctor.processes import announced, connected
from gateway.console.doctor.state import State
from tests.console.doctor.builders import NOW, checks, client, only, state, with_queue, worker


def of(
    *workers: Announcement, broker: State | None = None, providers: Sequence[str] = ("k8s",)
) -> list[Finding]:
    """Return the findings about announced workers."""
    return list(announced(workers, providers, NOW, broker))


def test_healthy_processes_have_no_findings():
    broker = state(providers=("k8s", "ecs"))

    assert list(connected(broker, ["ecs", "k8s"])) == []
    assert of(worker(), broker=broker) == []


def test_no_gateway_is_found():
    others = [each for each in state().clients if "gateway" not in each.name]

    found = only(connected(state(clients=others), ["k8s"]))

    assert (found.check, found.severity) == ("no-gateway", Severity.ERROR)


def test_a_gateway_of_another_version_is_found_once():
    clients = [
        client("gateway", "machinist gateway 0123456789ab", "0.0.9"),
        client("gateway", "machinist gateway 0123456789ab recorder", "0.0.9"),
    ]

    found = only(connected(state(clients=clients), ["k8s"]))

    assert found.check == "versions-differ"
    assert found.what.count("machinist gateway 0123456789ab has 0.0.9") == 1


def test_dead_letters_without_a_recorder_are_found():
    broker = with_queue(state(), topology.ENDED, consumers=0)

    assert only(connected(broker, ["k8s"])).check == "no-recorder"


def test_a_partition_without_a_worker_is_found_only_if_workers_are_attached():
    broker = with_queue(state(), "machinist.k8s.commands.6", consumers=0)

    found = only(connected(broker, ["k8s"]))

    assert found.check == "partition-without-worker"
    assert "No worker consumes machinist.k8s.commands.6" in found.what
    unattended = with_queue(broker, "machinist.k8s.queries", consumers=0)
    assert list(connected(unattended, ["k8s"])) == []


@pytest.mark.parametrize("workers", [[], [worker(state="gone")]])
def test_a_provider_without_a_worker_is_found(workers):
    found = only(of(*workers))

    assert found.check == "provider-unattended"
    assert "machinist providers remove k8s" in found.remedy


def test_a_worker_that_does_not_attach_is_found_after_its_start():
    starting = worker(state="starting", since=NOW - 300)

    assert only(of(starting)).check == "worker-not-attached"
    assert of(structs.replace(starting, since=NOW - 3)) == []


def test_a_worker_that_waits_for_a_missing_queue_is_left_to_the_finding_about_the_queue():
    broker = state()
    kept = [each for each in broker.queues if each.name != "machinist.k8s.queries"]
    starting = worker(state="starting", since=NOW - 300)

    assert of(starting, broker=structs.replace(broker, queues=kept)) == []
    assert checks(of(starting, broker=broker)) == ["worker-not-attached"]


def test_what_workers_miss_is_found_without_the_state_of_the_broker():
    missing = [
        "the queue machinist.k8s.commands.3 does not exist and this user may not create it: "
        "import the definitions (ACCESS_REFUSED)"
    ]
    workers = [worker("a", missing=missing), worker("b", missing=missing, partitions=[])]

    found = only(of(*workers))

    assert found.check == "worker-lacks"
    assert found.what.startswith("a, b: the queue machinist.k8s.commands.3 does not exist")
    assert found.remedy == "import the definitions (ACCESS_REFUSED)"
    assert of(*workers, broker=state()) == []


def test_a_partition_with_two_owners_is_found():
    found = only(of(worker("a", partitions=[0, 5]), worker("b", partitions=[5, 6])))

    assert (found.check, found.severity) == ("partition-two-owners", Severity.WARNING)
    assert "a, b both own the partition machinist.k8s.commands.5" in found.what


def test_the_same_slot_of_two_providers_is_no_finding():
    other = worker("b", provider="ecs")

    assert of(worker("a"), other, providers=("k8s", "ecs")) == []


@pytest.mark.parametrize(("behind", "expected"), [(0.9, []), (3.2, ["worker-clock"])])
def test_a_clock_that_is_behind_is_found(behind, expected):
    assert checks(of(worker(clock_behind=behind))) == expected


def test_workers_of_other_versions_are_one_finding():
    found = only(of(worker("a", version="0.0.9", partitions=[]), worker("b")))

    assert (found.check, found.severity) == ("versions-differ", Severity.WARNING)
    assert f"has version {VERSION} of this command: worker a has 0.0.9." in found.what
