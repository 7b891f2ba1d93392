"""The user that the page creates has sufficient rights; the shipped users have fewer."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.rabbitmq.node import RabbitNode
from tests.broker.users_vhost import UsersVhost, users_vhost
from tests.forking import finish
from tests.producer import publish, scale_event
from tests.producers.page import PAGE, blocks, creates_user, needs, variables_of
from tests.stack import Stack, eventually

PASSWORD = "chosen-by-a-test"
POSTS = ["bash", str(PAGE.parent / "scale.sh"), "default", "hello", "6"]


@pytest.fixture
def shipped(rabbit: RabbitNode) -> Iterator[UsersVhost]:
    """A virtual host with the shipped users and topology."""
    with users_vhost(rabbit, ["k8s"]) as broker:
        broker.import_over_http()
        yield broker


@pytest.fixture
def waiter(stack: Stack, tmp_path: Path) -> Iterator[str]:
    """The URL of the user that the page creates; a worker is attached.

    The worker declares the exchange of the topic permissions.
    """
    stack.worker()
    first = scale_event("hello", 1)
    eventually(lambda: publish(stack.amqp_url, [first]) == 0, what="a worker is attached")
    [block] = filter(creates_user, blocks())
    program = tmp_path / "rabbitmqctl"
    program.write_text(f"#!{sys.executable}\nimport shlex, sys\nprint(shlex.join(sys.argv[1:]))\n")
    program.chmod(0o755)
    vhost = stack.amqp_url.rpartition("/")[2]
    variables = {"RABBITMQ_VHOST": vhost, "WAITER_PASSWORD": PASSWORD}
    path = f"{tmp_path}:{os.environ['PATH']}"
    command = ["bash", "-eu", "-c", block.text]
    done = run(command, **variables, PATH=path)
    for line in done.stdout.splitlines():
        stack.node.ctl(*shlex.split(line))
    yield f"amqp://waiter:{PASSWORD}@127.0.0.1:{stack.node.port}/{vhost}"
    stack.node.ctl("delete_user", "waiter")


def publish_and_wait(url: str) -> subprocess.CompletedProcess[str]:
    """Run scale.py with a URL of the broker."""
    words = ("default", "hello", "6", "--wait")
    return finish(PAGE.parent / "scale.py", *words, environment=os.environ | {"PLT_AMQP_URL": url})


def run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs("bash")
def test_the_user_of_the_page_may_publish_and_wait(waiter: str) -> None:
    done = publish_and_wait(waiter)

    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout[done.stdout.index("{") :])
    assert (outcome["result"], outcome["user"]) == ("done", "waiter")


@pytest.mark.parametrize("role", ["producer", "auditor"])
def test_no_shipped_user_may_publish_and_wait(shipped: UsersVhost, role: str) -> None:
    done = publish_and_wait(shipped.url(role))

    assert done.returncode == 1
    assert "refused: " in done.stderr


@needs("bash", "curl")
def test_the_shipped_producer_needs_a_tag_for_the_http_api(
    rabbit: RabbitNode, shipped: UsersVhost
) -> None:
    variables = variables_of(rabbit, shipped.url("producer")) | {
        "RABBITMQ_USER": shipped.name("producer"),
        "RABBITMQ_PASSWORD": shipped.password("producer"),
    }
    without = run(POSTS, **variables)

    rabbit.ctl("set_user_tags", shipped.name("producer"), "management")

    assert "no tag 'management'" in without.stderr
    assert run(POSTS, **variables).stdout.startswith("accepted: k8s.0.controllers.default.hello")
