"""Readiness checks of a RabbitMQ on this machine."""

import base64
import http.client
import socket
from http import HTTPStatus

from deploy.ports import LOOPBACK

GREETING = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME = b"\x01"


def listens(port: int) -> bool:
    """Return whether a process accepts connections on this port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=5).close()
    except OSError:
        return False
    return True


def speaks_amqp(port: int) -> bool:
    """Return whether a broker answers an AMQP protocol header, as it does when it has started."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=5) as connection:
            connection.sendall(GREETING)
            return connection.recv(1) == METHOD_FRAME
    except OSError:
        return False


def serves_management(port: int, user: str, password: str) -> bool:
    """Return whether the management plugin accepts the login."""
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/api/overview", headers={"Authorization": f"Basic {login}"})
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
