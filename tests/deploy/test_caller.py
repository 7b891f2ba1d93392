"""The caller's variables: the processes to which `deploy/up` passes them, and wrong values."""

import base64
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.process.environment import ConfigurationError
from deploy import caller, stack
from deploy.failed import Failed
from deploy.ports import LOOPBACK
from deploy.targets import Target
from tests.forking import finish

TERMINAL = {
    "PATH": "/bin",
    "PLT_IN_FLIGHT": "7",
    "PLT_CONCURRENCY": "9",
    "PLT_K8S_CONCURRENCY": "3",
    "PLT_K8S_PROXY_URL": "http://another",
    "PLT_ECS_KEEP_REVISIONS": "2",
    "AWS_SECRET_ACCESS_KEY": "theirs",
}
CLUSTER = Target("k8s", "a cluster", "shop", {"PLT_PROVIDER": "k8s", "PLT_K8S_PROXY_URL": ""})
SANDBOX = Target("ecs", "AWS", "shop", {"AWS_ACCESS_KEY_ID": "sandbox"}, is_sandbox=True)
ACCOUNT = Target("ecs", "AWS", "shop", {"PLT_PROVIDER": "ecs", "AWS_REGION": "eu-west-1"})


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as listening:
        yield listening.getsockname()[1]


def reserve_address(port: int | None = None, **environ: str) -> caller.GatewayAddress:
    found = caller.reserve_address(environ, port)
    found.port.release()
    return found


def test_gateways_get_all_variables_except_those_of_platforms() -> None:
    found = caller.common_variables(TERMINAL)

    assert set(found) == {"PATH", "PLT_IN_FLIGHT", "PLT_CONCURRENCY"}


def test_workers_also_get_the_variables_of_their_platform() -> None:
    kubernetes = caller.worker_variables(TERMINAL, CLUSTER)
    aws = caller.worker_variables(TERMINAL, ACCOUNT)

    assert kubernetes["PLT_CONCURRENCY"] == aws["PLT_CONCURRENCY"] == "9"
    assert kubernetes["PLT_K8S_CONCURRENCY"] == "3"
    assert kubernetes["PLT_K8S_PROXY_URL"] == ""
    assert aws["PLT_ECS_KEEP_REVISIONS"] == "2"
    assert (aws["AWS_SECRET_ACCESS_KEY"], aws["AWS_REGION"]) == ("theirs", "eu-west-1")
    assert "AWS_SECRET_ACCESS_KEY" not in kubernetes
    assert "PLT_K8S_CONCURRENCY" not in aws


def test_workers_of_the_aws_sandbox_get_no_credentials_of_the_caller() -> None:
    found = caller.worker_variables(TERMINAL, SANDBOX)

    assert found["PLT_ECS_KEEP_REVISIONS"] == "2"
    assert {name for name in found if name.startswith("AWS_")} == {"AWS_ACCESS_KEY_ID"}


def test_other_programs_get_no_variables_of_machinist_or_aws() -> None:
    assert caller.base_variables(TERMINAL) == {"PATH": "/bin"}


def test_processes_get_one_broker_and_one_seal_key_whichever_variables_the_caller_has() -> None:
    """The value beside its `_FILE` twin would be a configuration error."""
    named = {"PLT_AMQP_URL_FILE": "/url"}
    made = stack.sealing({"PLT_SEAL_KEY_FILE": ""})

    assert named | stack.login("amqp://b") == {"PLT_AMQP_URL": "amqp://b", "PLT_AMQP_URL_FILE": ""}
    assert stack.sealing({"PLT_SEAL_KEY_FILE": "/key"}) == {"PLT_SEAL_KEY_FILE": "/key"}
    assert len(base64.b64decode(made["PLT_SEAL_KEY"])) == 32


def test_overridden_variables_are_named() -> None:
    assert caller.overridden(TERMINAL, [CLUSTER, ACCOUNT]) == ["PLT_K8S_PROXY_URL"]
    assert caller.overridden({"PLT_PROVIDER": "ecs"}, [CLUSTER, ACCOUNT]) == []
    assert caller.overridden({"PLT_PROVIDER": "ecs"}, [CLUSTER]) == ["PLT_PROVIDER"]


