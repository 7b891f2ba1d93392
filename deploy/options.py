"""What one can write after `deploy/up` and `deploy/test`. Standard library only."""

import argparse
from collections.abc import Sequence


def up(argv: Sequence[str]) -> argparse.Namespace:
    """Return `check` and `port` (None: the first free one from 3042)."""
    parser = argparse.ArgumentParser(
        prog="deploy/up",
        description="Start machinist on this machine: a RabbitMQ broker, a sandbox in place of a "
        "Kubernetes API, one gateway and two workers; then make a first request through all of "
        "them. Ctrl-C stops what was started.",
        epilog="The broker is the one of PLT_AMQP_URL if that is set; else RabbitMQ in Docker; "
        "else a private node from the distribution's package, installed if it may be.",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="stop after the first request; exit 1 if any step fails",
    )
    parser.add_argument(
        "--port", type=_port, help="the gateway's port (default: the first free one from 3042)"
    )
    return parser.parse_args(argv)


def test(argv: Sequence[str]) -> argparse.Namespace:
    """Return `full`, `chaos` and the arguments for pytest, `pytest`."""
    ours, theirs = _split(list(argv))
    parser = argparse.ArgumentParser(
        prog="deploy/test",
        usage="deploy/test [-h] [--full] [--chaos] [-- PYTEST-ARGUMENT ...]",
        description="Check format, lint, types and import rules, and run the tests against a "
        "real RabbitMQ with branch coverage. Every check runs, even after one has failed.",
    )
    parser.add_argument("--full", action="store_true", help="also run what takes long")
    parser.add_argument("--chaos", action="store_true", help="also kill, freeze and cut things")
    options = parser.parse_args(ours)
    options.pytest = theirs
    return options


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in argv:
        return argv, []
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: expected 1 to 65535")
    return int(text)
