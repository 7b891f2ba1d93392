"""The table of faults: from HTTP status and `Status` to code, message and retries."""

import httpx
import pytest

from contracts import api
from contracts.faults import Code, Fault
from tests.kubernetes.scripted import answer, failure, text
from worker.providers.k8s.api import errors
from worker.providers.k8s.api.errors import Again, MissingRight

PLAIN = "text/plain; charset=utf-8"
FORBIDDEN = (
    'deployments.apps "x" is forbidden: User "system:serviceaccount:ops:machinist" cannot patch '
    'resource "deployments" in API group "apps" in the namespace "shop"'
)


def read(response: httpx.Response, method: str = "GET") -> errors.Failure:
    return errors.of_answer(method, response.status_code, response.headers, response.content)


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (400, "BadRequest", Code.INVALID),
        (401, "Unauthorized", Code.PLATFORM_FAILED),
        (403, "Forbidden", Code.PLATFORM_FORBIDDEN),
        (405, "MethodNotAllowed", Code.PLATFORM_FAILED),
        (409, "Conflict", Code.CONFLICT),
        (409, "AlreadyExists", Code.CONFLICT),
        (410, "Expired", Code.PLATFORM_FAILED),
        (413, "RequestEntityTooLarge", Code.REQUEST_TOO_LARGE),
        (415, "UnsupportedMediaType", Code.PLATFORM_FAILED),
        (422, "Invalid", Code.PLATFORM_INVALID),
        (429, "TooManyRequests", Code.PLATFORM_LIMITING),
        (500, "InternalError", Code.PLATFORM_FAILED),
        (502, "", Code.PLATFORM_FAILED),
        (503, "ServiceUnavailable", Code.PLATFORM_FAILED),
        (504, "Timeout", Code.PLATFORM_FAILED),
        (599, "", Code.PLATFORM_FAILED),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_each_status_has_its_code_and_keeps_the_platforms_message(method, status, reason, code):
    fault = read(failure(status, reason, "what happened"), method)

    assert fault.code is code
    assert "what happened" in fault.message
    assert f"Kubernetes: {status} {reason}".strip() in fault.message


@pytest.mark.parametrize(
    ("response", "method", "code", "retry_after"),
    [
        (text("Too many requests", 429, "text/plain", retry_after="7"), "PATCH", "limiting", 7),
        (text("slow down", 429, "text/plain"), "PATCH", "limiting", 1),
        (failure(429, "TooManyRequests", "m", retryAfterSeconds=4), "GET", "limiting", 4),
        (failure(503, "ServiceUnavailable", "m", retryAfterSeconds=4), "PATCH", "unreachable", 4),
        (text("<html>", 503, retry_after="3"), "PATCH", "unreachable", 3),
        (failure(504, "Timeout", "m", retryAfterSeconds=2), "GET", "unreachable", 2),
        (failure(500, "ServerTimeout", "m", retryAfterSeconds=2), "GET", "unreachable", 2),
    ],
)
def test_a_rejected_request_has_a_retry_after(response, method, code, retry_after):
    fault = read(response, method)

    assert fault.code == f"platform_{code}"
    assert fault.retry_after == retry_after
    assert fault.again is Again.LATER
    assert not fault.arrived


@pytest.mark.parametrize(
    "response",
    [
        failure(504, "Timeout", "m", retryAfterSeconds=2),
        failure(500, "ServerTimeout", "m", retryAfterSeconds=2),
        text("<html>", 502, retry_after="3"),
    ],
)
def test_a_write_that_timed_out_inside_the_platform_may_have_arrived(response):
    fault = read(response, "PATCH")

    assert fault.code is Code.PLATFORM_FAILED
    assert fault.arrived


