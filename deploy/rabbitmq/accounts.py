"""Users as RabbitMQ definitions, with passwords from a file.

`python -m deploy.rabbitmq.accounts --passwords passwords.json k8s k8s-eu1 >users.json` writes the
users for these providers, and adds missing passwords to the file. Import the result with
`rabbitmqctl import_definitions users.json`. The users.json beside this module is for `k8s` and
`ecs` and has no passwords: RabbitMQ refuses logins of users without a password.
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
from contracts.broker_users import AUDITORS_QUEUES, PRODUCER, User, users
from deploy.rabbitmq.definitions import KEPT_FOR, VHOST, as_text, parser

KEPT = Path(__file__).with_name("users.json")

DAY_MS = 24 * 60 * topology.MINUTE_MS
SALT_BYTES = 4
PASSWORD_BYTES = 24


def definitions(
    members: list[User], vhost: str = VHOST, passwords: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return users, their rights in a virtual host, and a policy that limits auditors' queues."""
    known = passwords or {}
    return {
        "users": [
            {
                "name": user.name,
                "password_hash": hashed(known[user.name]) if user.name in known else "",
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": list(user.tags),
            }
            for user in members
        ],
        "permissions": [
            {
                "user": user.name,
                "vhost": vhost,
                "configure": user.configure,
                "write": user.write,
                "read": user.read,
            }
            for user in members
        ],
        "topic_permissions": [
            {"user": user.name, "vhost": vhost, "exchange": exchange, "write": keys, "read": "^$"}
            for user in members
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
    """Return the salted hash of a password in RabbitMQ's format."""
    salt = secrets.token_bytes(SALT_BYTES)
    return base64.b64encode(salt + sha256(salt + password.encode()).digest()).decode()


def new_password() -> str:
    """Return a random password that needs no escaping in a URL."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def complete_passwords(file: Path, members: list[User]) -> dict[str, str]:
    """Return the passwords in a JSON file, after adding a new one for each user without one.

    Raises msgspec.DecodeError if the file is not a JSON object of strings.
    """
    kept = msgspec.json.decode(file.read_bytes(), type=dict[str, str]) if file.exists() else {}
    passwords = {user.name: new_password() for user in members} | kept
    file.touch(mode=0o600)
    file.write_text(as_text(passwords))
    return passwords


def main(argv: list[str]) -> None:
    """Print the definitions of the users for the providers on the command line."""
    arguments = parser("deploy.rabbitmq.accounts")
    arguments.add_argument(
        "--producer",
        action="append",
        metavar="NAME",
        help="a user for a producer; may be repeated (default: producer)",
    )
    arguments.add_argument("--prefix", default="", help="a prefix for the names of all users")
    arguments.add_argument(
        "--passwords",
        type=Path,
        metavar="FILE",
        help="a JSON file of passwords, created if it is missing; missing passwords are added",
    )
    args = arguments.parse_args(argv)
    members = users(args.providers or KEPT_FOR, args.producer or [PRODUCER], args.prefix)
    if len({user.name for user in members}) < len(members):
        arguments.error("expected producers with names that no other user has")
    try:
        passwords = complete_passwords(args.passwords, members) if args.passwords else None
    except msgspec.DecodeError as error:
        arguments.error(f"{args.passwords}: expected a JSON object, user to password: {error}")
    except OSError as error:
        arguments.error(f"{args.passwords}: expected a file to read and write: {error.strerror}")
    sys.stdout.write(as_text(definitions(members, args.vhost, passwords)))


if __name__ == "__main__":
    main(sys.argv[1:])
