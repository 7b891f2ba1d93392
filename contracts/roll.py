"""The roll of a provider's workers, as gateways tell it to the owners of partitions."""

import msgspec


class Roll(msgspec.Struct, frozen=True):
    """How many workers are attached, and so share the partitions."""

    workers: int
