"""Expected error responses of AWS."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError


@contextmanager
def refused(code: str, message: str = "", status: int = 400) -> Iterator[None]:
    """Expect an error response with this code and status; `message` is a pattern."""
    with pytest.raises(ClientError) as caught:
        yield
    answer = caught.value.response
    said = answer["Error"]
    assert (said["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status), said
    assert re.search(message, said["Message"]), said["Message"]
