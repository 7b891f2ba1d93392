"""What passes between the parts of the sandbox: a request, an answer, a refusal."""

from typing import Any

import msgspec

Json = dict[str, Any]


class Request(msgspec.Struct):
    """One request of an AWS client; `action` in IAM's spelling, such as `ecs:DescribeTasks`."""

    action: str
    parameters: Json
    environ: dict[str, Any]
    body: bytes


class Answer(msgspec.Struct):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Refusal(Exception):
    """AWS says no; `code` is what clients see as Error.Code."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status
