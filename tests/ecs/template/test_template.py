"""The CloudFormation template: accepted by the APIs, with confined containers and least rights."""

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

import gateway.settings
import worker.settings
from contracts.process.environment import load
from deploy.sandbox.aws.iam import guard, policy
from tests.ecs.template import api_inputs
from tests.ecs.template.parameters import GATEWAY, INSTALLATIONS, JWT, WHOLE, WORKERS
from tests.ecs.template.resolved import ACCOUNT, PSEUDO, REGION, Json, Stack
from tests.ecs.template.resolved import load as template
from worker.providers.ecs.settings import Settings as EcsSettings

SHIPPED_VALUES = PSEUDO | WHOLE
SHIPPED_VALUES |= {
    "Listener": "app/public/0123456789abcdef/fedcba9876543210",
    "WorkerRoleArn": f"arn:aws:iam::{ACCOUNT}:role/WorkerRole",
}
UNKNOWN_TO_THIS_TEST = {
    # Of the identity of callers and of the observation of processes:
    "PLT_ALLOW_ANONYMOUS",
    "PLT_AUTH",
    "PLT_AUTH_RIGHTS",
    "PLT_AUTH_TOKENS",
    "PLT_DRAIN_SECONDS",
    "PLT_JWT_AUDIENCE",
    "PLT_JWT_ISSUER",
    "PLT_JWT_JWKS",
    "PLT_LOG_FORMAT",
    "PLT_METRICS_HOST",
    "PLT_METRICS_PORT",
    "PLT_TRUSTED_PROXIES",
}
SPOOL = [{"SourceVolume": "spool", "ContainerPath": "/var/spool/machinist"}]
FILES = "/var/spool/machinist/auth"
FARGATE_STOP_S = 120
LAST_ANSWERS_S = 10

installations = pytest.mark.parametrize("given", INSTALLATIONS.values(), ids=INSTALLATIONS)


@pytest.fixture(scope="module")
def whole() -> Stack:
    return Stack(WHOLE)


def tasks(stack: Stack) -> Iterator[Json]:
    yield from stack.of_type("AWS::ECS::TaskDefinition").values()


def containers(stack: Stack) -> dict[str, Json]:
    return {each["Name"]: each for task in tasks(stack) for each in task["ContainerDefinitions"]}


def environment(container: Json) -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in container["Environment"]}


def statements(stack: Stack, role: str) -> list[Json]:
    """Return the statements of all inline policies of a role."""
    own = stack.resources[role]["Properties"].get("Policies", [])
    attached = stack.of_type("AWS::IAM::Policy").values()
    documents = [
        each["PolicyDocument"] for each in (*own, *attached) if role in each.get("Roles", [role])
    ]
    return [each for document in documents for each in document["Statement"]]


@installations
def test_the_apis_accept_every_resource(given: dict[str, str]) -> None:
    stack = Stack(given)
    made = [
        each
        for name in stack.resources
        for each in api_inputs.requests(name, stack.resources[name])
    ]

    assert [problem for request in made for problem in request.problems()] == []


@installations
def test_the_parameters_of_an_installation_fit_together(given: dict[str, str]) -> None:
    assert Stack(given).violations() == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            WORKERS | GATEWAY,
            ["AuthRightsSecretArn", "JwtIssuer", "JwtAudience", "JwtJwks"],
        ),
        (WORKERS | GATEWAY | JWT | {"GatewayHostname": ""}, ["GatewayHostname"]),
        (WORKERS | GATEWAY | JWT | {"GatewayAmqpUrlSecretArn": ""}, ["GatewayAmqpUrlSecretArn"]),
        (
            WORKERS | GATEWAY | {"Auth": "token"},
            ["AuthRightsSecretArn", "AuthTokensSecretArn"],
        ),
        (WORKERS | GATEWAY | JWT | {"Auth": "token,jwt"}, ["AuthTokensSecretArn"]),
    ],
)
def test_parameters_that_do_not_fit_are_named(given: dict[str, str], expected: list[str]) -> None:
    assert [each.split()[-1] for each in Stack(given).violations()] == expected


