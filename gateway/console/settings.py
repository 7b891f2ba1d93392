"""The settings of the console, from its environment."""

from msgspec import Struct

from contracts.process.environment import AmqpUrls, Level, Secret


class Settings(Struct, frozen=True):
    """The `PLT_*` variables of the console.

    `providers` are listed even if no worker announces them.
    """

    amqp_url: AmqpUrls
    logger_level: Level = "warn"
    providers: str = ""


class SealSettings(Struct, frozen=True):
    """The keys of sealed bodies, for commands that open them."""

    seal_key: Secret = Secret()
