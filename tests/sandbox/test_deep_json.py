"""Both stand-ins refuse JSON that is nested too deeply, on every Python alike."""

import pytest

from deploy.sandbox.aws.messages import Refusal
from deploy.sandbox.aws.wire import _object
from deploy.sandbox.kubernetes.bodies import Unreadable, loads

DEPTHS = [500, 5_000, 50_000]


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_stand_in_for_kubernetes_says_what_go_says(depth):
    with pytest.raises(Unreadable, match="exceeded max depth"):
        loads(b"[" * depth + b"]" * depth)


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_stand_in_for_aws_cannot_read_it(depth):
    with pytest.raises(Refusal, match="not JSON"):
        _object(b'{"a":' * depth + b"1" + b"}" * depth)
