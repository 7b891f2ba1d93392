"""The failure of a command on the broker or on a platform."""


class Failure(Exception):
    """The command failed; the message has the reason and the remedy."""
