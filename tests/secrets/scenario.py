"""The steps of a secret through the system, with successes and failures of every kind."""

import base64
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec

from contracts import address, topology, wire
from contracts.api import OPERATIONS
from contracts.broker.channel import Channel
from contracts.operation import Operation
from contracts.outcomes import Result
from contracts.seal import SEALED, Seals
from contracts.wire import Message
from deploy.rabbitmq.configuration import USER
from tests.auditor import Auditor
from tests.examples import message_of
from tests.observation.scraping import httpx_get
from tests.secrets import bodies
from tests.secrets.broker import Broker
from tests.secrets.canary import Canary
from tests.stack import HELD_S, Gateway, Process, Stack, eventually

SHORT_MS = 4000
"""Time enough for a command to reach the platform on a busy machine."""
ECHOES = {
    403: "Forbidden",
    422: "Invalid",
    500: "InternalError",
    400: "BadRequest",
}


class Scenario:
    """Gateways and workers that share a seal key, and the responses of the gateways."""

    def __init__(self, stack: Stack, canary: Canary, broker: Broker, **variables: str) -> None:
        key = os.urandom(32)
        self.stack = stack
        self.canary = canary
        self.broker = broker
        self.answers: list[httpx.Response] = []
        self.processes: list[Process] = []
        self.key = base64.b64encode(key).decode()
        self._seals = Seals([key])
        self._variables = variables | {"PLT_SEAL_KEY": self.key, "PLT_METRICS_PORT": "0"}

    def gateway(self, level: str, **variables: str) -> Gateway:
        """Start a gateway whose responses are kept."""
        more = {"PLT_LOGGER_LEVEL": level, "PLT_MAX_BODY_BYTES": str(bodies.MAX_BYTES)}
        gateway = self.stack.gateway(**self._variables, **more, **variables)
        gateway.http.event_hooks = {"response": [self._keep]}
        self.processes.append(gateway)
        return gateway

    def worker(self, level: str, **variables: str) -> Process:
        worker = self.stack.worker(**self._variables, PLT_LOGGER_LEVEL=level, **variables)
        self.processes.append(worker)
        return worker

    def logs(self) -> dict[str, str]:
        """Return the logs of the processes by file name."""
        return {each.log.name: each.log.read_text(errors="replace") for each in self.processes}

    def metrics(self, *processes: Process) -> dict[str, str]:
        """Return the metrics of processes that run."""
        urls = {each.log.name: f"{each.metrics_url}/metrics" for each in processes}
        return {f"metrics of {name}": httpx_get(url).text for name, url in urls.items()}

    def apply(self, gateway: Gateway) -> None:
        """Apply each valid body, and repeat the request with the same idempotency key."""
        for path, body in bodies.valid(self.canary).items():
            writes = len(self.stack.sandbox.calls.writes())
            put(gateway, path, body, 200, key="once")
            assert len(self.stack.sandbox.calls.writes()) > writes
            writes = len(self.stack.sandbox.calls.writes())
            put(gateway, path, body, 200, key="once")
            assert len(self.stack.sandbox.calls.writes()) == writes

    def be_refused(self, gateway: Gateway) -> None:
        """Let the platform refuse each valid body with errors that quote the body."""
        plain = {"content-type": "text/plain"}
        for path, body in bodies.valid(self.canary).items():
            words = error_quoting(body)
            problem = {"kind": "Status", "status": "Failure", "message": words}
            for status, reason in ECHOES.items():
                more = {"reason": reason, "code": status}
                self._refused(gateway, path, body, status=status, body=problem | more)
            self._refused(gateway, path, body, status=500, body=words, headers=plain)
            later = plain | {"retry-after": "90"}
            self._refused(gateway, path, body, status=429, body=words, headers=later)

    def _refused(self, gateway: Gateway, path: str, sent: dict[str, Any], **answer: Any) -> None:
        collection = "secrets" if path == bodies.SECRETS else "deployments"
        faults = self.stack.sandbox.faults
        fault = faults.add(path=f"/{collection}", times=None, **answer)
        answered = gateway.http.put(path, json=sent)
        faults.remove(fault)
        assert fault.hits
        assert answered.status_code >= 400, answered.text

    def survive_kill(self, gateway: Gateway, worker: Process) -> Process:
        """Kill the worker during a command, and let a successor run the command again."""
        sandbox = self.stack.sandbox
        fault = sandbox.faults.add(method="PATCH", path="/secrets/", delay=20, times=1)
        with ThreadPoolExecutor(1) as pool:
            body = bodies.secret(self.canary, "survivor")
            answer = pool.submit(put, gateway, bodies.SECRETS, body, 200)
            eventually(lambda: fault.hits, what="the command runs")
            worker.kill()
            successor = self.worker("debug")
            answer.result(60)
        return successor

    def expire(self, impatient: Gateway, worker: Process) -> None:
        """Let a command reach its deadline on the platform, and in a frozen worker."""
        faults = self.stack.sandbox.faults
        fault = faults.add(method="PATCH", path="/secrets/", delay=HELD_S, times=1)
        body = bodies.secret(self.canary, "late")
        put(impatient, bodies.SECRETS, body, 504)
        assert fault.hits == 1
        worker.freeze()
        put(impatient, bodies.SECRETS, body, 504)
        worker.thaw()

    def send_invalid(self, gateway: Gateway) -> None:
        """Send every invalid body."""
        for path, body, media_type in bodies.invalid(self.canary):
            answer = gateway.http.put(path, content=body, headers={"content-type": media_type})
            assert answer.status_code >= 400, (path, body[:200], answer.text)

    def replay(self) -> list[Message]:
        """Publish manipulated copies of a sealed message, which are all dead-lettered."""
        good = self.sealed(bodies.secret(self.canary))
        corrupted = good.body[:-1] + bytes([good.body[-1] ^ 1])
        scale = message_of_example("update_controller_replicas")
        other = good.key.replace("pull", "other")
        dead = [
            changed(good, type="apply_controller"),
            changed(good, type="apply_rocket"),
            changed(good, key=other),
            changed(good, body=corrupted),
            changed(good, content_type=wire.JSON),
            changed(good, key=scale.key, type=scale.type),
            changed(
                good, body=Seals([os.urandom(32)]).seal(b"{}", good.type, "secrets.default.pull")
            ),
        ]
        self.broker.publish(*dead)
        return dead

    def be_dead_lettered(self, audit: Auditor) -> list[Result]:
        """Without a worker: let commands expire, be rejected, and exceed the delivery limit."""
        expires, rejected, returned = [self.sealed(bodies.secret(self.canary)) for _ in range(3)]
        expires = changed(expires, expiration=300)
        queue = topology.partition_queue("k8s", int(expires.key.split(".")[1]))
        self.broker.publish(expires)
        results = [audit.final(expires.message_id).result]
        self.broker.publish(rejected)
        self.broker.consume(queue, Channel.reject, 1)
        self.broker.publish(returned)
        self.broker.consume(queue, Channel.give_back, topology.DELIVERY_LIMIT + 1)
        return results + [audit.final(each.message_id).result for each in (rejected, returned)]

    def sealed(self, manifest: dict[str, Any]) -> Message:
        """Return the sealed message of a Secret, as a gateway publishes it."""
        operation = OPERATIONS["apply_secret"]
        message = command(wire.build(operation, {"scope": "default", "manifest": manifest}))
        where = message.key.split(".", 2)[2]
        return changed(
            message,
            body=self._seals.seal(message.body, message.type, where),
            content_type=SEALED,
        )

    def _keep(self, response: httpx.Response) -> None:
        response.read()
        self.answers.append(response)


