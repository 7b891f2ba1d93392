"""Broker users for each process of `deploy/up`, as in production."""

from typing import Any
from urllib.parse import urlsplit

import httpx

from contracts.broker_users import users
from deploy.failed import Failed
from deploy.rabbitmq import accounts, definitions
from deploy.rabbitmq.broker import Broker


def logins(broker: Broker, providers: list[str]) -> dict[str, str]:
    """Import the topology and the users into the broker, and return the AMQP URL of each user.

    A broker that `deploy/up` did not start is not changed: each process uses the user of its URL.
    """
    members = users(providers)
    if broker.management_url is None:
        return {user.name: broker.amqp_url for user in members}
    passwords = {user.name: accounts.new_password() for user in members}
    # Exchanges first, in a separate document: from one document RabbitMQ imports permissions first,
    # and 4.0 with Khepri cannot create an exchange that has topic permissions already.
    _import(broker, definitions.definitions(providers))
    _import(broker, accounts.definitions(members, passwords=passwords))
    url = urlsplit(broker.amqp_url)
    return {
        name: url._replace(netloc=f"{name}:{password}@{url.hostname}:{url.port}").geturl()
        for name, password in passwords.items()
    }


def _import(broker: Broker, document: dict[str, Any]) -> None:
    try:
        answer = httpx.post(
            f"{broker.management_url}/api/definitions",
            json=document,
            auth=(broker.user or "", broker.password or ""),
            timeout=60,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise Failed(f"the broker refuses the definitions: {error!r}") from error
    if answer.is_error:
        raise Failed(f"the broker refuses the definitions: {answer.status_code} {answer.text}")
