"""The metrics ports of the processes of `deploy/up`: every process needs a port of its own."""

from collections.abc import Mapping
from contextlib import ExitStack

from msgspec import Struct

from contracts.process.environment import Host, MetricsPort, load
from deploy.ports import LOOPBACK, Port

PORTS = 100
"""The number of ports to try, from the one of PLT_METRICS_PORT."""


class MetricsSettings(Struct, frozen=True):
    """The caller's variables for the metrics ports."""

    metrics_host: Host = LOOPBACK
    metrics_port: MetricsPort | None = None


class MetricsPorts:
    """Gives each process a free port if PLT_METRICS_PORT is set, else none."""

    def __init__(self, environ: Mapping[str, str], contexts: ExitStack) -> None:
        """Closing `contexts` releases the ports. Raises ConfigurationError for a wrong variable."""
        self._settings = load(MetricsSettings, environ)
        self._contexts = contexts
        self.urls: dict[str, str] = {}
        """The URLs of the metrics by the name of the process."""

    def variables(self, process: str) -> dict[str, str]:
        """Return the variable of a process, and reserve its port."""
        first, host = self._settings.metrics_port, self._settings.metrics_host
        if first is None or first == "off":
            return {"PLT_METRICS_PORT": "off"}
        port = Port.first_free(range(first, first + PORTS), host) if first else Port.any_free()
        self._contexts.callback(port.release)
        shown = f"[{host}]" if ":" in host else host
        self.urls[process] = f"http://{shown}:{port.number}/metrics"
        return {"PLT_METRICS_PORT": str(port.number)}
