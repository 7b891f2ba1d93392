"""The two protocols of the corrected services: JSON 1.1, and Query with XML responses.

moto's parser and serializer implement Query, from botocore's model of the service.
"""

import json
import uuid
from collections.abc import Generator
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import msgspec
from moto.core.model import OperationModel
from moto.core.parse import QueryParser
from moto.core.serialize import (
    AttributePickerContext,
    QuerySerializer,
    XFormedAttributePicker,
)
from moto.core.utils import get_service_model
from moto.elbv2.responses import ELBV2Response
from werkzeug.datastructures import Headers, MultiDict

from contracts.checks.json_limits import ANSWERS, decode
from deploy.sandbox.aws.messages import Answer, Json, Refusal, Request

# The IAM name of a service by the first word of its target header.
_TARGETS = {
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "ResourceGroupsTaggingAPI_20170126": "tag",
    "secretsmanager": "secretsmanager",
    "Route53AutoNaming_v20170314": "servicediscovery",
}
# The client library's name of a service with the Query protocol, and its version, by the IAM name.
_QUERY = {
    "elasticloadbalancing": ("elbv2", "2015-12-01"),
    "iam": ("iam", "2010-05-08"),
    "sts": ("sts", "2011-06-15"),
}
_XML = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"
_FORM = "application/x-www-form-urlencoded"


class _Picker(XFormedAttributePicker):
    """moto's picker, which tries up to ten names for a key; a dict has the key itself.

    Measured with route plans: 22 % of the sandbox's CPU time instead of 40 %.
    """

    def get_possible_keys(self, context: AttributePickerContext) -> Generator[str]:
        if isinstance(context.obj, dict):
            yield context.key
        else:
            yield from super().get_possible_keys(context)


_PICKER = _Picker(response_transformers=ELBV2Response.RESPONSE_KEY_PATH_TO_TRANSFORMER)


def read(environ: dict[str, Any], body: bytes) -> Request:
    """Read an AWS request; a request in another protocol has no parameters.

    Raise Refusal for a JSON request whose body is not a JSON object.
    """
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if "." in target:
        prefix, action = target.rsplit(".", 1)
        service = _TARGETS.get(prefix, scope(environ)[1] or prefix)
        return Request(f"{service}:{action}", _object(body), environ, body)
    form = _form(environ, body)
    service = scope(environ)[1] or "unsigned"
    action = form.get("Action", environ["REQUEST_METHOD"] + " " + environ["PATH_INFO"])
    parameters: Json = dict(form)
    name, version = _QUERY.get(service, ("", ""))
    if name and form.get("Version") == version:
        parameters = _query_parameters(_operation(name, action), form)
    return Request(f"{service}:{action}", parameters, environ, body)


def scope(environ: dict[str, Any]) -> tuple[str, str]:
    """Return region and service in a request's signature, or empty strings without one."""
    words = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split(",")[0]
    parts = words.split("/")
    return (parts[2], parts[3]) if len(parts) == 5 else ("", "")


def access_key(environ: dict[str, Any]) -> str:
    words: str = environ.get("HTTP_AUTHORIZATION", "")
    return words.partition("Credential=")[2].split("/")[0]


def write(request: Request, result: Json) -> Answer:
    service, _, action = request.action.partition(":")
    if service not in _QUERY:
        return _json(200, result)
    operation = _operation(_QUERY[service][0], action)
    serialized = QuerySerializer(operation_model=operation, value_picker=_PICKER).serialize(result)
    body = serialized["body"]
    return _answer(200, "text/xml", body.encode() if isinstance(body, str) else body)


def write_refusal(environ: dict[str, Any], refusal: Refusal) -> Answer:
    if not is_query(environ):
        return _json(refusal.status, {"__type": refusal.code, "message": refusal.message})
    side = "Sender" if refusal.status < 500 else "Receiver"
    error = f"<Type>{side}</Type><Code>{refusal.code}</Code>"
    error += f"<Message>{escape(refusal.message)}</Message>"
    text = f'<ErrorResponse xmlns="{_XML}"><Error>{error}</Error></ErrorResponse>'
    return _answer(refusal.status, "text/xml", text.encode())


def rewritten(request: Request) -> bytes:
    """Return the JSON body with the current parameters."""
    return json.dumps(request.parameters).encode()


def _json(status: int, content: Json) -> Answer:
    return _answer(status, "application/x-amz-json-1.1", json.dumps(content).encode())


def _answer(status: int, media_type: str, body: bytes) -> Answer:
    headers = [("content-type", media_type), ("x-amzn-requestid", str(uuid.uuid4()))]
    return Answer(status, headers, body)


def is_query(environ: dict[str, Any]) -> bool:
    media_type: str = environ.get("CONTENT_TYPE", "")
    return media_type.startswith(_FORM)


def _object(body: bytes) -> Json:
    try:
        content = decode(body or b"{}", ANSWERS)
    except msgspec.DecodeError as error:
        raise Refusal("SerializationException", "The body is not JSON.") from error
    if not isinstance(content, dict):
        raise Refusal("SerializationException", "The body is not a JSON object.")
    return content


def _form(environ: dict[str, Any], body: bytes) -> dict[str, str]:
    text = environ.get("QUERY_STRING", "")
    if is_query(environ):
        text = body.decode("utf-8", "replace") or text
    return dict(parse_qsl(text, keep_blank_values=True))


def _query_parameters(operation: OperationModel, form: dict[str, str]) -> Json:
    parser = QueryParser(operation)
    parts: Json = parser.parse(
        {
            "method": "POST",
            "values": MultiDict(form),
            "headers": Headers(),
            "body": b"",
            "url_path": "/",
            "url_params": {},
        }
    )
    return parts


@cache
def _operation(service: str, action: str) -> OperationModel:
    operation: OperationModel = get_service_model(service).operation_model(action)
    return operation
