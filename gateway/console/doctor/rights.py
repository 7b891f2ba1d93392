"""Compares the rights of the broker's users with the rights that they need; no I/O."""

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import structs

from contracts import topology
from contracts.address import SLOTS
from contracts.broker_users import GATEWAY, NOTHING, User, users, worker
from contracts.outcomes import Result
from gateway.console.doctor.finding import Finding, error, listed, shell, unchecked, warning
from gateway.console.doctor.state import Permission, State, TopicPermission

PERMISSIONS = ("configure", "write", "read")
OF_GATEWAY = re.compile(r"machinist gateway \S+( recorder)?")
OF_WORKER = re.compile(r"machinist worker (\S+) \S+ (consume|publish)")


def findings(state: State, providers: Sequence[str]) -> Iterator[Finding]:
    """Return the findings about the users of a virtual host."""
    if state.permissions is None or state.topic_permissions is None:
        yield unchecked(
            "rights",
            "The rights of the broker's users were not checked.",
            "RabbitMQ shows them only to a user with the tag administrator.",
            "Set PLT_MANAGEMENT_URL with such a user",
        )
        return
    shipped = {user.name: user for user in users(list(providers))}
    found = {each.user: each for each in state.permissions}
    yield from _absent(state, shipped, found)
    for name, permission in found.items():
        expected = shipped.get(name) or _role(state, name, shipped)
        if expected is None:
            continue
        topics = [each for each in state.topic_permissions if each.user == name]
        yield from _missing(state, expected, permission, topics, providers)
        if name in shipped:
            yield from _superfluous(state, expected, permission, topics, providers)


def _absent(
    state: State, shipped: dict[str, User], found: dict[str, Permission]
) -> Iterator[Finding]:
    """With users of least privilege, report the process that has no user with rights here."""
    if not any(name in found for name in shipped):
        return
    processes = [name for name in shipped if name == GATEWAY or name.startswith(worker(""))]
    for name in processes:
        if name not in found and not _is_played(state, name):
            yield error(
                "user-without-rights",
                f"The user {name} has no rights in the virtual host {state.vhost}.",
                "The processes of this user cannot connect.",
                _grant(state, shipped[name]),
            )


def _is_played(state: State, role: str) -> bool:
    """Tell whether a process of this role is connected, as another user."""
    return any(_role_of(each.name) == role and each.user != role for each in state.clients)


def _role(state: State, name: str, shipped: dict[str, User]) -> User | None:
    """Return the needs of a user of another name, by the process that is connected as this user."""
    roles = {_role_of(client.name) for client in state.clients if client.user == name}
    known = [shipped[role] for role in sorted(filter(None, roles)) if role in shipped]
    return structs.replace(known[0], name=name) if len(known) == 1 else None


def _role_of(connection: str) -> str | None:
    if OF_GATEWAY.fullmatch(connection):
        return GATEWAY
    match = OF_WORKER.fullmatch(connection)
    return worker(match[1]) if match else None


def _missing(
    state: State,
    expected: User,
    permission: Permission,
    topics: Sequence[TopicPermission],
    providers: Sequence[str],
) -> Iterator[Finding]:
    vocabulary = _vocabulary(providers)
    lacking = [
        f"{kind} {listed(names)}"
        for kind in PERMISSIONS
        if (names := _difference(getattr(expected, kind), getattr(permission, kind), vocabulary))
    ]
    if lacking:
        yield error(
            "rights-missing",
            f"The user {expected.name} lacks rights: {'; '.join(lacking)}.",
            "RabbitMQ closes the channel of the process that needs the right, and the process "
            "reconnects again and again, or works without this part.",
            _grant(state, expected),
        )
    for topic in topics:
        keys = _difference(
            expected.keys.get(topic.exchange, ".*"),
            topic.write,
            _keys(topic.exchange, expected, providers),
        )
        if keys:
            yield error(
                "topic-rights-missing",
                f"The user {expected.name} may not publish to {topic.exchange} with "
                f"{listed(keys)}.",
                "RabbitMQ closes the channel with each of these messages, and the process "
                "publishes them again and again.",
                _grant_topic(state, expected, topic.exchange),
            )


def _superfluous(
    state: State,
    expected: User,
    permission: Permission,
    topics: Sequence[TopicPermission],
    providers: Sequence[str],
) -> Iterator[Finding]:
    vocabulary = _vocabulary(providers)
    surplus = [
        f"{kind} {listed(names)}"
        for kind in PERMISSIONS
        if (names := _difference(getattr(permission, kind), getattr(expected, kind), vocabulary))
    ]
    if surplus:
        yield warning(
            "rights-surplus",
            f"The user {expected.name} has rights that it does not need: {'; '.join(surplus)}.",
            "Whoever has its password may do more than its process: send commands past the "
            "gateway's rights, or read what is not its own.",
            _grant(state, expected),
        )
    limited = {topic.exchange: topic.write for topic in topics}
    for exchange, keys in expected.keys.items():
        more = _difference(limited.get(exchange, ".*"), keys, _keys(exchange, expected, providers))
        if more:
            yield warning(
                "topic-rights-surplus",
                f"The user {expected.name} may publish to {exchange} with keys that it does not "
                f"need: {listed(more)}.",
                "Whoever has its password may send commands, or records, of other processes.",
                _grant_topic(state, expected, exchange),
            )


def _difference(wide: str, narrow: str, names: Iterable[str]) -> list[str]:
    """Return the names that the first pattern permits and the second does not."""
    return [name for name in names if _permits(wide, name) and not _permits(narrow, name)]


def _permits(pattern: str, name: str) -> bool:
    """Decide as RabbitMQ does, which permits a match anywhere; an empty pattern permits nothing."""
    try:
        return re.search(pattern or NOTHING, name) is not None
    except re.error:
        return False  # RabbitMQ has other regular expressions; the name counts as not permitted


def _vocabulary(providers: Sequence[str]) -> list[str]:
    parts = [topology.common(), *map(topology.of_provider, providers)]
    whole = topology.whole(*parts, topology.of_gateway("gateway-1", 1))
    names = {each.name for each in whole.exchanges} | {each.name for each in whole.queues}
    return sorted({*names, f"{topology.AUDIT}.live"})


def _keys(exchange: str, user: User, providers: Sequence[str]) -> list[str]:
    """Return routing keys of a topic exchange: every kind that a process may want to publish."""
    if exchange == topology.OUTCOMES:
        own = user.name.removeprefix(worker("")) if user.name.startswith(worker("")) else ""
        return [
            f"{result}.{provider}.controllers.scope.name"
            for result in Result
            for provider in ([own] if own in providers else providers)
        ]
    return [
        f"{provider}.{slot}.{collection}.scope.name"
        for provider in providers
        for slot in (0, SLOTS - 1)
        for collection in ("controllers", "machines", "services")
    ]


def _grant(state: State, user: User) -> str:
    rights = (user.configure, user.write, user.read)
    return shell("rabbitmqctl", "set_permissions", "-p", state.vhost, user.name, *rights)


def _grant_topic(state: State, user: User, exchange: str) -> str:
    words = ["rabbitmqctl", "set_topic_permissions", "-p", state.vhost, user.name, exchange]
    return shell(*words, user.keys.get(exchange, ".*"), NOTHING)
