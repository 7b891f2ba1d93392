"""Processes of `deploy/up`: the sandbox, and the gateway and workers that production runs too."""

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

from contracts.broker_users import GATEWAY, worker
from deploy.caller import GatewayAddress, base_variables, common_variables, worker_variables
from deploy.failed import Failed
from deploy.metrics_ports import MetricsPorts
from deploy.process import ChildProcess
from deploy.rabbitmq.broker import Broker
from deploy.targets import Target
from deploy.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parent.parent
WORKERS = 2
"""Workers per provider."""

SANDBOX = ("k8s", "ecs")
"""The platforms of the sandbox."""

FOR_PEOPLE = {"PYTHONUNBUFFERED": "1", "PLT_LOG_FORMAT": "text"}
"""The logs are files that people read; the caller's variables take precedence."""

NO_AWS_FILES = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
"""Hides the user's AWS configuration from workers of the sandbox."""

NO_CLUSTER_SETTINGS = dict.fromkeys(
    (
        "PLT_K8S_ALLOW_SELFSIGNED_CERT",
        "PLT_K8S_CLIENT_CERT",
        "PLT_K8S_CLIENT_CERT_FILE",
        "PLT_K8S_CLIENT_KEY",
        "PLT_K8S_CLIENT_KEY_FILE",
        "PLT_K8S_TLS_SERVER_NAME",
        "PLT_K8S_PROXY_URL",
        "PLT_K8S_PROXY_URL_FILE",
    ),
    "",
)
"""Hides the user's cluster configuration from workers of the sandbox."""


