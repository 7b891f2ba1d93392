"""The description of a broker, wherever it comes from."""

from collections.abc import Callable
from dataclasses import dataclass, field

from deploy.failed import Failed


def _unknown() -> None:
    """Return None for a broker of others, whose end is not observed."""


@dataclass(frozen=True)
class Broker:
    """A running RabbitMQ. The management URL is known only if `deploy/up` started it."""

    amqp_url: str = field(repr=False)
    origin: str
    management_url: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    exit_reason: Callable[[], str | None] = field(default=_unknown, repr=False, compare=False)
    """Returns the reason why a broker of `deploy/up` has ended, or None while it runs."""

    def check(self) -> None:
        """Raise Failed if the broker has ended: its messages are lost."""
        reason = self.exit_reason()
        if reason is not None:
            raise Failed(f"the broker has ended ({self.origin}): {reason}")
