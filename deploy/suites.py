"""The runs of tests that `deploy/test` makes: which tests, on which RabbitMQ, Python and Debian."""

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy import fresh, pythons
from deploy.failed import Failed
from deploy.rabbitmq import debian13, installation
from deploy.waiting import Say

# A test that hangs fails alone, instead of taking the whole run with it.
HANGS = ("--timeout=120",)
# Half of what they do is waiting. The long ones come first, since the folders are in order. A file
# stays together: its tests share what they started.
AT_ONCE = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
ONE_PROCESS = ("-n", "0")
COVERAGE = ("--cov", "--cov-report=term")
"""Doubles the CPU time of what it measures, and so has an option of its own."""

LONG = ("full", "chaos")
NOTHING_SELECTED = 5
"""The exit status of pytest when the arguments select no test."""

KHEPRI = {"PLT_RABBITMQ_KHEPRI": "true"}
MNESIA = {"PLT_RABBITMQ_KHEPRI": "false"}
NODE_LOSS = {"PLT_NODE_LOSS_TABLE": "deploy/rabbitmq/node-loss.md"}
"""The file in which cluster suites write what the loss of a node costs."""

Provide = Callable[[Say], Mapping[str, str]]
"""Makes a RabbitMQ usable and returns the variables that name it, or raises Failed."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One run of pytest; `options` of `deploy/test` ask for it, one of them suffices."""

    name: str
    mark: str = ""
    asked_by: tuple[str, ...] = ()
    rabbitmq: Provide
    variables: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    is_measured: bool = False
    """True for the run of which `--coverage` measures lines and branches."""
    python: str = ""
    """The version of another Python than the one that runs `deploy/test`: the daily tests alone."""

    def marks(self, asked: Namespace) -> str:
        """Return the expression for `pytest -m`."""
        if asked.single or self.mark == "cluster":
            return self.mark
        left_out = [f"not {name}" for name in LONG if self.python or not getattr(asked, name)]
        return " and ".join([*filter(None, [self.mark]), "not cluster", *left_out])

    def command(
        self, asked: Namespace, junit: Path, python: str | Path = sys.executable
    ) -> list[str]:
        """Return the words that run it and write its report."""
        words = [str(python), "-m", "pytest", "-m", self.marks(asked), *HANGS, *self.options]
        words += COVERAGE if self.is_measured and asked.coverage else ()
        words += ONE_PROCESS if asked.single else ()
        return [*words, f"--junitxml={junit}", *asked.tests, *asked.pytest]

    def passes(self, asked: Namespace, junit: Path, say: Say) -> bool:
        """Run it and tell whether all of its tests passed.

        Raises Failed where this machine has no such RabbitMQ or Python, and for all but the first
        suite where the caller's arguments select none of its tests.
        """
        program = pythons.find(self.python) if self.python else None
        variables = {**self.rabbitmq(say), **self.variables}
        python: str | Path = sys.executable
        if program is not None:
            try:
                python = pythons.prepared(self.python, program)
            except Failed as failure:  # that its requirements cannot be installed is our failure
                say(str(failure))
                return False
        done = subprocess.run(
            self.command(asked, junit, python),
            stdin=subprocess.DEVNULL,
            env={**os.environ, **variables},
            check=False,
        )
        selection = [*asked.tests, *asked.pytest]
        if done.returncode == NOTHING_SELECTED and selection and self.asked_by:
            raise Failed(f"no test is selected by {' '.join(selection)}")
        return done.returncode == 0


@dataclass(frozen=True, kw_only=True)
class FreshDebian:
    """`deploy/test` as somebody runs it on a new machine with this release."""

    name: str
    release: str
    asked_by: tuple[str, ...] = ("full",)

    def passes(self, asked: Namespace, junit: Path, say: Say) -> bool:
        """Run it in a root made for it; raises Failed where none can be made."""
        pytest = ["--", *asked.pytest] if asked.pytest else []
        return fresh.passes(self.release, [*asked.tests, *pytest], junit, say)


def as_called(say: Say) -> Mapping[str, str]:
    """Leave the choice to the caller's variables; without any it is the distribution's."""
    return {}


def distributions_3_10(say: Say) -> Mapping[str, str]:
    """Provide the distribution's RabbitMQ, where that is 3.10 as in Debian 12."""
    found = installation.ensure(say, {})
    done = subprocess.run([found.ctl, "version"], capture_output=True, text=True, check=False)
    version = done.stdout.strip()
    if not version.startswith("3.10."):
        raise Failed(f"this machine's distribution has RabbitMQ {version or '(unknown)'}, not 3.10")
    return {installation.VARIABLE: ""}


def debians_4_0(say: Say) -> Mapping[str, str]:
    """Provide RabbitMQ 4.0.5 from a root of Debian 13."""
    return {installation.VARIABLE: str(debian13.programs(say))}


RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"

SUITES: tuple[Suite | FreshDebian, ...] = (
    Suite(name="tests", rabbitmq=as_called, options=AT_ONCE, is_measured=True),
    Suite(
        name="broker on 4.0.5",
        mark="broker",
        asked_by=("rabbitmq_4", "full"),
        rabbitmq=debians_4_0,
        variables=MNESIA,
        options=AT_ONCE,
    ),
    Suite(
        name="broker on 4.0.5 with Khepri",
        mark="broker",
        asked_by=("full",),
        rabbitmq=debians_4_0,
        variables=KHEPRI,
        options=AT_ONCE,
    ),
    Suite(
        name="cluster of 3.10",
        mark="cluster",
        asked_by=("full",),
        rabbitmq=distributions_3_10,
        variables=MNESIA | NODE_LOSS,
    ),
    Suite(
        name="cluster of 4.0.5",
        mark="cluster",
        asked_by=("full",),
        rabbitmq=debians_4_0,
        variables=MNESIA | NODE_LOSS,
    ),
    Suite(
        name="cluster of 4.0.5 with Khepri",
        mark="cluster",
        asked_by=("full",),
        rabbitmq=debians_4_0,
        variables=KHEPRI | NODE_LOSS,
    ),
    *(
        Suite(
            name=f"tests on Python {version}",
            asked_by=("full",),
            rabbitmq=as_called,
            options=AT_ONCE,
            python=version,
        )
        for version in pythons.SUPPORTED
        if version != RUNNING
    ),
    FreshDebian(name="all on a fresh Debian 12", release="bookworm"),
    FreshDebian(name="all on a fresh Debian 13", release="trixie"),
)


def chosen(asked: Namespace) -> list[Suite | FreshDebian]:
    """Return the suites that the options of `deploy/test` ask for."""
    return [
        suite
        for suite in SUITES
        if not suite.asked_by or any(getattr(asked, option) for option in suite.asked_by)
    ]
