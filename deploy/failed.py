"""The exception of a failed step of `deploy/up` or `deploy/test`."""


class Failed(Exception):
    """The message is for users and printed without a traceback: what was expected, what to do."""