def test_workers_alone_need_no_gateway() -> None:
    assert not [name for name in Stack(WORKERS).resources if name.startswith("Gateway")]


@installations
def test_every_container_is_confined(given: dict[str, str]) -> None:
    for container in containers(Stack(given)).values():
        assert container["User"] == "10001:10001"
        assert container["ReadonlyRootFilesystem"] is True
        assert container["LinuxParameters"] == {"Capabilities": {"Drop": ["ALL"]}}
        assert container["LogConfiguration"]["LogDriver"] == "awslogs"
        assert container["MountPoints"] == SPOOL
        assert not container.get("Privileged")


def test_deployments_roll_back_and_keep_all_tasks(whole: Stack) -> None:
    for service in whole.of_type("AWS::ECS::Service").values():
        assert service["DeploymentConfiguration"] == {
            "MinimumHealthyPercent": 100,
            "MaximumPercent": 200,
            "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
        }
        assert service["EnableExecuteCommand"] is False


def test_the_stop_timeout_covers_the_longest_drain_and_grace(whole: Stack) -> None:
    most = {name: each.get("MaxValue") for name, each in template()["Parameters"].items()}
    deadline_s = gateway.settings.COMMANDS_MS / 1000
    stops = {name: each.get("StopTimeout", 0) for name, each in containers(whole).items()}

    assert stops["worker"] >= most["GraceSeconds"] + LAST_ANSWERS_S
    assert stops["gateway"] >= most["DrainSeconds"] + deadline_s + LAST_ANSWERS_S
    assert max(stops["worker"], stops["gateway"]) <= FARGATE_STOP_S


@installations
def test_the_processes_accept_their_variables(given: dict[str, str]) -> None:
    found = containers(Stack(given))
    broker = {"PLT_AMQP_URL": "amqp://broker/"}

    variables = environment(found["worker"])
    loaded = load(worker.settings.Settings, variables | broker)
    assert (loaded.attached_as(), loaded.provider) == ("ecs", "ecs")
    region = load(EcsSettings, variables)
    assert region.ecs_region == REGION
    assert len(region.subnets()) == 2
    if "gateway" in found:
        variables = environment(found["gateway"])
        loaded_gateway = load(gateway.settings.Settings, variables | broker)
        assert (loaded_gateway.host, loaded_gateway.port) == ("0.0.0.0", 3042)


def test_every_variable_exists(whole: Stack) -> None:
    settings = (worker.settings.Settings, gateway.settings.Settings, EcsSettings)
    known = {f"PLT_{field.upper()}" for each in settings for field in each.__struct_fields__}
    named = {
        name for each in ("worker", "gateway") for name in environment(containers(whole)[each])
    }

    assert named - known <= UNKNOWN_TO_THIS_TEST


@installations
def test_secrets_are_references_and_no_variables(given: dict[str, str]) -> None:
    secret = {"PLT_AMQP_URL", "PLT_SEAL_KEY"}
    for name, container in containers(Stack(given)).items():
        references = {each["Name"]: each["ValueFrom"] for each in container["Secrets"]}
        assert all(each.startswith("arn:aws:secretsmanager:") for each in references.values())
        if name in ("worker", "gateway"):
            assert references.keys() == secret
            assert not secret & environment(container).keys()


def test_a_gateway_has_no_rights_on_aws(whole: Stack) -> None:
    assert "TaskRoleArn" not in whole.resources["GatewayTask"]["Properties"]
    assert whole.resources["WorkerTask"]["Properties"]["TaskRoleArn"].endswith("/WorkerRole")


