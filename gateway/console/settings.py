"""The settings of the console, from its environment."""

from msgspec import Struct

from contracts.environment import AmqpUrls, Level


class Settings(Struct, frozen=True):
    """The `PLT_*` variables of the console."""

    amqp_url: AmqpUrls
    logger_level: Level = "warn"
