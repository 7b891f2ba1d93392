"""What an operation is: a frozen struct bound to its HTTP half, its result and what it acts on."""

import re
from collections.abc import Callable
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args

import msgspec

Result = TypeVar("Result")
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Collection = Literal["machines", "controllers", "services", "secrets", "gateways", "httproutes"]

PATH_FIELD = re.compile(r"\{(\w+)\}")


class Row(msgspec.Struct, frozen=True):
    """One line of the table, as data; `subject` and `secret` are dotted paths into the struct.

    `takes` and `gives` are the documented shapes of a body and of an answer.
    """

    name: str
    method: Method
    path: str
    collection: Collection
    result: Any
    summary: str
    path_fields: tuple[str, ...]
    subject: str | None
    body: str | tuple[str, ...]
    seal: bool
    secret: str | None
    takes: Any
    gives: Any

    @property
    def safe(self) -> bool:
        """Whether it is a query; RFC 9110 §9.2.1: a GET changes nothing."""
        return self.method == "GET"


class Operation(msgspec.Struct, Generic[Result], frozen=True, rename="camel", omit_defaults=True):
    """A request that a provider can answer with a `Result`."""

    row: ClassVar[Row]
    scope: str


OPERATIONS: dict[str, type[Operation[Any]]] = {}

AnyOperation = TypeVar("AnyOperation", bound=Operation[Any])


def http(
    method: Method,
    path: str,
    *,
    collection: Collection,
    subject: str | None = None,
    body: str | tuple[str, ...] = (),
    seal: bool = False,
    secret: str | None = None,
    takes: Any = None,
    gives: Any = None,
) -> Callable[[type[AnyOperation]], type[AnyOperation]]:
    """Bind an operation to its route and enter it in the table.

    Fields named in `path` come from the path. `body` names the field that is the whole body, or
    the fields that are members of it. All other fields are query parameters. `subject` says where
    the name of the thing acted on is, None where that is the whole collection. A body with `seal`
    travels sealed when keys are configured; one with something at `secret` never travels open.
    Where the code passes a body or an answer on as a JSON object, `takes` and `gives` tell the
    documents its shape.
    """

    def bind(operation: type[AnyOperation]) -> type[AnyOperation]:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", operation.__name__).lower()
        fields = {field.name for field in msgspec.structs.fields(operation)}
        path_fields = tuple(PATH_FIELD.findall(path))
        members = {body} if isinstance(body, str) else set(body)
        if name in OPERATIONS:
            raise TypeError(f"operation {name} is in the table already")
        if missing := (set(path_fields) | members) - fields:
            raise TypeError(f"operation {name} binds fields that it does not have: {missing}")
        if method == "GET" and members:
            raise TypeError(f"operation {name} is a GET and has no body")
        result = get_args(operation.__orig_bases__[0])[0]  # type: ignore[attr-defined]  # set by Generic
        operation.row = Row(
            name=name,
            method=method,
            path=path,
            collection=collection,
            result=result,
            summary=(operation.__doc__ or "").strip().splitlines()[0],
            path_fields=path_fields,
            subject=subject,
            body=body,
            seal=seal,
            secret=secret,
            takes=takes,
            gives=result if gives is None else gives,
        )
        OPERATIONS[name] = operation
        return operation

    return bind
