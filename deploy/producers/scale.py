#!/usr/bin/env python3
"""Scales a controller by an event: an example to copy, which needs only aio-pika.

PLT_AMQP_URL has the URLs of the broker's nodes, separated by commas; or PLT_AMQP_URL_FILE names a
file that contains them. Exit status: 0 accepted (with --wait: done), 1 not accepted and never run
(with --wait: not done), 2 wrong arguments, 3 not known: repeat the command.
"""

import argparse
import asyncio
import json
import os
import random
import re
import sys
import time
import uuid
import zlib
from datetime import UTC, datetime
from pathlib import Path

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue, HeadersType
from aio_pika.exceptions import (
    AMQPError,
    ChannelClosed,
    DeliveryError,
    InvalidFrameError,
    PublishError,
)
from yarl import URL

CONFIRM_S = 10
VARIABLES = ("PLT_AMQP_URL", "PLT_AMQP_URL_FILE")
EXPECTED = "one or more URLs such as amqp://user:password@host:5672/vhost, separated by commas"
# A ';', '@' or '://' after the host indicates a second URL, or an unescaped '/' in a password.
LABEL = r"[^\s,;/?#@:.\[\]]{1,63}"
HOST = rf"(\[[0-9A-Fa-f:.]+\]|{LABEL}(\.{LABEL})*\.?)"
BROKER = re.compile(rf"amqps?://([^\s,/?#]*@)?{HOST}(:[0-9]+)?([/?]((?!://)[^\s,;@])*)?")
WORD = re.compile(r"[A-Za-z0-9_-]{1,80}")


async def main(args: argparse.Namespace) -> int:
    try:
        urls = brokers(configured())
    except OSError as error:
        return complain(2, f"PLT_AMQP_URL_FILE: expected a file that can be read: {error.strerror}")
    except ValueError:
        # The error is not shown, because it may contain the password.
        return complain(
            2, f"{' or '.join(VARIABLES)} (not shown): expected one of them, {EXPECTED}"
        )
    refusals = []
    for url in urls:
        try:
            connection = await aio_pika.connect(url.update_query(heartbeat=10), timeout=10)
        except InvalidFrameError:
            # aio-pika drops the reason that the broker sends.
            refusals.append(
                f"{url.host} does not open the virtual host {url.path[1:] or '/'!r}: expected one "
                f"that exists and in which the user {url.user or 'guest'!r} has rights"
            )
        except (AMQPError, OSError, TimeoutError) as error:
            refusals.append(f"no connection to {url.host}: {error!r}")
        else:
            return await scale_over(connection, args, url.user or "guest")
    return complain(1, "; ".join(refusals))


def configured() -> str:
    """Return the value of the variable, or of the file. Raises OSError and ValueError."""
    text, path = (os.environ.get(name) for name in VARIABLES)
    if text and path:
        raise ValueError
    if path:
        return Path(path).read_text().rstrip("\r\n")
    return text or "amqp://guest:guest@localhost/"


def brokers(text: str) -> list[URL]:
    """Return the URLs of a list in random order, to spread the load. Raises ValueError."""
    parts = [each.strip() for each in text.split(",")]
    if not all(BROKER.fullmatch(part) for part in parts):
        raise ValueError
    urls = [URL(part) for part in parts]
    return random.sample(urls, len(urls))


async def scale_over(connection: AbstractConnection, args: argparse.Namespace, user: str) -> int:
    """Scale over a connection, close it, and return the exit status."""
    async with connection:
        try:
            return await scale(connection, args, user)
        except PublishError:
            return complain(1, f"not routed: no worker has ever attached as {args.provider!r}")
        except DeliveryError:
            return complain(1, "nacked: the queue is full; repeat it in a few seconds")
        except ChannelClosed as error:
            return complain(1, f"refused: {error}")
        except (AMQPError, OSError, TimeoutError) as error:
            # Without a confirm the broker may or may not have the message.
            return complain(3, f"not known whether the command was accepted: {error!r}")


