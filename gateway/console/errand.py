"""One errand on the broker: connects, does it, and says what kept it from being done."""

import asyncio

from contracts.broker.connection import Connection
from contracts.broker.errors import ConnectionLost, NotDeclared, Refused
from contracts.broker.reconnecting import ReconnectingConnection, Session

CONNECT_S = 5.0


class Failure(Exception):
    """The errand could not be done; the message says why and what to do."""


async def run(urls: str, name: str, errand: Session) -> None:
    """Do an errand over one connection, and from its beginning over another if that is lost.

    Raises Failure when no connection comes about in the first seconds, where a queue does not exist
    and where the user may not read it; what else the errand raises comes through as it is.
    """
    link = ReconnectingConnection(urls, name)
    connected = asyncio.Event()
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def session(connection: Connection) -> None:
        connected.set()
        try:
            await errand(connection)
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
            f"{error}: has a gateway or worker ever been connected to this virtual host?"
        ) from error
    except Refused as error:
        raise Failure(f"this user lacks a right: {error}") from error
    finally:
        running.cancel()
