"""Measures the rows and the loads of the platform in memory in turns, and counts their calls."""

import json
import time
from typing import Any

import httpx

from deploy.failed import Failed
from deploy.waiting import wait_until
from tests.bench.loads import messages
from tests.bench.loads.measure import Job, Measurement
from tests.bench.loads.messages import Messages
from tests.bench.requests import KUBERNETES, MACHINES, MEMORY, commands, queries
from tests.bench.results import report
from tests.bench.results.report import Compared, Counts, Line
from tests.bench.rows import DIRECT, MACHINIST, RAW, WAYS, Row
from tests.bench.subjects.stage import READY_S, Stage, run

ROUNDS = 3
COUNTED_S = 3.0
IDLE_S = 5.0
FLOOR = "floor: echo, bare aiormq"
QUERY = "query, platform in memory"
LOADS = {QUERY: queries(MEMORY, MACHINES), "command, platform in memory": commands(MEMORY)}
AT_ONCE = (16, 64)


def measure(stage: Stage, rows: list[Row], seconds: float) -> tuple[list[Compared], list[Line]]:
    """Measure every kind of load in turns, in `ROUNDS` rounds of these seconds each."""
    for row in rows:
        _check_answers(stage, row)
    loads = [(kind, count) for kind in (*LOADS, FLOOR) for count in AT_ONCE]
    measured: dict[tuple[str, int], list[Measurement]] = {load: [] for load in loads}
    compared: list[dict[str, list[Measurement]]] = [{way: [] for way in WAYS} for _ in rows]
    for _ in range(ROUNDS):
        for row, ways in zip(rows, compared, strict=True):
            for way in WAYS:
                ways[way].append(run("http", _job(stage, row, way, seconds), Measurement))
        for kind, count in loads:
            measured[kind, count].append(_load(stage, kind, count, seconds))
    idle = _idle(stage)
    counts = [{way: _count(stage, row, way, idle) for way in WAYS} for row in rows]
    return (
        [report.compared(*each) for each in zip(rows, compared, counts, strict=True)],
        [report.line(kind, count, rounds) for (kind, count), rounds in measured.items()],
    )


def _job(stage: Stage, row: Row, way: str, seconds: float) -> Job:
    requests = row.requests[way]
    if way == RAW:
        worker = stage.cluster.worker
        return Job("", seconds, row.at_once, stage.platform(), requests, row.raw_steps, worker)
    if way == DIRECT:
        return Job(stage.direct, seconds, row.at_once, stage.directly(), requests)
    return Job(stage.gateway, seconds, row.at_once, stage.through(KUBERNETES), requests)


def _load(stage: Stage, kind: str, at_once: int, seconds: float) -> Measurement:
    if kind == FLOOR:
        job = Job(stage.node.amqp_url, seconds, at_once, stage.floor(), own="asks")
        return run("echo", job, Measurement)
    job = Job(stage.gateway, seconds, at_once, stage.through(MEMORY), LOADS[kind])
    return run("http", job, Measurement)


def _count(stage: Stage, row: Row, way: str, idle: Messages) -> Counts:
    """Count in a run of its own, because to read the counters of the broker takes CPU.

    `idle` are the messages per second without requests, in which workers announce themselves.
    """

    def send() -> int:
        return run("http", _job(stage, row, way, COUNTED_S), Measurement).in_all

    if way == RAW:
        return Counts(row.raw_steps)
    if way == DIRECT:
        calls_before = stage.direct_calls()
        requests = send()
        return Counts((stage.direct_calls() - calls_before) / requests)
    calls_before, before, began = stage.calls(), messages.read(stage.node), time.monotonic()
    requests = send()
    sent = messages.read(stage.node) - before - idle * (time.monotonic() - began)
    return Counts((stage.calls() - calls_before) / requests, sent / requests)


def _idle(stage: Stage) -> Messages:
    before, began = messages.read(stage.node), time.monotonic()
    time.sleep(IDLE_S)
    return (messages.read(stage.node) - before) / (time.monotonic() - began)


def _check_answers(stage: Stage, row: Row) -> None:
    """Raise Failed unless both ways answer the same. Then informers answer, where there are any."""
    request = row.requests[MACHINIST][0][0]
    method, target, *_ = request.split(" ")
    body = request.partition("\r\n\r\n")[2]
    headers = {"content-type": "application/json"} if body else {}

    def ask(address: str) -> httpx.Response:
        url = f"http://{address}{target}"
        answer = httpx.request(
            method, url, content=body, headers=headers, trust_env=False, timeout=READY_S
        )
        if answer.status_code != 200:
            raise Failed(f"{method} {url}: {answer.status_code}: {answer.text[:500]}")
        return answer

    direct, through = ask(stage.direct).json(), ask(stage.gateway).json()
    if _sorted(direct) != _sorted(through):
        raise Failed(f"{method} {target}: the direct way and machinist answer differently")
    if not row.is_command:
        condition = f"{target} is answered from informers"
        wait_until(lambda: "age" in ask(stage.gateway).headers, READY_S, condition)


def _sorted(value: Any) -> Any:
    """Return a JSON value with sorted lists."""
    if isinstance(value, dict):
        return {key: _sorted(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted(map(_sorted, value), key=json.dumps)
    return value
