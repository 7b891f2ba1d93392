"""Command line options of `deploy/up` and `deploy/test`. Standard library only."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
IMAGE = "registry.k8s.io/pause:3.10"


def up(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the options of `deploy/up`. `port` is None if the command line has none."""
    parser = argparse.ArgumentParser(
        prog="deploy/up",
        description="Start machinist on this machine: a RabbitMQ broker, a sandbox in place of a "
        "Kubernetes API and of AWS, one gateway, and two workers per platform; then make a "
        "first request to each platform through the gateway. Ctrl-C stops all processes. With "
        "--kubeconfig, --aws or both the workers attach to your cluster or account instead of the "
        "sandbox, and change nothing there until you send a command.",
        epilog="The broker is the one of PLT_AMQP_URL if that is set; else RabbitMQ in Docker; "
        "else a private node from the distribution's package, which is installed if it is missing. "
        "PLT_* variables are passed on to the gateway and the workers, AWS_* to the workers of "
        "--aws.",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="stop after the first request; exit 1 if any step fails",
    )
    parser.add_argument(
        "--port",
        type=_port,
        help="the gateway's port (default: PLT_PORT, else the first free one from 3042)",
    )
    _add_cluster_options(parser, "attach to the cluster that this kubeconfig names")
    parser.add_argument(
        "--aws",
        action="store_true",
        help="attach to the AWS account of your credentials, found as AWS's own tools find them; "
        "PLT_ECS_* variables configure the workers",
    )
    parser.add_argument(
        "--cluster", metavar="NAME", help="the ECS cluster to look at (default: default)"
    )
    options = parser.parse_args(argv)
    if not options.kubeconfig and (options.context or options.namespace):
        parser.error("--context and --namespace require --kubeconfig")
    if options.cluster and not options.aws:
        parser.error("--cluster requires --aws")
    return options


def test(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the options of `deploy/test`. `pytest` has the arguments after `--`.

    `single` is true if every PATH has a NAME.
    """
    own, pytest = _split(list(argv))
    parser = argparse.ArgumentParser(
        prog="deploy/test",
        usage="deploy/test [-h] [--full] [--chaos] [--rabbitmq-4] [--coverage] "
        "[--reports FOLDER] [-- PYTEST-ARGUMENT ...]\n"
        "       deploy/test PATH[::NAME] ... [the same options] [-- PYTEST-ARGUMENT ...]\n"
        "       deploy/test --kubeconfig FILE [--context NAME] --namespace NAME [--image IMAGE] "
        "[-- PYTEST-ARGUMENT ...]",
        description="Check format, lint, types and import rules, and run the tests against a "
        "real RabbitMQ. Every check runs, even after one has failed, and the last lines name each "
        "failure. With PATHs, check format and lint, and run these tests only. With --kubeconfig, "
        "run only the tests of every provider, against your cluster, in a namespace that is "
        "created for them and deleted at the end.",
    )
    parser.add_argument(
        "tests",
        metavar="PATH[::NAME]",
        nargs="*",
        type=_test_argument,
        help="a file or folder of tests, or one test of a file, which then runs even if it needs "
        "--full, --chaos or a broker cluster",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="also run the slow tests, and the broker tests on RabbitMQ 4.0.5, with Khepri, and on "
        "clusters of three nodes of 3.10 and 4.0.5; then build and run the container images, the "
        "tests on every other supported Python of this machine, and `deploy/test` in fresh roots "
        "of Debian 12 and 13",
    )
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="also measure branch coverage, which doubles the CPU time of the tests",
    )
    parser.add_argument(
        "--reports",
        metavar="FOLDER",
        type=from_caller_folder,
        help="keep the JUnit reports of the tests in this folder",
    )
    parser.add_argument(
        "--rabbitmq-4",
        action="store_true",
        help="also run the broker tests on RabbitMQ 4.0.5, from a root of Debian 13 that is made "
        "once from the mirror of this machine's apt (240 MB below ~/.cache)",
    )
    parser.add_argument(
        "--chaos",
        action="store_true",
        help="also run the tests that kill and freeze processes and cut connections for minutes",
    )
    _add_cluster_options(parser, "run the tests of every provider on this kubeconfig's cluster")
    parser.add_argument(
        "--image", default=IMAGE, help="the image of the tests' pods (default: %(default)s)"
    )
    options = parser.parse_intermixed_args(own)
    if bool(options.kubeconfig) != bool(options.namespace):
        parser.error("--kubeconfig and --namespace, which only the tests use, require each other")
    others = ("tests", "full", "chaos", "rabbitmq_4", "coverage")
    if options.kubeconfig and any(getattr(options, name) for name in others):
        parser.error(
            "PATH, --full, --chaos, --rabbitmq-4 and --coverage cannot be combined with "
            "--kubeconfig"
        )
    options.pytest = pytest
    options.single = bool(options.tests) and all("::" in test for test in options.tests)
    return options


def _add_cluster_options(parser: argparse.ArgumentParser, purpose: str) -> None:
    parser.add_argument("--kubeconfig", metavar="FILE", type=from_caller_folder, help=purpose)
    parser.add_argument("--context", metavar="NAME", help="(default: the file's current-context)")
    parser.add_argument("--namespace", metavar="NAME", help="(deploy/up: default as in the file)")


def from_caller_folder(text: str) -> Path:
    """Return a path relative to the caller's folder, which with-python.sh has left."""
    return Path(os.environ.get("MACHINIST_CALLED_FROM", ""), text).expanduser().absolute()


def _test_argument(text: str) -> str:
    """Return a test that is relative to the caller's folder relative to the checkout."""
    path, *names = text.split("::")
    file = from_caller_folder(path).resolve()
    if not file.exists():
        raise argparse.ArgumentTypeError(f"there is no {file}: expected PATH or PATH::NAME")
    return "::".join([os.path.relpath(file, CHECKOUT), *names])


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in argv:
        return argv, []
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: expected 1 to 65535")
    return int(text)
