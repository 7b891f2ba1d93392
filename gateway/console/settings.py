"""The settings of the console, from its environment."""

from msgspec import Struct

from contracts.environment import AmqpUrls, Level, Secret


class Settings(Struct, frozen=True):
    """The `PLT_*` variables of the console.

    With `seal_key`, the bodies of retried commands can be sealed and opened. `providers` are listed
    even if no worker announces them.
    """

    amqp_url: AmqpUrls
    logger_level: Level = "warn"
    seal_key: Secret = Secret()
    providers: str = ""
