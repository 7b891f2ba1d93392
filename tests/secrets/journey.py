"""What may happen to a secret on its way: each step is one of the ways that design.md knows."""

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
from tests.secrets import bodies
from tests.secrets.canary import Canary
from tests.secrets.places import Broker
from tests.stack import Gateway, Process, Stack, eventually

SHORT_MS = 1200
ECHOES = {
    403: "Forbidden",
    422: "Invalid",
    500: "InternalError",
    400: "BadRequest",
}


class Journey:
    """Gateways and workers that share a key, and what they answered."""

    def __init__(self, stack: Stack, canary: Canary, broker: Broker, **variables: str) -> None:
        key = os.urandom(32)
        self.stack = stack
        self.canary = canary
        self.broker = broker
        self.answers: list[httpx.Response] = []
        self.processes: list[Process] = []
        self.key = base64.b64encode(key).decode()
        self._seals = Seals([key])
        self._variables = variables | {"PLT_SEAL_KEY": self.key}

    def gateway(self, level: str, **variables: str) -> Gateway:
        """Start a gateway; what it answers is kept."""
        more = {"PLT_LOGGER_LEVEL": level, "PLT_MAX_BODY_BYTES": str(bodies.MOST_BYTES)}
        gateway = self.stack.gateway(**self._variables, **more, **variables)
        gateway.http.event_hooks = {"response": [self._keep]}
        self.processes.append(gateway)
        return gateway

    def worker(self, level: str, **variables: str) -> Process:
        """Start a worker."""
        worker = self.stack.worker(**self._variables, PLT_LOGGER_LEVEL=level, **variables)
        self.processes.append(worker)
        return worker

    def logs(self) -> dict[str, str]:
        """What the processes wrote down."""
        return {each.log.name: each.log.read_text(errors="replace") for each in self.processes}

    def succeed(self, gateway: Gateway) -> None:
        """Each is applied, and answered once more to a repeat that is not run."""
        for path, body in bodies.whole(self.canary).items():
            writes = len(self.stack.sandbox.calls.writes())
            put(gateway, path, body, 200, key="once")
            assert len(self.stack.sandbox.calls.writes()) > writes
            writes = len(self.stack.sandbox.calls.writes())
            put(gateway, path, body, 200, key="once")
            assert len(self.stack.sandbox.calls.writes()) == writes

    def fail(self, gateway: Gateway) -> None:
        """The platform refuses each with words that quote it in every way, and cut off."""
        plain = {"content-type": "text/plain"}
        for path, body in bodies.whole(self.canary).items():
            words = quoting(body)
            said = {"kind": "Status", "status": "Failure", "message": words}
            for status, reason in ECHOES.items():
                more = {"reason": reason, "code": status}
                self._refused(gateway, path, body, status=status, body=said | more)
            self._refused(gateway, path, body, status=500, body=words, headers=plain)
            later = plain | {"retry-after": "90"}
            self._refused(gateway, path, body, status=429, body=words, headers=later)

    def _refused(self, gateway: Gateway, path: str, sent: dict[str, Any], **answer: Any) -> None:
        collection = "secrets" if path == bodies.SECRETS else "deployments"
        faults = self.stack.sandbox.faults
        fault = faults.add(path=f"/{collection}", **answer)
        answered = gateway.http.put(path, json=sent)
        faults.remove(fault)
        assert fault.hits
        assert answered.status_code >= 400, answered.text

    def survive(self, gateway: Gateway, worker: Process) -> Process:
        """Its worker is killed in the middle of it, and another one runs it again."""
        sandbox = self.stack.sandbox
        fault = sandbox.faults.add(method="PATCH", path="/secrets/", delay=20, times=1)
        with ThreadPoolExecutor(1) as pool:
            body = bodies.secret(self.canary, "survivor")
            answer = pool.submit(put, gateway, bodies.SECRETS, body, 200)
            eventually(lambda: fault.hits, what="it runs")
            worker.kill()
            successor = self.worker("debug")
            answer.result(60)
        return successor

    def outlast(self, impatient: Gateway, worker: Process) -> None:
        """It is cut at its deadline on the platform, and waits past it in a frozen worker."""
        faults = self.stack.sandbox.faults
        fault = faults.add(method="PATCH", path="/secrets/", delay=2 * SHORT_MS / 1000, times=1)
        body = bodies.secret(self.canary, "late")
        put(impatient, bodies.SECRETS, body, 504)
        assert fault.hits == 1
        worker.freeze()
        put(impatient, bodies.SECRETS, body, 504)
        worker.thaw()

    def break_(self, gateway: Gateway) -> None:
        """Whatever is wrong with a body, and wherever."""
        for path, body, media_type in bodies.broken(self.canary):
            answer = gateway.http.put(path, content=body, headers={"content-type": media_type})
            assert answer.status_code >= 400, (path, body[:200], answer.text)

    def replay(self) -> list[Message]:
        """What somebody makes of a sealed message that he got hold of: each is dead."""
        good = self.sealed(bodies.secret(self.canary))
        spoiled = good.body[:-1] + bytes([good.body[-1] ^ 1])
        scale = message_of_example("update_controller_replicas")
        other = good.key.replace("pull", "other")
        dead = [
            but(good, type="apply_controller"),
            but(good, type="apply_rocket"),
            but(good, key=other),
            but(good, body=spoiled),
            but(good, content_type=wire.JSON),
            but(good, key=scale.key, type=scale.type),
            but(good, body=Seals([os.urandom(32)]).seal(b"{}", good.type, "secrets.default.pull")),
        ]
        self.broker.publish(*dead)
        return dead

    def end_at_the_broker(self, audit: Auditor) -> list[Result]:
        """With no worker there it expires, is rejected by a stranger, and delivered too often."""
        expires, rejected, returned = [self.sealed(bodies.secret(self.canary)) for _ in range(3)]
        expires = but(expires, expiration=300)
        queue = topology.partition_queue("k8s", int(expires.key.split(".")[1]))
        self.broker.publish(expires)
        results = [audit.final(expires.message_id).result]
        self.broker.publish(rejected)
        self.broker.consume(queue, Channel.reject, 1)
        self.broker.publish(returned)
        self.broker.consume(queue, Channel.give_back, topology.DELIVERY_LIMIT + 1)
        return results + [audit.final(each.message_id).result for each in (rejected, returned)]

    def sealed(self, manifest: dict[str, Any]) -> Message:
        """A Secret as a gateway publishes it."""
        operation = OPERATIONS["apply_secret"]
        message = command(wire.build(operation, {"scope": "default", "manifest": manifest}))
        where = message.key.split(".", 2)[2]
        return but(
            message,
            body=self._seals.seal(message.body, message.type, where),
            content_type=SEALED,
        )

    def _keep(self, response: httpx.Response) -> None:
        response.read()
        self.answers.append(response)


