"""What `deploy/up` passes on of its caller's variables, and what it does about the rest."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.environment import ConfigurationError
from deploy import caller
from deploy.attached import Attached
from deploy.failed import Failed
from deploy.ports import LOOPBACK

TERMINAL = {
    "PATH": "/bin",
    "PLT_IN_FLIGHT": "7",
    "PLT_CONCURRENCY": "9",
    "PLT_K8S_CONCURRENCY": "3",
    "PLT_K8S_PROXY_URL": "http://another",
    "PLT_ECS_KEEP_REVISIONS": "2",
    "AWS_SECRET_ACCESS_KEY": "theirs",
}
CLUSTER = Attached("k8s", "a cluster", "shop", {"PLT_PROVIDER": "k8s", "PLT_K8S_PROXY_URL": ""})
STAND_IN = Attached("ecs", "AWS", "shop", {"AWS_ACCESS_KEY_ID": "sandbox"}, planted=True)
ACCOUNT = Attached("ecs", "AWS", "shop", {"PLT_PROVIDER": "ecs", "AWS_REGION": "eu-west-1"})


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as listening:
        yield listening.getsockname()[1]


def place(port: int | None = None, **environ: str) -> caller.Place:
    found = caller.place(environ, port)
    found.port.release()
    return found


def test_gateways_get_all_variables_but_those_of_platforms() -> None:
    found = caller.common(TERMINAL)

    assert set(found) == {"PATH", "PLT_IN_FLIGHT", "PLT_CONCURRENCY"}


def test_workers_get_those_of_their_platform_too() -> None:
    kubernetes = caller.of_workers(TERMINAL, CLUSTER)
    aws = caller.of_workers(TERMINAL, ACCOUNT)

    assert kubernetes["PLT_CONCURRENCY"] == aws["PLT_CONCURRENCY"] == "9"
    assert kubernetes["PLT_K8S_CONCURRENCY"] == "3"
    assert kubernetes["PLT_K8S_PROXY_URL"] == ""
    assert aws["PLT_ECS_KEEP_REVISIONS"] == "2"
    assert (aws["AWS_SECRET_ACCESS_KEY"], aws["AWS_REGION"]) == ("theirs", "eu-west-1")
    assert "AWS_SECRET_ACCESS_KEY" not in kubernetes
    assert "PLT_K8S_CONCURRENCY" not in aws


def test_a_stand_in_for_aws_gets_nobodys_credentials() -> None:
    found = caller.of_workers(TERMINAL, STAND_IN)

    assert found["PLT_ECS_KEEP_REVISIONS"] == "2"
    assert {name for name in found if name.startswith("AWS_")} == {"AWS_ACCESS_KEY_ID"}


def test_other_programs_get_none() -> None:
    assert caller.plain(TERMINAL) == {"PATH": "/bin"}


def test_variables_that_are_not_used_are_told() -> None:
    assert caller.unused(TERMINAL, [CLUSTER, ACCOUNT]) == ["PLT_K8S_PROXY_URL"]
    assert caller.unused({"PLT_PROVIDER": "ecs"}, [CLUSTER, ACCOUNT]) == []
    assert caller.unused({"PLT_PROVIDER": "ecs"}, [CLUSTER]) == ["PLT_PROVIDER"]


def test_the_port_is_that_of_the_command_line_or_of_the_variable(taken: int) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        free = other.getsockname()[1]
    assert place(PLT_PORT=str(free)).url == f"http://127.0.0.1:{free}"
    assert place(free, PLT_PORT=str(taken)).port.number == free
    assert place().port.number in range(3042, 3142)
    assert place(PLT_PORT="0").port.number > 0


def test_a_port_that_is_taken_is_said_with_what_to_do(taken: int) -> None:
    with pytest.raises(Failed, match=rf"no free port on 127\.0\.0\.1 \({taken}: Address already"):
        place(PLT_PORT=str(taken))


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:"), ("::", "http://[::1]:"), ("localhost", "http://localhost:")],
)
def test_the_gateway_is_asked_where_it_listens(host: str, url: str) -> None:
    assert place(PLT_HOST=host).url.startswith(url)


def test_a_wrong_port_is_named_with_its_value() -> None:
    with pytest.raises(ConfigurationError, match="PLT_PORT='http': expected a port"):
        place(PLT_PORT="http")


def test_the_name_of_a_provider_is_that_of_the_variable() -> None:
    [found] = caller.named({"PLT_PROVIDER_NAME": "k8s-eu1"}, [CLUSTER])

    assert (found.provider, found.platform) == ("k8s-eu1", "k8s")
    with pytest.raises(
        ConfigurationError, match="expected it unset, since workers of k8s and ecs are started"
    ):
        caller.named({"PLT_PROVIDER_NAME": "eu1"}, [CLUSTER, ACCOUNT])
    with pytest.raises(ConfigurationError, match="'K8S': expected at most 32 lower-case letters"):
        caller.named({"PLT_PROVIDER_NAME": "K8S"}, [CLUSTER])


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        ([], {"PLT_PORT": "http"}),
        ([], {"PLT_PROVIDER_NAME": "eu1"}),
        ([], {"PLT_AMQP_URL": "amqp://a:b@h:1/ amqp://a:b@h:2/"}),
        (["--port", "http"], {}),
    ],
)
def test_deploy_up_exits_with_2_for_a_wrong_variable_as_for_a_wrong_word(
    words: list[str], variables: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.launch", "--check", *words],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.returncode == 2
    assert "expected" in done.stderr


def test_a_port_that_is_taken_is_found_before_anything_is_started(
    taken: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.launch", "--check"],
        env=os.environ | {"PLT_PORT": str(taken), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.returncode == 1
    assert f"deploy/up failed: no free port on 127.0.0.1 ({taken}: " in done.stderr
    assert "ready" not in done.stdout
    assert list(tmp_path.iterdir()) == []
