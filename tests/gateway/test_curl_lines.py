"""The curl line of each operation, run by a shell against a gateway that serves the page."""

import shlex
from pathlib import Path

import httpx
import pytest

from contracts.documents import openapi
from gateway.documentation import curl
from gateway.identity import tokens
from gateway.identity.guard import Guard
from tests.gateway.certificates import HOST, Pki
from tests.gateway.client import Client
from tests.gateway.documented import data_of, described, gateway_over, platform
from tests.gateway.served import served, serving
from tests.gateway.shell import status
from tests.identity.guarded import by_token, rights_of, rule

NAMES = list(curl.lines(openapi.document(), uses_tokens=False, has_certificate=False))


def at(line: str, origin: str) -> str:
    """Return a line as the page shows it under its address."""
    return line.replace(curl.ORIGIN, origin)


@pytest.mark.parametrize("name", NAMES)
async def test_a_curl_line_is_an_operation_that_succeeds(name: str) -> None:
    memory = platform()
    app = gateway_over(memory)
    line = (await described(Client(app)))[name]["curl"]

    async with served(app) as port:
        assert await status(at(line, f"http://127.0.0.1:{port}")) == 200
    assert [each.row.name for each in memory.calls] == [name] * (name not in {"status", "ready"})


async def test_a_gateway_with_tokens_shows_lines_with_a_token(tmp_path: Path) -> None:
    token = tokens.new_token()
    authentication = by_token(tmp_path, tokens.line_of(token, "ci", None))
    rights = rights_of(tmp_path, rule("ci", providers=["k8s"]))
    app = gateway_over(platform(), Guard(authentication, rights))
    lines = {name: each["curl"] for name, each in (await described(Client(app))).items()}

    assert [name for name, line in lines.items() if "$TOKEN" not in line] == ["status"]
    async with served(app) as port:
        for name in ("get_machine", "update_controller_replicas", "ready"):
            origin = f"http://127.0.0.1:{port}"
            assert await status(at(lines[name], origin), TOKEN=token) == 200
            assert await status(at(lines[name], origin), TOKEN="wrong") == 401


async def test_a_browser_with_a_certificate_is_shown_lines_with_a_certificate(
    tmp_path: Path,
) -> None:
    pki = Pki(tmp_path)
    leaf = pki.clients.issue_cert("icc.example", common_name="icc")
    leaf.private_key_pem.write_to_path(tmp_path / "client.key")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    pki.servers.cert_pem.write_to_path(tmp_path / "servers.pem")

    async with serving(gateway_over(platform()), tls=pki.contexts(mutual=True)) as (port, _):
        origin = f"https://{HOST}:{port}"
        async with httpx.AsyncClient(verify=pki.client(leaf), trust_env=False) as browser:
            page = (await browser.get(f"{origin}/documentation")).text
        line = data_of(page)["get_machine"]["curl"]

        assert line.startswith("curl --cert client.pem --key client.key ")
        assert await status(at(line, origin), tmp_path, CURL_CA_BUNDLE="servers.pem") == 200


def test_any_value_of_an_example_is_quoted_for_the_shell() -> None:
    hostile = 'it\'s $(touch x) `y` "z" !\\ \n'
    examples = {"any": {"value": hostile}}
    operation = {
        "operationId": "hostile",
        "parameters": [
            {"in": "path", "name": "name", "examples": examples},
            {"in": "query", "name": "labels", "examples": {"any": {"value": [hostile, "&"]}}},
        ],
        "requestBody": {"content": {"application/json": {"examples": examples}}},
    }
    document = {"paths": {"/{name}": {"put": operation}}}

    [line] = curl.lines(document, uses_tokens=False, has_certificate=True).values()

    words = shlex.split(line)
    assert words[:7] == ["curl", "--request", "PUT", "--cert", "client.pem", "--key", "client.key"]
    assert words[7:9] == ["--header", "Content-Type: application/json"]
    assert words[-3:-1] == ["--data", '"it\'s $(touch x) `y` \\"z\\" !\\\\ \\n"']
    assert words[-1].startswith(f"{curl.ORIGIN}/it%27s%20%24%28touch")
    assert words[-1].endswith("&labels=%26")
    assert not set(words[-1]) & set("[]{} '\"$`")
