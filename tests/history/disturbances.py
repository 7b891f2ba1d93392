"""What goes wrong: workers are killed, frozen and cut off, and the broker is restarted."""

import random
import re
import time
from collections.abc import Callable, Iterable
from urllib.parse import quote

import httpx

from tests.history.history import KILL, RESTART, Disturbance
from tests.history.script import Blow, Hurt
from tests.stack import Process, Stack

WORKER = re.compile(r"^machinist worker \S+ \S+-(\d+)-\w+ ")
NO_WORKER = 0


class Scene:
    """Who can be hurt."""

    def __init__(self, stack: Stack, workers: list[Process]) -> None:
        self.stack = stack
        self.workers = workers
        self.disturbances: list[Disturbance] = []

    @property
    def everybody(self) -> list[int]:
        """All workers, and what is no worker."""
        return [*(worker.pid for worker in self.workers), NO_WORKER]

    def play(self, blows: Iterable[Blow]) -> None:
        """One blow after another."""
        for blow in blows:
            time.sleep(blow.after_s)
            HURTS[blow.what](self, blow)

    def note(self, what: str, hits: Iterable[int], began: float) -> None:
        """A disturbance that is over now."""
        self.disturbances.append(
            Disturbance(what=what, hits=frozenset(hits), began=began, ended=time.time())
        )


def kill(scene: Scene, blow: Blow) -> None:
    """A worker dies, and another comes in its place."""
    worker = scene.workers.pop(blow.whom % len(scene.workers))
    began = time.time()
    worker.kill()
    scene.note(KILL, [worker.pid], began)
    scene.workers.append(scene.stack.worker())


def freeze(scene: Scene, blow: Blow) -> None:
    """A worker stops for a while and goes on as if nothing had been."""
    worker = scene.workers[blow.whom % len(scene.workers)]
    began = time.time()
    worker.freeze()
    time.sleep(blow.for_s)
    worker.thaw()
    scene.note("freeze", [worker.pid], began)


def cut(scene: Scene, blow: Blow) -> None:
    """The operator closes some connections: of workers, gateways, producers."""
    began = time.time()
    with httpx.Client(
        base_url=f"{scene.stack.node.management_url}/api",
        auth=(scene.stack.node.user, scene.stack.node.password),
        timeout=30,
        trust_env=False,
    ) as management:
        vhost = quote(scene.stack.amqp_url.rpartition("/")[2], safe="")
        open_now = management.get(f"/vhosts/{vhost}/connections").raise_for_status().json()
        names = {each["name"]: _label(each) for each in open_now}
        chosen = random.Random(blow.whom).sample(sorted(names), k=-(-len(names) // 3))
        for name in chosen:
            # One that has gone by itself meanwhile is as good as closed.
            management.delete(f"/connections/{quote(name, safe='')}")
    found = [WORKER.match(names[name]) for name in chosen]
    scene.note("cut", [int(match[1]) if match else NO_WORKER for match in found], began)


def restart(scene: Scene, blow: Blow) -> None:
    """The broker goes down in good order and comes back."""
    began = time.time()
    scene.stack.node.restart()
    scene.note(RESTART, scene.everybody, began)


def _label(connection: dict[str, object]) -> str:
    properties = connection.get("client_properties")
    return str(properties.get("connection_name", "")) if isinstance(properties, dict) else ""


HURTS: dict[Hurt, Callable[[Scene, Blow], None]] = {
    KILL: kill,
    "freeze": freeze,
    "cut": cut,
    RESTART: restart,
}