class Stack:
    """Starts the processes. Closing `contexts` ends them."""

    def __init__(
        self, folder: Path, contexts: ExitStack, environ: Mapping[str, str], address: GatewayAddress
    ) -> None:
        """`environ` has the caller's variables; the gateway will listen on `address`."""
        self.logs = folder / "logs"
        self.children: list[ChildProcess] = []
        self._folder = folder
        self._contexts = contexts
        self._environ = environ
        self._address = address
        self._shared = sealing(environ)
        self._broker: Broker | None = None
        self._metrics = MetricsPorts(environ, contexts)

    @property
    def metrics(self) -> dict[str, str]:
        """The URLs of the metrics of gateway and workers, by the name of the process."""
        return self._metrics.urls

    def sandbox(self) -> list[Target]:
        """Start the sandbox and return its platforms when they are ready."""
        folder = self._folder / "sandbox"
        folder.mkdir()
        child = self._start("sandbox", ["deploy.sandbox", "--directory", str(folder)], {})
        printed: dict[str, Any] = wait_until(
            lambda: self._first_json(child), 30, "the sandbox prints its addresses"
        )
        kubernetes = printed["kubernetes"]
        cluster = {
            **NO_CLUSTER_SETTINGS,
            "PLT_PROVIDER": "k8s",
            "PLT_K8S_AUTH_TYPE": "token",
            "PLT_K8S_REST_API_URL": kubernetes["url"],
            "PLT_K8S_CA_PATH": kubernetes["ca_path"],
            "PLT_K8S_TOKEN_PATH": kubernetes["worker_token_path"],
        }
        account = {"PLT_PROVIDER": "ecs", **NO_AWS_FILES, **printed["aws"]["environment"]}
        locations = f"a Kubernetes API at {kubernetes['url']}", f"AWS at {printed['aws']['url']}"
        return [
            Target("k8s", locations[0], "default", cluster, is_sandbox=True),
            Target("ecs", locations[1], "default", account, is_sandbox=True),
        ]

    def gateway(self, broker: Broker, logins: Mapping[str, str], providers: Iterable[str]) -> str:
        """Start the gateway and return its URL. `logins` maps broker users to their AMQP URLs."""
        self._broker = broker
        expected = [*providers, *filter(None, [self._environ.get("PLT_PROVIDERS")])]
        own = {
            **login(logins[GATEWAY]),
            "PLT_HOST": self._address.host,
            "PLT_PORT": str(self._address.port.number),
            "PLT_PROVIDERS": ",".join(expected),
            # No load balancer is in front of this gateway, and Ctrl-C ends it at once.
            "PLT_DRAIN_SECONDS": "0",
        }
        own |= self._metrics.variables("gateway")
        child = self._start("gateway", ["gateway"], common_variables(self._environ) | own)
        url = self._address.url
        wait_until(lambda: self._ready(child), 60, f"{url}/ready answers 200")
        return url

    def workers(self, logins: Mapping[str, str], targets: Iterable[Target]) -> None:
        """Start the workers of each target, and wait until all of them are attached."""
        started = {
            each.provider: self._workers(logins[worker(each.provider)], each) for each in targets
        }
        for provider, children in started.items():
            self._wait_until_attended(provider, children)

    def _workers(self, url: str, target: Target) -> list[ChildProcess]:
        own = worker_variables(self._environ, target) | login(url)
        names = [f"worker-{target.provider}-{number}" for number in range(1, WORKERS + 1)]
        return [
            self._start(name, ["worker"], own | self._metrics.variables(name)) for name in names
        ]

    def readiness(self) -> dict[str, Any] | None:
        """Return the gateway's response to /ready, or None without a valid response."""
        try:
            response = httpx.get(
                f"{self._address.url}/ready",
                headers=self._address.headers,
                timeout=5,
                trust_env=False,
            ).json()
        except (httpx.TransportError, ValueError):
            return None
        return response if isinstance(response, dict) and "broker" in response else None

    def ended(self) -> list[ChildProcess]:
        """Return the processes that have ended since the last call."""
        ended = [child for child in self.children if not child.alive]
        self.children = [child for child in self.children if child.alive]
        return ended

    def _start(self, name: str, words: list[str], own: Mapping[str, str]) -> ChildProcess:
        child = ChildProcess(
            name,
            [sys.executable, "-m", *words],
            log=self.logs / f"{name}.log",
            env={**base_variables(self._environ), **FOR_PEOPLE, **own, **self._shared},
            cwd=CHECKOUT,
        )
        self._contexts.push(child)
        child.start()
        self.children.append(child)
        return child

    def _check_running(self, children: Iterable[ChildProcess]) -> None:
        if self._broker is not None:
            self._broker.check()
        for child in children:
            if not child.alive:
                raise Failed(f"{child.name} ended with {child.exit_code}:\n{child.last_lines()}")

    def _first_json(self, child: ChildProcess) -> dict[str, Any] | None:
        self._check_running([child])
        for line in child.log.read_text(errors="replace").splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                printed: dict[str, Any] = json.loads(line)
                return printed
        return None

    def _ready(self, *children: ChildProcess) -> dict[str, Any] | None:
        """Return the response to /ready if the gateway reaches the broker, else None.

        Raises Failed if one of the processes has ended.
        """
        self._check_running(children)
        response = self.readiness()
        return response if response is not None and response["broker"]["reachable"] else None

    def _wait_until_attended(self, provider: str, children: Iterable[ChildProcess]) -> None:
        wait_until(
            lambda: self._attending(provider, *children) >= WORKERS,
            60,
            f"{self._address.url}/ready shows {WORKERS} workers at the provider {provider}",
        )

    def _attending(self, provider: str, *children: ChildProcess) -> int:
        response = self._ready(*children) or {}
        consumers: int = response.get("providers", {}).get(provider, {}).get("consumers", 0)
        return consumers


def login(url: str) -> dict[str, str]:
    """Return the variables for a URL of the broker, which override those of the caller."""
    return {"PLT_AMQP_URL": url, "PLT_AMQP_URL_FILE": ""}


def sealing(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the seal key: the caller's, or else a new key."""
    names = ("PLT_SEAL_KEY", "PLT_SEAL_KEY_FILE")
    given = {name: environ[name] for name in names if environ.get(name)}
    return given or {"PLT_SEAL_KEY": base64.b64encode(secrets.token_bytes(32)).decode()}
