"""The limits of the states `before` and `after` of a command."""

import msgspec
import pytest

from worker import observations
from worker.provider import Call

DIGEST = f"sha256:{'0' * 64}"


def test_an_observation_within_the_limits_is_unchanged():
    call = Call.within(1)
    observed = {"replicas": 3, "labels": {"app": "web", "old": None}, "images": ["web:1"]}

    call.observed({}, observed)

    assert (call.before, call.after) == ({}, observed)


def test_a_long_field_keeps_20_entries_and_is_named_as_shortened():
    rules = [str(number) for number in range(21)]
    observed = {"rules": rules, "replicas": 3}

    kept = observations.bounded(observed)

    assert kept == {"rules": rules[:20], "replicas": 3, "shortened": ["rules"]}


@pytest.mark.parametrize("size", [300, 5_000, 100_000])
def test_an_observation_has_at_most_4_kib_and_keeps_its_short_fields(size):
    long = {str(number): "x" * size for number in range(20)}
    observed = {"labels": long, "replicas": 3, "rules": list(long.values()), "text": "x" * size}

    kept = observations.bounded(observed)

    assert len(msgspec.json.encode(kept)) <= 4096
    assert kept["replicas"] == 3
    assert {"labels", "rules"} <= set(kept["shortened"])


def test_only_valid_image_references_are_kept():
    good = ["web", "web:1", "reg.example:5000/a/b_c:v1.2", f"reg.example/a@{DIGEST}", "a:1"]
    bad = ["", "a b", "ci:pass@reg.example/web:1", "https://reg.example/web", "a\n", "ä", None, 7]

    assert observations.images([*good, *bad, "web"]) == good