async def scale(connection: AbstractConnection, args: argparse.Namespace, user: str) -> int:
    """Publish the command, wait for the confirm, and with --wait for the outcome."""
    address = f"controllers.{args.scope}.{args.name}"
    key = f"{args.provider}.{zlib.crc32(address.encode()) % 8}.{address}"
    message = command(args, user)
    # With on_return_raises a returned message raises PublishError.
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    outcomes = await bind(channel, f"*.{args.provider}.{address}") if args.wait else None
    exchange = await channel.get_exchange("machinist.events", ensure=False)
    async with asyncio.timeout(CONFIRM_S):
        await exchange.publish(message, key, mandatory=True)
    print(f"accepted: {key} {message.message_id}", flush=True)
    if outcomes is None:
        return 0
    try:
        async with asyncio.timeout(args.deadline + CONFIRM_S):
            return await final(outcomes, message.message_id or "")
    except TimeoutError:
        return complain(3, "accepted, but without an outcome so far")


def command(args: argparse.Namespace, user: str) -> aio_pika.Message:
    """Return the message. README.md explains its properties."""
    now = time.time()
    body: dict[str, object] = {"scope": args.scope, "name": args.name, "replicas": args.replicas}
    if args.kind:
        body["kind"] = args.kind
    headers: HeadersType = {"deadline": int((now + args.deadline) * 1000)}
    if args.idempotency_key:
        headers["idempotency-key"] = args.idempotency_key
    return aio_pika.Message(
        json.dumps(body).encode(),
        type="update_controller_replicas",
        message_id=uuid.uuid4().hex,
        user_id=user,
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        expiration=args.deadline,  # in seconds; aio-pika converts them to milliseconds
        timestamp=datetime.fromtimestamp(int(now), UTC),
        app_id="scale.py",
        headers=headers,
    )


async def bind(channel: AbstractChannel, key: str) -> AbstractQueue:
    """Bind an exclusive queue for the outcomes. Do this before publishing, to miss none."""
    name = f"machinist.audit.{uuid.uuid4().hex}"
    queue = await channel.declare_queue(name, exclusive=True, auto_delete=True)
    await queue.bind("machinist.outcomes", key)
    return queue


async def final(outcomes: AbstractQueue, identity: str) -> int:
    """Wait for the final outcome of the command and print it."""
    async with outcomes.iterator(no_ack=True) as messages:
        async for message in messages:
            outcome = json.loads(message.body)
            if outcome["id"] == identity and outcome["result"] != "started":
                print(json.dumps(outcome, indent=2))
                return 0 if outcome["result"] == "done" else 1
    return 3


def complain(status: int, reason: str) -> int:
    # Control characters in the broker's message must not reach the terminal.
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in reason)
    sys.stderr.write(f"scale.py: {text}\n")
    return status


def word(text: str) -> str:
    """Check a name that needs no encoding in an address. `machinist address` encodes others."""
    if not WORD.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected at most 80 of A-Z a-z 0-9 _ -, got {text!r}")
    return text


def replicas(text: str) -> int:
    """Parse a number of machines."""
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}")
    return int(text)


def seconds(text: str) -> int:
    """Parse a deadline of at most ten minutes, the limit of machinist."""
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= 600:
        raise argparse.ArgumentTypeError(f"expected seconds from 1 to 600, got {text!r}")
    return int(text)


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scope", type=word, help="the namespace or cluster")
    parser.add_argument("name", type=word, help="the controller")
    parser.add_argument("replicas", type=replicas, help="an absolute number")
    parser.add_argument("--provider", default="k8s", help="the provider name (default: k8s)")
    parser.add_argument("--kind", help="the kind, such as Deployment, which saves a look-up")
    parser.add_argument("--deadline", type=seconds, default=60, help="seconds to start (60)")
    parser.add_argument("--idempotency-key", help="a repeat with the same key is not run again")
    parser.add_argument("--wait", action="store_true", help="wait for the outcome and print it")
    return parser


if __name__ == "__main__":
    sys.exit(asyncio.run(main(options().parse_args())))
