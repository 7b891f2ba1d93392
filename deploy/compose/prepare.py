"""Makes the secrets and the definitions of deploy/compose.yaml: `python -m deploy.compose.prepare`.

`DIRECTORY/secrets` gets passwords, AMQP URLs and the seal key, kept if they exist;
`DIRECTORY/broker` gets the definitions, which RabbitMQ imports in alphabetical order.
"""

import argparse
import base64
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.broker_users import GATEWAY, users, worker
from deploy.rabbitmq import accounts, definitions

PROVIDERS = ["k8s", "ecs"]
HOST = "rabbitmq"
"""The name of the broker's service."""

PRIVATE, PUBLIC = 0o600, 0o644


def prepare(directory: Path) -> None:
    """Write the files. A second run changes only what a newer version defines differently."""
    kept, broker = directory / "secrets", directory / "broker"
    for folder in (kept, broker):
        folder.mkdir(parents=True, exist_ok=True)
    members = users(PROVIDERS)
    passwords = accounts.complete_passwords(kept / "passwords.json", members)
    for user in (GATEWAY, *map(worker, PROVIDERS)):
        write(kept / f"{user}.url", f"amqp://{user}:{passwords[user]}@{HOST}/", PRIVATE)
    if not (kept / "seal-key").exists():
        write(kept / "seal-key", base64.b64encode(secrets.token_bytes(32)).decode(), PRIVATE)
    queues = {"vhosts": [{"name": definitions.VHOST}], **definitions.definitions(PROVIDERS)}
    rights = accounts.definitions(members, passwords=passwords)
    # The broker runs as another user; hashes of random passwords need not be secret.
    write(broker / "1-queues.json", definitions.as_text(queues), PUBLIC)
    write(broker / "2-users.json", definitions.as_text(rights), PUBLIC)


def write(file: Path, text: str, mode: int) -> None:
    """Replace a file, so that no reader sees a part of it or another mode."""
    fresh = file.with_suffix(".part")
    fresh.touch(mode=PRIVATE)
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.replace(file)


def main(argv: Sequence[str]) -> None:
    """Prepare the directory of a command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.compose.prepare", description=__doc__)
    parser.add_argument("directory", type=Path, help="a folder, made if it is missing")
    prepare(parser.parse_args(argv).directory)


if __name__ == "__main__":
    main(sys.argv[1:])
