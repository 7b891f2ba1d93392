"""The neutral workload on Fargate: validation and task definition."""

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from contracts.faults import Code, Fault
from contracts.resources import Object
from tests.ecs.workloads.builders import CLUSTER, ROLE, settings
from tests.workloads import CANARY, specification
from worker.providers.ecs.settings import Settings
from worker.providers.ecs.workloads import task_definitions, workload

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:orders-api-v7-pull-AbCdEf"


def definition(
    wanted: Object, configured: Settings | None = None, pull_secret: str | None = None
) -> Object:
    configured = configured or settings()
    read = workload.read(wanted, CLUSTER, configured)
    return task_definitions.definition(read, configured, pull_secret)


def test_the_task_definition_is_one_container_on_fargate():
    found = definition(
        specification(),
        settings(ecs_log_group="/apps", ecs_task_role_arn="arn:aws:iam::123456789012:role/task"),
        SECRET,
    )

    [container] = found.pop("containerDefinitions")
    assert found == {
        "family": "orders-api-v7",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "1024",
        "memory": "2048",
        "executionRoleArn": ROLE,
        "taskRoleArn": "arn:aws:iam::123456789012:role/task",
    }
    assert "127.0.0.1:9090/status" in container.pop("healthCheck")["command"][1]
    assert container == {
        "name": "orders-api-v7",
        "image": "reg.example.com/team/orders-api:7",
        "essential": True,
        "portMappings": [
            {"name": "app", "containerPort": 3042, "protocol": "tcp"},
            {"name": "metrics", "containerPort": 9090, "protocol": "tcp"},
        ],
        "environment": [
            {"name": "FEATURE_X", "value": "on"},
            {"name": "PLT_DEPLOYMENT_VERSION", "value": "v7"},
        ],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": "/apps",
                "awslogs-region": "eu-central-1",
                "awslogs-stream-prefix": "orders-api",
            },
        },
        "repositoryCredentials": {"credentialsParameter": SECRET},
        "dockerLabels": {
            "app.kubernetes.io/name": "orders-api",
            "app.kubernetes.io/instance": "orders-api-v7",
            "plt.dev/version": "v7",
            "plt.dev/hostname": "orders-api.apps.example.org",
            "platformatic.dev/monitor": "prometheus",
        },
    }
    assert CANARY not in str(container)


def test_a_name_and_an_image_are_enough():
    least = {"name": "web", "image": "r.example/web:1"}
    found = definition(least, settings(ecs_execution_role_arn=None))

    assert (found["cpu"], found["memory"]) == ("512", "1024")
    assert found.keys().isdisjoint({"executionRoleArn", "taskRoleArn"})
    [container] = found["containerDefinitions"]
    assert [each["containerPort"] for each in container["portMappings"]] == [3042, 9090]
    assert container["environment"] == []
    assert container.keys().isdisjoint({"healthCheck", "logConfiguration", "repositoryCredentials"})


def test_null_is_the_same_as_an_absent_member():
    nothing = dict.fromkeys(
        ["hostname", "minReplicas", "pullSecret", "ports", "resources", "healthCheck", "labels"]
    )
    least = {"name": "web", "image": "i"}

    assert definition(least | nothing) == definition(least)


def test_the_tags_contain_the_labels_of_the_control_plane():
    read = workload.read(specification(isWorkflow=True), CLUSTER, settings())

    assert read.tags == {
        "app.kubernetes.io/name": "orders-api",
        "app.kubernetes.io/instance": "orders-api-v7",
        "plt.dev/version": "v7",
        "plt.dev/hostname": "orders-api.apps.example.org",
        "plt.dev/workflow": "true",
        "platformatic.dev/monitor": "prometheus",
        "icc.platformatic.dev/scaler-min": "2",
        "icc.platformatic.dev/scaler-max": "6",
    }


def test_a_platform_variable_overrides_a_variable_of_the_same_name():
    found = definition(
        specification(
            env=[{"name": "A", "value": "1"}, {"name": "B", "value": "1"}],
            platformEnv=[{"name": "A", "value": "2"}],
        )
    )

    [container] = found["containerDefinitions"]
    assert container["environment"] == [{"name": "A", "value": "2"}, {"name": "B", "value": "1"}]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"minReplicas": 5}, True),
        ({"labels": {}}, True),
        ({"image": "reg.example.com/team/orders-api:8"}, False),
        ({"env": [{"name": "FEATURE_X", "value": "off"}]}, False),
        ({"resources": None}, False),
        ({"healthCheck": None}, False),
        ({"maxReplicas": None}, True),
        ({"labels": {"tier": "web"}}, False),
    ],
)
def test_the_digest_changes_if_machines_have_to_be_replaced(change, same):
    before = task_definitions.digest(definition(specification()))

    assert (task_definitions.digest(definition(specification(**change))) == before) is same


