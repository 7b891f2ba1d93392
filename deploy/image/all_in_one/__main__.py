"""Runs broker, gateway and worker until SIGTERM: `python -m deploy.image.all_in_one`."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from contracts.observation.logs import JsonLine, configure
from contracts.printable import BREAKS, printable
from contracts.process.environment import ConfigurationError, load
from deploy.failed import Failed
from deploy.image.all_in_one import data
from deploy.image.all_in_one.broker import Broker, Ports
from deploy.image.all_in_one.settings import (
    Settings,
    check,
    gateway_variables,
    notes,
    worker_variables,
)
from deploy.image.all_in_one.sizes import LEAST_MEMORY, Sizes, free_disk, memory_limit, sizes
from deploy.image.all_in_one.supervisor import Program, supervise
from deploy.ports import Port
from deploy.rabbitmq.installation import installed
from deploy.rabbitmq.ready import GREETING

log = logging.getLogger(__name__)

EPMD_NAMES = b"\x00\x01n"
"""The request for the names of all nodes (Erlang's distribution protocol, EPMD_NAMES_REQ)."""

BROKER_START_S = 20
"""Then the gateway starts without a broker and answers 503, so that a liveness probe with the usual
limit of 30 s does not restart a container with little CPU for ever.
"""

BROKER_LEVELS = {"trace": "debug", "debug": "info", "silent": "none"}
"""RabbitMQ's levels for those of PLT_LOGGER_LEVEL; the others are `error`."""

STOP_S = {"gateway": 15.0, "worker": 21.0, "broker": 28.0, "port mapper": 29.0}
"""Ends of the programs after a stop request, within Kubernetes' grace period of 30 s. Requests are
finished while worker and broker run; then running operations have WORKER_GRACE_S; the broker needs
about 6 s.
"""


def main() -> None:
    """Run the programs; exit with status 2 after a configuration error."""
    os.umask(0o077)  # the data folder contains keys and messages
    try:
        check(os.environ)
        settings = load(Settings, os.environ)
        configure(settings.logger_level, settings.log_format)
        sys.exit(asyncio.run(serve(settings, os.environ)))
    except (ConfigurationError, Failed) as error:
        sys.stderr.write(f"all-in-one: {printable(str(error), keep=BREAKS)}\n")
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)


async def serve(settings: Settings, environ: Mapping[str, str]) -> int:
    """Run the programs until SIGTERM or SIGINT, or until one of them ends."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for note in notes(environ):
        log.warning(note)
    folder = Path(settings.data_folder)
    with ExitStack() as contexts:
        contexts.enter_context(data.locked(folder))
        temporary = folder / "tmp"
        temporary.mkdir(exist_ok=True)
        broker = Broker(
            folder / "broker",
            settings.attached_as(),
            free_ports(contexts),
            measured(folder),
            log_level=BROKER_LEVELS.get(settings.logger_level, "error"),
            log_format="json" if logs_json() else "plaintext",
        )
        broker.write()
        key = data.seal_key(folder)
        of_both = {**environ, "TMPDIR": str(temporary), "HOME": str(folder)}
        gateway = gateway_variables(of_both, settings, broker.login, key)
        worker = worker_variables(of_both, settings, broker.login, key)
        return await supervise(programs(broker, worker, gateway), stop)


def logs_json() -> bool:
    """Return whether this process, and so the others, log JSON."""
    return any(isinstance(each.formatter, JsonLine) for each in logging.getLogger().handlers)


def measured(folder: Path) -> Sizes:
    """Return the broker's sizes for this container, and warn if its memory is too small."""
    memory = memory_limit()
    if memory < LEAST_MEMORY:
        log.warning("the memory limit is %d bytes: expected at least %d", memory, LEAST_MEMORY)
    return sizes(memory, free_disk(folder, memory))


def free_ports(contexts: ExitStack) -> Ports:
    """Reserve free ports for the broker until the end of the contexts."""
    ports = [Port.any_free() for _ in range(3)]
    for port in ports:
        contexts.callback(port.release)
    amqp, distribution, epmd = (port.number for port in ports)
    return Ports(amqp=amqp, distribution=distribution, epmd=epmd)


def programs(
    broker: Broker, worker: Mapping[str, str], gateway: Mapping[str, str]
) -> list[Program]:
    """Return the programs in the order of their start, with the variables of each."""
    rabbitmq = installed()
    if rabbitmq is None:
        raise Failed("there is no RabbitMQ in this image: expected Debian's package")
    node = broker.environment()
    own = Path(sys.executable).parent
    return [
        Program(
            name="port mapper",
            command=(str(rabbitmq.epmd),),
            env=node,
            port=broker.ports.epmd,
            greeting=EPMD_NAMES,
            start_s=BROKER_START_S,
            stop_s=STOP_S["port mapper"],
            quiet=True,
        ),
        Program(
            name="broker",
            command=(str(rabbitmq.server),),
            env=node,
            port=broker.ports.amqp,
            greeting=GREETING,
            start_s=BROKER_START_S,
            stop_s=STOP_S["broker"],
            quiet=True,
        ),
        Program(
            name="worker",
            command=(str(own / "machinist-worker"),),
            env=worker,
            stop_s=STOP_S["worker"],
        ),
        Program(
            name="gateway",
            command=(str(own / "machinist-gateway"),),
            env=gateway,
            stop_s=STOP_S["gateway"],
        ),
    ]


if __name__ == "__main__":
    main()
