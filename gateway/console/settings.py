"""The settings of the console, from its environment."""

from msgspec import Struct

from contracts.environment import AmqpUrls, Level, Secret


class Settings(Struct, frozen=True):
    """The `PLT_*` variables of the console."""

    amqp_url: AmqpUrls
    logger_level: Level = "warn"


class SealSettings(Struct, frozen=True):
    """The keys of sealed bodies, for commands that open them."""

    seal_key: Secret = Secret()
