"""Publishes many audit records as frames on a socket: 10,000 a second instead of 1,000."""

import secrets
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import count, islice
from typing import Any
from urllib.parse import unquote, urlsplit

from pamqp import frame
from pamqp.base import Frame
from pamqp.commands import Basic, Channel, Confirm, Connection
from pamqp.header import ProtocolHeader

from contracts import outcomes, topology
from contracts.broker.publishing import frames
from contracts.faults import Code
from contracts.outcomes import Cause, Outcome, Result
from contracts.records.command_ids import new_command_id
from contracts.records.requests import Request

COMMANDS = 1000
"""The number of different commands; each has two records, and the last one failed."""

SCOPES, NAMES, CLIENTS = 20, 500, 50
BATCH = 500
FRAME_MAX = 131_072
BOUND_S = 60

# The ids and the time in a template, which each record replaces by its own.
ID = "0123456789ab7cde8f0123456789abcd"
MESSAGE_ID = "fedcba98765432100123456789abcdef"
EPOCH = datetime(2001, 1, 1, 0, 0, 0, 1, tzinfo=UTC)


def plant(amqp_url: str, number: int) -> None:
    """Publish this number of records, two of each command, and await their confirms."""
    with closing(_Publisher(amqp_url)) as publisher:
        records = islice(_records(), number)
        while batch := list(islice(records, BATCH)):
            publisher.publish(batch)
        publisher.confirmed()


def _records() -> Iterator[bytes]:
    """Yield the frames of records, each with its own ids and time."""
    starts, ends = zip(*map(_templates, range(COMMANDS)), strict=True)
    for turn in count():
        moment = datetime.now(UTC)
        text = moment.replace(microsecond=moment.microsecond | 1).isoformat()
        identity = new_command_id().encode()
        for template in (starts[turn % COMMANDS], ends[turn % COMMANDS]):
            yield (
                template.replace(ID.encode(), identity)
                .replace(MESSAGE_ID.encode(), secrets.token_hex(16).encode())
                .replace(EPOCH.isoformat()[:-6].encode(), text[:-6].encode())
                .replace(_seconds(EPOCH), _seconds(moment))
            )


def _seconds(moment: datetime) -> bytes:
    return struct.pack(">Q", int(moment.timestamp()))


def _templates(number: int) -> tuple[bytes, bytes]:
    """Return the frames of both records of a command."""
    scope, name = f"ns-{number % SCOPES}", f"app-{number % NAMES}"
    replicas = number % 10
    started = Outcome(
        id=ID,
        result=Result.STARTED,
        operation="update_controller_replicas",
        provider="k8s" if number % 3 else "ecs",
        address=f"controllers.{scope}.{name}",
        requested_by=f"client-{number % CLIENTS}",
        user="gateway",
        asked=EPOCH,
        started=EPOCH,
        worker="worker-1",
        request=Request(
            exchange=topology.COMMANDS,
            deadline=EPOCH,
            body={"scope": scope, "name": name, "replicas": replicas, "kind": "Deployment"},
        ),
    )
    ended: dict[str, Any] = {"finished": EPOCH, "request": None}
    if number == COMMANDS - 1:
        fault = Cause(Code.NOT_FOUND, f"there is no controller {name!r}")
        ended |= {"result": Result.FAILED, "status": 404, "fault": fault}
    else:
        before, after = ({"replicas": each, "running": 1} for each in (replicas + 1, replicas))
        ended |= {"result": Result.DONE, "status": 200, "before": before, "after": after}
    fields = {name: getattr(started, name) for name in Outcome.__struct_fields__} | ended
    return _frames(started), _frames(Outcome(**fields))


def _frames(outcome: Outcome) -> bytes:
    message = outcomes.message_of(outcome, "worker/planted")
    encoded = frames(message, 1, FRAME_MAX, mandatory=False)
    return encoded.replace(message.message_id.encode(), MESSAGE_ID.encode())


class _Publisher:
    """A connection with a channel of publisher confirms; writes bytes, and counts confirms."""

    def __init__(self, amqp_url: str) -> None:
        url = urlsplit(amqp_url)
        assert url.hostname
        self._socket = socket.create_connection((url.hostname, url.port or 5672), BOUND_S)
        self._data = b""
        self._sent = self._acknowledged = 0
        self._socket.sendall(ProtocolHeader().marshal())
        self._await("Connection.Start")
        login = f"\0{unquote(url.username or '')}\0{unquote(url.password or '')}"
        self._send(0, Connection.StartOk(mechanism="PLAIN", response=login))
        tune = self._await("Connection.Tune")
        assert isinstance(tune, Connection.Tune)
        self._send(0, Connection.TuneOk(tune.channel_max, tune.frame_max, 0))
        self._send(0, Connection.Open(unquote(url.path[1:]) or "/"))
        self._await("Connection.OpenOk")
        self._send(1, Channel.Open())
        self._await("Channel.OpenOk")
        self._send(1, Confirm.Select())
        self._await("Confirm.SelectOk")

    def publish(self, records: list[bytes]) -> None:
        """Write records; wait if many are not confirmed."""
        self._socket.sendall(b"".join(records))
        self._sent += len(records)
        self.confirmed(self._sent - 10 * BATCH)

    def confirmed(self, number: int | None = None) -> None:
        """Wait until this number of records is confirmed, by default all."""
        while self._acknowledged < (self._sent if number is None else number):
            ack = self._await("Basic.Ack")
            assert isinstance(ack, Basic.Ack)
            self._acknowledged = max(self._acknowledged, ack.delivery_tag or 0)

    def close(self) -> None:
        """Close the connection."""
        self._send(0, Connection.Close(200, "", 0, 0))
        self._await("Connection.CloseOk")
        self._socket.close()

    def _send(self, channel: int, value: Frame) -> None:
        self._socket.sendall(frame.marshal(value, channel))

    def _await(self, name: str) -> object:
        """Read frames up to one of this name."""
        while True:
            size = struct.unpack_from(">I", self._data, 3)[0] + 8 if len(self._data) >= 7 else 7
            while len(self._data) < size:
                received = self._socket.recv(65536)
                assert received, "the broker closed the connection"
                self._data += received
                if size == 7 and len(self._data) >= 7:
                    size = struct.unpack_from(">I", self._data, 3)[0] + 8
            whole, self._data = self._data[:size], self._data[size:]
            found = frame.unmarshal(whole)[2]
            if getattr(found, "name", "") == name:
                return found


if __name__ == "__main__":
    began = time.monotonic()
    plant(sys.argv[1], int(sys.argv[2]))
    print(f"{sys.argv[2]} records in {time.monotonic() - began:.1f} s")
