"""Property tests: every response is JSON or HTML, and none is a 500."""

from urllib.parse import quote, urlencode

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from contracts.faults import PROBLEM_JSON
from tests.gateway.client import Answer

FEW = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    # Fixtures are shared by all examples; state left by one example does not affect the next.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
EXPECTED_5XX = {501, 502, 503, 504}

METHODS = some.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "TRACE"])
WORDS = some.sampled_from(
    ["k8s", "machines", "controllers", "services", "secrets", "gateway", "gateways", "httproutes",
     "workloads", "routeplans", "labels", "default", "hello", "..", ".", "", "%2e%2e", "%2F", "%00",
     "%ff", "%", "a" * 300, "status", "ready", "documentation"]
)  # fmt: skip
SEGMENTS = WORDS | some.text(max_size=20).map(lambda text: quote(text, safe=""))
RAW = some.binary(max_size=40).map(lambda raw: raw.replace(b"?", b"").replace(b"#", b""))
PAIRS = some.lists(
    some.tuples(
        some.sampled_from(["labels", "labels[]", "kind", "apiVersion"]) | some.text(max_size=5),
        some.text(max_size=30),
    ),
    max_size=5,
)  # fmt: skip
QUERIES = PAIRS.map(lambda pairs: urlencode(pairs).encode()) | some.binary(max_size=60)
VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(
            some.sampled_from(
                ["labels", "replicas", "metadata", "name", "spec", "appName", "rules"]
            )
            | some.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
BODIES = some.none() | some.binary(max_size=60) | VALUES.map(msgspec.json.encode)
CONTENT_TYPES = some.sampled_from(["application/json"] * 4 + ["text/plain", "x", ""])


def assert_valid(method: str, answer: Answer) -> None:
    assert answer.status < 500 or answer.status in EXPECTED_5XX, answer.body
    if method == "HEAD":
        return
    if answer.headers["content-type"].startswith("text/html"):
        assert answer.status == 200
        return
    value = answer.json()
    if answer.status >= 400 and answer.headers["content-type"] == PROBLEM_JSON:
        assert value["statusCode"] == answer.status
        assert value["code"]
        assert value["message"].isprintable()


@FEW
@given(METHODS, some.lists(SEGMENTS, max_size=6), QUERIES, BODIES, CONTENT_TYPES)
async def test_any_path_query_and_body_gets_a_valid_response(
    kubernetes, method, segments, query, body, content_type
):
    target = ("/" + "/".join(segments)).encode() + b"?" + query

    answer = await kubernetes.ask(method, target, body, content_type=content_type)

    assert_valid(method, answer)


@FEW
@given(METHODS, RAW, BODIES)
async def test_any_bytes_as_a_path_get_a_valid_response(kubernetes, method, raw, body):
    assert_valid(method, await kubernetes.ask(method, b"/" + raw, body))


@FEW
@given(
    some.sampled_from(
        [
            ("PATCH", "/memory/machines/shop/hello/labels"),
            ("POST", "/memory/controllers/shop/hello"),
            ("PUT", "/memory/controllers/shop"),
            ("PUT", "/memory/services/shop"),
            ("PUT", "/memory/secrets/shop"),
            ("PUT", "/memory/gateway/httproutes/shop"),
            ("PUT", "/memory/workloads/shop"),
            ("PUT", "/memory/gateway/routeplans/shop"),
        ]
    ),
    BODIES,
)
async def test_any_body_gets_a_valid_response_from_a_provider_of_all_operations(
    client, route, body
):
    method, target = route

    assert_valid(method, await client.ask(method, target, body))


@FEW
@given(PAIRS)
async def test_accepted_labels_reach_the_provider_unchanged(client, memory, pairs):
    labels = [(name.removesuffix("[]"), value) for name, value in pairs]
    query = urlencode(pairs)

    answer = await client.get(f"/memory/machines/shop?{query}")

    if answer.status == 200:
        sent = dict(value.split("=", 1) for name, value in labels if name == "labels")
        assert memory.calls[-1].labels == sent
    else:
        assert answer.status == 400
