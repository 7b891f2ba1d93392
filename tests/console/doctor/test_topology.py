"""Findings about exchanges, queues and bindings."""

import pytest
from msgspec import structs

from contracts import topology
from gateway.console.doctor.finding import Severity
from gateway.console.doctor.state import Binding, Queue, State
from gateway.console.doctor.topology import absent, findings, providers
from tests.console.doctor.builders import checks, only, state, with_queue

IMPORT = (
    "python -m deploy.rabbitmq.definitions k8s >definitions.json\n"
    "rabbitmqctl import_definitions definitions.json"
)


def without_queue(name: str) -> State:
    broker = state()
    return structs.replace(broker, queues=[each for each in broker.queues if each.name != name])


def without_binding(source: str, destination: str) -> State:
    broker = state()
    kept = [
        each for each in broker.bindings if (each.source, each.destination) != (source, destination)
    ]
    return structs.replace(broker, bindings=kept)


def with_binding(source: str, destination: str, key: str, kind: str = "queue") -> State:
    broker = state()
    added = Binding(source, destination, kind, key, properties_key=key.replace("#", "%23"))
    return structs.replace(broker, bindings=[*broker.bindings, added])


def test_a_healthy_topology_has_no_findings():
    assert list(findings(state(providers=("k8s", "ecs")), ["k8s"])) == []


def test_the_default_exchange_and_auditors_and_gateways_are_no_findings():
    broker = with_binding("", "machinist.audit.live", "machinist.audit.live")
    replies = "machinist.replies.0123456789ab.3"
    added = [
        Binding(topology.OUTCOMES, "machinist.audit.live", "queue", "done.#"),
        Binding(topology.REPLIES, replies, "queue", replies),
        Binding(topology.REPLIES, replies, "queue", "attendance"),
    ]
    queues = [Queue("machinist.audit.live"), Queue(replies), Queue("billing.events")]
    broker = structs.replace(
        broker, bindings=broker.bindings + added, queues=broker.queues + queues
    )

    assert list(findings(broker, ["k8s"])) == []


def test_the_providers_are_those_with_queues_and_the_expected_ones():
    queues = [Queue("machinist.eu1.commands.3"), Queue("machinist.audit.queries"), Queue("other")]

    assert providers(queues, ["k8s"]) == ["eu1", "k8s"]


def test_a_missing_queue_hides_its_missing_binding():
    broker = without_queue("machinist.k8s.commands.3")
    broker = structs.replace(
        broker,
        bindings=[each for each in broker.bindings if "commands.3" not in each.destination],
    )

    found = only(findings(broker, ["k8s"]))

    assert (found.check, found.severity) == ("queue-missing", Severity.ERROR)
    assert found.what == "The queue machinist.k8s.commands.3 does not exist."
    assert found.remedy == IMPORT


def test_an_expected_provider_without_queues_is_one_finding():
    found = only(findings(state(), ["ecs"]))

    assert found.check == "queue-missing"
    assert "machinist.ecs.queries" in found.what
    assert "and 3 more do not exist" in found.what


def test_the_commands_name_another_virtual_host():
    broker = structs.replace(without_queue("machinist.recent"), vhost="shop")

    assert "--vhost shop k8s" in only(findings(broker, [])).remedy


def test_an_exchange_with_other_arguments_is_found():
    broker = state()
    changed = [
        structs.replace(each, arguments={}) if each.name == topology.GATE else each
        for each in broker.exchanges
    ]

    found = only(findings(structs.replace(broker, exchanges=changed), []))

    assert found.check == "exchange-changed"
    assert "arguments is {}" in found.what
    assert found.remedy.splitlines()[0] == (
        "curl -u ADMINISTRATOR -X DELETE http://rabbitmq-1:15672/api/exchanges/%2F/machinist.gate"
    )


def test_each_changed_argument_of_a_queue_is_named():
    arguments = dict(topology.of_provider("k8s").queues[1].arguments)
    arguments |= {"x-message-ttl": 1000}
    del arguments["x-single-active-consumer"]
    broker = with_queue(state(), "machinist.k8s.commands.0", arguments=arguments)

    found = only(findings(broker, []))

    assert found.check == "queue-changed"
    assert "x-message-ttl is 1000, expected 600000" in found.what
    assert "x-single-active-consumer is not set, expected True" in found.what
    assert "rabbitmqctl delete_queue -p / machinist.k8s.commands.0" in found.remedy


def test_the_history_is_mentioned_before_the_audit_is_deleted():
    broker = with_queue(state(), topology.AUDIT, arguments={"x-queue-type": "stream"})

    assert "The history in it is deleted" in only(findings(broker, [])).remedy


def test_a_missing_binding_is_found():
    found = only(findings(without_binding(topology.OUTCOMES, topology.AUDIT), []))

    assert found.check == "binding-missing"
    assert "machinist.outcomes to machinist.audit with the key '#'" in found.what
    assert found.remedy == IMPORT


def test_the_binding_that_definitions_cannot_express_needs_a_gateway():
    found = only(findings(without_binding(topology.GATE, topology.ENDED), []))

    assert found.check == "gate-open"
    assert found.remedy.startswith("Restart a gateway")


@pytest.mark.parametrize(
    ("source", "destination", "key", "kind"),
    [
        (topology.COMMANDS, "spy", "k8s.#", "queue"),
        (topology.QUERIES, "spy", "#", "queue"),
        (topology.REPLIES, "spy", "attendance", "queue"),
        (topology.EVENTS, "other", "#", "exchange"),
        (topology.DEAD, "spy", "", "queue"),
    ],
)
def test_a_foreign_binding_is_found(source, destination, key, kind):
    found = only(findings(with_binding(source, destination, key, kind), []))

    assert (found.check, found.severity) == ("binding-foreign", Severity.ERROR)
    assert f"{kind} {destination}" in found.what
    assert f"/bindings/%2F/e/{source}/{kind[0]}/{destination}/" in found.remedy


def test_a_binding_of_an_earlier_version_is_found():
    found = only(findings(with_binding(topology.OUTCOMES, topology.RECENT, "#"), []))

    assert (found.check, found.severity) == ("binding-former", Severity.WARNING)


def test_a_queue_with_a_misspelt_name_is_found():
    broker = state()
    broker = structs.replace(broker, queues=[*broker.queues, Queue("machinist.deed", messages=4)])

    found = only(findings(broker, []))

    assert found.check == "queue-unknown"
    assert "holds 4 messages" in found.meaning
    assert found.remedy == "rabbitmqctl delete_queue -p / machinist.deed"


def test_parts_that_passive_declarations_do_not_find_are_one_finding():
    assert checks(absent([], "/", ["k8s"])) == []
    found = only(absent(["the queue machinist.recent", "the exchange x"], "/", ["k8s"]))

    assert "the queue machinist.recent, the exchange x do not exist" in found.what
    assert found.remedy == IMPORT
