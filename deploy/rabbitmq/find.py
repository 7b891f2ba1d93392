"""Finds a broker: the one that is named, else one in Docker, else a private node.

PLT_RABBITMQ_BIN names the programs of a private node, which then goes before Docker.
"""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from msgspec import Struct

from contracts.broker.reconnecting import broker_urls
from contracts.environment import AmqpUrls, load
from deploy.failed import Failed
from deploy.rabbitmq import installation
from deploy.rabbitmq.broker import Broker
from deploy.rabbitmq.container import container, engine_answers
from deploy.rabbitmq.node import RabbitNode
from deploy.waiting import Say

VARIABLE = "PLT_AMQP_URL"
PORTS = {"amqp": 5672, "amqps": 5671}

Provide = Callable[[], AbstractContextManager[Broker]]


class Named(Struct, frozen=True):
    """The variable that names a broker."""

    amqp_url: AmqpUrls


@contextmanager
def broker(folder: Path, environ: Mapping[str, str], say: Say) -> Iterator[Broker]:
    """Provide a broker for as long as the context lasts; a private node lives in `folder`."""
    if urls := environ.get(VARIABLE):
        yield named(urls)
        return
    docker = None
    if not environ.get(installation.VARIABLE) and engine_answers():
        docker = partial(container, say)
    with first(docker, lambda: private_node(folder, environ, say), say) as found:
        yield found


@contextmanager
def first(docker: Provide | None, private: Provide, say: Say) -> Iterator[Broker]:
    """Provide Docker's broker; without an engine, or when that fails, a private one."""
    with ExitStack() as stack:
        yield _entered(stack, docker, say) or stack.enter_context(private())


def named(urls: str) -> Broker:
    """Return the broker of PLT_AMQP_URL, which may name several nodes, if one of them listens.

    Raises Failed where none does, and ConfigurationError for a wrong URL.
    """
    refused = []
    for url in broker_urls(load(Named, {VARIABLE: urls}).amqp_url):
        address = url.raw_host or "", url.port or PORTS[url.scheme]
        try:
            socket.create_connection(address, timeout=5).close()
        except OSError as error:
            refused.append(f"{address[0]}:{address[1]} ({error})")
        else:
            return Broker(amqp_url=urls, origin=f"{address[0]}:{address[1]}, as {VARIABLE} says")
    raise Failed(
        f"nothing listens where {VARIABLE} points: {', '.join(refused)}. Start that broker, or "
        f"unset {VARIABLE} to have one started"
    )


@contextmanager
def private_node(folder: Path, environ: Mapping[str, str], say: Say) -> Iterator[Broker]:
    """Run the named RabbitMQ, or the distribution's, installed if it may be, as a private node."""
    try:
        node = RabbitNode(folder, say=say, installation=installation.ensure(say, environ))
    except Failed as failure:
        raise Failed(
            f"no broker: {VARIABLE} is not set, no Docker engine is used, and {failure}"
        ) from failure
    with node:
        yield Broker(
            amqp_url=node.amqp_url,
            origin=f"a private node, port {node.port}",
            management_url=node.management_url,
            user=node.user,
            password=node.password,
            end=node.end,
        )


def _entered(stack: ExitStack, docker: Provide | None, say: Say) -> Broker | None:
    if docker is None:
        return None
    try:
        return stack.enter_context(docker())
    # An engine fails in too many ways to list (no image, no network, no rights), and none of them
    # matters as long as there is another broker to be had.
    except Exception as error:
        say(f"Docker answers but cannot run RabbitMQ, going on without it: {error}")
        return None
