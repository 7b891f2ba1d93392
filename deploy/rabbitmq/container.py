"""RabbitMQ in a container of this machine's Docker engine."""

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
    """Return whether a Docker engine answers. Many machines have only the client."""
    # Imported only when needed, because the import reads the user's Docker settings.
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
    """Run RabbitMQ during the context, on loopback ports that Docker chooses."""
    from testcontainers.core.container import DockerContainer

    password = secrets.token_urlsafe(18)
    rabbit = (
        DockerContainer(IMAGE)
        .with_env("RABBITMQ_DEFAULT_USER", USER)
        .with_env("RABBITMQ_DEFAULT_PASS", password)
    )
    # testcontainers' methods bind ports to all interfaces, but Docker also accepts an address.
    ports = cast(dict[str, Any], rabbit.ports)
    ports.update({"5672/tcp": (LOOPBACK, None), "15672/tcp": (LOOPBACK, None)})
    say(f"starting {IMAGE} in Docker, which may pull the image first")
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
            exit_reason=lambda: _exit_reason(rabbit.get_wrapped_container()),
        )


def _exit_reason(container: Any) -> str | None:
    """Return the reason why a container ended, or None while it runs."""
    import docker

    try:
        container.reload()
    except docker.errors.NotFound:
        return "its container was removed"
    except (docker.errors.DockerException, OSError) as error:
        return f"the Docker engine does not answer: {error}"
    status: str = container.status
    return None if status == "running" else f"its container is {status}"
