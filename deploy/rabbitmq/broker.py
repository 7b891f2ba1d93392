"""What whoever needs a broker is told about it, wherever it comes from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Broker:
    """A RabbitMQ that can be used; its management page only where we know of one."""

    amqp_url: str
    origin: str
    management_url: str | None = None
    user: str | None = None
    password: str | None = None
