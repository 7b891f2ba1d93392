"""An operation: a frozen struct with a row in the table, which binds it to HTTP and to messages."""

import re
from collections.abc import Callable
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args

import msgspec

Result = TypeVar("Result")
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Access = Literal["read", "scale", "change", "secrets"]
Collection = Literal["machines", "controllers", "services", "secrets", "gateways", "httproutes"]

PATH_FIELD = re.compile(r"\{(\w+)\}")


class Row(msgspec.Struct, frozen=True):
    """One row of the table: the properties of an operation, as plain data.

    The parameters of `http` describe the columns.
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
    access: Access
    seal: bool
    secret: str | None
    from_producers: bool
    collapses: str | None
    instead: str | None
    takes: Any
    gives: Any

    @property
    def safe(self) -> bool:
        """True for a query: a GET changes nothing (RFC 9110 §9.2.1)."""
        return self.method == "GET"


class Operation(msgspec.Struct, Generic[Result], frozen=True, rename="camel", omit_defaults=True):
    """A request that a provider can answer with a `Result`."""

    row: ClassVar[Row]
    scope: str


OPERATIONS: dict[str, type[Operation[Any]]] = {}
"""The table: every operation by its name."""

AnyOperation = TypeVar("AnyOperation", bound=Operation[Any])


def http(
    method: Method,
    path: str,
    *,
    collection: Collection,
    subject: str | None = None,
    body: str | tuple[str, ...] = (),
    access: Literal["scale", "secrets"] | None = None,
    seal: bool = False,
    secret: str | None = None,
    from_producers: bool = False,
    collapses: str | None = None,
    instead: str | None = None,
    takes: Any = None,
    gives: Any = None,
) -> Callable[[type[AnyOperation]], type[AnyOperation]]:
    """Bind an operation to its HTTP route and add its row to the table.

    - `path`: the URL path after the provider's name. A field named in it is a path parameter.
    - `body`: the field that is the whole request body, or the fields that are members of the body.
      Every other field is a query parameter.
    - `subject`: the dotted path to the name of the resource that the operation acts on. None: the
      operation acts on the whole collection.
    - `access`: the class of the right that a client of a gateway needs. None: `read` for a query,
      `change` for a command.
    - `seal`: the body travels sealed when a key is configured.
    - `secret`: the dotted path to a secret in the body. A body with a value there never travels
      unsealed.
    - `from_producers`: every event producer may publish the command. Configuration may allow
      further commands to single users.
    - `collapses`: the field in which a newer event may differ from a waiting one and still
      supersede it, so that only the newer one is run. None: every event is run.
    - `instead`: the operation to use on a platform that does not support this one.
    - `takes`, `gives`: the documented shapes of the request body and of the reply, where the code
      passes them on as a JSON object.
    """

    def bind(operation: type[AnyOperation]) -> type[AnyOperation]:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", operation.__name__).lower()
        fields = {field.name for field in msgspec.structs.fields(operation)}
        path_fields = tuple(PATH_FIELD.findall(path))
        members = {body} if isinstance(body, str) else set(body)
        bound = {*path_fields, *members, *filter(None, [collapses])}
        if name in OPERATIONS:
            raise TypeError(f"operation {name} is in the table already")
        if missing := bound - fields:
            raise TypeError(f"operation {name} binds fields that it does not have: {missing}")
        if method == "GET" and members:
            raise TypeError(f"operation {name} is a GET and has no body")
        if method == "GET" and access:
            raise TypeError(f"operation {name} is a GET: its access is read")
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
            access="read" if method == "GET" else access or "change",
            seal=seal,
            secret=secret,
            from_producers=from_producers,
            collapses=collapses,
            instead=instead,
            takes=takes,
            gives=result if gives is None else gives,
        )
        OPERATIONS[name] = operation
        return operation

    return bind
