"""Lets each process into a broker that we started as a user of its own, as in production."""

from typing import Any
from urllib.parse import urlsplit

import httpx

from deploy.failed import Failed
from deploy.rabbitmq import accounts, definitions
from deploy.rabbitmq.broker import Broker
from deploy.rabbitmq.users import users


def logins(broker: Broker, providers: list[str]) -> dict[str, str]:
    """The AMQP URL of each user, once the broker has them and all that they may not create.

    Somebody else's broker is left as it is: there everybody is the user that its URL names.
    """
    everybody = users(providers)
    if broker.management_url is None:
        return {user.name: broker.amqp_url for user in everybody}
    passwords = {user.name: accounts.new_password() for user in everybody}
    # Exchanges go first, in a document of their own: from one document RabbitMQ imports permissions
    # first, and 4.0 with Khepri cannot create an exchange that has topic permissions already.
    _import(broker, definitions.definitions(providers))
    _import(broker, accounts.definitions(everybody, passwords=passwords))
    where = urlsplit(broker.amqp_url)
    return {
        name: where._replace(netloc=f"{name}:{password}@{where.hostname}:{where.port}").geturl()
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
        raise Failed(f"the broker takes no definitions: {error!r}") from error
    if answer.is_error:
        raise Failed(f"the broker takes no definitions: {answer.status_code} {answer.text}")
