"""What one can write after `deploy/up` and `deploy/test`. Standard library only."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
IMAGE = "registry.k8s.io/pause:3.10"


def up(argv: Sequence[str]) -> argparse.Namespace:
    """Return `check`, `port` (None: that of PLT_PORT), and what names platforms."""
    parser = argparse.ArgumentParser(
        prog="deploy/up",
        description="Start machinist on this machine: a RabbitMQ broker, a sandbox in place of a "
        "Kubernetes API and of AWS, one gateway, and two workers for each of the two; then make a "
        "first request to each through all of them. Ctrl-C stops what was started. With "
        "--kubeconfig, --aws or both the workers attach to what you have instead of the sandbox, "
        "and nothing is changed there until you ask for it.",
        epilog="The broker is the one of PLT_AMQP_URL if that is set; else RabbitMQ in Docker; "
        "else a private node from the distribution's package, installed if it may be. PLT_* "
        "variables are passed on to the gateway and the workers, AWS_* to the workers of --aws.",
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
    _name_a_cluster(parser, "attach to the cluster that this kubeconfig names")
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
        parser.error("--context and --namespace belong to --kubeconfig")
    if options.cluster and not options.aws:
        parser.error("--cluster belongs to --aws")
    return options


def test(argv: Sequence[str]) -> argparse.Namespace:
    """Return the tests to run, the folder of reports, the cluster, and pytest's arguments.

    `single` is true where every argument names a test of a file.
    """
    ours, theirs = _split(list(argv))
    parser = argparse.ArgumentParser(
        prog="deploy/test",
        usage="deploy/test [-h] [--full] [--chaos] [--rabbitmq-4] [--coverage] "
        "[--reports FOLDER] [-- PYTEST-ARGUMENT ...]\n"
        "       deploy/test PATH[::NAME] ... [the same options] [-- PYTEST-ARGUMENT ...]\n"
        "       deploy/test --kubeconfig FILE [--context NAME] --namespace NAME [--image IMAGE] "
        "[-- PYTEST-ARGUMENT ...]",
        description="Check format, lint, types and import rules, and run the tests against a "
        "real RabbitMQ. Every check runs, even after one has failed, and the last lines name what "
        "failed. With PATHs, check format and lint and run these tests alone. With "
        "--kubeconfig, run instead what every provider has to do against a cluster that you have, "
        "in a namespace that is made for it and deleted at the end.",
    )
    parser.add_argument(
        "tests",
        metavar="PATH[::NAME]",
        nargs="*",
        type=_test_as_typed,
        help="a file or folder of tests, or one test of a file, which then runs even if it is one "
        "for --full, --chaos or a cluster",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="also run what takes long, and what needs a broker on RabbitMQ 4.0.5, with Khepri, "
        "and on clusters of three nodes of 3.10 and 4.0.5; then the tests on every other supported "
        "Python of this machine, and `deploy/test` in fresh roots of Debian 12 and 13",
    )
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="also measure branch coverage, which doubles the CPU time of what it measures",
    )
    parser.add_argument(
        "--reports",
        metavar="FOLDER",
        type=as_typed,
        help="keep what the tests report in this folder, as JUnit's XML",
    )
    parser.add_argument(
        "--rabbitmq-4",
        action="store_true",
        help="also run what needs a broker on RabbitMQ 4.0.5, from a root of Debian 13 that is "
        "made once from the mirror of this machine's apt (240 MB below ~/.cache)",
    )
    parser.add_argument("--chaos", action="store_true", help="also kill, freeze and cut things")
    _name_a_cluster(parser, "run the tests of every provider against this kubeconfig's cluster")
    parser.add_argument(
        "--image", default=IMAGE, help="what the tests' pods run (default: %(default)s)"
    )
    options = parser.parse_intermixed_args(ours)
    if bool(options.kubeconfig) != bool(options.namespace):
        parser.error("--kubeconfig and --namespace, for the tests alone, belong together")
    others = ("tests", "full", "chaos", "rabbitmq_4", "coverage")
    if options.kubeconfig and any(getattr(options, name) for name in others):
        parser.error(
            "PATH, --full, --chaos, --rabbitmq-4 and --coverage do not go together with "
            "--kubeconfig"
        )
    options.pytest = theirs
    options.single = bool(options.tests) and all("::" in test for test in options.tests)
    return options


def _name_a_cluster(parser: argparse.ArgumentParser, purpose: str) -> None:
    parser.add_argument("--kubeconfig", metavar="FILE", type=as_typed, help=purpose)
    parser.add_argument("--context", metavar="NAME", help="(default: the file's current-context)")
    parser.add_argument("--namespace", metavar="NAME", help="(deploy/up: default as in the file)")


def as_typed(text: str) -> Path:
    """The file that was meant where the command was typed, which need not be where it runs."""
    return Path(os.environ.get("MACHINIST_CALLED_FROM", ""), text).expanduser().absolute()


def _test_as_typed(text: str) -> str:
    """The test that was meant where the command was typed, as seen from the checkout."""
    path, *names = text.split("::")
    file = as_typed(path).resolve()
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
