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
from deploy.caller import Place, common, of_workers, plain
from deploy.child import Child
from deploy.failed import Failed
from deploy.rabbitmq.broker import Broker
from deploy.rabbitmq.users import GATEWAY, worker
from deploy.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parent.parent
WORKERS = 2
"""For each provider."""

AWS_OF_NOBODY = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
"""Keeps what somebody configured for an account from workers of the sandbox."""

KUBERNETES_OF_NOBODY = dict.fromkeys(
    (
        "PLT_K8S_ALLOW_SELFSIGNED_CERT",
        "PLT_K8S_CLIENT_CERT",
        "PLT_K8S_CLIENT_KEY",
        "PLT_K8S_TLS_SERVER_NAME",
        "PLT_K8S_PROXY_URL",
    ),
    "",
)
"""Likewise what somebody configured for a cluster."""


class Stack:
    """Starts the processes one after the other; what `contexts` closes ends them again."""

    def __init__(
        self, folder: Path, contexts: ExitStack, environ: Mapping[str, str], place: Place
    ) -> None:
        """`environ` are the variables of the caller, `place` is where the gateway listens."""
        self.logs = folder / "logs"
        self.children: list[Child] = []
        self._folder = folder
        self._contexts = contexts
        self._environ = environ
        self._place = place
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        self._shared = {"PLT_SEAL_KEY": environ.get("PLT_SEAL_KEY") or key}
        self._broker: Broker | None = None

    def sandbox(self) -> list[Attached]:
        """Start the sandbox and return its platforms once they are ready."""
        folder = self._folder / "sandbox"
        folder.mkdir()
        child = self._start("sandbox", ["deploy.sandbox", "--directory", str(folder)], {})
        said: dict[str, Any] = wait_until(
            lambda: self._first_json(child), 30, "the sandbox prints where it is"
        )
        kubernetes = said["kubernetes"]
        cluster = {
            **KUBERNETES_OF_NOBODY,
            "PLT_PROVIDER": "k8s",
            "PLT_K8S_AUTH_TYPE": "token",
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

    def gateway(self, broker: Broker, logins: Mapping[str, str], providers: Iterable[str]) -> str:
        """Start the gateway and return its URL.

        `logins` has the AMQP URL of each of the broker's users.
        """
        self._broker = broker
        expected = [*providers, *filter(None, [self._environ.get("PLT_PROVIDERS")])]
        own = {
            "PLT_AMQP_URL": logins[GATEWAY],
            "PLT_HOST": self._place.host,
            "PLT_PORT": str(self._place.port.number),
            "PLT_PROVIDERS": ",".join(expected),
        }
        child = self._start("gateway", ["gateway"], common(self._environ) | own)
        url = self._place.url
        wait_until(lambda: self._ready(child), 60, f"{url}/ready answers 200")
        return url

    def workers(self, logins: Mapping[str, str], platforms: Iterable[Attached]) -> None:
        """Start the workers of each platform, and wait until all of them attend."""
        started = {
            each.provider: self._workers(logins[worker(each.provider)], each) for each in platforms
        }
        for provider, children in started.items():
            self._wait_until_attended(provider, children)

    def _workers(self, login: str, platform: Attached) -> list[Child]:
        own = of_workers(self._environ, platform) | {"PLT_AMQP_URL": login}
        names = [f"worker-{platform.provider}-{number}" for number in range(1, WORKERS + 1)]
        return [self._start(name, ["worker"], own) for name in names]

    def said_ready(self) -> dict[str, Any] | None:
        """Return what the gateway says at /ready, None where it does not answer."""
        try:
            answer = httpx.get(f"{self._place.url}/ready", timeout=5, trust_env=False)
            said = answer.json()
        except (httpx.TransportError, ValueError):
            return None
        return said if isinstance(said, dict) and "broker" in said else None

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
            env={**plain(self._environ), "PYTHONUNBUFFERED": "1", **own, **self._shared},
            cwd=CHECKOUT,
        )
        self._contexts.push(child)
        child.start()
        self.children.append(child)
        return child

    def _still_run(self, children: Iterable[Child]) -> None:
        if self._broker is not None:
            self._broker.check()
        for child in children:
            if not child.alive:
                raise Failed(f"{child.name} ended with {child.exit_code}:\n{child.last_lines()}")

    def _first_json(self, child: Child) -> dict[str, Any] | None:
        self._still_run([child])
        for line in child.log.read_text(errors="replace").splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                said: dict[str, Any] = json.loads(line)
                return said
        return None

    def _ready(self, *children: Child) -> dict[str, Any] | None:
        """Return what the gateway says at /ready once it is; fail when one of them ended."""
        self._still_run(children)
        said = self.said_ready()
        return said if said is not None and said["broker"]["reachable"] else None

    def _wait_until_attended(self, provider: str, children: Iterable[Child]) -> None:
        wait_until(
            lambda: self._attending(provider, *children) >= WORKERS,
            60,
            f"{self._place.url}/ready shows {WORKERS} workers at the provider {provider}",
        )

    def _attending(self, provider: str, *children: Child) -> int:
        said = self._ready(*children) or {}
        consumers: int = said.get("providers", {}).get(provider, {}).get("consumers", 0)
        return consumers
