"""Test runs of `deploy/test`: the tests of each, and its RabbitMQ, Python and Debian."""

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy import fresh, pythons
from deploy.failed import Failed
from deploy.image import base, engine
from deploy.rabbitmq import debian13, installation
from deploy.waiting import Say

# Fails a test that hangs, so that it does not stop the whole run. With a load of 13 on two cores, a
# test took 87 s.
TEST_TIMEOUT = ("--timeout=300",)
# Tests wait for half of their time. Without reordering, long tests come first, as in the order of
# the folders. Tests of a file share fixtures, so `loadfile` keeps them in one process.
PARALLEL = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
ONE_PROCESS = ("-n", "0")
COVERAGE = ("--cov", "--cov-report=term")
"""Doubles the CPU time of the measured tests, and so has an option of its own."""

LONG = ("full", "chaos")
ALONE = ("cluster", "image")
"""Marks of tests that only a suite of their own runs."""

NOTHING_SELECTED = 5
"""The exit status of pytest when the arguments select no test."""

COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
"""Keeps compiled modules, also where the caller's environment forbids it: a gateway or worker that
compiles machinist starts with twice the CPU time."""

KHEPRI = {"PLT_RABBITMQ_KHEPRI": "true"}
MNESIA = {"PLT_RABBITMQ_KHEPRI": "false"}
NODE_LOSS = {"PLT_NODE_LOSS_TABLE": "deploy/rabbitmq/node-loss.md"}
"""The file to which cluster suites write the measured effects of a lost node."""

Provide = Callable[[Say], Mapping[str, str]]
"""Prepares a RabbitMQ and returns the variables that select it, or raises Failed."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One run of pytest. Any option of `deploy/test` in `selected_by` selects it."""

    name: str
    mark: str = ""
    selected_by: tuple[str, ...] = ()
    rabbitmq: Provide
    variables: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    is_measured: bool = False
    """True for the run that `--coverage` measures."""
    python: str = ""
    """The version of another Python, which runs the daily tests only."""

    def marks(self, args: Namespace) -> str:
        """Return the expression for `pytest -m`."""
        if args.single or self.mark in ALONE:
            return self.mark
        excluded = [f"not {name}" for name in ALONE]
        excluded += [f"not {name}" for name in LONG if self.python or not getattr(args, name)]
        return " and ".join([*filter(None, [self.mark]), *excluded])

    def command(
        self, args: Namespace, junit: Path, python: str | Path = sys.executable
    ) -> list[str]:
        """Return the command line of pytest."""
        command = [str(python), "-m", "pytest", "-m", self.marks(args)]
        command += [*TEST_TIMEOUT, *self.options]
        command += COVERAGE if self.is_measured and args.coverage else ()
        command += ONE_PROCESS if args.single else ()
        return [*command, f"--junitxml={junit}", *args.tests, *args.pytest]

    def run(self, args: Namespace, junit: Path, say: Say) -> bool:
        """Run the tests and return whether all of them passed.

        Raises Failed if this machine lacks the RabbitMQ or the Python, or if the arguments select
        no test of a suite other than the first.
        """
        program = pythons.find(self.python) if self.python else None
        variables = {**self.rabbitmq(say), **self.variables}
        python: str | Path = sys.executable
        if program is not None:
            try:
                python = pythons.prepare(self.python, program)
            except Failed as failure:  # the Python exists, so the suite fails and is not skipped
                say(str(failure))
                return False
        done = subprocess.run(
            self.command(args, junit, python),
            stdin=subprocess.DEVNULL,
            env={**os.environ, **COMPILED, **variables},
            check=False,
        )
        selection = [*args.tests, *args.pytest]
        if done.returncode == NOTHING_SELECTED and selection and self.selected_by:
            raise Failed(f"no test is selected by {' '.join(selection)}")
        return done.returncode == 0


@dataclass(frozen=True, kw_only=True)
class FreshDebian:
    """A run of `deploy/test` on a new machine with this release."""

    name: str
    release: str
    selected_by: tuple[str, ...] = ("full",)

    def run(self, args: Namespace, junit: Path, say: Say) -> bool:
        """Run it in a temporary root. Raises Failed if the root cannot be made."""
        pytest = ["--", *args.pytest] if args.pytest else []
        return fresh.run(self.release, [*args.tests, *pytest], junit, say)


def default_rabbitmq(say: Say) -> Mapping[str, str]:
    """Select the RabbitMQ of the caller's variables, or else the distribution's."""
    return {}


def distribution_rabbitmq_3_10(say: Say) -> Mapping[str, str]:
    """Select the distribution's RabbitMQ, which must be 3.10, as in Debian 12."""
    found = installation.ensure(say, {})
    done = subprocess.run([found.ctl, "version"], capture_output=True, text=True, check=False)
    version = done.stdout.strip()
    if not version.startswith("3.10."):
        raise Failed(f"this machine's distribution has RabbitMQ {version or '(unknown)'}, not 3.10")
    return {installation.VARIABLE: ""}


def debian_rabbitmq_4_0(say: Say) -> Mapping[str, str]:
    """Select RabbitMQ 4.0.5 from a root of Debian 13, made first if it is missing."""
    return {installation.VARIABLE: str(debian13.programs(say))}


def container_engine(say: Say) -> Mapping[str, str]:
    """Select the container engine and the base image. The tests start RabbitMQ in a container."""
    found = engine.find()
    return {engine.VARIABLE: found.program, base.VARIABLE: base.find(found, say)}


RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"

SUITES: tuple[Suite | FreshDebian, ...] = (
    Suite(name="tests", rabbitmq=default_rabbitmq, options=PARALLEL, is_measured=True),
    Suite(
        name="broker on 4.0.5",
        mark="broker",
        selected_by=("rabbitmq_4", "full"),
        rabbitmq=debian_rabbitmq_4_0,
        variables=MNESIA,
        options=PARALLEL,
    ),
    Suite(
        name="broker on 4.0.5 with Khepri",
        mark="broker",
        selected_by=("full",),
        rabbitmq=debian_rabbitmq_4_0,
        variables=KHEPRI,
        options=PARALLEL,
    ),
    Suite(
        name="cluster of 3.10",
        mark="cluster",
        selected_by=("full",),
        rabbitmq=distribution_rabbitmq_3_10,
        variables=MNESIA | NODE_LOSS,
    ),
    Suite(
        name="cluster of 4.0.5",
        mark="cluster",
        selected_by=("full",),
        rabbitmq=debian_rabbitmq_4_0,
        variables=MNESIA | NODE_LOSS,
    ),
    Suite(
        name="cluster of 4.0.5 with Khepri",
        mark="cluster",
        selected_by=("full",),
        rabbitmq=debian_rabbitmq_4_0,
        variables=KHEPRI | NODE_LOSS,
    ),
    Suite(
        name="images",
        mark="image",
        selected_by=("full",),
        rabbitmq=container_engine,
        # The first build installs every package.
        options=("--timeout=3600",),
    ),
    *(
        Suite(
            name=f"tests on Python {version}",
            selected_by=("full",),
            rabbitmq=default_rabbitmq,
            options=PARALLEL,
            python=version,
        )
        for version in pythons.SUPPORTED
        if version != RUNNING
    ),
    FreshDebian(name="all on a fresh Debian 12", release="bookworm"),
    FreshDebian(name="all on a fresh Debian 13", release="trixie"),
)


def chosen(args: Namespace) -> list[Suite | FreshDebian]:
    """Return the suites that the options of `deploy/test` select."""
    return [
        suite
        for suite in SUITES
        if not suite.selected_by or any(getattr(args, option) for option in suite.selected_by)
    ]
