"""The OTEL_* variables that switch traces on, and wrong values of them."""

import sys

import pytest

from contracts import observation
from contracts.observation import traces
from contracts.observation.trace_settings import endpoint
from contracts.process.environment import ConfigurationError
from gateway.__main__ import main as gateway
from tests.forking import forking
from worker.__main__ import main as worker

URL = "http://collector:4318"
GENERAL = "OTEL_EXPORTER_OTLP_ENDPOINT"
OF_TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
MAINS = {"gateway": gateway, "worker": worker}


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, None),
        ({GENERAL: ""}, None),
        ({"OTEL_SERVICE_NAME": "mine"}, None),
        ({GENERAL: URL}, GENERAL),
        ({OF_TRACES: f"{URL}/v1/traces"}, OF_TRACES),
        ({OF_TRACES: URL, GENERAL: URL}, OF_TRACES),
        ({GENERAL: URL, "OTEL_TRACES_EXPORTER": "otlp"}, GENERAL),
        ({GENERAL: URL, "OTEL_TRACES_EXPORTER": "none"}, None),
        ({GENERAL: URL, "OTEL_SDK_DISABLED": "true"}, None),
        ({GENERAL: URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, GENERAL),
        ({GENERAL: URL, "OTEL_EXPORTER_OTLP_HEADERS": "a=b=c,d=e"}, GENERAL),
    ],
)
def test_traces_are_on_if_a_collector_is_named(environment, named):
    assert endpoint(environment) == named


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (GENERAL, "collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT='collector:4318': expected a URL"),
        (GENERAL, "http://me:hunter2@c x", "OTEL_EXPORTER_OTLP_ENDPOINT=(not shown): expected a "),
        ("OTEL_TRACES_EXPORTER", "jaeger", "OTEL_TRACES_EXPORTER='jaeger': expected otlp or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "'grpc': expected http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "'http/json': expected http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2", "HEADERS=(not shown): expected name=value"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=b,hunter2", "(not shown): expected name=value"),
    ],
)
def test_a_wrong_variable_is_named_with_the_expected_value(variable, value, message):
    with pytest.raises(ConfigurationError) as raised:
        endpoint({GENERAL: URL, variable: value})

    assert message in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("process", ["gateway", "worker"])
def test_a_process_that_cannot_export_says_how_to_install_the_packages(
    process: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [*sys.modules]:
        if name.startswith("opentelemetry.") or name == "contracts.observation.otlp":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delattr(observation, "otlp", raising=False)
    # Each process refuses a later variable, so that it does not run if this test fails.
    later = {"PLT_PROVIDERS": "?", "PLT_PROVIDER": "?"}
    for name, value in {"PLT_AMQP_URL": "amqp://127.0.0.1:1/", GENERAL: URL, **later}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as exited:
        MAINS[process]([])

    printed = capsys.readouterr().err
    assert exited.value.code == 2
    assert printed.startswith(f"{process}: {GENERAL} is set, and the packages")
    assert "pip install 'machinist[otel]'" in printed


def test_a_process_without_a_collector_imports_no_package_of_opentelemetry() -> None:
    child = forking.Process(target=check_imports)
    child.start()
    child.join(60)

    assert child.exitcode == 0


def check_imports() -> None:
    """Run in a process that has imported the modules of gateways and workers."""
    assert {"gateway.app", "worker.app"} <= set(sys.modules)
    with traces.exporting("machinist-gateway", {}):
        assert traces.tracer() is None
        assert [name for name in sys.modules if name.startswith("opentelemetry")] == []