def error_quoting(body: object) -> str:
    """Return a platform error that quotes a body in several encodings, whole and truncated."""
    words = ['Deployment.apps "web" is invalid: spec.template: Invalid value: ']
    for text in texts(body):
        encoded = base64.b64encode(text.encode()).decode()
        escaped = msgspec.json.encode(text).decode()
        words.append(f"{escaped}, {text}, {encoded}, {text.encode().hex()}, …|{text[9:-9]}|…")
    return "; ".join(words)


def texts(value: object) -> Iterator[str]:
    """Yield every string value in a body."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def put(
    gateway: Gateway, path: str, body: dict[str, Any], status: int, key: str | None = None
) -> httpx.Response:
    """Send a PUT and check the status."""
    headers = {"idempotency-key": key} if key else {}
    answer = gateway.http.put(path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer


def command(operation: Operation[Any]) -> Message:
    """Return a command without a reply queue and a deadline."""
    return message_of(
        operation,
        message_id=os.urandom(8).hex(),
        correlation_id=None,
        reply_to=None,
        expiration=None,
        headers={},
    )


def message_of_example(name: str) -> Message:
    """Return an example command of an operation."""
    values = {"scope": "default", "name": "hello", "replicas": 2, "kind": "Deployment"}
    return command(wire.build(OPERATIONS[name], values))


def open_event(manifest: dict[str, Any], name: str = "apply_secret") -> Message:
    """Return an unsealed Secret as an event, against the documentation for producers."""
    operation = OPERATIONS["apply_secret"](scope="default", manifest=manifest)  # type: ignore[call-arg]  # its fields are not the base's
    message = command(operation)
    assert message.key.endswith(address.address(operation))
    return changed(message, exchange=topology.EVENTS, type=name, user_id=USER)


def changed(message: Message, **changes: Any) -> Message:
    """Return a copy of a message with changes and a new id."""
    return msgspec.structs.replace(message, **({"message_id": os.urandom(8).hex()} | changes))
