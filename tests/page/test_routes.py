"""The routes of the page: its files, its filter, its limits, and its end."""

import pytest

from contracts.outcomes import Result
from gateway.page import page as page_module
from gateway.page.assets import assets
from tests.audit.records import ended, started
from tests.page.scene import Scene, scaled

FILES = ["/", *(f"/page/{name}" for name in assets() if name != "page.html")]


@pytest.fixture
async def scene() -> Scene:
    return Scene(*scaled(3), ended("m9", Result.FAILED), started("m8", requested_by="<b>ICC"))


@pytest.mark.parametrize("path", FILES)
async def test_a_file_has_its_type_and_a_policy_that_allows_no_other_host(
    scene: Scene, path: str
) -> None:
    answer = await scene.client.get(path)

    assert answer.status == 200
    assert answer.headers["content-length"] == str(len(answer.body))
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert b"https:" not in answer.body.replace(b"https://www.w3.org", b"")


@pytest.mark.parametrize("path", FILES)
async def test_an_unchanged_file_is_not_sent_again(scene: Scene, path: str) -> None:
    etag = (await scene.client.get(path)).headers["etag"]

    answer = await scene.client.get(path, headers=[("if-none-match", etag)])

    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == etag


async def test_every_file_that_the_page_names_exists(scene: Scene) -> None:
    text = (await scene.client.get("/")).body.decode()
    named = {part.split('"')[0] for part in text.split('="/page/')[1:]}

    assert {"page.js", "page.css", "icon.svg"} == named
    assert {f"/page/{name}" for name in named} <= set(FILES)


async def test_events_begin_with_the_state_and_the_newest_outcomes(scene: Scene) -> None:
    events = await scene.events()

    assert events["state"]["gateway"] == "gw"
    assert [each["id"] for each in events["outcomes"]["rows"]] == ["m0", "m1", "m2", "m9", "m8"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?result=failed", ["m9"]),
        ("?result=failed&result=started", ["m9", "m8"]),
        ("?text=icc&result=started", ["m8"]),
        ("?text=M1", ["m1"]),
        ("?text=controllers.default.hello&result=done", ["m0", "m1", "m2"]),
    ],
)
async def test_a_filter_is_applied_by_the_gateway(
    scene: Scene, query: str, expected: list[str]
) -> None:
    events = await scene.events(query)

    assert [each["id"] for each in events["outcomes"]["rows"]] == expected


async def test_a_client_continues_after_its_last_event(scene: Scene) -> None:
    events = await scene.events(headers=[("last-event-id", "6")])

    assert [each["id"] for each in events["outcomes"]["rows"]] == ["m8"]
    assert events["outcomes"]["until"] == 7


@pytest.mark.parametrize("value", ["", "-1", "x", "9" * 30, "²"])
async def test_another_last_event_id_begins_with_the_newest(scene: Scene, value: str) -> None:
    sent = value.encode().decode("latin-1")
    events = await scene.events(headers=[("last-event-id", sent)])

    assert len(events["outcomes"]["rows"]) == 5


@pytest.mark.parametrize(
    "path",
    [
        "/page/events?result=bad",
        "/page/events?txt=a",
        "/page/audit?since=yesterday",
        "/page/audit?since=2026-01-31T12:00:00",
        "/page/audit?number=0",
        "/page/audit?label=a",
    ],
)
async def test_a_wrong_parameter_is_refused(scene: Scene, path: str) -> None:
    answer = await scene.client.get(path)

    assert (answer.status, answer.json()["code"]) == (400, "invalid")


async def test_head_has_no_events_and_ends(scene: Scene) -> None:
    answer = await scene.client.ask("HEAD", "/page/events")

    assert (answer.status, answer.body) == (200, b"")


async def test_the_number_of_viewers_is_limited(scene: Scene) -> None:
    scene.page.viewers = page_module.MOST_VIEWERS

    answer = await scene.client.get("/page/events")

    assert (answer.status, answer.json()["code"]) == (503, "gateway_busy")
    assert answer.headers["retry-after"] == "10"


async def test_a_stopping_gateway_accepts_no_viewer(scene: Scene) -> None:
    scene.draining.signalled()

    answer = await scene.client.get("/page/events")

    assert (answer.status, answer.json()["code"]) == (503, "gateway_busy")


async def test_viewers_are_counted_until_they_leave(scene: Scene) -> None:
    for _ in range(3):
        await scene.events()

    assert scene.page.viewers == 0


async def test_viewers_with_the_same_filter_share_the_encoded_events(scene: Scene) -> None:
    for _ in range(3):
        await scene.events()
    await scene.events("?text=hello")

    assert len(scene.page._encoded) == 2


async def test_a_path_with_empty_segments_is_not_the_page(scene: Scene) -> None:
    assert [(await scene.client.get(path)).status for path in ("//", "/page//page.js")] == [
        404,
        404,
    ]
