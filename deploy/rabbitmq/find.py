"""Finds a broker: the one of PLT_AMQP_URL, else one in Docker, else a private node.

If PLT_RABBITMQ_BIN names the programs of a private node, Docker is not used.
"""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from msgspec import Struct

from contracts.broker.reconnecting import broker_urls
from contracts.process.environment import FILE, AmqpUrls, load
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
    """The variable with the URLs of a broker."""

    amqp_url: AmqpUrls


@contextmanager
def started(folder: Path, environ: Mapping[str, str], say: Say) -> Iterator[Broker]:
    """Provide a new broker during the context. A private node has its files in `folder`."""
    docker = None
    if not environ.get(installation.VARIABLE) and engine_answers():
        docker = partial(container, say)
    with first(docker, lambda: private_node(folder, environ, say), say) as found:
        yield found


@contextmanager
def first(docker: Provide | None, private: Provide, say: Say) -> Iterator[Broker]:
    """Provide a broker in Docker, or a private node without an engine or after its failure."""
    with ExitStack() as stack:
        yield _entered(stack, docker, say) or stack.enter_context(private())


def is_named(environ: Mapping[str, str]) -> bool:
    """Tell whether the environment names a broker."""
    return bool(environ.get(VARIABLE) or environ.get(VARIABLE + FILE))


def named(environ: Mapping[str, str]) -> Broker:
    """Return the broker of PLT_AMQP_URL or PLT_AMQP_URL_FILE if one of its nodes is reachable.

    Raises Failed if none does, and ConfigurationError for a wrong URL.
    """
    refused = []
    urls = load(Named, environ).amqp_url
    for url in broker_urls(urls):
        address = url.raw_host or "", url.port or PORTS[url.scheme]
        try:
            socket.create_connection(address, timeout=5).close()
        except OSError as error:
            refused.append(f"{address[0]}:{address[1]} ({error})")
        else:
            return Broker(
                amqp_url=urls.read(), origin=f"{address[0]}:{address[1]}, from {VARIABLE}"
            )
    raise Failed(
        f"no broker of {VARIABLE} accepts connections: {', '.join(refused)}. Start that broker, or "
        f"unset {VARIABLE} to start a private one"
    )


@contextmanager
def private_node(folder: Path, environ: Mapping[str, str], say: Say) -> Iterator[Broker]:
    """Run the RabbitMQ of PLT_RABBITMQ_BIN, or else the distribution's, as a private node."""
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
            exit_reason=node.exit_reason,
        )


def _entered(stack: ExitStack, docker: Provide | None, say: Say) -> Broker | None:
    if docker is None:
        return None
    try:
        return stack.enter_context(docker())
    # An engine fails in too many ways to list (no image, no network, no rights), and a private node
    # can replace it after each of them.
    except Exception as error:
        say(f"Docker cannot run RabbitMQ, so a private node is used: {error}")
        return None
