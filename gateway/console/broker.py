"""Runs one task on the broker, and reports why it failed."""

import asyncio
import logging
import os

from contracts.broker.connection import Connection
from contracts.broker.errors import ConnectionLost, NotDeclared, Refused
from contracts.broker.reconnecting import ReconnectingConnection, Session
from contracts.observation.logs import configure
from contracts.process.environment import Secret, load
from gateway.console.failures import Failure
from gateway.console.settings import Settings

CONNECT_S = 5.0


def on_broker(name: str, task: Session) -> None:
    """Run a task of the command `name` on the broker of the environment; raises as `run` does.

    Raises ConfigurationError.
    """
    asyncio.run(run(environment().amqp_url, f"machinist {name}", task))


def environment() -> Settings:
    """Return the settings of the environment, and log by them; raises ConfigurationError."""
    settings = load(Settings, os.environ)
    configure(settings.logger_level)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # the connection logs the same
    return settings


async def run(urls: Secret, name: str, task: Session) -> None:
    """Run a task on one connection; start it again on the next one if the connection is lost.

    Raises Failure if there is no connection within `CONNECT_S`, if a queue does not exist, or if
    the user may not read it; other exceptions of the task are raised unchanged.
    """
    link = ReconnectingConnection(urls, name)
    connected = asyncio.Event()
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def session(connection: Connection) -> None:
        connected.set()
        try:
            await task(connection)
        except ConnectionLost:
            raise
        except Exception as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    running = asyncio.create_task(link.run(session))
    try:
        async with asyncio.timeout(CONNECT_S):
            await connected.wait()
        await running
        await done
    except TimeoutError as error:
        raise Failure(f"no connection to the broker: {link.reason}") from error
    except NotDeclared as error:
        raise Failure(
            f"{error}: gateways and workers declare it when they connect to this virtual host"
        ) from error
    except Refused as error:
        raise Failure(f"this user lacks a right: {error}") from error
    finally:
        running.cancel()
