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
    registry.total(
        "machinist_broker_connections_opened_total",
        "Connections to the broker that became ready: the first one and every reconnect.",
        LABEL,
        read=lambda: {(name,): each.opened for name, each in connections.items()},
    )
    registry.total(
        "machinist_broker_connection_failures_total",
        "Connections to the broker that were lost or could not be opened.",
        LABEL,
        read=lambda: {(name,): each.failures for name, each in connections.items()},
    )

    def sample() -> None:
        for name, each in connections.items():
            up[name,].set(each.is_up)

    registry.on_scrape(sample)