@pytest.mark.parametrize(
    ("role", "secrets"),
    [
        ("WorkerExecutionRole", ["WorkerAmqpUrlSecretArn", "SealKeySecretArn"]),
        (
            "GatewayExecutionRole",
            [
                "GatewayAmqpUrlSecretArn",
                "SealKeySecretArn",
                "AuthTokensSecretArn",
                "AuthRightsSecretArn",
            ],
        ),
    ],
)
def test_an_execution_role_reads_only_its_secrets_and_writes_only_its_logs(
    whole: Stack, role: str, secrets: list[str]
) -> None:
    logs = role.replace("ExecutionRole", "Logs")
    rights = {each["Sid"]: (each["Action"], each["Resource"]) for each in statements(whole, role)}

    assert rights == {
        "ReadSecrets": ("secretsmanager:GetSecretValue", [WHOLE[name] for name in secrets]),
        "DecryptSecrets": ("kms:Decrypt", WHOLE["SecretsKmsKeyArn"]),
        "WriteLogs": (
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{logs}:*",
        ),
        # The action has no resource types.
        "LogInToRegistry": ("ecr:GetAuthorizationToken", "*"),
        "PullImage": (
            [
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ],
            WHOLE["ImageRepositoryArn"],
        ),
    }


def test_roles_are_assumed_by_tasks_alone(whole: Stack) -> None:
    for role in whole.of_type("AWS::IAM::Role").values():
        [statement] = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}


def test_the_workers_rights_are_those_of_the_shipped_policy(whole: Stack) -> None:
    shipped = policy.filled(policy.load(guard.SHIPPED), SHIPPED_VALUES)["Statement"]
    found = statements(whole, "WorkerRole")

    assert {each["Sid"]: each for each in found} == {each["Sid"]: each for each in shipped}


def test_workers_without_options_have_the_rights_of_no_option() -> None:
    found = {each["Sid"]: each for each in statements(Stack(WORKERS), "WorkerRole")}
    services = {
        action.split(":")[0] for each in found.values() for action in policy.listed(each["Action"])
    }

    assert services == {"ecs", "iam", "secretsmanager", "tag"}


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/live" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@pytest.mark.parametrize(("path", "healthy"), [("/live", True), ("/dead", False)])
def test_the_health_check_asks_for_liveness(whole: Stack, path: str, healthy: bool) -> None:
    checks = [each["HealthCheck"] for each in containers(whole).values() if each["Essential"]]
    assert checks[0] == checks[1]
    word, *command = checks[0]["Command"]
    assert (word, command[0]) == ("CMD", "python")

    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        script = command[2].replace("9090/live", f"{server.server_port}{path}")
        done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
        server.shutdown()

    assert (done.returncode == 0) is healthy


def test_the_files_of_callers_are_written_before_a_gateway_starts(
    whole: Stack, tmp_path: Any
) -> None:
    found = containers(whole)
    writer, named = found["auth-files"], environment(found["gateway"])
    assert found["gateway"]["DependsOn"] == [
        {"ContainerName": "auth-files", "Condition": "SUCCESS"}
    ]
    contents = {each["Name"]: f"content of {each['Name']}" for each in writer["Secrets"]}
    assert writer["EntryPoint"] == ["python", "-c"]
    [script] = writer["Command"]

    script = script.replace(FILES, str(tmp_path / "auth"))
    subprocess.run([sys.executable, "-c", script], env=contents, check=True)

    for variable, content in (("PLT_AUTH_TOKENS", "TOKENS"), ("PLT_AUTH_RIGHTS", "RIGHTS")):
        file = tmp_path / "auth" / named[variable].removeprefix(f"{FILES}/")
        assert file.read_text() == contents[content]


def test_a_wrong_property_would_be_found() -> None:
    """Checks the check: each mistake is one that CloudFormation reports only at the creation."""
    stack = Stack(WORKERS)
    task = stack.resources["WorkerTask"]
    [container] = task["Properties"]["ContainerDefinitions"]
    container["ReadOnlyRoot"] = True
    container["StopTimeout"] = "soon"
    task["Properties"]["NetworkMode"] = "vpc"
    del task["Properties"]["Family"]

    [request] = api_inputs.requests("WorkerTask", task)
    found = json.dumps(request.problems())

    for expected in ("ReadOnlyRoot", "soon", "'vpc' is none of", "family"):
        assert expected in found
