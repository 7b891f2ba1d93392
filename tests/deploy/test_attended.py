"""A broker with attached workers is refused for the sandbox."""

import asyncio

import pytest

from contracts import topology
from contracts.broker.connection import Connection
from contracts.broker.declaration import declare
from contracts.broker.reconnecting import ReconnectingConnection
from deploy.failed import Failed
from deploy.rabbitmq.attended import refuse_attended
from deploy.rabbitmq.node import RabbitNode


async def test_a_broker_with_attached_workers_is_refused_with_their_number(amqp_url: str) -> None:
    attached = asyncio.Event()

    async def attend(connection: Connection) -> None:
        await declare(connection, topology.common())
        await declare(connection, topology.of_provider("k8s"))
        channel = await connection.channel()
        await channel.consume(topology.queries_queue("k8s"), lambda delivery: None, prefetch=1)
        attached.set()
        await connection.lost()

    attending = asyncio.create_task(ReconnectingConnection(amqp_url, "test worker").run(attend))
    await attached.wait()
    with pytest.raises(Failed, match=r"attached to this broker already: k8s \(1\)"):
        await asyncio.to_thread(refuse_attended, amqp_url, ["k8s", "ecs"])
    await asyncio.to_thread(refuse_attended, amqp_url, ["ecs"])
    attending.cancel()


def test_a_refused_login_is_reported_with_its_reason(rabbit: RabbitNode) -> None:
    url = rabbit.amqp_url.replace(rabbit.password, "wrong")

    with pytest.raises(Failed, match=r"accepts no login: .*ACCESS_REFUSED"):
        refuse_attended(url, ["k8s"], within=3)
