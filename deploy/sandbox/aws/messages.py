"""Requests, answers and refusals."""

from typing import Any

import msgspec

Json = dict[str, Any]

QUERY = ("elasticloadbalancing:", "iam:", "sts:")
"""The actions of services with the Query protocol, whose error codes differ from the JSON ones."""


class Request(msgspec.Struct):
    """A request of an AWS client; `action` is spelt as in IAM, such as `ecs:DescribeTasks`."""

    action: str
    parameters: Json
    environ: dict[str, Any]
    body: bytes


class Answer(msgspec.Struct):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Refusal(Exception):
    """An error response of AWS; `code` is Error.Code in clients."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status
