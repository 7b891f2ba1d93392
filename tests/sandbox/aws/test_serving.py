"""The server: start, stop, several sandboxes, reset, and speed."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.sandbox.aws.account import Pace
from deploy.sandbox.aws.server import AwsSandbox
from tests.sandbox.aws.conftest import connected, until
from tests.sandbox.aws.refusals import refused


async def test_it_serves_in_a_loop_that_its_clients_block() -> None:
    async with AwsSandbox() as aws:
        ecs = connected(aws, "ecs")
        names = ecs.list_services()["serviceArns"]
        ecs.close()
    assert len(names) == 2


def test_its_threads_end_though_clients_stay_connected() -> None:
    before = set(threading.enumerate())
    with AwsSandbox.in_thread(seed=False) as aws:
        ecs = connected(aws, "ecs")
        ecs.list_clusters()
    assert set(threading.enumerate()) == before
    ecs.close()


def test_two_sandboxes_are_independent() -> None:
    with AwsSandbox.in_thread(seed=False) as one, AwsSandbox.in_thread(seed=False) as two:
        arn = one.add_service("web")["serviceArn"]
        one.add_listener()
        account = arn.split(":")[4]
        ecs, balancing = connected(two, "ecs"), connected(two, "elbv2")
        assert ecs.list_clusters()["clusterArns"] == []
        assert balancing.describe_load_balancers()["LoadBalancers"] == []
        assert account not in two.add_cluster("default")
        ecs.close()
        balancing.close()


def test_a_delayed_request_does_not_delay_the_shutdown() -> None:
    with AwsSandbox.in_thread(seed=False) as aws:
        # Longer than the timeout of a test.
        aws.faults.add(delay=600)
        host, port = aws.url.removeprefix("http://").split(":")
        client = socket.create_connection((host, int(port)))
        client.sendall(b"GET / HTTP/1.1\r\nhost: sandbox\r\n\r\n")
        until(lambda: len(aws.calls))
    client.close()


def test_a_client_that_disconnects_early_does_no_harm(aws: AwsSandbox, ecs: Any) -> None:
    aws.faults.add(delay=0.1)
    host, port = aws.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: sandbox\r\n\r\n")
        until(lambda: len(aws.calls))
    until(lambda: aws.calls[0].t_end)
    assert ecs.list_clusters()["clusterArns"]


def test_a_port_that_is_taken_is_an_error_for_the_caller() -> None:
    with AwsSandbox.in_thread(seed=False) as aws:
        port = int(aws.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), AwsSandbox.in_thread(port=port):
            pass


def test_connections_are_kept_alive(aws: AwsSandbox) -> None:
    with httpx.Client(base_url=aws.url) as client:
        answers = [client.get("/_sandbox/calls") for _ in range(3)]
        streams = [answer.extensions["network_stream"] for answer in answers]
        ports = {stream.get_extra_info("client_addr")[1] for stream in streams}
    assert len(ports) == 1


def test_a_reset_keeps_only_the_network(
    aws: AwsSandbox, ecs: Any, balancing: Any, secrets: Any
) -> None:
    network = aws.subnets, aws.security_group
    aws.add_service("web", "shop")
    aws.add_listener()
    aws.add_cloud_map_service("web")
    aws.add_target_group("web")
    secrets.create_secret(Name="s", SecretString="x")
    aws.pace.running_after = None
    aws.faults.add("ecs:ListClusters", "ServerException", times=None)
    assert {"PLT_ECS_LISTENER_ARN", "PLT_ECS_CLOUD_MAP_NAMESPACE_ID"} <= aws.environment.keys()
    aws.reset()

    assert (aws.subnets, aws.security_group) == network
    assert "PLT_ECS_LISTENER_ARN" not in aws.environment
    assert "PLT_ECS_CLOUD_MAP_NAMESPACE_ID" not in aws.environment
    assert aws.pace == Pace()
    assert list(aws.calls) == []
    assert ecs.list_clusters()["clusterArns"] == []
    assert balancing.describe_target_groups()["TargetGroups"] == []
    assert secrets.list_secrets()["SecretList"] == []


def test_the_seed_is_an_application_with_its_infrastructure() -> None:
    with AwsSandbox.in_thread() as aws:
        hello, store = aws.service("hello"), aws.service("store")
        labels = {tag["key"]: tag["value"] for tag in hello["tags"]}
        assert (hello["runningCount"], store["runningCount"]) == (2, 1)
        assert labels == {
            "app.kubernetes.io/name": "hello",
            "app.kubernetes.io/instance": "hello-1-4-0",
            "plt.dev/version": "1.4.0",
        }
        assert aws.listener_arn is not None
        assert aws.namespace_id is not None
        first = aws.service("hello")["serviceArn"]
        aws.reset()
        assert aws.service("hello")["serviceArn"] == first


def test_moto_answers_other_requests_for_the_same_account(aws: AwsSandbox) -> None:
    ec2, sts = connected(aws, "ec2"), connected(aws, "sts")
    subnets = ec2.describe_subnets()["Subnets"]
    account = sts.get_caller_identity()["Account"]
    ec2.close()
    sts.close()

    assert {subnet["SubnetId"] for subnet in subnets} == set(aws.subnets)
    assert account == aws.account.number
    assert aws.calls.actions() == ["ec2:DescribeSubnets", "sts:GetCallerIdentity"]


def test_a_request_signed_for_another_region_is_refused(aws: AwsSandbox) -> None:
    ecs = connected(aws, "ecs", region_name="us-east-1")
    with refused("InvalidSignatureException", "valid region"):
        ecs.list_clusters()
    ecs.close()


def test_a_pace_can_be_set_at_the_start() -> None:
    with AwsSandbox.in_thread(seed=False, pace=Pace(running_after=None)) as aws:
        aws.add_service("web", desired=1)
        assert aws.service("web")["pendingCount"] == 1


def test_a_thousand_tasks_take_a_second_or_two(aws: AwsSandbox, ecs: Any, tagging: Any) -> None:
    began = time.process_time()
    aws.add_service("web", "shop", desired=1000, tags={"app": "web"})
    pages = ecs.get_paginator("list_tasks").paginate(cluster="shop")
    arns = [arn for page in pages for arn in page["taskArns"]]
    count = 0
    for start in range(0, len(arns), 100):
        chunk = arns[start : start + 100]
        count += len(ecs.describe_tasks(cluster="shop", tasks=chunk, include=["TAGS"])["tasks"])
    found = tagging.get_paginator("get_resources").paginate(
        ResourceTypeFilters=["ecs:task"], ResourcesPerPage=100
    )
    tagged = sum(len(page["ResourceTagMappingList"]) for page in found)

    assert (count, tagged) == (1000, 1000)
    assert time.process_time() - began < 10


def test_calls_faults_and_reset_are_available_over_http(aws: AwsSandbox, ecs: Any) -> None:
    with httpx.Client(base_url=f"{aws.url}/_sandbox/") as client:
        fault = {"action": "ecs:ListClusters", "code": "ServerException", "status": 500}
        client.post("faults", json=fault).raise_for_status()
        with refused("ServerException", status=500):
            ecs.list_clusters()
        [call] = client.get("calls").json()
        [listed] = client.get("faults").json()
        wrong = client.post("faults", json={"times": "often"}).status_code
        client.post("reset").raise_for_status()
        rest = client.get("calls").json(), client.get("faults").json()
        unknown = client.get("nothing").status_code

    assert (call["action"], call["error"], listed["hits"]) == (
        "ecs:ListClusters",
        "ServerException",
        1,
    )
    assert (wrong, unknown, rest) == (400, 404, ([], []))


def test_the_command_prints_the_urls_and_settings(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.sandbox", "--directory", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        found = httpx.get(said["aws"]["url"] + "/_sandbox/calls").json()
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=60)

    environment = said["aws"]["environment"]
    assert (found, status) == ([], 0)
    assert said["aws"]["region"] == environment["PLT_ECS_REGION"] == "eu-central-1"
    assert environment["PLT_ECS_ENDPOINT"] == said["aws"]["url"]
    assert {"PLT_ECS_SUBNETS", "PLT_ECS_LISTENER_ARN", "AWS_ACCESS_KEY_ID"} <= environment.keys()
    files = {"ca_path", "token_path", "worker_token_path"}
    assert {"url"} | files == said["kubernetes"].keys()
