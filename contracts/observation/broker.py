"""Metrics of the connections to the broker, read from the connections themselves."""

from collections.abc import Mapping

from contracts.broker.reconnecting import ReconnectingConnection
from contracts.observation.registry import Registry

LABEL = "connection"


def watch_connections(
    registry: Registry, connections: Mapping[str, ReconnectingConnection]
) -> None:
    """Register the metrics of the connections, which are named by their purpose."""
    up = registry.gauge(
        "machinist_broker_connection_up",
        "1 while the connection to the broker is ready for use.",
        LABEL,
    )
    opened = registry.counter(
        "machinist_broker_connections_opened_total",
        "Connections to the broker that became ready: the first one and every reconnect.",
        LABEL,
    )
    failures = registry.counter(
        "machinist_broker_connection_failures_total",
        "Connections to the broker that were lost or could not be opened.",
        LABEL,
    )

    def sample() -> None:
        for name, each in connections.items():
            up[name,].set(each.is_up)
            opened[name,].set(each.opened)
            failures[name,].set(each.failures)

    registry.on_scrape(sample)
