"""Sets up logging for a process: one line a record, on standard error."""

import logging

LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "silent": logging.CRITICAL + 1,
}

WIRE_LOGGERS = (
    *("aiormq", "aio_pika"),
    *("aiohttp", "httpcore", "hpack", "httpx", "h11"),
    *("botocore", "aiobotocore", "aioboto3", "boto3"),
)
"""At debug level these print frames and headers, and so the bodies of secrets."""


def configure(level: str) -> None:
    """Log from this level up; the libraries on the wire only what nobody else tells."""
    logging.basicConfig(
        level=LEVELS[level],
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    for name in WIRE_LOGGERS:
        logging.getLogger(name).setLevel(max(LEVELS[level], logging.ERROR))
