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

from deploy.child import Child
from deploy.failed import Failed
from deploy.ports import LOOPBACK, Port
from deploy.rabbitmq.users import GATEWAY, worker
from deploy.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parent.parent
FIRST_PORT = 3042
WORKERS = 2
PROVIDER = "k8s"


class Stack:
    """Starts the processes one after the other; what `contexts` closes ends them again."""

    def __init__(self, folder: Path, logins: Mapping[str, str], contexts: ExitStack) -> None:
        """`logins` has the AMQP URL of each of the broker's users."""
        self.logs = folder / "logs"
        self.children: list[Child] = []
        self._folder = folder
        self._contexts = contexts
        self._logins = logins
        self._shared = {"PLT_SEAL_KEY": base64.b64encode(secrets.token_bytes(32)).decode()}

    def sandbox(self) -> dict[str, str]:
        """Start the sandbox and return the environment of workers for it once it is ready."""
        folder = self._folder / "sandbox"
        folder.mkdir()
        words = ["deploy.sandbox", "--directory", str(folder), "--port", "0"]
        child = self._start("sandbox", words, {})
        said: dict[str, Any] = wait_until(
            lambda: _first_json(child), 30, "the sandbox prints where it is"
        )
        kubernetes = said["kubernetes"]
        return {
            "PLT_PROVIDER": "k8s",
            "PLT_K8S_REST_API_URL": kubernetes["url"],
            "PLT_K8S_CA_PATH": kubernetes["ca_path"],
            "PLT_K8S_TOKEN_PATH": kubernetes["token_path"],
        }

    def gateway(self, port: int | None) -> str:
        """Start the gateway on this port, or on the first free one, and return its URL."""
        candidates = range(FIRST_PORT, FIRST_PORT + 100) if port is None else [port]
        reserved = Port.first_free(candidates)
        self._contexts.callback(reserved.release)
        own = {
            "PLT_AMQP_URL": self._logins[GATEWAY],
            "PLT_HOST": LOOPBACK,
            "PLT_PORT": str(reserved.number),
        }
        child = self._start("gateway", ["gateway"], own)
        url = f"http://{LOOPBACK}:{reserved.number}"
        wait_until(lambda: _ready(url, child), 60, f"{url}/ready answers 200")
        return url

    def workers(self, own: Mapping[str, str], gateway: str) -> None:
        """Start the workers with an environment of their own, and wait until all of them attend."""
        own = {"PLT_AMQP_URL": self._logins[worker(PROVIDER)], **own}
        started = [self._start(f"worker-{n}", ["worker"], own) for n in range(1, WORKERS + 1)]
        wait_until(
            lambda: _attending(gateway, PROVIDER, *started) >= WORKERS,
            60,
            f"{gateway}/ready shows {WORKERS} workers at the provider {PROVIDER}",
        )

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
    """Our own environment, without settings that are meant for another machinist."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PLT_")}


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


def _attending(gateway: str, provider: str, *children: Child) -> int:
    said = _ready(gateway, *children) or {}
    consumers: int = said.get("providers", {}).get(provider, {}).get("consumers", 0)
    return consumers
