"""A gateway with one provider in this process, as an ASGI application."""

from contracts.broker.attendance import Attendance
from contracts.broker.reconnecting import ReconnectingConnection
from contracts.seal import Seals
from gateway.app import application
from gateway.calls.checks import Checks
from gateway.http.server import OnRawPath
from tests.loopback import Loopback
from worker.dispatch import Dispatch

KEYS = Seals([bytes(32)])
MOST_BODY_BYTES = 1_000_000


def before(name: str, provider: object) -> OnRawPath:
    """Return the application in front of a provider with this name."""
    loopback = Loopback(Dispatch(name, provider, KEYS), seals=KEYS)
    link = ReconnectingConnection("amqp://broker.test/", "test")
    checks = Checks(Attendance([]))
    return application(loopback, link, loopback.attendance, checks, MOST_BODY_BYTES)