def test_the_port_comes_from_the_command_line_or_the_variable(busy_port: int) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        free = other.getsockname()[1]
    assert reserve_address(PLT_PORT=str(free)).url == f"http://127.0.0.1:{free}"
    assert reserve_address(free, PLT_PORT=str(busy_port)).port.number == free
    assert reserve_address().port.number in range(3042, 3142)
    assert reserve_address(PLT_PORT="0").port.number > 0


def test_a_busy_port_is_named_with_the_reason(busy_port: int) -> None:
    with pytest.raises(
        Failed, match=rf"no free port on 127\.0\.0\.1 \({busy_port}: Address already"
    ):
        reserve_address(PLT_PORT=str(busy_port))


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:"), ("::", "http://[::1]:"), ("localhost", "http://localhost:")],
)
def test_requests_go_to_an_address_on_which_the_gateway_listens(host: str, url: str) -> None:
    assert reserve_address(PLT_HOST=host).url.startswith(url)


def test_a_wrong_port_is_named_with_its_value() -> None:
    with pytest.raises(ConfigurationError, match="PLT_PORT='http': expected a port"):
        reserve_address(PLT_PORT="http")


def test_requests_to_a_gateway_with_authentication_have_the_token_of_the_caller() -> None:
    found = reserve_address(PLT_AUTH="token", PLT_TOKEN="machinist_t")

    assert found.headers == {"authorization": "Bearer machinist_t"}
    assert reserve_address().headers == {}
    with pytest.raises(ConfigurationError, match=r"PLT_TOKEN is not set: .* because PLT_AUTH=jwt"):
        reserve_address(PLT_AUTH="jwt")


def test_neither_gateway_nor_workers_receive_the_token_of_the_caller() -> None:
    environ = TERMINAL | {"PLT_TOKEN": "machinist_t"}

    assert "machinist_t" not in caller.common_variables(environ).values()
    assert "machinist_t" not in caller.worker_variables(environ, CLUSTER).values()


def test_the_provider_name_comes_from_the_variable() -> None:
    named = {"PLT_PROVIDER_NAME": "k8s-eu1"}

    assert caller.provider_name(named, ["k8s"]) == "k8s-eu1"
    assert caller.provider_name({}, ["k8s", "ecs"]) is None
    assert (CLUSTER.with_name("k8s-eu1").provider, CLUSTER.with_name(None).provider) == (
        "k8s-eu1",
        "k8s",
    )
    with pytest.raises(
        ConfigurationError, match=r"expected no name when workers .* started \(k8s and ecs\)"
    ):
        caller.provider_name({"PLT_PROVIDER_NAME": "eu1"}, ["k8s", "ecs"])
    with pytest.raises(ConfigurationError, match="'K8S': expected at most 32 lower-case letters"):
        caller.provider_name({"PLT_PROVIDER_NAME": "K8S"}, ["k8s"])


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        ([], {"PLT_PORT": "http"}),
        ([], {"PLT_PROVIDER_NAME": "eu1"}),
        ([], {"PLT_AMQP_URL": "amqp://a:b@h:1/ amqp://a:b@h:2/"}),
        ([], {"PLT_TLS_CERT": "/tls.crt"}),
        (["--port", "http"], {}),
    ],
)
def test_deploy_up_exits_with_2_for_a_wrong_variable_or_option_before_any_process_is_started(
    words: list[str], variables: dict[str, str]
) -> None:
    done = finish("deploy.launch", "--check", *words, environment=os.environ | variables)

    assert done.returncode == 2
    assert "expected" in done.stderr
    assert "ready" not in done.stdout


def test_a_busy_port_is_reported_before_any_process_is_started(
    busy_port: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.launch", "--check"],
        env=os.environ | {"PLT_PORT": str(busy_port), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.returncode == 1
    assert f"deploy/up failed: no free port on 127.0.0.1 ({busy_port}: " in done.stderr
    assert "ready" not in done.stdout
    assert list(tmp_path.iterdir()) == []
