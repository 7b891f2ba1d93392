"""What whoever needs a broker is told about it, wherever it comes from."""

from collections.abc import Callable
from dataclasses import dataclass, field

from deploy.failed import Failed


def _lives() -> None:
    """Nothing is known of the end of a broker that is not ours."""


@dataclass(frozen=True)
class Broker:
    """A RabbitMQ that can be used; its management page only where we know of one."""

    amqp_url: str = field(repr=False)
    origin: str
    management_url: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    end: Callable[[], str | None] = field(default=_lives, repr=False, compare=False)
    """Says how a broker that we started has ended, None while it runs."""

    def check(self) -> None:
        """Fail where the broker has ended: nothing works without it, and its messages are gone."""
        end = self.end()
        if end is not None:
            raise Failed(f"the broker is gone ({self.origin}): {end}")
