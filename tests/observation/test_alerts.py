"""The shipped alert rules, run by Prometheus' own checker."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.observation import promtool
from tests.observation.alert_cases import CASES, HEALTHY, Series
from tests.observation.shipped import ALERTS, DASHBOARD, MANUAL, alerts, panels, queries

AFTER = "125m"
"""The time of the check, in a system that is the same for longer than any alert waits."""

SOON = "65m"
"""The time of the check for an alert on a single event, which happens after 60 minutes."""

SEVERITIES = {"critical", "warning", "info"}


def names() -> list[str]:
    return [rule["alert"] for rule in alerts()]


def series(values: Series) -> list[dict[str, str]]:
    return [{"series": text, "values": each} for text, each in values.items()]


def firing(rule: str, time: str, labels: dict[str, str] | None) -> dict[str, Any]:
    """Expect the alert to fire with these labels, or not to fire."""
    severity = next(each["labels"]["severity"] for each in alerts() if each["alert"] == rule)
    whole = {"__name__": "ALERTS", "alertname": rule, "alertstate": "firing", "severity": severity}
    sample = ", ".join(f'{name}="{value}"' for name, value in (whole | (labels or {})).items())
    return {
        "expr": f'ALERTS{{alertname="{rule}", alertstate="firing"}}',
        "eval_time": time,
        "exp_samples": [] if labels is None else [{"labels": f"{{{sample}}}", "value": 1}],
    }


def changed(rule: str) -> Series:
    whole = HEALTHY | CASES[rule].series
    return {text: values for text, values in whole.items() if values is not None}


def is_single_event(rule: str) -> bool:
    return any(values and " " in values for values in CASES[rule].series.values())


def file_of(folder: Path, *cases: dict[str, Any]) -> Path:
    """Write a file of promtool's tests."""
    # Every 5 minutes: an evaluation of all rules in all cases takes 0.2 s of CPU.
    content = {"rule_files": [str(ALERTS)], "evaluation_interval": "5m", "tests": list(cases)}
    return promtool.written(folder, "tests.yaml", content)


def test_every_alert_has_a_severity_texts_and_a_section_of_the_manual() -> None:
    sections = re.findall(r"^### (\w+)$", MANUAL.read_text(), re.MULTILINE)

    for rule in alerts():
        annotations = rule["annotations"]
        assert rule["labels"]["severity"] in SEVERITIES, rule["alert"]
        assert annotations["summary"].endswith("."), rule["alert"]
        assert annotations["description"].endswith("."), rule["alert"]
        anchor = rule["alert"].lower()
        assert annotations["runbook"] == f"deploy/monitoring/README.md#{anchor}"
        assert rule["alert"] in sections
    assert len(set(names())) == len(names())


def test_every_link_within_the_manual_leads_to_a_section() -> None:
    text = MANUAL.read_text()
    sections = {each.lower() for each in re.findall(r"^#+ (\w+)$", text, re.MULTILINE)}

    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= sections


def test_the_manual_describes_every_metric_of_the_queries() -> None:
    text = MANUAL.read_text()
    named = {name for query in queries() for name in query.metrics}

    bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in named}
    families = ("process_", "python_gc_")
    assert [each for each in bases if each not in text and not each.startswith(families)] == []


def test_every_panel_has_a_description_a_unit_and_its_own_place() -> None:
    places = [tuple(panel["gridPos"].values()) for panel in panels()]

    assert len(set(places)) == len(places)
    for panel in panels():
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_every_alert_has_a_case() -> None:
    assert list(CASES) == names()


@pytest.mark.full
def test_prometheus_accepts_the_rules_and_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    replaced = {"$__rate_interval": "5m", "$provider": ".*"}
    rules = []
    for number, query in enumerate(queries()):
        expression = query.text
        for variable, value in replaced.items():
            expression = expression.replace(variable, value)
        rules.append({"record": f"query_{number}", "expr": expression})
    group = {"groups": [{"name": DASHBOARD.stem, "rules": rules}]}

    for file in (ALERTS, promtool.written(tmp_path, "dashboard.yaml", group)):
        is_valid, output = promtool.run("check", "rules", file, folder=tmp_path)
        assert is_valid, output


@pytest.mark.full
def test_prometheus_accepts_the_scrape_configuration_of_the_manual(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(example)

    is_valid, output = promtool.run("check", "config", "prometheus.yml", folder=tmp_path)

    assert is_valid, output


@pytest.mark.full
def test_no_alert_fires_in_a_healthy_system_and_each_fires_in_its_case(tmp_path: Path) -> None:
    healthy = {
        "interval": "1m",
        "name": "healthy",
        "input_series": series(HEALTHY),
        "promql_expr_test": [firing(rule, AFTER, None) for rule in CASES],
    }
    broken = [
        {
            "interval": "1m",
            "name": rule,
            "input_series": series(changed(rule)),
            "promql_expr_test": [
                firing(rule, SOON if is_single_event(rule) else AFTER, CASES[rule].labels)
            ],
        }
        for rule in CASES
    ]

    is_right, output = promtool.run(
        "test", "rules", file_of(tmp_path, healthy, *broken), folder=tmp_path
    )

    assert is_right, output


@pytest.mark.full
def test_the_texts_of_every_alert_have_values(tmp_path: Path) -> None:
    """Promtool prints the alerts that a test does not expect, with their texts."""
    unexpected = [
        {
            "interval": "1m",
            "input_series": series(changed(rule)),
            "alert_rule_test": [
                {"alertname": rule, "eval_time": SOON if is_single_event(rule) else AFTER}
            ],
        }
        for rule in CASES
    ]

    _, output = promtool.run("test", "rules", file_of(tmp_path, *unexpected), folder=tmp_path)

    assert output.count("summary=") == len(CASES), output
    assert "error expanding" not in output
    assert "<no value>" not in output
