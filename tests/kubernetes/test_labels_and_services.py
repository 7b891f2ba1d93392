"""Labels of machines, and Services as endpoints."""

import pytest

from contracts import api
from contracts.faults import Code, Fault
from contracts.resources import Port


async def test_labels_are_set_and_removed_in_one_call_and_others_are_kept(provider, cluster, call):
    cluster.add_pod("web-1", labels={"app": "web", "old": "1"})

    answer = await provider.set_machine_labels(
        api.SetMachineLabels("default", "web-1", {"new": "2", "old": None, "never": None}), call()
    )

    assert answer.labels == {"new": "2", "old": None, "never": None}
    assert cluster.read("pods", "web-1")["metadata"]["labels"] == {"app": "web", "new": "2"}
    [request] = cluster.calls
    assert request.method == "PATCH"


async def test_an_empty_label_is_a_label(provider, cluster, call):
    cluster.add_pod("web-1")

    answer = await provider.set_machine_labels(
        api.SetMachineLabels("default", "web-1", {"marked": ""}), call()
    )

    assert answer.labels == {"marked": ""}


async def test_labels_of_an_absent_machine_are_not_found(provider, call):
    with pytest.raises(Fault, match='pods "nope" not found') as raised:
        await provider.set_machine_labels(
            api.SetMachineLabels("default", "nope", {"a": "b"}), call()
        )

    assert raised.value.code is Code.NOT_FOUND


@pytest.mark.parametrize(
    "labels", [{"a b": "c"}, {"a": "x" * 64}, {"a": "b c"}, {"A/b": "c"}, {"a b": None}]
)
async def test_invalid_labels_send_no_request(provider, cluster, call, labels):
    with pytest.raises(Fault, match="expected a Kubernetes label") as raised:
        await provider.set_machine_labels(api.SetMachineLabels("default", "web-1", labels), call())

    assert raised.value.code is Code.INVALID
    assert len(cluster.calls) == 0


async def test_services_are_listed_with_ordered_ports_in_one_call(provider, cluster, call):
    ports = [
        {"name": "metrics", "port": 9090, "protocol": "TCP"},
        {"name": "app", "port": 3042},
        {"name": "dns", "port": 53, "protocol": "UDP"},
    ]
    cluster.add_service("web", labels={"app": "web", "plt.dev/version": "2"}, ports=ports)
    cluster.add_service("other", labels={"app": "other"})

    [found] = await provider.get_services_by_labels(
        api.GetServicesByLabels("default", {"app": "web", "plt.dev/version": "2"}), call()
    )

    assert found.name == "web"
    assert found.labels["plt.dev/version"] == "2"
    assert found.ports == [Port(9090, "TCP"), Port(3042, "TCP"), Port(53, "UDP")]
    assert len(cluster.calls) == 1


async def test_services_are_paged(provider, cluster, call):
    for number in range(501):
        cluster.add_service(f"s-{number}", labels={"app": "web"})

    found = await provider.get_services_by_labels(
        api.GetServicesByLabels("default", {"app": "web"}), call()
    )

    assert len({each.name for each in found}) == 501
    assert len(cluster.calls) == 2


async def test_a_list_without_services_is_empty_and_a_request_without_labels_is_invalid(
    provider, call
):
    assert (
        await provider.get_services_by_labels(
            api.GetServicesByLabels("default", {"app": "nope"}), call()
        )
        == []
    )
    with pytest.raises(Fault, match="expected at least one label") as raised:
        await provider.get_services_by_labels(api.GetServicesByLabels("default", {}), call())
    assert raised.value.code is Code.INVALID


async def test_a_service_is_deleted_in_one_call_that_returns_an_object(provider, cluster, call):
    cluster.add_service("web")

    answer = await provider.delete_service(api.DeleteService("default", "web"), call())

    assert answer == {"name": "web", "deleted": True}
    assert cluster.read("services", "web") is None
    assert len(cluster.calls) == 1
    with pytest.raises(Fault, match='services "web" not found') as raised:
        await provider.delete_service(api.DeleteService("default", "web"), call())
    assert raised.value.code is Code.NOT_FOUND
