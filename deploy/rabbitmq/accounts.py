"""Users as RabbitMQ definitions, with the passwords that a file keeps for them.

`python -m deploy.rabbitmq.accounts --passwords passwords.json k8s k8s-eu1 >users.json` writes the
users for the providers named and makes the passwords that the file lacks; `rabbitmqctl
import_definitions users.json` takes the result. The users.json beside this module is for `k8s` and
`ecs` and without passwords: RabbitMQ lets nobody in who has none.
"""

import base64
import secrets
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from contracts import topology
from deploy.rabbitmq.definitions import KEPT_FOR, VHOST, as_text, parser
from deploy.rabbitmq.users import AUDITORS_QUEUES, PRODUCER, User, users

KEPT = Path(__file__).with_name("users.json")

DAY_MS = 24 * 60 * topology.MINUTE_MS
SALT_BYTES = 4
PASSWORD_BYTES = 24


def definitions(
    everybody: list[User], vhost: str = VHOST, passwords: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Users and their rights in one virtual host, and a bound on the queues that auditors make."""
    known = passwords or {}
    return {
        "users": [
            {
                "name": user.name,
                "password_hash": hashed(known[user.name]) if user.name in known else "",
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": list(user.tags),
            }
            for user in everybody
        ],
        "permissions": [
            {
                "user": user.name,
                "vhost": vhost,
                "configure": user.configure,
                "write": user.write,
                "read": user.read,
            }
            for user in everybody
        ],
        "topic_permissions": [
            {"user": user.name, "vhost": vhost, "exchange": exchange, "write": keys, "read": "^$"}
            for user in everybody
            for exchange, keys in user.keys.items()
        ],
        "policies": [
            {
                "vhost": vhost,
                "name": "machinist-auditors-queues",
                "pattern": AUDITORS_QUEUES,
                "apply-to": "queues",
                "priority": 0,
                "definition": {"max-length-bytes": 100 * topology.MIB, "expires": DAY_MS},
            }
        ],
    }


def hashed(password: str) -> str:
    """A password as RabbitMQ keeps it, with a salt of its own."""
    salt = secrets.token_bytes(SALT_BYTES)
    return base64.b64encode(salt + sha256(salt + password.encode()).digest()).decode()


def new_password() -> str:
    """One that fits into a URL as it is."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def completed(file: Path, everybody: list[User]) -> dict[str, str]:
    """The passwords in a JSON file, after those that it lacks were made and added to it.

    Raises msgspec.DecodeError where the file is no object of texts.
    """
    kept = msgspec.json.decode(file.read_bytes(), type=dict[str, str]) if file.exists() else {}
    passwords = {user.name: new_password() for user in everybody} | kept
    file.touch(mode=0o600)
    file.write_text(as_text(passwords))
    return passwords


def main(argv: list[str]) -> None:
    """Print the definitions of the users for the providers named."""
    arguments = parser("deploy.rabbitmq.accounts")
    arguments.add_argument(
        "--producer", action="append", metavar="NAME", help="one user each (default: producer)"
    )
    arguments.add_argument("--prefix", default="", help="goes before the name of each user")
    arguments.add_argument(
        "--passwords", type=Path, metavar="FILE", help="made, and added to, where it lacks one"
    )
    asked = arguments.parse_args(argv)
    everybody = users(asked.providers or KEPT_FOR, asked.producer or [PRODUCER], asked.prefix)
    if len({user.name for user in everybody}) < len(everybody):
        arguments.error("expected producers with names that no other user has")
    try:
        passwords = completed(asked.passwords, everybody) if asked.passwords else None
    except msgspec.DecodeError as error:
        arguments.error(f"{asked.passwords}: expected a JSON object, user to password: {error}")
    except OSError as error:
        arguments.error(f"{asked.passwords}: expected a file to read and write: {error.strerror}")
    sys.stdout.write(as_text(definitions(everybody, asked.vhost, passwords)))


if __name__ == "__main__":
    main(sys.argv[1:])
