"""The whole examination: collects the facts from each source, and gives them to the checks."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from yarl import URL

from contracts.broker.connection import Connection
from contracts.broker.reconnecting import broker_urls
from contracts.process.environment import AmqpUrls, Secret, load
from gateway.console.broker import run
from gateway.console.doctor import (
    configuration,
    management,
    nodes,
    platforms,
    processes,
    replicas,
    rights,
    seal_keys,
    topology,
)
from gateway.console.doctor.broker import Seen, look
from gateway.console.doctor.finding import Finding, error, listed, unchecked, warning
from gateway.console.doctor.state import State
from gateway.console.failures import Failure

NAME = "machinist doctor"
LOOK_S = 40.0

Scopes = Mapping[str, Sequence[str]]


class Settings(Struct, frozen=True):
    """The `PLT_*` variables of the examination; those of a gateway are examined themselves."""

    amqp_url: AmqpUrls
    management_url: Secret = Secret()
    seal_key: Secret = Secret()


async def examine(environment: Mapping[str, str], scopes: Scopes) -> list[Finding]:
    """Return all findings; `scopes` are those of providers in which rights are checked.

    Raises ConfigurationError without a valid URL of the broker.
    """
    own = load(Settings, environment)
    urls, management_url = own.amqp_url, own.management_url
    settings, findings = configuration.settings_in(environment)
    if settings is not None:
        findings += configuration.findings(settings, datetime.now(UTC))
        findings += await configuration.of_issuer(settings)
    nodes_of_url = broker_urls(urls)
    vhost = management.vhost_of(nodes_of_url[0])
    asked = (
        management.given(management_url) if management_url else management.derived(nodes_of_url[0])
    )
    expected = [] if settings is None else settings.expected_providers()
    state = await _state(asked, vhost, findings)
    declared = None if state is not None else expected
    seen, unreached = await _look(urls, nodes_of_url, scopes, declared)
    findings += unreached
    served = sorted(set(expected) | _announced(seen))
    if state is not None:
        served = topology.providers(state.queues, served)
        findings += nodes.findings(state)
        findings += topology.findings(state, served)
        findings += replicas.findings(state)
        findings += rights.findings(state, served)
        findings += processes.connected(state, served)
    if seen is not None:
        if state is None:
            findings += filter(None, [nodes.version_finding(seen.version)])
            findings += topology.absent(seen.absent, vhost, served)
        keys = configuration.key_names(own.seal_key)
        findings += _of_workers(seen, state, served, keys, scopes)
    return findings


def _announced(seen: Seen | None) -> set[str]:
    return set() if seen is None else {each.provider for each in seen.workers}


def _of_workers(
    seen: Seen,
    state: State | None,
    served: Sequence[str],
    keys: Sequence[str],
    scopes: Scopes,
) -> list[Finding]:
    """Return the findings about workers; while publishers are blocked, no worker is heard."""
    if seen.is_blocked:
        findings = [
            unchecked(
                "workers",
                "The workers and their platforms were not checked.",
                "The broker blocks publishers, so workers cannot announce themselves.",
                "Run machinist doctor again when the alarm is over",
            )
        ]
        if state is None or not any(
            node.mem_alarm or node.disk_free_alarm for node in state.running
        ):
            findings.append(_blocked())
        return findings
    if seen.refused is not None and not seen.workers:
        return [
            unchecked(
                "workers",
                "The workers and their platforms were not checked.",
                f"The user of PLT_AMQP_URL lacks a right: {seen.refused}",
                "Run this command with the PLT_AMQP_URL of a gateway:\nkubectl exec "
                "deploy/machinist-gateway -- machinist doctor",
            )
        ]
    # A provider that is served and has no worker is a finding already.
    scopes = {
        name: of_name
        for name, of_name in scopes.items()
        if name in seen.access or name not in served
    }
    return [
        *processes.announced(seen.workers, served, time.time(), state),
        *seal_keys.findings(keys, seen.workers),
        *platforms.findings(seen.access, scopes),
    ]


def _blocked() -> Finding:
    return error(
        "broker-blocked",
        "The broker takes no messages: its memory or disk alarm blocks publishers.",
        "Every command gets 503 broker_blocked.",
        "Free the disk or the memory of the node that this command names:\n"
        "rabbitmq-diagnostics alarms",
    )


async def _state(url: URL, vhost: str, findings: list[Finding]) -> State | None:
    try:
        return await management.read(url, vhost)
    except Failure as failure:
        findings.append(
            unchecked(
                "management",
                "The nodes, the bindings, the arguments of queues, replicas, connections and "
                "rights were not checked.",
                f"{failure}",
                "Enable the management plugin, and set PLT_MANAGEMENT_URL to a URL of the node "
                "with a user that has the tag monitoring, or administrator for all checks: "
                "http://user:password@host:15672\nrabbitmq-plugins enable rabbitmq_management",
            )
        )
        return None


async def _look(
    urls: Secret, each_url: Sequence[URL], scopes: Scopes, expected: Sequence[str] | None
) -> tuple[Seen | None, list[Finding]]:
    """Look over the first URL that works; report the others that do not."""
    found: Seen | None = None
    failures: list[tuple[URL, str]] = []

    async def session(connection: Connection) -> None:
        nonlocal found
        if found is None:
            found = await look(connection, scopes, expected)

    for url in each_url:
        try:
            async with asyncio.timeout(LOOK_S):
                await run(Secret(str(url), urls.name), NAME, session)
        except Failure as failure:
            failures.append((url, str(failure)))
        except TimeoutError:
            failures.append((url, f"{url.host}:{url.port}: the broker stopped answering"))
    if found is None:
        return None, [_unreachable(failures)]
    return found, [_url_unreachable(url, reason) for url, reason in failures]


def _unreachable(failures: Sequence[tuple[URL, str]]) -> Finding:
    reasons = listed(reason for _, reason in failures)
    is_login = "ACCESS_REFUSED" in reasons
    user = failures[0][0].user
    remedy = (
        f"Set PLT_AMQP_URL to the password of the user {user}, or change it:\n"
        f"rabbitmqctl change_password {user}"
        if is_login
        else "Start the broker (systemctl start rabbitmq-server), and check the address in "
        "PLT_AMQP_URL, the firewall and network policies"
    )
    return error(
        "broker-unreachable",
        f"The broker cannot be used: {reasons}.",
        "Every request gets 503 broker_unreachable, if this is also the URL of gateways.",
        remedy,
    )


def _url_unreachable(url: URL, reason: str) -> Finding:
    return warning(
        "url-unreachable",
        f"The node {url.host}:{url.port} of PLT_AMQP_URL cannot be used: {reason}.",
        "Processes connect through the other nodes; there is one fewer to fall back on.",
        "Start this node (systemctl start rabbitmq-server), or remove it from PLT_AMQP_URL",
    )