def test_a_retry_after_may_be_a_date():
    assert read(text("", 503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT")).retry_after == 0
    assert read(text("", 429, retry_after="nonsense")).retry_after == 1


def test_a_missing_right_is_named_with_the_role_that_grants_it():
    fault = read(failure(403, "Forbidden", FORBIDDEN))

    assert isinstance(fault, MissingRight)
    assert fault.code is Code.PLATFORM_FORBIDDEN
    assert 'the worker\'s user "system:serviceaccount:ops:machinist" lacks the right to patch' in (
        fault.message
    )
    assert 'apiGroups ["apps"], resources ["deployments"], verbs ["patch"]' in fault.message
    assert 'in the namespace "shop"' in fault.message
    assert FORBIDDEN in fault.message


def test_a_refusal_by_admission_is_not_a_missing_right():
    fault = read(failure(403, "Forbidden", 'secrets "s" is forbidden: exceeded quota: q'))

    assert not isinstance(fault, MissingRight)
    assert "exceeded quota" in fault.message


def test_a_missing_api_group_is_not_found():
    fault = read(text("404 page not found\n", 404, "text/plain; charset=utf-8"))

    assert fault.code is Code.NOT_FOUND


async def test_a_404_of_a_proxy_does_not_mean_that_an_object_is_absent(provider, cluster, call):
    cluster.add_deployment("web")
    no_page = {"status": 404, "body": "404 page not found\n", "headers": {"content-type": PLAIN}}
    cluster.faults.add(**no_page, times=None)

    for command in (
        api.UpdateControllerReplicas("default", "web", 3),
        api.DeleteController("default", "web"),
        api.GetMachines("default"),
        api.DeleteService("default", "web"),
    ):
        with pytest.raises(Fault, match="may come from a proxy") as raised:
            await getattr(provider, command.row.name)(command, call())
        assert raised.value.code is Code.PLATFORM_FAILED
    assert len(cluster.calls) == 4


@pytest.mark.parametrize(
    "response",
    [
        text("<html>secret internals</html>", 404),
        text("<html>secret internals</html>", 403),
        text("secret internals", 400, "text/plain"),
        text("", 302),
        text("<html>secret internals</html>", 502),
        answer(["secret internals"], 500),
    ],
)
def test_a_response_not_from_the_api_server_is_platform_failed_without_its_body(response):
    fault = read(response)

    assert fault.code is Code.PLATFORM_FAILED
    assert "secret" not in fault.message
    assert "PLT_K8S_REST_API_URL" in fault.message


@pytest.mark.parametrize(
    ("error", "code", "again", "arrived"),
    [
        (httpx.ConnectError("refused"), Code.PLATFORM_UNREACHABLE, Again.NEVER, False),
        (httpx.ConnectTimeout(""), Code.PLATFORM_UNREACHABLE, Again.NEVER, False),
        (httpx.PoolTimeout(""), Code.PLATFORM_UNREACHABLE, Again.NEVER, False),
        (httpx.ReadTimeout(""), Code.DEADLINE_EXCEEDED, Again.NEVER, True),
        (httpx.WriteTimeout(""), Code.DEADLINE_EXCEEDED, Again.NEVER, True),
        (httpx.ReadError("reset"), Code.PLATFORM_FAILED, Again.LOST, True),
        (httpx.WriteError("pipe"), Code.PLATFORM_FAILED, Again.LOST, True),
        (httpx.RemoteProtocolError("gone"), Code.PLATFORM_FAILED, Again.LOST, True),
        (httpx.DecodingError("gzip"), Code.PLATFORM_FAILED, Again.NEVER, True),
    ],
)
def test_each_connection_error_has_its_code(error, code, again, arrived):
    fault = errors.of_connection(error)

    assert (fault.code, fault.again, fault.arrived) == (code, again, arrived)


def test_a_quoted_object_of_any_length_is_removed_from_a_message():
    quoted = '"{\\"env\\":[{\\"value\\":\\"canary-4711' + "x" * 5000 + '\\"}]}"'
    message = f'"" is invalid: patch: Invalid value: {quoted}: json: cannot unmarshal string'

    fault = read(failure(422, "Invalid", message))

    assert "canary-4711" not in fault.message
    assert "json: cannot unmarshal string" in fault.message


def test_long_messages_are_cut():
    assert len(read(failure(422, "Invalid", "x" * 10_000)).message) < 2100
