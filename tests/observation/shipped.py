"""The queries of the shipped dashboard and alert rules, with the metrics and labels they name."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
DASHBOARD = FOLDER / "dashboard.json"
ALERTS = FOLDER / "alerts.yaml"
MANUAL = FOLDER / "README.md"

OF_PROMETHEUS = {"job", "instance"}
"""Labels that Prometheus adds to every sample of a target."""

METRIC = re.compile(r"\b((?:machinist|process|python|rabbitmq)_[a-z0-9_]+)\b(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\b(?:by|on) \(([^)]*)\)")
MATCHER = re.compile(r"(\w+)\s*[=!]~?\s*\"")
SHOWN = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")


class Query(Struct, frozen=True):
    """An expression, with the labels of each metric in it that must exist."""

    text: str
    metrics: dict[str, set[str]]


def query_of(expression: str, shown: str) -> Query:
    """Return the query of an expression; `shown` is the legend, or the annotations of an alert.

    A label for grouping or in a text must exist at every metric of the expression. The metric
    after an `and` only selects, so its own labels do not count.
    """
    needed = {name.strip() for names in GROUPED.findall(expression) for name in names.split(",")}
    needed |= set(SHOWN.findall(shown))
    needed -= {"", "value"}
    metrics: dict[str, set[str]] = {}
    for name, matchers in METRIC.findall(expression):
        metrics.setdefault(name, set()).update(MATCHER.findall(matchers))
    counted = METRIC.findall(re.split(r"\band\b", expression)[0])
    for name, _ in counted:
        metrics[name] |= needed
    return Query(expression, metrics)


def alerts() -> list[dict[str, Any]]:
    """Return the alert rules."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard, without its rows."""
    return [each for each in json.loads(DASHBOARD.read_text())["panels"] if each["type"] != "row"]


def queries() -> Iterator[Query]:
    """Return the queries of all panels, variables and alerts."""
    for panel in panels():
        for target in panel["targets"]:
            yield query_of(target["expr"], target["legendFormat"])
    for rule in alerts():
        yield query_of(rule["expr"], " ".join(rule["annotations"].values()))
    yield query_of("machinist_gateway_provider_workers", "{{provider}}")
