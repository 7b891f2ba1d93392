"""Identity in a real gateway on a real broker: the audit, and tokens that appear nowhere."""

import asyncio
import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import trustme

from contracts.outcomes import Result
from deploy.rabbitmq.node import RabbitNode
from gateway.identity import tokens
from tests.auditor import Auditor
from tests.gateway.requests import REQUESTS
from tests.identity.guarded import rule
from tests.identity.issuers import AUDIENCE, ISSUER, Issuer, key_set
from tests.identity.key_server import KeyServer
from tests.observation.collector import collecting
from tests.observation.scraping import httpx_get
from tests.secrets.broker import Broker, as_bytes
from tests.secrets.canary import Canary
from tests.stack import Gateway, Stack, eventually

PROVIDER = {"providers": ["k8s"], "scopes": ["default"]}


@pytest.fixture
def broker(stack: Stack, rabbit: RabbitNode) -> Iterator[Broker]:
    """A reader of the stack's virtual host."""
    broker = Broker(stack.amqp_url, rabbit)
    yield broker
    broker.close()


def variables(folder: Path, *lines: str, issuer: Issuer | None = None) -> dict[str, str]:
    """Write the files of a gateway with both kinds of tokens, and return its variables."""
    rules = [rule("ci", "icc", **PROVIDER), rule("reader", classes=["read"], **PROVIDER)]
    (folder / "rights.json").write_text(json.dumps({"rules": rules}))
    (folder / "tokens").write_text("\n".join(lines))
    (folder / "keys.json").write_bytes(key_set(issuer or Issuer()))
    return {
        "PLT_AUTH": "token,jwt",
        "PLT_AUTH_RIGHTS": f"{folder}/rights.json",
        "PLT_AUTH_TOKENS": f"{folder}/tokens",
        "PLT_JWT_JWKS": f"{folder}/keys.json",
        "PLT_JWT_ISSUER": ISSUER,
        "PLT_JWT_AUDIENCE": AUDIENCE,
    }


def scale(gateway: Gateway, token: str | None, replicas: int, **more: str) -> httpx.Response:
    """Scale `hello` with this token instead of the gateway's own one."""
    headers = {"authorization": f"Bearer {token}"} if token else {"authorization": ""}
    return gateway.http.post(
        "/k8s/controllers/default/hello", json={"replicas": replicas}, headers=headers | more
    )


def test_the_subject_of_a_command_is_in_the_audit_also_if_it_was_refused(
    stack: Stack, tmp_path: Path
) -> None:
    ci, reader = tokens.new_token(), tokens.new_token()
    lines = [tokens.line_of(ci, "ci", None), tokens.line_of(reader, "reader", None)]
    stack.worker()
    gateway = stack.gateway(ci, **variables(tmp_path, *lines))
    eventually(lambda: gateway.attended_by(1), what="the worker is attached")

    with Auditor(stack.amqp_url) as audit:
        answers = [scale(gateway, ci, 4), scale(gateway, reader, 9), scale(gateway, "wrong", 9)]
        records = [audit.final(each.headers["command-id"]) for each in answers]

    assert [each.status_code for each in answers] == [200, 403, 401]
    assert [(each.result, each.requested_by) for each in records] == [
        (Result.DONE, "ci"),
        (Result.REFUSED, "reader"),
        (Result.REFUSED, "127.0.0.1"),
    ]
    assert {each.address for each in records} == {"controllers.default.hello"}
    assert stack.sandbox.calls.count("PATCH", "/deployments/hello") == 1


@pytest.mark.full
def test_a_changed_file_of_tokens_is_in_force_without_a_restart(
    stack: Stack, tmp_path: Path
) -> None:
    old, new = tokens.new_token(), tokens.new_token()
    gateway = stack.gateway(old, **variables(tmp_path, tokens.line_of(old, "ci", None)))

    (tmp_path / "tokens").write_text(tokens.line_of(new, "ci", None))

    eventually(lambda: scale(gateway, old, 1).status_code == 401, what="the old one is refused")
    assert scale(gateway, new, 1).status_code == 503  # no worker is attached


