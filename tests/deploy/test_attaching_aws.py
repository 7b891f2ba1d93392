"""Attaching workers to the user's AWS account, here the sandbox."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.aws import attachment
from deploy.failed import Failed
from deploy.sandbox.aws.server import AwsSandbox
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.deploy import kubeconfigs

SECRET = "s3cr3t-0f-th3-acc0unt"
POLICY = Path(attachment.__file__).with_name("iam-policy.json")


@pytest.fixture(scope="module")
def account() -> Iterator[AwsSandbox]:
    with AwsSandbox.in_thread() as sandbox:
        yield sandbox


@pytest.fixture
def aws(account: AwsSandbox) -> AwsSandbox:
    account.reset()
    return account


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the AWS account of the user who runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))


def environ(**variables: str) -> dict[str, str]:
    """Return the variables of this process with others."""
    return {**os.environ, **variables}


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_PROFILE": "ops"}, "eu-west-3"),
        ({"AWS_PROFILE": "ops", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ({"AWS_DEFAULT_REGION": "eu-west-2", "AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "PLT_ECS_REGION": "eu-north-1"}, "eu-north-1"),
    ],
)
def test_the_region_of_the_most_specific_variable_is_used(
    tmp_path: Path, variables: dict[str, str], region: str
) -> None:
    (tmp_path / "aws-config").write_text("[profile ops]\nregion = eu-west-3\n")

    found = attachment.read(environ(**variables))

    assert found.environment()["PLT_ECS_REGION"] == found.region == region


def test_the_cluster_comes_from_the_option_or_the_variable_or_is_the_default() -> None:
    given = environ(AWS_REGION="eu-west-1")
    with_variable = given | {"PLT_ECS_CLUSTER": "shop"}

    found = [
        attachment.read(*words) for words in ((with_variable, "own"), (with_variable,), (given,))
    ]

    assert [each.cluster for each in found] == ["own", "shop", "default"]


def test_workers_get_only_the_variables_of_aws_and_of_the_provider() -> None:
    given = environ(AWS_REGION="eu-west-1", PLT_ECS_SUBNETS="subnet-1", PLT_AMQP_URL="amqp://b")

    environment = attachment.read(given).environment()

    assert environment["PLT_PROVIDER"] == "ecs"
    assert environment["PLT_ECS_SUBNETS"] == "subnet-1"
    assert environment["AWS_REGION"] == "eu-west-1"
    assert "PLT_AMQP_URL" not in environment
    assert "PATH" not in environment


def test_paths_of_files_are_relative_to_the_callers_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MACHINIST_CALLED_FROM", str(tmp_path))
    (tmp_path / "mine").write_text("[default]\nregion = eu-west-3\n")

    found = attachment.read(environ(AWS_CONFIG_FILE="mine"))

    assert found.region == "eu-west-3"
    assert found.environment()["AWS_CONFIG_FILE"] == str(tmp_path / "mine")


def test_the_description_of_an_account_contains_no_secret() -> None:
    found = attachment.read(
        environ(
            AWS_REGION="eu-west-1",
            AWS_PROFILE="ops",
            AWS_SECRET_ACCESS_KEY=SECRET,
            PLT_ECS_ENDPOINT=f"http://me:{SECRET}@localhost",
        )
    )

    assert str(found) == 'AWS (region eu-west-1, cluster "default", profile "ops")'
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    ("variables", "cluster", "message"),
    [
        ({}, None, "no AWS region: expected one in PLT_ECS_REGION or AWS_REGION"),
        ({"AWS_PROFILE": "gone"}, None, r"no AWS region: .*profile \(gone\) could not be found"),
        ({"AWS_REGION": "eu-west-1"}, "a/b", "the cluster 'a/b': expected a name of letters"),
    ],
)
def test_a_missing_region_or_a_wrong_cluster_is_a_failure_with_the_reason(
    variables: dict[str, str], cluster: str | None, message: str
) -> None:
    with pytest.raises(Failed, match=message):
        attachment.read(environ(**variables), cluster)


def test_valid_credentials_pass_the_check_without_a_write(aws: AwsSandbox) -> None:
    attachment.check(attachment.read(environ(**aws.environment)))

    assert aws.calls.actions() == ["ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeServices"]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"PLT_ECS_ENDPOINT": "http://127.0.0.1:1"},
            "reached.*\nExpected an AWS API of the region",
        ),
        (
            {"PLT_ECS_CLUSTER": "gone"},
            'no cluster "gone".*\nExpected a cluster "gone" in the region',
        ),
        ({"PLT_ECS_SUBNETS": "here"}, "PLT_ECS_SUBNETS='here': expected subnets such as"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "AWS_SECRET_ACCESS_KEY: expected both or none"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no AWS credentials were found"),
    ],
    ids=["endpoint", "cluster", "settings", "half a key", "no credentials"],
)
def test_wrong_settings_are_reported_with_the_expectation(
    aws: AwsSandbox, variables: dict[str, str], message: str
) -> None:
    given = {**aws.environment, "PLT_ECS_ATTEMPTS": "1", **variables}

    with pytest.raises(Failed, match=rf"(?s)AWS \(region eu-central-1, cluster.*{message}"):
        attachment.check(attachment.read(environ(**given)))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDeniedException", "lacks ecs:ListTasks.*\nExpected an identity with the rights of"),
        (
            "ExpiredTokenException",
            "did not accept.*\nExpected a list of tasks: the credentials may",
        ),
    ],
)
def test_an_error_of_aws_is_reported_with_the_expectation(
    aws: AwsSandbox, code: str, message: str
) -> None:
    aws.faults.add(code=code, message="refused", times=None)

    with pytest.raises(Failed, match=rf"(?s){message}"):
        attachment.check(attachment.read(environ(**aws.environment)))


def test_the_policy_named_in_the_message_exists() -> None:
    assert POLICY.is_file()
    assert POLICY.parts[-3:] == Path(attachment.POLICY).parts


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.launch", "--check", *words]
    return subprocess.run(
        command, env=environ(**environment), capture_output=True, text=True, timeout=110
    )


def test_no_process_is_started_if_the_check_of_the_account_fails(
    aws: AwsSandbox, tmp_path: Path
) -> None:
    done = run("--aws", "--cluster", "gone", **aws.environment, TMPDIR=str(tmp_path))

    assert done.returncode == 1
    assert 'deploy/up failed: AWS (region eu-central-1, cluster "gone"' in done.stderr
    assert "broker" not in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.full
def test_deploy_up_attaches_workers_to_an_account_and_a_cluster(
    aws: AwsSandbox, sandbox: KubernetesSandbox, tmp_path: Path, amqp_url: str
) -> None:
    file = kubeconfigs.for_sandbox(sandbox, tmp_path)
    variables = {**aws.environment, "PLT_AMQP_URL": amqp_url}

    done = run("--aws", "--kubeconfig", str(file), **variables)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f'attaching to AWS (region eu-central-1, cluster "default", {aws.url})' in done.stdout
    assert f"attaching to {sandbox.url}" in done.stdout
    assert "sandbox " not in done.stdout
    assert "ready: 2 of k8s and 2 of ecs" in done.stdout
    for provider in ("k8s", "ecs"):
        assert f"GET /{provider}/machines/default: 200, 3 machines" in done.stdout
    assert aws.calls.writes() == []
    assert sandbox.calls.writes() == []


@pytest.mark.full
def test_deploy_up_with_an_account_starts_no_sandbox(aws: AwsSandbox, amqp_url: str) -> None:
    done = run("--aws", **aws.environment, PLT_AMQP_URL=amqp_url)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "ready: 2 of ecs\n" in done.stdout
    assert "k8s" not in done.stdout
    assert "sandbox " not in done.stdout


@pytest.mark.full
def test_the_sandbox_ignores_the_users_aws_variables_and_proxies(
    amqp_url: str, tmp_path: Path
) -> None:
    user = {"AWS_PROFILE": "gone", "AWS_REGION": "nowhere", "HTTP_PROXY": "http://127.0.0.1:1"}

    done = run(**user, PLT_AMQP_URL=amqp_url, TMPDIR=str(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr
    for provider in ("k8s", "ecs"):
        assert f"GET /{provider}/machines/default: 200, 3 machines" in done.stdout
    assert list(tmp_path.iterdir()) == []
