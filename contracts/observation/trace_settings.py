"""The standard OTEL_* variables that decide whether traces are exported; pure.

The SDK reads the others itself: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import re
from collections.abc import Mapping

from contracts.process.environment import ConfigurationError, shown

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
EXPORTER = "OTEL_TRACES_EXPORTER"
DISABLED = "OTEL_SDK_DISABLED"

URL = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")
PROTOCOL = "http/protobuf"


def endpoint(environment: Mapping[str, str]) -> str | None:
    """Return the name of the variable with the collector's URL, None if traces are off.

    Raises ConfigurationError, which never shows the value of a header.
    """
    named = _first(environment, ENDPOINTS)
    exporter = environment.get(EXPORTER, "").strip() or "otlp"
    if named is None or exporter == "none" or _is_disabled(environment):
        return None
    if exporter != "otlp":
        raise ConfigurationError(f"{EXPORTER}={shown(exporter)}: expected otlp or none")
    if not URL.fullmatch(environment[named]):
        raise ConfigurationError(
            f"{named}={shown(environment[named])}: expected a URL such as http://collector:4318"
        )
    protocol = _first(environment, PROTOCOLS)
    if protocol is not None and environment[protocol] != PROTOCOL:
        raise ConfigurationError(
            f"{protocol}={shown(environment[protocol])}: expected {PROTOCOL}, usually on port 4318"
        )
    headers = _first(environment, HEADERS)
    if headers is not None and not all("=" in each for each in environment[headers].split(",")):
        raise ConfigurationError(
            f"{headers}=(not shown): expected name=value, several separated by commas"
        )
    return named


def _is_disabled(environment: Mapping[str, str]) -> bool:
    return environment.get(DISABLED, "").strip().lower() == "true"


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if environment.get(name)), None)
