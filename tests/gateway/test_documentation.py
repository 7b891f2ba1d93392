"""The pages of the documentation, and the files of Swagger UI."""

import base64
import gzip
import hashlib
import re

import pytest

from contracts.api import OPERATIONS
from contracts.documents import asyncapi, openapi
from gateway.documentation import operations
from gateway.documentation.routes import FILES
from tests.gateway.client import Client
from tests.gateway.documented import Document, described

PAGES = ("/documentation", "/documentation/messages")
TYPES = {
    operations.SCRIPT: "text/javascript; charset=utf-8",
    operations.STYLE: "text/css; charset=utf-8",
}
SUM = re.compile(r"`([\w.-]+)` \| `([0-9a-f]{64})`")
EVERY_PAGE = pytest.mark.parametrize("path", PAGES)
EVERY_FILE = pytest.mark.parametrize("path", TYPES)


@EVERY_PAGE
async def test_a_page_loads_only_files_of_the_gateway(client: Client, path: str) -> None:
    answer = await client.get(path)
    page = Document(answer.body.decode())

    assert answer.headers["content-type"].startswith("text/html")
    assert page.loaded == (set(TYPES) if path == "/documentation" else set())
    assert "url(" not in "".join(page.embedded["style"])
    assert "@import" not in "".join(page.embedded["style"])


@EVERY_PAGE
async def test_the_policy_allows_the_embedded_parts_by_hash_and_nothing_from_elsewhere(
    client: Client, path: str
) -> None:
    answer = await client.get(path)
    page = Document(answer.body.decode())
    pairs = (each.split(" ", 1) for each in answer.headers["content-security-policy"].split("; "))
    policy = {name: set(sources.split()) for name, sources in pairs}

    assert policy["default-src"] == {"'none'"}
    for kind, embedded in page.embedded.items():
        sources = policy[f"{kind}-src"]
        assert sources - {"'none'", "'self'"} == {hash_of(text) for text in embedded}
    for sources in policy.values():
        assert all(each in {"'none'", "'self'", "data:"} or "sha256-" in each for each in sources)


def hash_of(text: str) -> str:
    """Return the source expression of an embedded part, by CSP level 3 §2.3.1."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@EVERY_PAGE
async def test_every_link_of_a_page_has_a_target(client: Client, path: str) -> None:
    page = Document((await client.get(path)).body.decode())

    for link in page.links:
        target, _, anchor = link.partition("#")
        if target:
            answer = await client.get(target)
            assert answer.status == 200
        if target == "/documentation":  # its anchors are the names of operations
            assert anchor in {"", *await described(client)}
        elif not target:
            assert anchor in page.anchors


async def test_every_operation_has_its_name_as_anchor(client: Client) -> None:
    on_page = await described(client)
    document = openapi.document()

    tags = {
        each["operationId"]: each["tags"][0]
        for path in document["paths"].values()
        for each in path.values()
    }
    assert {name: each["tag"] for name, each in on_page.items()} == tags
    assert on_page.keys() == {*OPERATIONS, "status", "ready"}


async def test_every_part_of_the_asyncapi_document_has_an_anchor(client: Client) -> None:
    page = Document((await client.get("/documentation/messages")).body.decode())
    document = asyncapi.document()

    for kind in ("schema", "message"):
        for name in document["components"][f"{kind}s"]:
            assert f"{kind}-{name}" in page.anchors
    assert {f"channel-{name}" for name in document["channels"]} <= page.anchors
    assert document["operations"].keys() <= page.anchors


async def test_every_example_of_a_message_is_on_the_page(client: Client) -> None:
    page = (await client.get("/documentation/messages")).body.decode()
    messages = asyncapi.document()["components"]["messages"].values()

    examples = [each for message in messages for each in message["examples"]]
    assert page.count("<summary>Example: ") == len(examples) > len(OPERATIONS)


@EVERY_FILE
async def test_a_file_is_that_of_the_package_and_may_be_kept_for_ever(
    client: Client, path: str
) -> None:
    plain = await client.get(path)
    compressed = await client.get(path, headers=[("accept-encoding", "gzip, br")])

    sums = dict(SUM.findall((FILES / "README.md").read_text()))
    assert hashlib.sha256(plain.body).hexdigest() == sums[path.rpartition("/")[2]]
    assert gzip.decompress(compressed.body) == plain.body
    assert compressed.headers["content-encoding"] == "gzip"
    for answer in (plain, compressed):
        assert answer.headers["content-type"] == TYPES[path]
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["vary"] == "accept-encoding"
    assert "content-encoding" not in plain.headers


def test_the_version_in_the_paths_is_that_of_the_files() -> None:
    title = (FILES / "README.md").read_text().splitlines()[0]

    assert title == f"# Swagger UI {operations.SWAGGER_UI}"
    assert f'"{operations.SWAGGER_UI}"'.encode() in gzip.decompress(
        (FILES / "swagger-ui-bundle.js.gz").read_bytes()
    )


async def test_the_style_of_swagger_ui_loads_nothing(client: Client) -> None:
    style = (await client.get(operations.STYLE)).body.decode()

    assert "@import" not in style
    assert all(each.startswith("data:") for each in re.findall(r"url\([\"']?([^\"')]*)", style))
