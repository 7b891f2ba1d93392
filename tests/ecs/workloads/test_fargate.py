"""The Fargate task size of a workload."""

import pytest

from contracts.faults import Code, Fault
from contracts.neutral.workload import Amounts
from worker.providers.ecs.workloads import fargate

SIZES = [
    ("250m", "512Mi", (256, 512)),
    ("0.25", "513Mi", (256, 1024)),
    ("1m", "6Mi", (256, 512)),
    ("256m", "512Mi", (512, 1024)),
    ("250m", "1.5Gi", (256, 2048)),
    ("250m", "2049Mi", (512, 3072)),
    ("500m", "2500Mi", (512, 3072)),
    ("500m", "5Gi", (1024, 5120)),
    ("750m", "1Gi", (1024, 2048)),
    ("1", "4Gi", (1024, 4096)),
    (2, "8Gi", (2048, 8192)),
    ("1", "9Gi", (2048, 9216)),
    ("4", "30Gi", (4096, 30720)),
    ("4", "31Gi", (8192, 32768)),
    ("8", "17Gi", (8192, 20480)),
    ("8", "60.5Gi", (16384, 65536)),
    ("16", "1Gi", (16384, 32768)),
    ("16", "120Gi", (16384, 122880)),
    ("500m", "2147483648", (512, 2048)),
    ("500m", 2147483649, (512, 3072)),
    ("500m", "1G", (512, 1024)),
    ("500m", "4000000k", (512, 4096)),
    ("500m", "1e9", (512, 1024)),
    ("16", "0.1Ti", (16384, 106496)),
    ("500m", "1073741824000m", (512, 1024)),
]


@pytest.mark.parametrize(("cpu", "memory", "expected"), SIZES)
def test_the_size_is_the_smallest_that_is_large_enough(cpu, memory, expected):
    found = fargate.size(Amounts(limits={"cpu": cpu, "memory": memory}))

    assert found == expected
    assert found.memory in fargate.OFFERED[found.cpu]


def test_the_limit_overrides_the_request_and_the_default():
    both = Amounts({"cpu": "250m", "memory": "512Mi"}, {"memory": "4Gi"})

    assert fargate.size(both) == (512, 4096)
    assert fargate.size(Amounts()) == fargate.size(None) == (512, 1024)


IMPOSSIBLE = [
    ({"cpu": "17"}, "workload.resources: expected at most 16 cores and 120Gi"),
    ({"memory": "121Gi"}, "workload.resources: expected at most 16 cores and 120Gi"),
    ({"memory": "1E"}, "workload.resources: expected at most 16 cores and 120Gi"),
    ({"memory": "9e999"}, "workload.resources: expected at most 16 cores and 120Gi"),
    ({"nvidia.com/gpu": 1}, "workload.resources.limits: expected cpu and memory"),
]


@pytest.mark.parametrize(("limits", "expected"), IMPOSSIBLE)
def test_a_size_beyond_fargate_is_invalid(limits, expected):
    with pytest.raises(Fault) as raised:
        fargate.size(Amounts(limits=limits))

    assert raised.value.code is Code.INVALID
    assert expected in raised.value.message
