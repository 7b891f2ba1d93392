"""A viewer sees the providers, scopes and names that it may read, and nothing else."""

import time
from pathlib import Path
from typing import Any

import pytest

from contracts import outcomes
from contracts.wire import Message
from gateway.calls.session import Pending
from gateway.identity import tokens
from gateway.identity.guard import Guard
from gateway.identity.requester import Subject
from gateway.page.search import readable_by
from gateway.page.viewer import Viewer, Wanted
from tests.audit.records import ended, in_stream, started
from tests.identity.guarded import bearer, by_token, rights_of, rule
from tests.page.scene import Scene

ALL, SHOP, WRITER, NOBODY = (tokens.new_token() for _ in range(4))

SECRETS = ("payroll", "hush", "vault-sync", "queues-of-ecs")
"""Names that only a reader of their scope may see."""


def query(provider: str, scope: str, name: str) -> Pending:
    key = f"{provider}.machines.{scope}.{name}"
    message = Message(
        exchange="machinist.queries", key=key, body=b"", type="get_machine", message_id=name
    )
    return Pending(provider, message, safe=True, deadline=time.time() + 10)


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    """Commands in `shop` and in `payroll` of k8s, and on ecs; a reader of `shop` only."""
    names = {ALL: "admin", SHOP: "shop", WRITER: "writer", NOBODY: "nobody"}
    lines = [tokens.line_of(token, name, None) for token, name in names.items()]
    guard = Guard(
        by_token(tmp_path, *lines),
        rights_of(
            tmp_path,
            rule("admin", providers=["*"], scopes=["*"]),
            rule("shop", providers=["k8s"], scopes=["shop"], classes=["read"]),
            rule("writer", providers=["k8s"], scopes=["payroll"], classes=["scale", "change"]),
        ),
    )
    now = {"at": outcomes.now()}
    scene = Scene(
        ended("a1", address="controllers.shop.bakery"),
        ended("a2", address="controllers.payroll.hush", requested_by="payroll"),
        started("a3", address="controllers.payroll.hush", **now),
        started("a4", address="controllers.shop.oven", **now),
        started("a5", provider="ecs", address="controllers.vault-sync.vault-sync", **now),
        guard=guard,
        missing=["the queue machinist.ecs.commands.1 does not exist: queues-of-ecs", "a binding"],
        pending=[query("k8s", "shop", "pod-1"), query("k8s", "payroll", "hush-0")],
    )
    scene.announce("k8s", partitions=[0, 1])
    scene.announce("ecs", worker="vault-sync-worker")
    return scene


def seen(events: dict[str, Any]) -> set[str]:
    rows = events.get("outcomes", {"rows": []})["rows"]
    return {each["id"] for each in [*rows, *events["state"]["waiting"]]}


async def test_a_reader_of_everything_sees_everything(scene: Scene) -> None:
    events = await scene.events(headers=bearer(ALL))

    assert seen(events) == {"a1", "a2", "a3", "a4", "a5", "pod-1", "hush-0"}
    assert [each["name"] for each in events["state"]["providers"]] == ["ecs", "k8s"]
    assert len(events["state"]["missing"]) == 2
    assert all(secret in str(events) for secret in SECRETS)


async def test_a_reader_of_a_scope_sees_only_its_names(scene: Scene) -> None:
    events = await scene.events(headers=bearer(SHOP))

    assert seen(events) == {"a1", "a4", "pod-1"}
    assert [each["name"] for each in events["state"]["providers"]] == ["k8s"]
    assert events["state"]["missing"] == ["a binding"]
    assert not [secret for secret in SECRETS if secret in str(events)]


async def test_a_filter_does_not_show_more(scene: Scene) -> None:
    events = await scene.events("?text=hush", headers=bearer(SHOP))

    assert "outcomes" not in events


async def test_a_subject_that_may_not_read_sees_no_provider(scene: Scene) -> None:
    """It has other rights, and so it may open the page."""
    events = await scene.events(headers=bearer(WRITER))

    assert seen(events) == set()
    assert events["state"]["providers"] == []


@pytest.mark.parametrize("path", ["/page/events", "/page/audit", "/page/commands/a2"])
async def test_data_needs_a_token_and_a_right(scene: Scene, path: str) -> None:
    headers = [[], bearer("wrong"), bearer(NOBODY)]
    answers = [await scene.client.get(path, headers=each) for each in headers]

    assert [each.status for each in answers] == [401, 401, 403]
    assert all(each.headers["www-authenticate"].startswith("Bearer ") for each in answers)


async def test_the_files_need_no_token_and_have_no_data(scene: Scene) -> None:
    for path in ("/", "/page/page.js", "/page/page.css"):
        answer = await scene.client.get(path)
        assert answer.status == 200
        assert b"bakery" not in answer.body


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("controllers.shop.bakery", True),
        ("secrets.shop.bakery", True),
        ("controllers.payroll.shop", False),
        ("controllers.shop2.bakery", False),
        ("shop", False),
        ("", False),
    ],
)
async def test_a_search_reads_only_records_ofreadable_by_scopes(
    tmp_path: Path, address: str, expected: bool
) -> None:
    rights = rights_of(tmp_path, rule("shop", providers=["k8s"], scopes=["shop"]))
    viewer = Viewer(Guard(rights=rights), Subject("shop"), Wanted())
    of_k8s, of_ecs = in_stream(
        ended("m1", address=address), ended("m1", provider="ecs", address=address)
    )

    assert readable_by(viewer)(of_k8s) is expected
    assert readable_by(viewer)(of_ecs) is False