@pytest.mark.full
def test_a_token_is_readable_nowhere(stack: Stack, broker: Broker, tmp_path: Path) -> None:
    """Not in a log at the level trace, a metric, a span, a response, or a part of the broker."""
    since, canaries = time.time(), [Canary(), Canary(), Canary()]
    known, unknown, signed = (f"machinist_{each.core}" for each in canaries)
    issuer = Issuer()
    token = issuer.token("icc", jti=signed)
    given = variables(tmp_path, tokens.line_of(known, "ci", None), issuer=issuer)
    more = {"PLT_LOGGER_LEVEL": "trace", "PLT_METRICS_PORT": "0", "PLT_ACCESS_LOG": "true"}

    with Auditor(stack.amqp_url) as audit, collecting() as collector:
        worker = stack.worker(**more, **collector.variables)
        more |= {"PYTHONASYNCIODEBUG": "1"} | collector.variables
        gateway = stack.gateway(known, **given, **more)
        eventually(lambda: gateway.attended_by(1), what="the worker is attached")
        answers = []
        for number, each in enumerate((known, unknown, token, token[:-9], f"{known}.a.b")):
            answers.append(scale(gateway, each, number))
            answers.append(scale(gateway, each, -1))
            answers.append(gateway.http.get("/ready", headers={"authorization": f"Bearer {each}"}))
            answers.append(
                gateway.http.get(
                    "/k8s/machines/elsewhere", headers={"authorization": each, "cookie": each}
                )
            )
        for case in REQUESTS:
            answers.append(gateway.http.request(case.method, f"/k8s{case.path}", json=case.body))
        for name in ("tokens", "rights.json"):
            (tmp_path / name).write_text(f"ci never {known}")
            eventually(
                partial(complains_of, gateway, name, known), what=f"the log names the new {name}"
            )
        places = {
            f"answer {n}": repr(a.headers).encode() + a.content for n, a in enumerate(answers)
        }
        places |= {path.name: path.read_bytes() for path in tmp_path.glob("*.log")}
        for name, process in (("worker", worker), ("gateway", gateway)):
            metrics = httpx_get(f"{process.metrics_url}/metrics").content
            assert b"machinist_audit_outcomes_total{" in metrics, name
            places[f"metrics of the {name}"] = metrics
        services = {"machinist-gateway", "machinist-worker"}
        eventually(
            lambda: services <= {span.service for span in list(collector.spans)},
            what="spans of both processes are exported",
        )
        places |= {f"spans {n}": body for n, body in enumerate(list(collector.bodies))}
        for name, messages in broker.queues().items():
            places |= {f"{name} {n}": as_bytes(each) for n, each in enumerate(messages)}
        places |= {f"stream {n}": as_bytes(each) for n, each in enumerate(broker.stream())}
        places |= {f"outcome {n}": as_bytes(each) for n, each in enumerate(audit.outcomes())}
        places |= {f"file {name}": content for name, content in broker.files(since)}
        results = {outcome.result for _, outcome in audit.outcomes()}

    assert {200, 400, 401, 403} <= {each.status_code for each in answers}
    assert {Result.DONE, Result.REFUSED} <= results
    assert {"1-worker.log", "2-gateway.log"} <= places.keys()
    parts = [token, *token.split(".")]
    for name, content in places.items():
        for canary in canaries:
            assert not canary.found(content), name
        assert not [part for part in parts if part.encode() in content], name


@pytest.mark.full
async def test_a_gateway_reads_the_keys_of_an_api_server(stack: Stack, tmp_path: Path) -> None:
    """With the CA of the cluster and the token of the gateway's own pod."""
    authority, cluster = trustme.CA(), Issuer("key-1", "RS256")
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    (tmp_path / "pod-token").write_text("of-the-pod")
    server = KeyServer(authority, key_set(cluster))
    server.wanted_token = "of-the-pod"
    given = variables(tmp_path) | {
        "PLT_AUTH": "token,jwt",
        "PLT_JWT_JWKS_CA": f"{tmp_path}/ca.crt",
        "PLT_JWT_JWKS_TOKEN_FILE": f"{tmp_path}/pod-token",
    }
    async with server.serving():
        given["PLT_JWT_JWKS"] = server.url
        gateway = await asyncio.to_thread(stack.gateway, cluster.token("icc"), **given)
        forged = Issuer("key-1", "RS256").token("icc")
        answers = [
            await asyncio.to_thread(scale, gateway, token, 1)
            for token in (cluster.token("icc"), forged, Issuer("unknown").token("icc"))
        ]

    assert [each.status_code for each in answers] == [503, 401, 401]
    assert answers[0].json()["code"] == "provider_unattended"


def complains_of(gateway: Gateway, name: str, token: str) -> bool:
    """Send a request, so that changed files are noticed; tell whether the log names a file."""
    assert scale(gateway, token, 2).is_success
    return f"{name}': " in gateway.log.read_text()
