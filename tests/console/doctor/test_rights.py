"""Findings about the rights of the broker's users."""

import pytest
from msgspec import structs

from contracts import topology
from contracts.broker_users import users
from deploy.rabbitmq import accounts
from gateway.console.doctor.finding import Severity
from gateway.console.doctor.rights import findings
from gateway.console.doctor.state import Permission, State
from tests.console.doctor.builders import checks, client, only, state

PROVIDERS = ["ecs", "k8s"]


def with_user(name: str, **changes: str) -> State:
    """Return the state with one user whose rights are changed."""
    broker = state(providers=PROVIDERS)
    changed = [
        structs.replace(each, **changes) if each.user == name else each
        for each in broker.permissions or ()
    ]
    return structs.replace(broker, permissions=changed)


def without_users() -> State:
    """Return the state with one administrator as the only user."""
    clients = [
        client("admin", "machinist gateway 0123456789ab"),
        client("admin", "machinist worker k8s host-1-9-abcd consume"),
    ]
    return state(
        permissions=[Permission("admin", ".*", ".*", ".*")], topic_permissions=[], clients=clients
    )


def test_the_shipped_users_have_no_findings():
    assert list(findings(state(providers=PROVIDERS), PROVIDERS)) == []


def test_one_user_with_all_rights_has_no_findings():
    assert list(findings(without_users(), ["k8s"])) == []


def test_without_an_administrator_rights_are_not_checked():
    found = only(findings(state(permissions=None, topic_permissions=None), PROVIDERS))

    assert (found.check, found.severity) == ("rights", Severity.UNCHECKED)


def test_a_lacking_right_is_found_with_the_command_that_grants_it():
    found = only(findings(with_user("worker-k8s", write="^machinist.replies$"), PROVIDERS))

    assert (found.check, found.severity) == ("rights-missing", Severity.ERROR)
    assert found.what == (
        "The user worker-k8s lacks rights: write machinist.dead, machinist.outcomes."
    )
    [shipped] = [user for user in users(PROVIDERS) if user.name == "worker-k8s"]
    assert found.remedy == (
        f"rabbitmqctl set_permissions -p / worker-k8s '{shipped.configure}' '{shipped.write}' "
        f"'{shipped.read}'"
    )


def test_a_right_to_another_providers_queues_is_surplus():
    found = only(findings(with_user("worker-k8s", read="machinist.(k8s|ecs)"), PROVIDERS))

    assert (found.check, found.severity) == ("rights-surplus", Severity.WARNING)
    assert "read machinist.ecs.commands.0" in found.what


def test_an_empty_pattern_permits_nothing_and_one_that_python_cannot_read_neither():
    for pattern in ("", "(?|a)"):
        assert "rights-missing" in checks(findings(with_user("gateway", read=pattern), PROVIDERS))


def test_a_user_without_rights_is_found_only_where_other_users_have_few():
    broker = state(providers=PROVIDERS)
    kept = [each for each in broker.permissions or () if each.user != "worker-ecs"]

    found = only(findings(structs.replace(broker, permissions=kept), PROVIDERS))

    assert found.check == "user-without-rights"
    assert "set_permissions -p / worker-ecs" in found.remedy


def test_a_process_that_is_connected_as_another_user_is_checked_by_its_needs():
    broker = state(providers=PROVIDERS)
    kept = [each for each in broker.permissions or () if each.user != "worker-ecs"]
    other = Permission("ecs-eu", "^$", "machinist.replies", "machinist.ecs")
    clients = [
        client("ecs-eu", "machinist worker ecs host-2-7-ef01 consume")
        if each.user == "worker-ecs"
        else each
        for each in broker.clients
    ]
    broker = structs.replace(broker, permissions=[*kept, other], clients=clients)

    found = only(findings(broker, PROVIDERS))

    assert found.what == "The user ecs-eu lacks rights: write machinist.dead, machinist.outcomes."


def test_a_routing_key_that_a_worker_needs_is_found():
    broker = state(providers=PROVIDERS)
    changed = [
        structs.replace(each, write="^done") if each.user == "worker-k8s" else each
        for each in broker.topic_permissions or ()
    ]

    found = only(findings(structs.replace(broker, topic_permissions=changed), PROVIDERS))

    assert found.check == "topic-rights-missing"
    assert "started.k8s.controllers.scope.name" in found.what
    assert found.remedy.startswith(
        "rabbitmqctl set_topic_permissions -p / worker-k8s machinist.outcomes '^("
    )


def test_a_producer_of_an_earlier_list_of_providers_cannot_reach_a_new_one():
    old = accounts.definitions(users(["k8s"]))["topic_permissions"]
    [of_producer] = [each for each in old if each["user"] == "producer"]
    broker = state(providers=PROVIDERS)
    changed = [
        structs.replace(each, write=of_producer["write"]) if each.user == "producer" else each
        for each in broker.topic_permissions or ()
    ]

    found = only(findings(structs.replace(broker, topic_permissions=changed), PROVIDERS))

    assert "producer may not publish to machinist.events with ecs.0.controllers" in found.what


def test_a_producer_without_topic_permissions_has_all_keys():
    broker = state(providers=PROVIDERS)
    kept = [each for each in broker.topic_permissions or () if each.user != "producer"]

    found = only(findings(structs.replace(broker, topic_permissions=kept), PROVIDERS))

    assert (found.check, found.severity) == ("topic-rights-surplus", Severity.WARNING)
    assert "k8s.0.services.scope.name" in found.what
    assert topology.EVENTS in found.remedy


@pytest.mark.parametrize("user", users(PROVIDERS), ids=lambda user: user.name)
def test_each_shipped_user_without_any_right_is_found(user):
    broker = with_user(user.name, configure="^$", write="^$", read="^$")

    assert checks(findings(broker, PROVIDERS)) == ["rights-missing"]
