"""The story of one command, without what only a reader of the broker may see."""

import pytest

from contracts import topology
from contracts.faults import Code, Fault
from contracts.outcomes import Outcome, Result
from contracts.records.requests import Request
from gateway.audit.entries import Entry
from gateway.page.search import story_of
from tests.audit.records import ended, started

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def entries(*records: Outcome) -> list[Entry]:
    return [Entry(number, each, TRACE) for number, each in enumerate(records)]


def test_a_story_has_all_records_and_what_changed() -> None:
    after = {"replicas": 5}
    story = story_of("m1", entries(started("m1"), ended("m1", before={"replicas": 3}, after=after)))

    assert (story.changes, story.by, story.trace) == (["replicas 3 → 5"], "icc via gateway", TRACE)
    assert [each.result for each in story.records] == [Result.STARTED, Result.DONE]
    assert story.records[0].request is not None
    assert story.records[0].request.body["replicas"] == 5


def test_a_sealed_request_is_not_sent_to_the_browser() -> None:
    request = Request(exchange=topology.COMMANDS, sealed="c2VhbGVk", digest="d")
    story = story_of("m1", entries(started("m1", operation="apply_workload", request=request)))

    shown = story.records[0].request
    assert shown is not None
    assert (shown.sealed, shown.digest) == (None, "d")
    assert "sealed" in (shown.withheld or "")


@pytest.mark.parametrize("operation", ["apply_workload", "apply_controller", "apply_unknown"])
def test_a_request_that_should_be_sealed_is_not_sent_in_plain_text(operation: str) -> None:
    request = Request(exchange=topology.COMMANDS, body={"env": [{"value": "hush"}]})
    story = story_of("m1", entries(started("m1", operation=operation, request=request)))

    assert "hush" not in str(story)


@pytest.mark.parametrize("records", [(), (started("m1"), started("m12"))])
def test_an_id_must_be_that_of_one_command(records: tuple[Outcome, ...]) -> None:
    with pytest.raises(Fault, match="expected the id of one command") as raised:
        story_of("m1", entries(*records))

    assert raised.value.code is Code.NOT_FOUND
