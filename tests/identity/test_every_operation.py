"""Every operation with every class of rights and every kind of credentials, in one table."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from contracts.api import OPERATIONS
from contracts.outcomes import Result
from gateway.identity import tokens
from tests.gateway.client import Answer
from tests.gateway.requests import REQUESTS, Case
from tests.identity.guarded import Guarded, bearer, by_issuer, by_token, rights_of, rule
from tests.identity.issuers import HOUR_S, Issuer

CLASSES = ("read", "scale", "change", "secrets")
ELSEWHERE = "-elsewhere"
CREDENTIALS = ("none", "wrong", "expired", "other audience", "other scope", "right")

Presents = Callable[[str, str], str | None]
"""Returns the token of a subject for a kind of credentials, None for no token."""


def rights(folder: Path) -> list[dict[str, object]]:
    """Return a rule for each class, whose only subject has the name of the class."""
    here = [rule(each, classes=[each]) for each in CLASSES]
    return here + [rule(each + ELSEWHERE, classes=[each], scopes=["bakery"]) for each in CLASSES]


@pytest.fixture(scope="module")
def opaque(tmp_path_factory: pytest.TempPathFactory) -> tuple[Guarded, Presents]:
    """A gateway with a file of tokens, and their holders."""
    folder = tmp_path_factory.mktemp("opaque")
    now = datetime.now(UTC)
    valid = {name: tokens.new_token() for each in CLASSES for name in (each, each + ELSEWHERE)}
    old = {each: tokens.new_token() for each in CLASSES}
    lines = [tokens.line_of(token, name, now + timedelta(1)) for name, token in valid.items()]
    lines += [tokens.line_of(token, name, now - timedelta(1)) for name, token in old.items()]

    def presents(subject: str, credentials: str) -> str | None:
        return {
            "none": None,
            "wrong": tokens.new_token(),
            "expired": old[subject],
            # Of the only kind of tokens that have an audience.
            "other audience": Issuer().token(subject, aud="another"),
            "other scope": valid[subject + ELSEWHERE],
            "right": valid[subject],
        }[credentials]

    guarded = Guarded(by_token(folder, *lines), rights_of(folder, *rights(folder)))
    return guarded, presents


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Guarded, Presents]:
    """A gateway with the keys of an issuer, and the holders of its tokens."""
    folder = tmp_path_factory.mktemp("signed")
    issuer, impostor = Issuer(), Issuer()

    def presents(subject: str, credentials: str) -> str | None:
        return {
            "none": None,
            "wrong": impostor.token(subject),
            "expired": issuer.token(subject, exp=1_000_000_000),
            "other audience": issuer.token(subject, aud=["another", "https://kubernetes.test"]),
            "other scope": issuer.token(subject + ELSEWHERE),
            "right": issuer.token(subject, exp=4_000_000_000 + HOUR_S),
        }[credentials]

    guarded = Guarded(by_issuer(folder, issuer), rights_of(folder, *rights(folder)))
    return guarded, presents


def expected(credentials: str, subject: str, case: Case) -> int:
    """Return the status that a row of the table must have."""
    if credentials in {"none", "wrong", "expired", "other audience"}:
        return 401
    if credentials == "other scope":
        return 403
    return 200 if subject == OPERATIONS[case.operation.row.name].row.access else 403


@pytest.mark.parametrize("kind", ["opaque", "signed"])
@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.operation.row.name)
async def test_an_operation_needs_a_valid_token_of_a_subject_with_the_right(
    request: pytest.FixtureRequest, kind: str, case: Case
) -> None:
    guarded, presents = request.getfixturevalue(kind)
    body = None if case.body is None else msgspec.json.encode(case.body)
    wanted, found = {}, {}

    for subject in CLASSES:
        for credentials in CREDENTIALS:
            token = presents(subject, credentials)
            guarded.caller.calls.clear()
            guarded.records.clear()
            headers = [] if token is None else bearer(token)
            answer = await guarded.client.ask(
                case.method, f"/memory{case.path}", body, headers=headers
            )
            row = (subject, credentials)
            wanted[row] = expected(credentials, subject, case)
            found[row] = answer.status
            check(guarded, case, answer, token)

    assert found == wanted
    assert set(found.values()) == {200, 401, 403}


def check(guarded: Guarded, case: Case, answer: Answer, token: str | None) -> None:
    """Check everything but the status of a response."""
    row = case.operation.row
    if answer.status == 200:
        [(_, operation, context)] = guarded.caller.calls
        assert operation == case.operation
        assert context.requested_by == row.access
        assert not guarded.records
        return
    assert not guarded.caller.calls
    assert answer.headers["content-type"] == "application/problem+json"
    code = {401: "unauthenticated", 403: "forbidden"}[answer.status]
    assert answer.json()["code"] == code
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="machinist"')
    if token is None:
        assert "error" not in challenge
    else:
        error = {401: "invalid_token", 403: "insufficient_scope"}[answer.status]
        assert f'error="{error}"' in challenge
        assert token not in challenge + answer.body.decode()
    if row.safe:
        assert not guarded.records
        return
    [record] = guarded.records
    assert (record.result, record.operation) == (Result.REFUSED, row.name)
    assert record.id == answer.headers["command-id"] == answer.json()["commandId"]
    assert record.fault is not None
    assert (record.status, record.fault.code) == (answer.status, code)
