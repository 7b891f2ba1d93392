"""Invalid names and scopes: 4xx, and the platform is not called."""

import pytest

from tests.gateway.client import Answer

NAMES = {
    "a slash": "a%2Fb",
    "a slash encoded twice": "a%252Fb",
    "a parent segment": "..",
    "an encoded parent segment": "%2e%2e",
    "a parent segment in the middle": "a%2F..%2Fb",
    "a path traversal": "..%2F..%2F..%2Fapi%2Fv1%2Fsecrets",
    "a dot segment": ".",
    "a question mark": "a%3Fb",
    "a hash": "a%23b",
    "an unescaped hash": "a#b",
    "a space": "a%20b",
    "a plus": "a+b",
    "only a space": "%20",
    "upper case": "Hello",
    "300 characters": "a" * 300,
    "600 characters": "a" * 600,
    "NUL": "a%00b",
    "only NUL": "%00",
    "a trailing newline": "hello%0A",
    "a header injection": "a%0D%0AX-A:%20b",
    "not ASCII": "%C3%A4",
    "a digit of another script": "%D9%A3",
    "a look-alike slash": "a%E2%88%95b",
    "an invalid escape": "a%zzb",
    "an incomplete escape": "a%2",
    "a percent sign": "a%25b",
    "invalid UTF-8": "%ff%fe",
    "an overlong slash": "%c0%af",
    "a lone surrogate": "%ed%a0%80",
    "a semicolon": "a;b",
    "a backslash": "a%5Cb",
    "a comma": "a,b",
    "an equals sign": "a=b",
    "a colon": "a:b",
    "an asterisk": "*",
    "a leading dash": "-a",
    "a trailing dash": "a-",
    "a trailing dot": "a.",
    "two dots": "a..b",
    "an underscore": "a_b",
    "an ARN": "arn:aws:ecs:eu-west-1:123456789012:cluster%2Fhello",
    "quotes": "%22a%22",
    "a tag": "%3Cscript%3E",
}

EVERY_NAME = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())


def assert_refused(answer: Answer) -> None:
    assert (answer.status, answer.json()["code"]) == (400, "invalid"), answer.body
    message = answer.json()["message"]
    assert "expected" in message
    assert message.isprintable()
    assert len(message) < 600


@EVERY_NAME
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/k8s/machines/default/{}"),
        ("GET", "/k8s/controllers/default/{}"),
        ("POST", "/k8s/controllers/default/{}"),
        ("GET", "/k8s/controllers/{}/hello?kind=Deployment"),
        ("GET", "/k8s/machines/{}"),
    ],
)
async def test_an_invalid_name_is_refused(untouched, method, path, name):
    body = b'{"replicas":1}' if method == "POST" else None

    assert_refused(await untouched.ask(method, path.format(name), body))


@pytest.mark.parametrize("name", ["a" * 64, "a.b", "1.2"])
async def test_a_scope_that_is_not_a_namespace_is_refused(untouched, name):
    assert_refused(await untouched.get(f"/k8s/machines/{name}"))


@pytest.mark.parametrize(
    "name",
    ["", "..", "%2e%2e", "a%2Fb", "K8S", "k8s%00", "%6b8s%2e", "-k8s", "a" * 33, "%ff", "queries",
     "k8s.default", "k8s%23", "%D9%A3"],
)  # fmt: skip
async def test_an_invalid_provider_is_refused(untouched, name):
    answer = await untouched.get(f"/{name}/machines/default")

    assert answer.status in {400, 404}
    assert answer.json()["code"] in {"invalid", "unknown_provider", "unknown_route"}
    assert answer.json()["message"].isprintable()


@pytest.mark.parametrize(
    "path",
    [
        "//k8s/machines/default",
        "/k8s//machines/default",
        "/k8s/machines//default",
        "/k8s/machines//",
        "/k8s/machines/default//hello",
        "/k8s/machines/default/hello//",
        "/k8s/machines/default/hello/../..",
        "/k8s/machines/../machines/default",
        "/k8s/machines/default/a/b",
        "/k8s/machines",
        "/k8s",
        "*",
        "k8s/machines/default/x/y",
        "/k8s%2Fmachines/default",
        "/k8s/machines%2Fdefault",
        "/k8s/machines/default;x=1/hello/x",
        "/" + "a/" * 5000,
        "/k8s/Machines/default",
    ],
    ids=lambda path: path[:40],
)
async def test_a_path_without_a_route_is_404(untouched, path):
    answer = await untouched.get(path)

    assert (answer.status, answer.json()["code"]) == (404, "unknown_route"), answer.body
    assert len(answer.json()["message"]) < 400


async def test_bytes_that_are_not_ascii_are_refused_in_every_part_of_a_target(untouched):
    for target in (
        b"/k8s/machines/default/\xc3\xa4",
        b"/k8s/machines/\xff",
        b"/k8s/machines/default?labels=\xc3\xa4=b",
        b"/k8s/machines/default?labels=a=\xff",
    ):
        assert_refused(await untouched.get(target))


@pytest.mark.parametrize(
    "labels",
    ["a/b/c=d", "/a=b", "A.example/b=c", "a=b%20c", "a=b%2Fc", "a=-b", "-a=b", "a=" + "b" * 64,
     "a" * 64 + "=b", "a=b%2Cc", "a%2Cb=c", "a=b%26limit%3D1", "a=b)", "a%20in%20(b)=c", "!a=b"],
)  # fmt: skip
async def test_labels_that_are_invalid_on_kubernetes_are_refused(untouched, labels):
    assert_refused(await untouched.get(f"/k8s/machines/default?labels={labels}"))


@pytest.mark.parametrize(
    "query",
    ["kind=Pod", "kind=deployment", "kind=Deployment&apiVersion=v1", "apiVersion=batch/v1",
     "kind=Secret&apiVersion=v1", "kind=%2e%2e", "apiVersion=apps%2Fv1%2F.."],
)  # fmt: skip
async def test_an_invalid_kind_or_api_version_is_refused(untouched, query):
    assert_refused(await untouched.get(f"/k8s/controllers/default/hello?{query}"))


async def test_a_huge_query_is_refused(untouched):
    for query in ("x" * 200_000, "labels=" + "a" * 200_000, "labels=a&" * 20_000, "&" * 200_000):
        answer = await untouched.get(f"/k8s/services/default?{query}")
        assert answer.status == 400
