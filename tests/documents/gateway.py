"""A gateway in this process in front of one provider, as an ASGI application."""

from contracts.broker.attendance import Attendance
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.seal import Seals
from gateway.app import application
from gateway.checks import Checks
from gateway.server import OnRawPath
from tests.loopback import Loopback
from worker.dispatch import Dispatch

KEYS = Seals([bytes(32)])
MOST_BODY_BYTES = 1_000_000


def before(name: str, provider: object) -> OnRawPath:
    """Return the application whose provider of this name is the one given."""
    loopback = Loopback(Dispatch(name, provider, KEYS), seals=KEYS)
    link = ReconnectingConnection("amqp://broker.test/", "test")
    checks = Checks(Attendance([]))
    return application(loopback, link, loopback.attendance, checks, MOST_BODY_BYTES)
