"""Compares the exchanges, queues and bindings of a broker with the contract; no I/O."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from contracts import topology
from contracts.address import is_provider_name
from contracts.topology import AUDIT, GATE, OUTCOMES, REPLIES, Topology
from gateway.console.doctor.finding import Finding, error, listed, plural, shell, warning
from gateway.console.doctor.state import Binding, Exchange, Queue, State

OF_PROVIDER = re.compile(r"machinist\.([a-z][a-z0-9-]*)\.(queries|commands\.[0-9]+)")
OF_PEOPLE = re.compile(
    rf"({re.escape(REPLIES)}\.[0-9a-z-]+\.[0-9]+|{re.escape(AUDIT)}\..+)", re.DOTALL
)
"""Queues of gateways, and of auditors."""


def providers(queues: Sequence[Queue], expected: Sequence[str]) -> list[str]:
    """Return the providers that are expected or have a queue, by name."""
    found = (OF_PROVIDER.fullmatch(queue.name) for queue in queues)
    names = {match[1] for match in found if match and is_provider_name(match[1])}
    return sorted(names | set(expected))


def findings(state: State, expected: Sequence[str]) -> Iterator[Finding]:
    """Return the findings about a virtual host; `expected` are the providers that it serves."""
    names = providers(state.queues, expected)
    parts = [("", topology.common()), *((name, topology.of_provider(name)) for name in names)]
    for provider, part in parts:
        yield from _missing(state, provider, part, names)
    whole = topology.whole(*(part for _, part in parts))
    yield from _changed_exchanges(state, whole, names)
    yield from _changed_queues(state, whole, names)
    yield from _missing_bindings(state, whole, names)
    yield from _foreign_bindings(state, whole)
    yield from _unknown_queues(state, whole)


def absent(names: Sequence[str], vhost: str, served: Sequence[str]) -> Iterator[Finding]:
    """Return a finding for exchanges and queues that passive declarations have not found."""
    if names:
        yield error(
            "part-missing",
            f"On the broker {listed(names)} {plural(names, 'does', 'do')} not exist.",
            "Requests get 503, or records are lost. A gateway or worker declares the missing part "
            "again within 10 seconds if its user has the right configure.",
            import_again(vhost, served),
        )


def import_again(vhost: str, names: Sequence[str]) -> str:
    """Return the commands, in a checkout, that create the missing parts of a topology."""
    of_vhost = [] if vhost == "/" else ["--vhost", vhost]
    written = shell("python", "-m", "deploy.rabbitmq.definitions", *of_vhost, *names)
    return f"{written} >definitions.json\nrabbitmqctl import_definitions definitions.json"


def _missing(
    state: State, provider: str, part: Topology, served: Sequence[str]
) -> Iterator[Finding]:
    exchanges = {each.name for each in state.exchanges}
    queues = {each.name for each in state.queues}
    meaning = (
        f"Requests for the provider {provider} get 503, or wait for ever. Its workers declare "
        "the queue again within 10 seconds if their user has the right configure."
        if provider
        else "Commands, replies or records have no way. A gateway or worker declares the missing "
        "part again within 10 seconds if its user has the right configure."
    )
    lost = {
        "exchange": [each.name for each in part.exchanges if each.name not in exchanges],
        "queue": [each.name for each in part.queues if each.name not in queues],
    }
    for kind, names in lost.items():
        if names:
            yield error(
                f"{kind}-missing",
                f"The {kind}{plural(names, '', 's')} {listed(names)} "
                f"{plural(names, 'does', 'do')} not exist.",
                meaning,
                import_again(state.vhost, served),
            )


def _changed_exchanges(state: State, whole: Topology, names: Sequence[str]) -> Iterator[Finding]:
    found = {each.name: each for each in state.exchanges}
    for wanted in whole.exchanges:
        exchange = found.get(wanted.name)
        if exchange is None:
            continue
        expected = Exchange(wanted.name, wanted.type, True, dict(wanted.arguments))
        differences = [
            f"{name} is {got!r}, expected {want!r}"
            for name, got, want in (
                ("type", exchange.type, expected.type),
                ("durable", exchange.durable, expected.durable),
                ("arguments", exchange.arguments, expected.arguments),
            )
            if got != want
        ]
        if differences:
            where = f"{state.api}/exchanges/{_path(state.vhost)}/{_path(wanted.name)}"
            yield error(
                "exchange-changed",
                f"The exchange {wanted.name} is not as machinist declares it: "
                f"{'; '.join(differences)}.",
                "Messages take another way, and no process can declare the exchange. Deleting "
                "it also deletes its bindings, which the import makes again.",
                f"{shell('curl', '-u', 'ADMINISTRATOR', '-X', 'DELETE', where)}\n"
                f"{import_again(state.vhost, names)}",
            )


def _changed_queues(state: State, whole: Topology, names: Sequence[str]) -> Iterator[Finding]:
    found = {each.name: each for each in state.queues}
    for wanted in whole.queues:
        queue = found.get(wanted.name)
        if queue is None or queue.arguments == wanted.arguments:
            continue
        expected, got = wanted.arguments, queue.arguments
        differences = [
            f"{name} is {got.get(name, 'not set')}, expected {expected.get(name, 'not set')}"
            for name in sorted(expected.keys() | got.keys())
            if expected.get(name) != got.get(name)
        ]
        if wanted.name == AUDIT:
            first = "The history in it is deleted with it: keep a copy of it before."
        else:
            first = "Stop its publishers, and wait until it holds no message:"
        count = shell("rabbitmqctl", "list_queues", "-p", state.vhost, "name", "messages")
        delete = shell("rabbitmqctl", "delete_queue", "-p", state.vhost, wanted.name)
        yield error(
            "queue-changed",
            f"The queue {wanted.name} is not as machinist declares it: {'; '.join(differences)}.",
            "Its order, durability or limits differ from what machinist promises. RabbitMQ cannot "
            "change the arguments of a queue, and an import keeps the old ones.",
            f"{first}\n{count}\n{delete}\n{import_again(state.vhost, names)}",
        )


def _key(binding: Binding) -> tuple[str, str, bool, str]:
    to_exchange = binding.destination_type == "exchange"
    return binding.source, binding.destination, to_exchange, binding.routing_key


def _expected(whole: Topology) -> dict[tuple[str, str, bool, str], topology.Binding]:
    return {
        (each.source, each.destination, each.to_exchange, each.key): each for each in whole.bindings
    }


def _missing_bindings(state: State, whole: Topology, names: Sequence[str]) -> Iterator[Finding]:
    """A binding of a missing exchange or queue is not reported: the import makes both."""
    existing = {each.name for each in state.exchanges} | {each.name for each in state.queues}
    found = {_key(each) for each in state.bindings}
    missing = [
        each
        for key, each in _expected(whole).items()
        if key not in found and {each.source, each.destination} <= existing
    ]
    importable = [each for each in missing if each.source != GATE]
    if importable:
        shown = listed(
            f"{each.source} to {each.destination} with the key {each.key!r}" for each in importable
        )
        yield error(
            "binding-missing",
            f"The binding{plural(importable, '', 's')} of {shown} "
            f"{plural(importable, 'does', 'do')} not exist.",
            "Messages with this key do not arrive: commands get 503, or records and dead letters "
            "are lost.",
            import_again(state.vhost, names),
        )
    if len(importable) < len(missing):
        yield error(
            "gate-open",
            f"The binding of {GATE} to {topology.ENDED} does not exist.",
            "An event with a forged header x-death reaches a partition, and can stop RabbitMQ's "
            "dead-lettering. Definitions cannot express this binding; each gateway makes it when "
            "it connects, if its user may read the first and write to the second.",
            "Restart a gateway: kubectl rollout restart deployment machinist-gateway, or "
            "systemctl restart machinist-gateway",
        )


def _foreign_bindings(state: State, whole: Topology) -> Iterator[Finding]:
    """Other queues belong to machinist.outcomes, and to machinist.replies those of gateways."""
    ours = {each.name for each in whole.exchanges} - {OUTCOMES}
    expected = _expected(whole)
    former = {(each.source, each.destination, each.key) for each in whole.former}
    for binding in state.bindings:
        is_reply = binding.source == REPLIES and OF_PEOPLE.fullmatch(binding.destination)
        is_former = (binding.source, binding.destination, binding.routing_key) in former
        if is_former:
            yield warning(
                "binding-former",
                _sentence(binding, "is one of an earlier version"),
                "Messages are copied or pass the gate. Processes remove the binding when they "
                "connect, if their user has the rights.",
                _unbind(state, binding),
            )
        elif binding.source in ours and _key(binding) not in expected and not is_reply:
            yield error(
                "binding-foreign",
                _sentence(binding, "is not one of machinist"),
                "A copy of each matching message goes there. A returned message no longer proves "
                "that no partition exists, nor a negative confirm that the partition refused it. "
                "Bind own queues to machinist.outcomes instead.",
                _unbind(state, binding),
            )


def _sentence(binding: Binding, what: str) -> str:
    return (
        f"The binding of {binding.source} to the {binding.destination_type} "
        f"{binding.destination} with the key {binding.routing_key!r} {what}."
    )


def _unbind(state: State, binding: Binding) -> str:
    to = "e" if binding.destination_type == "exchange" else "q"
    parts = (
        _path(state.vhost),
        "e",
        _path(binding.source),
        to,
        _path(binding.destination),
        binding.properties_key,
    )
    url = f"{state.api}/bindings/{'/'.join(parts)}"
    return shell("curl", "-u", "ADMINISTRATOR", "-X", "DELETE", url)


def _path(name: str) -> str:
    return quote(name, safe="")


def _unknown_queues(state: State, whole: Topology) -> Iterator[Finding]:
    known = {each.name for each in whole.queues}
    for queue in state.queues:
        is_ours = queue.name.startswith("machinist.")
        if not is_ours or queue.name in known or OF_PEOPLE.fullmatch(queue.name):
            continue
        yield warning(
            "queue-unknown",
            f"The queue {queue.name} has a name of machinist, and is none of its queues.",
            f"No process consumes it; it holds {queue.messages} messages. Its name may be "
            "misspelt, or be that of a later version.",
            shell("rabbitmqctl", "delete_queue", "-p", state.vhost, queue.name),
        )
