"""The definitions of users: the names that their patterns match, and their passwords."""

import base64
import json
import os
import re
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from contracts import topology
from contracts.broker_users import User, users
from deploy.rabbitmq import accounts
from deploy.rabbitmq.definitions import KEPT_FOR, as_text
from tests.forking import finish

PROVIDERS = ["k8s", "k8s-eu1", "ecs"]


def definitions(*words: str) -> dict[str, Any]:
    """Return the definitions that the program prints."""
    done = finish("deploy.rabbitmq.accounts", *words, environment=os.environ)
    done.check_returncode()
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def is_hash_of(password: str, kept: str) -> bool:
    """Compare a password with a hash as RabbitMQ does."""
    raw = base64.b64decode(kept)
    return sha256(raw[:4] + password.encode()).digest() == raw[4:]


def rights(user: User) -> list[str]:
    return [user.configure, user.write, user.read, *user.keys.values()]


def test_the_shipped_users_are_up_to_date_and_have_no_password() -> None:
    kept = accounts.KEPT.read_text()

    assert kept == as_text(accounts.definitions(users(KEPT_FOR))), (
        "run: python -m deploy.rabbitmq.accounts >deploy/rabbitmq/users.json"
    )
    assert {user["password_hash"] for user in json.loads(kept)["users"]} == {""}


@pytest.mark.parametrize("user", users(PROVIDERS), ids=lambda user: user.name)
def test_every_pattern_matches_whole_names(user: User) -> None:
    """RabbitMQ accepts a match anywhere in a name."""
    for pattern in rights(user):
        assert pattern.startswith("^")
        assert pattern.endswith("$")
        assert not re.search(pattern, "anything")
        assert not re.search(pattern, "machinistXreplies")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_worker_may_read_exactly_the_queues_of_its_provider(provider: str) -> None:
    [worker] = [user for user in users(PROVIDERS) if user.name == f"worker-{provider}"]
    parts = [topology.common(), *map(topology.of_provider, PROVIDERS)]
    queues = [queue.name for part in parts for queue in part.queues]

    readable = [name for name in queues if re.search(worker.read, name)]

    assert readable == [queue.name for queue in topology.of_provider(provider).queues]


def test_a_gateway_may_declare_only_its_replies_queues() -> None:
    gateway = users(PROVIDERS)[0]
    own = topology.of_gateway("0123456789ab", 12).queues[0].name

    assert re.search(gateway.configure, own)
    assert not re.search(gateway.configure, topology.REPLIES)


def test_missing_passwords_are_added_to_a_private_file_and_others_kept(tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    words = ["--passwords", str(file), "--prefix", "shop-", "--vhost", "shop"]
    definitions(*words, "k8s")
    first = json.loads(file.read_text())

    again = definitions(*words, "k8s", "k8s-eu1")

    passwords = json.loads(file.read_text())
    assert file.stat().st_mode & 0o777 == 0o600
    assert first.items() < passwords.items()
    assert set(passwords) - set(first) == {"shop-worker-k8s-eu1"}
    for user in again["users"]:
        assert is_hash_of(passwords[user["name"]], user["password_hash"])
    assert {each["vhost"] for each in again["permissions"]} == {"shop"}


def test_a_password_in_the_file_is_used(tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    file.write_text('{"gateway": "chosen"}')

    [gateway, *_] = definitions("--passwords", str(file))["users"]

    assert is_hash_of("chosen", gateway["password_hash"])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["commands"], "'commands' is not a provider name: expected one such as k8s or k8s-eu1"),
        (["--producer", "gateway"], "expected producers with names that no other user has"),
        (["--passwords", __file__], "expected a JSON object, user to password"),
    ],
)
def test_wrong_arguments_are_refused_with_the_expectation(words: list[str], reason: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as raised:
        definitions(*words)

    assert raised.value.returncode == 2
    assert reason in raised.value.stderr


def test_each_producer_is_a_separate_user_with_the_same_rights() -> None:
    printed = definitions("--producer", "billing", "--producer", "autoscaler")

    rights = {each["user"]: each["write"] for each in printed["permissions"]}
    assert rights["billing"] == rights["autoscaler"] == r"^(machinist\.events)$"
    assert "producer" not in rights
