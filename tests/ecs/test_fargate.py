"""What a workload asks for, in the sizes that Fargate offers."""

import pytest

from contracts.faults import Code, Fault
from contracts.workload import Amounts
from worker.providers.ecs import fargate, quantities

AMOUNTS = [
    ("1", 1),
    (2, 2),
    (0.5, 0.5),
    (1e-3, 0.001),
    ("+1.5", 1.5),
    (".5", 0.5),
    ("5.", 5),
    ("500m", 0.5),
    ("1k", 1000),
    ("1M", 10**6),
    ("1G", 10**9),
    ("1T", 10**12),
    ("1P", 10**15),
    ("1E", 10**18),
    ("1Ki", 2**10),
    ("1Mi", 2**20),
    ("1.5Gi", 1.5 * 2**30),
    ("1Ti", 2**40),
    ("1Pi", 2**50),
    ("1Ei", 2**60),
    ("12e6", 12 * 10**6),
    ("1E3", 1000),
    ("1.5e-1", 0.15),
    ("128974848000m", 128974848),
]


@pytest.mark.parametrize(("spelling", "amount"), AMOUNTS)
def test_a_quantity_is_read_in_every_spelling_of_kubernetes(spelling, amount):
    assert float(quantities.read(spelling, "here")) == amount


@pytest.mark.parametrize(
    "spelling",
    [
        "",
        "1x",
        "1 Gi",
        "Gi",
        "-1",
        "1gi",
        "1K",
        "1MiB",
        "e3",
        "1e",
        "1e9999",
        "inf",
        "nan",
        "٣",
        "1\n",
    ],
)
def test_what_is_no_quantity_is_invalid_and_told_what_one_looks_like(spelling):
    with pytest.raises(Fault, match="here: expected a quantity of Kubernetes") as raised:
        quantities.read(spelling, "here")

    assert raised.value.code is Code.INVALID


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
def test_the_size_is_the_smallest_that_is_offered_and_holds_it(cpu, memory, expected):
    found = fargate.size(Amounts(limits={"cpu": cpu, "memory": memory}))

    assert found == expected
    assert found.memory in fargate.OFFERED[found.cpu]


def test_the_limit_counts_and_else_the_request_and_else_a_default():
    both = Amounts({"cpu": "250m", "memory": "512Mi"}, {"memory": "4Gi"})

    assert fargate.size(both) == (512, 4096)
    assert fargate.size(Amounts()) == fargate.size(None) == (512, 1024)


IMPOSSIBLE = [
    ({"cpu": "17"}, "workload.resources: expected at most 16 cores and 120Gi"),
    ({"memory": "121Gi"}, "workload.resources: expected at most 16 cores and 120Gi"),
    ({"memory": "1E"}, "workload.resources: expected at most 16 cores and 120Gi"),
    ({"memory": "9e999"}, "workload.resources: expected at most 16 cores and 120Gi"),
    ({"memory": "512m"}, "workload.resources.limits.memory: expected at least 6Mi, got '512m'"),
    ({"memory": 512}, "a number alone is bytes"),
    ({"memory": "0"}, "workload.resources.limits.memory: expected at least 6Mi"),
    ({"cpu": 0}, "workload.resources.limits.cpu: expected at least 1m"),
    ({"cpu": -1}, "workload.resources.limits.cpu: expected a quantity"),
    ({"nvidia.com/gpu": 1}, "workload.resources.limits: expected cpu and memory"),
]


@pytest.mark.parametrize(("limits", "expected"), IMPOSSIBLE)
def test_a_size_that_fargate_does_not_have_is_invalid_before_it_is_asked_for(limits, expected):
    with pytest.raises(Fault) as raised:
        fargate.size(Amounts(limits=limits))

    assert raised.value.code is Code.INVALID
    assert expected in raised.value.message
