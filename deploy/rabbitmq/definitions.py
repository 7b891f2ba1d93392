"""The topology as RabbitMQ definitions, for brokers on which machinist may create nothing.

`python -m deploy.rabbitmq.definitions k8s k8s-eu1 >definitions.json` writes those for the providers
named; `rabbitmqctl import_definitions` takes them, again and again. The file beside this module is
for `k8s` and `ecs`. Users are a matter of their own: `deploy.rabbitmq.accounts`.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from contracts import topology
from contracts.address import is_provider_name

VHOST = "/"
KEPT = Path(__file__).with_name("definitions.json")
KEPT_FOR = ["k8s", "ecs"]


def definitions(providers: list[str], vhost: str = VHOST) -> dict[str, Any]:
    """Everything but the replies queues, which gateways name after themselves."""
    parts = [topology.common(), *(topology.of_provider(name) for name in providers)]
    return {
        "exchanges": [
            {
                "name": exchange.name,
                "vhost": vhost,
                "type": exchange.type,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": exchange.arguments,
            }
            for part in parts
            for exchange in part.exchanges
        ],
        "queues": [
            {
                "name": queue.name,
                "vhost": vhost,
                "durable": True,
                "auto_delete": False,
                "arguments": queue.arguments,
            }
            for part in parts
            for queue in part.queues
        ],
        "bindings": [
            {
                "source": binding.source,
                "vhost": vhost,
                "destination": binding.destination,
                "destination_type": "exchange" if binding.to_exchange else "queue",
                "routing_key": binding.key,
                "arguments": binding.arguments,
            }
            for part in parts
            for binding in part.bindings
            # Definitions have no void. Gateways make this binding, and their user may.
            if None not in binding.arguments.values()
        ],
    }


def as_text(definitions: dict[str, Any]) -> str:
    """Definitions as JSON, one entry after another."""
    return msgspec.json.format(msgspec.json.encode(definitions), indent=2).decode() + "\n"


def parser(module: str) -> argparse.ArgumentParser:
    """What a program that writes definitions is asked: `providers` (maybe none) and `vhost`."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument(
        "providers", nargs="*", type=_provider, help=f"(default: {' '.join(KEPT_FOR)})"
    )
    parser.add_argument("--vhost", default=VHOST, help="must exist (default: %(default)s)")
    return parser


def main(argv: list[str]) -> None:
    """Print the definitions for the providers named."""
    asked = parser("deploy.rabbitmq.definitions").parse_args(argv)
    sys.stdout.write(as_text(definitions(asked.providers or KEPT_FOR, asked.vhost)))


def _provider(name: str) -> str:
    if not is_provider_name(name):
        raise argparse.ArgumentTypeError(
            f"{name!r} is no provider name: expected such as k8s or k8s-eu1"
        )
    return name


if __name__ == "__main__":
    main(sys.argv[1:])