def quoting(body: object) -> str:
    """Words of a platform that quotes all that it was sent, in every way, and cut off."""
    words = ['Deployment.apps "web" is invalid: spec.template: Invalid value: ']
    for text in texts(body):
        encoded = base64.b64encode(text.encode()).decode()
        escaped = msgspec.json.encode(text).decode()
        words.append(f"{escaped}, {text}, {encoded}, {text.encode().hex()}, …|{text[9:-9]}|…")
    return "; ".join(words)


def texts(value: object) -> Iterator[str]:
    """Every text in a body."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def put(
    gateway: Gateway, path: str, body: dict[str, Any], status: int, key: str | None = None
) -> httpx.Response:
    """PUT something and look at the status."""
    headers = {"idempotency-key": key} if key else {}
    answer = gateway.http.put(path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer


def command(operation: Operation[Any]) -> Message:
    """A command that nobody awaits."""
    return message_of(
        operation,
        message_id=os.urandom(8).hex(),
        correlation_id=None,
        reply_to=None,
        expiration=None,
        headers={},
    )


def message_of_example(name: str) -> Message:
    """A command of the operation."""
    values = {"scope": "default", "name": "hello", "replicas": 2, "kind": "Deployment"}
    return command(wire.build(OPERATIONS[name], values))


def open_event(manifest: dict[str, Any], name: str = "apply_secret") -> Message:
    """A Secret as a producer publishes it who did not read the page."""
    operation = OPERATIONS["apply_secret"](scope="default", manifest=manifest)  # type: ignore[call-arg]  # its fields are not the base's
    message = command(operation)
    assert message.key.endswith(address.address(operation))
    return but(message, exchange=topology.EVENTS, type=name, user_id=USER)


def but(message: Message, **changes: Any) -> Message:
    """The message with changes, as a message of its own."""
    return msgspec.structs.replace(message, **({"message_id": os.urandom(8).hex()} | changes))