WRONG = [
    ({"image": None}, "workload: Object missing required field `image`"),
    ({"image": ""}, "workload.image: "),
    ({"name": "a/b"}, "workload.name: expected the name of a service"),
    ({"name": "ä"}, "workload.name: expected a name"),
    ({"name": ""}, "workload.name: expected a name"),
    ({"ports": {"app": 0}}, "workload.ports.app: "),
    ({"ports": {"metrics": 65536}}, "workload.ports.metrics: "),
    ({"ports": {"app": 9090}}, "workload.ports: expected two different ports"),
    ({"minReplicas": -1}, "workload.minReplicas: "),
    ({"resources": {"limits": {"cpu": "32"}}}, "workload.resources: expected at most 16 cores"),
    ({"resources": {"limits": {"cpu": "lots"}}}, "workload.resources.limits.cpu: expected"),
    ({"healthCheck": {"port": "other"}}, "workload.healthCheck.port: "),
    ({"healthCheck": {"livePath": "status"}}, "workload.healthCheck.livePath: expected a path"),
    ({"healthCheck": {"readyPath": "/a b"}}, "workload.healthCheck.readyPath: expected a path"),
    ({"env": "A=1"}, "workload.env: "),
    ({"env": [{"name": "A", "value": 7}]}, "workload.env[0].value: "),
    ({"env": [{"name": "A=B", "value": ""}]}, "workload.env[0].name: "),
    ({"env": [{"name": "A", "value": "\0"}]}, "workload.env[0].value: "),
    ({"pullSecret": {"registry": "r", "username": "u"}}, "workload.pullSecret: Object missing"),
    ({"labels": {"aws:x": "c"}}, "workload.labels: expected a tag key"),
    ({"labels": {"a": "c" * 257}}, "workload.labels.a: expected a tag value"),
    ({"labels": {"a": "b*"}}, "workload.labels.a: expected a tag value"),
    ({"labels": {f"l{n}": "" for n in range(48)}}, "workload.labels: expected at most 43 beside"),
]


@pytest.mark.parametrize(("wrong", "expected"), WRONG, ids=range(len(WRONG)))
def test_an_invalid_workload_is_refused_with_the_member_and_what_was_expected(wrong, expected):
    with pytest.raises(Fault) as raised:
        workload.read(specification(**{"labels": {}} | wrong), CLUSTER, settings())

    assert raised.value.code is Code.INVALID
    assert expected in raised.value.message
    assert CANARY not in raised.value.message


@pytest.mark.parametrize(
    ("configured", "named"),
    [
        ({"ecs_subnets": ""}, "PLT_ECS_SUBNETS"),
        ({"ecs_execution_role_arn": None}, "PLT_ECS_EXECUTION_ROLE_ARN"),
        (
            {"ecs_execution_role_arn": None, "ecs_log_group": "/apps"},
            "PLT_ECS_EXECUTION_ROLE_ARN",
        ),
    ],
)
def test_a_missing_setting_is_named(configured, named):
    with pytest.raises(Fault, match=named) as raised:
        workload.read(specification(), CLUSTER, settings(**configured))

    assert raised.value.code is Code.UNSUPPORTED


class Application(BaseHTTPRequestHandler):
    """Answers 200 on /well and 500 on all other paths."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/well" else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def application():
    with HTTPServer(("127.0.0.1", 0), Application) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def exit_code_of(folder: Path, port: int, path: str) -> int:
    """Return the exit code of the health check in an image with the programs of a folder."""
    found = definition(
        specification(
            ports={"app": port, "metrics": 1 if port != 1 else 2},
            healthCheck={"livePath": path, "port": "app"},
        )
    )
    kind, command = found["containerDefinitions"][0]["healthCheck"]["command"]
    assert kind == "CMD-SHELL"
    ended = subprocess.run(
        ["/bin/sh", "-c", command], env={"PATH": str(folder)}, timeout=30, check=False
    )
    return ended.returncode


@pytest.mark.parametrize(
    ("path", "healthy"),
    [("/well", True), ("/ill", False), ("/ill';exit;'", False), ("/$(exit)", False)],
)
def test_the_health_check_works_in_an_image_without_curl(tmp_path, application, path, healthy):
    (tmp_path / "python3").symlink_to(sys.executable)

    assert exit_code_of(tmp_path, application, path) == (0 if healthy else 1)
    assert [each.name for each in tmp_path.iterdir()] == ["python3"]


@pytest.mark.parametrize("tool", ["curl", "wget", "node"])
@pytest.mark.parametrize("exit_code", [0, 7])
def test_the_health_check_has_the_result_of_the_tool_in_the_image(tmp_path, tool, exit_code):
    asked = tmp_path / "asked"
    stand_in = tmp_path / tool
    stand_in.write_text(
        f'#!/bin/sh\nfor last; do :; done\necho "$last" > {asked}\nexit {exit_code}'
    )
    stand_in.chmod(0o755)

    assert exit_code_of(tmp_path, 3042, "/status?x=1&y=2") == (1 if exit_code else 0)
    assert asked.read_text() == "http://127.0.0.1:3042/status?x=1&y=2\n"


def test_an_image_without_tools_is_healthy(tmp_path):
    assert exit_code_of(tmp_path, 3042, "/status") == 0
