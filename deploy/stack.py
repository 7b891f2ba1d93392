"""The sandbox, the gateway and the workers, each as the process that production runs too."""

import base64
import json
import os
import secrets
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from deploy.attached import Attached
from deploy.child import Child
from deploy.failed import Failed
from deploy.ports import LOOPBACK, Port
from deploy.rabbitmq.users import GATEWAY, worker
from deploy.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parent.parent
FIRST_PORT = 3042
WORKERS = 2
"""For each provider."""

AWS_OF_NOBODY = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
"""Keeps what somebody configured for an account from workers of the sandbox."""


class Stack:
    """Starts the processes one after the other; what `contexts` closes ends them again."""

    def __init__(self, folder: Path, contexts: ExitStack) -> None:
        self.logs = folder / "logs"
        self.children: list[Child] = []
        self._folder = folder
        self._contexts = contexts
        self._shared = {"PLT_SEAL_KEY": base64.b64encode(secrets.token_bytes(32)).decode()}

    def sandbox(self) -> list[Attached]:
        """Start the sandbox and return its platforms once they are ready."""
        folder = self._folder / "sandbox"
        folder.mkdir()
        child = self._start("sandbox", ["deploy.sandbox", "--directory", str(folder)], {})
        said: dict[str, Any] = wait_until(
            lambda: _first_json(child), 30, "the sandbox prints where it is"
        )
        kubernetes = said["kubernetes"]
        cluster = {
            "PLT_PROVIDER": "k8s",
            "PLT_K8S_REST_API_URL": kubernetes["url"],
            "PLT_K8S_CA_PATH": kubernetes["ca_path"],
            "PLT_K8S_TOKEN_PATH": kubernetes["token_path"],
        }
        account = {"PLT_PROVIDER": "ecs", **AWS_OF_NOBODY, **said["aws"]["environment"]}
        places = f"a Kubernetes API at {kubernetes['url']}", f"AWS at {said['aws']['url']}"
        return [
            Attached("k8s", places[0], "default", cluster, planted=True),
            Attached("ecs", places[1], "default", account, planted=True),
        ]

    def gateway(self, logins: Mapping[str, str], port: int | None, providers: Iterable[str]) -> str:
        """Start the gateway on this port, or on the first free one, and return its URL.

        `logins` has the AMQP URL of each of the broker's users.
        """
        candidates = range(FIRST_PORT, FIRST_PORT + 100) if port is None else [port]
        reserved = Port.first_free(candidates)
        self._contexts.callback(reserved.release)
        own = {
            "PLT_AMQP_URL": logins[GATEWAY],
            "PLT_HOST": LOOPBACK,
            "PLT_PORT": str(reserved.number),
            "PLT_PROVIDERS": ",".join(providers),
        }
        child = self._start("gateway", ["gateway"], own)
        url = f"http://{LOOPBACK}:{reserved.number}"
        wait_until(lambda: _ready(url, child), 60, f"{url}/ready answers 200")
        return url

    def workers(
        self, logins: Mapping[str, str], platforms: Iterable[Attached], gateway: str
    ) -> None:
        """Start the workers of each platform, and wait until all of them attend."""
        started = {
            each.provider: self._workers(logins[worker(each.provider)], each) for each in platforms
        }
        for provider, children in started.items():
            _wait_until_attended(gateway, provider, children)

    def _workers(self, login: str, platform: Attached) -> list[Child]:
        own = {"PLT_AMQP_URL": login, **platform.environment}
        names = [f"worker-{platform.provider}-{number}" for number in range(1, WORKERS + 1)]
        return [self._start(name, ["worker"], own) for name in names]

    def ended(self) -> list[Child]:
        """Return the processes that have ended since they were asked for last, and forget them."""
        ended = [child for child in self.children if not child.alive]
        self.children = [child for child in self.children if child.alive]
        return ended

    def _start(self, name: str, words: list[str], own: Mapping[str, str]) -> Child:
        child = Child(
            name,
            [sys.executable, "-m", *words],
            log=self.logs / f"{name}.log",
            env={**_inherited(), "PYTHONUNBUFFERED": "1", **self._shared, **own},
            cwd=CHECKOUT,
        )
        self._contexts.push(child)
        child.start()
        self.children.append(child)
        return child


def _inherited() -> dict[str, str]:
    """Our own environment, without settings of another machinist and without credentials."""
    own = ("PLT_", "AWS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


def _still_run(children: Iterable[Child]) -> None:
    for child in children:
        if not child.alive:
            raise Failed(f"{child.name} ended with {child.exit_code}:\n{child.last_lines()}")


def _first_json(child: Child) -> dict[str, Any] | None:
    _still_run([child])
    for line in child.log.read_text(errors="replace").splitlines(keepends=True):
        if line.startswith("{") and line.endswith("\n"):
            said: dict[str, Any] = json.loads(line)
            return said
    return None


def _ready(gateway: str, *children: Child) -> dict[str, Any] | None:
    """Return what the gateway says at /ready once it is; fail when one of the children ended."""
    _still_run(children)
    try:
        answer = httpx.get(f"{gateway}/ready", timeout=5, trust_env=False)
    except httpx.TransportError:
        return None
    said: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
    return said


def _wait_until_attended(gateway: str, provider: str, children: Iterable[Child]) -> None:
    wait_until(
        lambda: _attending(gateway, provider, *children) >= WORKERS,
        60,
        f"{gateway}/ready shows {WORKERS} workers at the provider {provider}",
    )


def _attending(gateway: str, provider: str, *children: Child) -> int:
    said = _ready(gateway, *children) or {}
    consumers: int = said.get("providers", {}).get(provider, {}).get("consumers", 0)
    return consumers
