"""Rights: what the rules of a file permit, and what an error in the file says."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from contracts.operation import Access
from gateway.identity import rights_file
from gateway.identity.requester import Subject
from gateway.identity.rights import Rights
from gateway.identity.watched_file import InvalidFile, WatchedFile
from tests.identity.guarded import rule


def rights(*rules: dict[str, Any]) -> Rights:
    return rights_file.parse(json.dumps({"rules": rules}).encode())


def permits(
    of: Rights, subject: str, access: Access = "read", provider: str = "k8s", scope: str = "shop"
) -> bool:
    return of.permits(Subject(subject), access, provider, scope)


def test_a_subject_that_no_rule_names_has_no_rights() -> None:
    of = rights(rule("ci", providers=["*"], scopes=["*"]))

    assert not permits(of, "other")
    assert not of.knows(Subject("other"))
    assert not rights().knows(Subject("ci"))


def test_a_class_includes_no_other_class() -> None:
    classes: list[Access] = ["read", "scale", "change", "secrets"]
    for held in classes:
        of = rights(rule("ci", classes=[held], providers=["*"], scopes=["*"]))

        assert [each for each in classes if permits(of, "ci", each)] == [held]


def test_rules_add_up_and_each_rule_is_a_whole() -> None:
    of = rights(
        rule("ci", classes=["read"], providers=["k8s"], scopes=["shop"]),
        rule("ci", classes=["scale"], providers=["ecs"], scopes=["bakery"]),
    )

    assert permits(of, "ci", "read", "k8s", "shop")
    assert permits(of, "ci", "scale", "ecs", "bakery")
    assert not permits(of, "ci", "scale", "k8s", "shop")
    assert not permits(of, "ci", "read", "ecs", "shop")
    assert not permits(of, "ci", "scale", "ecs", "shop")


@pytest.mark.parametrize(
    ("pattern", "scope", "matches"),
    [
        ("shop", "shop", True),
        ("shop", "Shop", False),
        ("shop", "shop-2", False),
        ("shop", "a-shop", False),
        ("shop", "shop\n", False),
        ("shop", "", False),
        ("*", "shop", True),
        ("*", "", True),
        ("team-*", "team-a", True),
        ("team-*", "team-", True),
        ("team-*", "team", False),
        ("*-dev", "shop-dev", True),
        ("*-dev", "shop-dev2", False),
        ("a*b*c", "a-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("a.b", "axb", False),
        ("a*", "arn:aws:ecs:eu-west-1:123456789012:cluster/prod", False),
        ("prod", "arn:aws:ecs:eu-west-1:123456789012:cluster/prod", True),
        ("p*", "arn:aws:ecs:eu-west-1:123456789012:cluster/prod", True),
        ("*", "x" * 513, False),
    ],
)
def test_only_a_star_in_a_pattern_is_special(pattern: str, scope: str, matches: bool) -> None:
    assert permits(rights(rule("ci", providers=["*"], scopes=[pattern])), "ci", scope=scope) is (
        matches
    )


@pytest.mark.parametrize("subject", ["a?", "a[b]", "ab", "[ab]"])
def test_other_wildcards_are_plain_characters_in_a_subject(subject: str) -> None:
    of = rights(rule("a?", "a[b]", providers=["*"], scopes=["*"]))

    assert permits(of, subject) is (subject in {"a?", "a[b]"})


def test_a_pattern_with_many_stars_is_matched_in_linear_time() -> None:
    of = rights(rule("ci", providers=["*"], scopes=["*".join("aaaaaaaaaaaaaaaaaaaab")]))
    before = time.process_time()

    assert not permits(of, "ci", scope="a" * 512)

    assert time.process_time() - before < 1  # with backtracking it would be years


VALID = rule("ci", providers=["k8s"])
ERRORS: list[tuple[Any, str]] = [
    (b"{", "expected JSON: "),
    (b"\xff", "expected JSON: "),
    ([], "expected an object with a list `rules`, got []"),
    ({}, "expected an object with a list `rules`, got {}"),
    ({"rules": {}}, "expected an object with a list `rules`, got {'rules': {}}"),
    ({"rules": [7]}, "rules[0]: expected an object, got 7"),
    (
        {"rules": [VALID], "rule": []},
        "document: unknown member 'rule', did you mean rules? Expected",
    ),
    (
        {"rules": [VALID, VALID | {"scope": ["a"]}]},
        "document.rules[1]: unknown member 'scope', did you mean scopes?",
    ),
    (
        {"rules": [VALID | {"classes": ["read", "write"]}]},
        "rules[0].classes[1]: expected one of read, scale, change, secrets, got 'write'",
    ),
    (
        {"rules": [VALID | {"classes": "read"}]},
        "rules[0].classes: expected a list with at least one entry, got 'read'",
    ),
    (
        {"rules": [VALID | {"providers": []}]},
        "rules[0].providers: expected a list with at least one entry, got []",
    ),
    (
        {"rules": [{"subjects": ["ci"], "providers": ["*"], "classes": ["read"]}]},
        "rules[0].scopes: expected a list with at least one entry, got nothing",
    ),
    (
        {"rules": [{**VALID, "providers": ["K8S"]}]},
        "rules[0].providers[0]: expected the name of a provider such as k8s; '*' matches any "
        "number of characters, got 'K8S'",
    ),
    (
        {"rules": [VALID | {"scopes": ["arn:aws:ecs:eu-west-1:123456789012:cluster/prod"]}]},
        "rules[0].scopes[0]: expected a namespace or the name of a cluster, not its ARN;",
    ),
    ({"rules": [VALID | {"scopes": [None]}]}, "rules[0].scopes[0]: expected a namespace or"),
    (
        {"rules": [{name: VALID[name] for name in ("providers", "scopes", "classes")}]},
        "rules[0]: expected `subjects`, `groups` or both, got neither",
    ),
    ({"rules": [VALID | {"subjects": [""]}]}, "rules[0].subjects[0]: expected 1 to 255 printable"),
    ({"rules": [VALID | {"subjects": ["a\nb"]}]}, "rules[0].subjects[0]: expected 1 to 255"),
    ({"rules": [VALID | {"groups": [7]}]}, "rules[0].groups[0]: expected 1 to 255 printable"),
    ({"rules": [VALID | {"description": 7}]}, "Expected `str`, got `int` - at `$.rules[0].descr"),
]


@pytest.mark.parametrize(("content", "message"), ERRORS, ids=[message for _, message in ERRORS])
def test_an_error_names_the_place_the_expected_and_the_received_value(
    content: Any, message: str
) -> None:
    with pytest.raises(InvalidFile) as raised:
        rights_file.parse(content if isinstance(content, bytes) else json.dumps(content).encode())

    assert str(raised.value).startswith(message)


def test_a_changed_file_that_is_not_valid_leaves_the_former_rights_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, seconds = tmp_path / "rights.json", [0.0]
    path.write_text(json.dumps({"rules": [rule("ci", providers=["*"])]}))
    file = WatchedFile("PLT_AUTH_RIGHTS", str(path), rights_file.parse, now=lambda: seconds[0])
    path.write_text(json.dumps({"rules": [rule("ci", classes=["everything"])]}))
    seconds[0] = 1.0

    assert permits(file.current(), "ci")
    assert f"PLT_AUTH_RIGHTS='{path}': rules[0].classes[0]: expected one of" in caplog.text

    path.write_text(json.dumps({"rules": [rule("other", providers=["*"])]}))
    seconds[0] = 2.0

    assert not permits(file.current(), "ci")
