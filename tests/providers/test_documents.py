"""The documents against every provider: recorded examples, and generated clients."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast, get_args, get_type_hints

import httpx
import msgspec
import pytest

from contracts.api import OPERATIONS
from contracts.documents import examples, openapi
from contracts.operation import Operation
from gateway.http.server import OnRawPath
from tests.documents import gateway, generators, operations, recording
from tests.providers.platforms import Platform
from worker.dispatch import methods
from worker.provider import Port

Json = Any


@pytest.fixture
def application(platform: Platform, provider: Port) -> OnRawPath:
    """Return a gateway in front of the platform."""
    return gateway.before(platform.name, provider)


@pytest.fixture
def transport(application: OnRawPath) -> httpx.ASGITransport:
    return httpx.ASGITransport(app=cast(Any, application))


@functools.cache
def described() -> dict[str, Json]:
    """Return the operations of the OpenAPI document by name, each with its method and path."""
    return {
        operation["operationId"]: {**operation, "path": path, "method": method}
        for path, of_path in openapi.document()["paths"].items()
        for method, operation in of_path.items()
    }


def body_of(operation: Operation[Any]) -> Json:
    """Return the body of an operation, None without one."""
    row, values = operation.row, msgspec.to_builtins(operation)
    if isinstance(row.body, str):
        return values[row.body]
    return {name: values[name] for name in row.body} or None


def parameters_of(operation: Operation[Any]) -> dict[str, Json]:
    """Return the parameters of an operation by their Python names, labels as `key=value`."""
    row = operation.row
    members = {row.body} if isinstance(row.body, str) else set(row.body)
    values = {
        name: getattr(operation, name)
        for name in operation.__struct_fields__
        if name not in members
    }
    if labels := values.get("labels"):
        values["labels"] = [f"{key}={value}" for key, value in labels.items()]
    return {name: value for name, value in values.items() if value}


class Performed:
    """Checks the answers to operations, and collects the names of performed operations."""

    def __init__(self, provider: object) -> None:
        self._supported = methods(provider).keys()
        self.names: set[str] = set()

    def answer(self, operation: Operation[Any], status: int, body: Json) -> Json:
        """Return the answer, None for the problem of an unsupported operation."""
        name = operation.row.name
        self.names.add(name)
        if name in self._supported:
            assert status == 200, body
            return body
        assert (status, body["code"]) == (501, "unsupported")
        return None


async def test_the_recorded_examples_are_the_answers_of_the_platform(platform, provider):
    """If a change of an answer is intended, run `python -m tests.documents`."""
    exchanges, problems = await recording.of_platform(platform, provider)

    assert set(exchanges) == set(methods(provider))
    for name, exchange in exchanges.items():
        recorded = examples.RECORDED.operations[name][platform.name]
        assert msgspec.to_builtins(recorded) == exchange, name
    for code, problem in problems.items():
        assert examples.RECORDED.problems[code][platform.name] == problem


async def test_the_recorded_examples_of_a_gateway_are_its_answers():
    problems, pages = await recording.of_gateway()

    for code, problem in problems.items():
        assert examples.RECORDED.problems[code]["gateway"] == problem
    assert pages == examples.RECORDED.pages


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the generated clients; a warning of a generator is an error."""
    folder = tmp_path_factory.mktemp("generated")
    generators.python_client(folder)
    generators.pydantic_models(folder)
    return folder


@pytest.fixture
def client_of(generated: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    return lambda name: generators.imported(name, generated, monkeypatch)


async def test_a_client_of_openapi_python_client_performs_every_operation(
    platform, provider, transport, client_of
):
    performed = Performed(provider)
    client = client_of("generated_client.client").Client(base_url="http://gateway.test")
    client.set_async_httpx_client(
        httpx.AsyncClient(transport=transport, base_url="http://gateway.test")
    )

    async def ask(operation: Operation[Any]) -> Json:
        name, tag = operation.row.name, operation.row.collection
        function = client_of(f"generated_client.api.{tag}.{name}").asyncio_detailed
        body = body_of(operation)
        bodies = {} if body is None else {"body": model_of(function).from_dict(body)}
        response = await function(
            platform.name, client=client, **parameters_of(operation), **bodies
        )
        found = json.loads(response.content)
        assert plain(response.parsed) == found
        return performed.answer(operation, response.status_code, found)

    await operations.run(platform.scope, platform.gateway(), ask)

    assert performed.names == OPERATIONS.keys()


def model_of(function: Callable[..., Any]) -> Any:
    """Return the class of a generated function's body."""
    hint = get_type_hints(function)["body"]
    [model] = [each for each in (hint, *get_args(hint)) if hasattr(each, "from_dict")]
    return model


def plain(parsed: Any) -> Json:
    """Return a generated model as JSON."""
    return [plain(each) for each in parsed] if isinstance(parsed, list) else parsed.to_dict()


async def test_models_of_datamodel_code_generator_fit_every_body_and_answer(
    platform, provider, transport, client_of
):
    performed = Performed(provider)
    models = client_of("generated_models")

    async def ask(operation: Operation[Any]) -> Json:
        of_document = described()[operation.row.name]
        values = {"provider": platform.name, **parameters_of(operation)}
        path = of_document["path"].format(**values)
        names = [each["name"] for each in of_document["parameters"] if each["in"] == "query"]
        query = {name: values[name] for name in names if name in values}
        if "machine_id" in values:
            query["machineId"] = values["machine_id"]
        body = body_of(operation)
        if body is not None:
            schema = of_document["requestBody"]["content"]["application/json"]["schema"]
            model = getattr(models, named(schema)).model_validate(body)
            body = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as http:
            response = await http.request(of_document["method"], path, params=query, json=body)
        found = response.json()
        if response.status_code == 200:
            schema = of_document["responses"]["200"]["content"]["application/json"]["schema"]
            for each in found if schema.get("type") == "array" else [found]:
                getattr(models, named(schema.get("items", schema))).model_validate(each)
        else:
            models.Problem.model_validate(found)
        return performed.answer(operation, response.status_code, found)

    await operations.run(platform.scope, platform.gateway(), ask)

    assert performed.names == OPERATIONS.keys()


def named(schema: dict[str, Json]) -> str:
    """Return the name of the component that a schema refers to."""
    return str(schema["$ref"]).rpartition("/")[2]
