"""RabbitMQ in a container of this machine's Docker engine, if one really answers."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from deploy.ports import LOOPBACK
from deploy.rabbitmq.broker import Broker
from deploy.rabbitmq.configuration import USER
from deploy.rabbitmq.ready import serves_management, speaks_amqp
from deploy.waiting import Say, wait_until

IMAGE = "rabbitmq:4.1-management"


def engine_answers() -> bool:
    """Tell whether there is an engine: the client alone, which many machines have, is none."""
    # Imported where it is used: it reads the user's Docker settings, and few runs get here.
    import docker

    try:
        client = docker.from_env(timeout=5)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    except (docker.errors.DockerException, OSError):
        return False
    finally:
        client.close()


@contextmanager
def container(say: Say) -> Iterator[Broker]:
    """Run RabbitMQ for as long as the context lasts, on loopback ports that Docker chooses."""
    from testcontainers.core.container import DockerContainer

    password = secrets.token_urlsafe(18)
    rabbit = (
        DockerContainer(IMAGE)
        .with_env("RABBITMQ_DEFAULT_USER", USER)
        .with_env("RABBITMQ_DEFAULT_PASS", password)
    )
    # Docker takes an address with the port; testcontainers' own methods open it to everybody.
    ports = cast(dict[str, Any], rabbit.ports)
    ports.update({"5672/tcp": (LOOPBACK, None), "15672/tcp": (LOOPBACK, None)})
    say(f"starting {IMAGE} in Docker, which may have to fetch it first")
    with rabbit:
        amqp = rabbit.get_exposed_port(5672)
        management = rabbit.get_exposed_port(15672)
        wait_until(lambda: speaks_amqp(amqp), 90, f"RabbitMQ in Docker speaks AMQP on port {amqp}")
        wait_until(
            lambda: serves_management(management, USER, password),
            30,
            f"RabbitMQ's management page answers on port {management}",
        )
        yield Broker(
            amqp_url=f"amqp://{USER}:{password}@{LOOPBACK}:{amqp}/",
            origin=f"{IMAGE} in Docker",
            management_url=f"http://{LOOPBACK}:{management}",
            user=USER,
            password=password,
            end=lambda: _end(rabbit.get_wrapped_container()),
        )


def _end(container: Any) -> str | None:
    """Say how a container ended, None while it runs."""
    import docker

    try:
        container.reload()
    except docker.errors.NotFound:
        return "its container was removed"
    except (docker.errors.DockerException, OSError) as error:
        return f"the Docker engine does not answer: {error}"
    status: str = container.status
    return None if status == "running" else f"its container is {status}"
