"""Both servers refuse JSON that is nested too deeply, on every version of Python."""

import pytest

from deploy.sandbox.aws.messages import Refusal
from deploy.sandbox.aws.wire import _object
from deploy.sandbox.kubernetes.bodies import Unreadable, loads

DEPTHS = [500, 5_000, 50_000]


@pytest.mark.parametrize("depth", DEPTHS)
def test_kubernetes_answers_deep_json_as_go_does(depth):
    with pytest.raises(Unreadable, match="exceeded max depth"):
        loads(b"[" * depth + b"]" * depth)


@pytest.mark.parametrize("depth", DEPTHS)
def test_aws_refuses_deep_json(depth):
    with pytest.raises(Refusal, match="not JSON"):
        _object(b'{"a":' * depth + b"1" + b"}" * depth)
