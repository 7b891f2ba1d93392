"""Kubernetes quantities: parsed in every notation, refused if no platform can provide them."""

from typing import Any

import pytest

from contracts.faults import Code, Fault
from contracts.neutral import quantities

AMOUNTS = [
    ("1", 1),
    (2, 2),
    (0.5, 0.5),
    (1e-3, 0.001),
    ("+1.5", 1.5),
    (".5", 0.5),
    ("5.", 5),
    ("500m", 0.5),
    ("500u", 0.0005),
    ("5n", 5e-9),
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
def test_a_quantity_is_parsed_in_every_notation_of_kubernetes(spelling, amount):
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
def test_an_invalid_quantity_is_refused_with_a_description_of_the_format(spelling):
    with pytest.raises(Fault, match="here: expected a quantity of Kubernetes") as raised:
        quantities.read(spelling, "here")

    assert raised.value.code is Code.INVALID


@pytest.mark.parametrize(
    ("requests", "limits", "expected"),
    [
        ({}, {"memory": "512m"}, "here.limits.memory: expected at least 6Mi, got '512m'"),
        ({}, {"memory": 512}, "a number alone is bytes"),
        ({"memory": "0"}, {}, "here.requests.memory: expected at least 6Mi"),
        ({}, {"cpu": 0}, "here.limits.cpu: expected at least 1m"),
        ({"cpu": -1}, {}, "here.requests.cpu: expected a quantity"),
        ({"cpu": "much"}, {"cpu": "1"}, "here.requests.cpu: expected a quantity"),
        ({"cpu": "2"}, {"cpu": "1500m"}, "here.requests.cpu: expected at most the limit '1500m'"),
        ({"colour": "1"}, {}, "here.requests: expected cpu, memory or another"),
        ({}, {"nvidia.com/gpu": "one"}, "here.limits.nvidia.com/gpu: expected a quantity"),
        ({}, {"cpu": 1e30}, "here.limits.cpu: expected at most 8192 cores, got 1e+30"),
        ({"cpu": "8193"}, {}, "here.requests.cpu: expected at most 8192 cores, got '8193'"),
        ({}, {"memory": "5Pi"}, "here.limits.memory: expected at most 4Pi, got '5Pi'"),
        ({"memory": "9" * 20 + "Ei"}, {}, "here.requests.memory: expected at most 4Pi"),
    ],
)
def test_an_amount_that_no_platform_can_provide_is_invalid(
    requests: dict[str, Any], limits: dict[str, Any], expected: str
) -> None:
    with pytest.raises(Fault) as raised:
        quantities.check(requests, limits, "here")

    assert raised.value.code is Code.INVALID
    assert expected in raised.value.message


@pytest.mark.parametrize(
    ("requests", "limits"),
    [
        ({}, {}),
        ({"cpu": "1m", "memory": "1Mi"}, {"memory": "6Mi"}),
        ({"cpu": "1"}, {"cpu": "1000m"}),
        ({"cpu": "8192"}, {"memory": "4Pi"}),
        ({"ephemeral-storage": "1Gi", "nvidia.com/gpu": 1}, {"hugepages-2Mi": "4Mi"}),
    ],
)
def test_an_amount_that_some_platform_can_provide_is_accepted(
    requests: dict[str, Any], limits: dict[str, Any]
) -> None:
    quantities.check(requests, limits, "here")
