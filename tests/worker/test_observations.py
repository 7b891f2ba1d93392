"""The bounds of what a command notes as before and after."""

import msgspec
import pytest

from worker import observations
from worker.provider import Call

DIGEST = f"sha256:{'0' * 64}"


def test_an_observation_within_the_bounds_is_noted_as_it_is():
    call = Call.within(1)
    noted = {"replicas": 3, "labels": {"app": "web", "old": None}, "images": ["web:1"]}

    call.observed({}, noted)

    assert (call.before, call.after) == ({}, noted)


def test_of_a_long_field_the_first_20_entries_stay_and_the_field_is_named():
    rules = [str(number) for number in range(21)]
    noted = {"rules": rules, "replicas": 3}

    kept = observations.bounded(noted)

    assert kept == {"rules": rules[:20], "replicas": 3, "shortened": ["rules"]}


@pytest.mark.parametrize("size", [300, 5_000, 100_000])
def test_an_observation_has_at_most_4_kib_and_keeps_its_short_fields(size):
    long = {str(number): "x" * size for number in range(20)}
    noted = {"labels": long, "replicas": 3, "rules": list(long.values()), "text": "x" * size}

    kept = observations.bounded(noted)

    assert len(msgspec.json.encode(kept)) <= 4096
    assert kept["replicas"] == 3
    assert {"labels", "rules"} <= set(kept["shortened"])


def test_an_image_is_noted_if_it_is_an_image_reference():
    good = ["web", "web:1", "reg.example:5000/a/b_c:v1.2", f"reg.example/a@{DIGEST}", "a:1"]
    bad = ["", "a b", "ci:pass@reg.example/web:1", "https://reg.example/web", "a\n", "ä", None, 7]

    assert observations.images([*good, *bad, "web"]) == good


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "x-api-key", "access_token"])
def test_the_value_of_a_sensitive_header_is_not_noted(name):
    assert observations.pair(name, "canary") == name
    assert observations.pair("x-deployment-id", "v6") == "x-deployment-id=v6"


def test_a_text_is_printable_and_short():
    assert observations.plain("a\x1b[31m\n" + "b" * 200) == "a[31m" + "b" * 155
