"""The topology as RabbitMQ definitions, for brokers on which machinist may not create it.

`python -m deploy.rabbitmq.definitions k8s k8s-eu1 >definitions.json` writes the definitions for
these providers. `rabbitmqctl import_definitions` imports them and may be repeated. The file beside
this module is for `k8s` and `ecs`. `deploy.rabbitmq.accounts` writes the users.
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
    """Return all exchanges, queues and bindings except the replies queues of gateways."""
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
            # Definitions cannot express a void argument. Gateways make this binding themselves.
            if None not in binding.arguments.values()
        ],
    }


def as_text(definitions: dict[str, Any]) -> str:
    """Return definitions as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(definitions), indent=2).decode() + "\n"


def parser(module: str) -> argparse.ArgumentParser:
    """Return a parser of `providers`, which may be empty, and `vhost`."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument(
        "providers", nargs="*", type=_provider, help=f"(default: {' '.join(KEPT_FOR)})"
    )
    parser.add_argument(
        "--vhost", default=VHOST, help="an existing virtual host (default: %(default)s)"
    )
    return parser


def main(argv: list[str]) -> None:
    """Print the definitions for the providers on the command line."""
    args = parser("deploy.rabbitmq.definitions").parse_args(argv)
    sys.stdout.write(as_text(definitions(args.providers or KEPT_FOR, args.vhost)))


def _provider(name: str) -> str:
    if not is_provider_name(name):
        raise argparse.ArgumentTypeError(
            f"{name!r} is not a provider name: expected one such as k8s or k8s-eu1"
        )
    return name


if __name__ == "__main__":
    main(sys.argv[1:])
