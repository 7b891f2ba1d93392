"""The sandbox of AWS: an account behind a socket on loopback, to start and to stop.

    with AwsSandbox.in_thread() as aws:     # both forms serve in threads of their own
    async with AwsSandbox() as aws:

Tests read `aws.calls`, set `aws.faults` and `aws.pace`, and add objects with the
methods of `population` and `infrastructure`; README.md describes the same over HTTP.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any, Self

from deploy.sandbox.aws import wire
from deploy.sandbox.aws.account import Account, Pace
from deploy.sandbox.aws.calls import Calls
from deploy.sandbox.aws.dispatcher import Dispatcher
from deploy.sandbox.aws.faults import Fault, Faults
from deploy.sandbox.aws.iam import identity
from deploy.sandbox.aws.iam.guard import Guard
from deploy.sandbox.aws.listener import listening
from deploy.sandbox.aws.messages import Json, Request
from deploy.sandbox.aws.population import Population
from deploy.sandbox.aws.seed import seed_application

REGION = "eu-central-1"
_ROLE = "arn:aws:iam::{}:role/sandbox-execution"
SECRET_KEY = "sandbox"
WORKER_KEY = "AKIASANDBOXWORKER000"
"""The access key of workers, to which the policy applies; any other key has all rights."""


class AwsSandbox(Population):
    """A sandbox with its own account; several sandboxes in a process are independent."""

    def __init__(self, *, seed: bool = True, port: int = 0, pace: Pace | None = None) -> None:
        super().__init__(Account(REGION))
        self._first_pace = pace or Pace()
        self.region = REGION
        self.url = ""
        self.calls = Calls()
        self.faults = Faults(Fault)
        self.guard = Guard(self.account)
        self._port, self._seeded = port, seed
        self._stack = contextlib.ExitStack()
        self.reset()

    @property
    def pace(self) -> Pace:
        return self.account.pace

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a worker for this account, with the shipped policy."""
        variables = {
            "PLT_ECS_REGION": self.region,
            "PLT_ECS_ENDPOINT": self.url,
            "PLT_ECS_SUBNETS": ",".join(self.subnets),
            "PLT_ECS_SECURITY_GROUPS": self.security_group,
            "PLT_ECS_EXECUTION_ROLE_ARN": _ROLE.format(self.account.number),
            "AWS_ACCESS_KEY_ID": WORKER_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }
        if self.listener_arn is not None:
            variables["PLT_ECS_LISTENER_ARN"] = self.listener_arn
        if self.namespace_id is not None:
            variables["PLT_ECS_CLOUD_MAP_NAMESPACE_ID"] = self.namespace_id
        return variables

    def reset(self) -> None:
        """Restore the seed, the pace and the policy, clear calls and faults; subnets stay."""
        with self.account.lock:
            self.account.clear()
            self.account.pace = dataclasses.replace(self._first_pace)
            self.listener_arn = self.namespace_id = None
            if self._seeded:
                seed_application(self)
        self.calls.clear()
        self.faults.clear()
        self.guard.reset()

    @property
    def denials(self) -> list[str]:
        """The rights that requests of workers lacked since the last reset."""
        return list(self.guard.denials)

    def _check(self, request: Request) -> Json | None:
        if wire.access_key(request.environ) != WORKER_KEY:
            return None
        self.guard.check(request.action, request.parameters)
        return identity.answer(self.account, self.guard.policy, request)

    @classmethod
    @contextlib.contextmanager
    def in_thread(cls, **settings: Any) -> Iterator[Self]:
        sandbox = cls(**settings)
        with sandbox._serving():
            yield sandbox

    async def __aenter__(self) -> Self:
        self._stack.enter_context(self._serving())
        return self

    async def __aexit__(self, *_: object) -> None:
        # In a thread, because the server's threads may be answering clients in this event loop.
        await asyncio.to_thread(self._stack.close)

    @contextlib.contextmanager
    def _serving(self) -> Iterator[None]:
        dispatcher = Dispatcher(self.account, self.calls, self.faults, self._check, self.reset)
        try:
            with listening(self._port, dispatcher.answer) as server:
                self.url = f"http://127.0.0.1:{server.server_port}"
                try:
                    yield
                finally:
                    dispatcher.stopping.set()
        finally:
            self.account.forget()
