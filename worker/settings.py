"""What a worker is told by its environment; the variables of its platform are the provider's."""

from typing import Annotated

from msgspec import Meta, Struct

from contracts.address import is_provider_name
from contracts.environment import SECRET, AmqpUrls, ConfigurationError, Level

Count = Annotated[int, Meta(ge=1, le=10_000, description="a whole number from 1 to 10000")]
Seconds = Annotated[int, Meta(ge=1, le=3600, description="seconds from 1 to 3600")]


class Settings(Struct, frozen=True):
    """The `PLT_*` variables of a worker."""

    amqp_url: AmqpUrls
    provider: str = "k8s"
    provider_name: str = ""
    concurrency: Count = 64
    grace_seconds: Seconds = 30
    seal_key: Annotated[str, Meta(extra=SECRET)] = ""
    logger_level: Level = "info"

    def attached_as(self) -> str:
        """The name that the provider is attached under: its platform's unless another is given."""
        name = self.provider_name or self.provider
        if not is_provider_name(name):
            raise ConfigurationError(
                f"PLT_PROVIDER_NAME={name!r}: expected at most 32 lower-case letters, digits and "
                "'-', beginning with a letter, and no word that paths or queues are named by"
            )
        return name
