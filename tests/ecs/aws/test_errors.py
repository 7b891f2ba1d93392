"""Errors of AWS and of the client library: code, message, and whether a retry is safe."""

from string import Formatter

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from botocore import exceptions

from contracts.faults import Code
from worker.providers.ecs.aws import errors, library_errors
from worker.providers.ecs.aws.errors import Again, Failure

REFUSED = aiohttp.ClientConnectorError(
    ConnectionKey("aws.test", 443, True, True, None, None, None), OSError(111, "refused")
)
URL = "https://aws.test"


def read(code: str, status: int = 400, message: str = "what happened", **headers: str) -> Failure:
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {
            "HTTPStatusCode": status,
            "HTTPHeaders": {name.replace("_", "-"): value for name, value in headers.items()},
        },
    }
    error = exceptions.ClientError(response, "UpdateService")
    return errors.of_answer("ecs:UpdateService", {"cluster": "shop"}, error)


@pytest.mark.parametrize(
    ("aws_code", "code"),
    [
        ("AccessDeniedException", Code.PLATFORM_FORBIDDEN),
        ("AccessDenied", Code.PLATFORM_FORBIDDEN),
        ("UnauthorizedOperation", Code.PLATFORM_FORBIDDEN),
        ("ClusterNotFoundException", Code.NOT_FOUND),
        ("ServiceNotFoundException", Code.NOT_FOUND),
        ("ServiceNotActiveException", Code.NOT_FOUND),
        ("ResourceNotFoundException", Code.NOT_FOUND),
        ("TargetGroupNotFound", Code.NOT_FOUND),
        ("NamespaceNotFound", Code.NOT_FOUND),
        ("InvalidParameterException", Code.INVALID),
        ("ClientException", Code.INVALID),
        ("ValidationError", Code.INVALID),
        ("ResourceInUse", Code.CONFLICT),
        ("PriorityInUse", Code.CONFLICT),
        ("ResourceExistsException", Code.CONFLICT),
        ("LimitExceededException", Code.PLATFORM_INVALID),
        ("TooManyRules", Code.PLATFORM_INVALID),
        ("NewsFromAwsException", Code.PLATFORM_INVALID),
    ],
)
def test_each_aws_code_maps_to_a_code_and_keeps_its_message(aws_code, code):
    failure = read(aws_code)

    assert failure.code is code
    assert failure.aws_code == aws_code
    assert f"what happened (AWS: {aws_code})" in failure.message
    assert failure.again is Again.NEVER
    assert not failure.arrived


@pytest.mark.parametrize(
    ("aws_code", "status"),
    [
        ("ThrottlingException", 400),
        ("Throttling", 400),
        ("RequestLimitExceeded", 503),
        ("TooManyRequestsException", 429),
        ("BandwidthLimitExceeded", 400),
        ("TransactionInProgressException", 400),
        ("429", 429),
    ],
)
def test_a_throttled_request_was_not_attempted_and_sets_retry_after(aws_code, status):
    failure = read(aws_code, status)

    assert failure.code is Code.PLATFORM_LIMITING
    assert failure.retry_after == 1
    assert failure.again is Again.LATER
    assert not failure.arrived


@pytest.mark.parametrize("aws_code", ["UpdateInProgressException", "ConflictException"])
def test_a_busy_resource_is_retried_later(aws_code):
    failure = read(aws_code)

    assert (failure.code, failure.again) == (Code.PLATFORM_FAILED, Again.LATER)
    assert not failure.arrived


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("The specified task is stopped. Specify an active one and try again.", Code.CONFLICT),
        ("The specified service is inactive. Specify an active one and try again.", Code.CONFLICT),
        ("The task has already stopped.", Code.CONFLICT),
        ("The specified task is not running.", Code.CONFLICT),
        ("The specified task is in a terminal state.", Code.CONFLICT),
        ("TaskDefinition is inactive", Code.CONFLICT),
        ("The specified capacity provider is not in an ACTIVE state.", Code.CONFLICT),
        ("The cluster was deprovisioned", Code.CONFLICT),
        ("The specified target group does not exist. TargetGroup: arn:aws:x", Code.CONFLICT),
        ("The service registry arn:aws:servicediscovery:x does not exist.", Code.CONFLICT),
        ("The specified task is not found.", Code.NOT_FOUND),
        ("The referenced task was not found.", Code.NOT_FOUND),
        ("The service with name orders could not be found.", Code.NOT_FOUND),
        ("A deployment of the service is in progress.", Code.PLATFORM_FAILED),
        ("The container web does not exist in the task definition.", Code.INVALID),
        ("Invalid tag value of 'stopped'", Code.INVALID),
    ],
)
def test_a_message_distinguishes_a_state_from_a_malformed_parameter(message, code):
    for aws_code in ("InvalidParameterException", "ClientException"):
        assert read(aws_code, message=message).code is code


@pytest.mark.parametrize(
    ("aws_code", "message"),
    [
        (
            "ClientException",
            "Too many concurrent attempts to create a new revision of the specified family.",
        ),
        (
            "InvalidParameterException",
            "The target group with targetGroupArn x does not have an associated load balancer.",
        ),
        (
            "InvalidParameterException",
            "Unable to assume the service linked role. Please verify that it exists.",
        ),
    ],
)
def test_a_transient_state_is_platform_failed_and_not_invalid(aws_code, message):
    failure = read(aws_code, message=message)

    assert failure.code is Code.PLATFORM_FAILED
    assert failure.again is Again.LATER
    assert not failure.arrived


def test_an_expired_page_token_is_platform_failed():
    assert read("PaginationTokenExpiredException").code is Code.PLATFORM_FAILED


def test_a_valid_retry_after_header_is_kept():
    assert read("ThrottlingException", retry_after="7").retry_after == 7
    for odd in ("soon", "-1", "", "9" * 5000, "٣", "1.5"):
        assert read("ThrottlingException", retry_after=odd).retry_after == 1


@pytest.mark.parametrize(
    ("aws_code", "status"),
    [
        ("ServerException", 500),
        ("ServerException", 400),
        ("InternalServiceError", 400),
        ("ServiceUnavailable", 400),
        ("RequestTimeout", 400),
        ("RequestTimeoutException", 408),
        ("502", 502),
        ("509", 509),
    ],
)
def test_an_internal_failure_of_aws_may_have_had_an_effect(aws_code, status):
    failure = read(aws_code, status)

    assert failure.code is Code.PLATFORM_FAILED
    assert failure.again is Again.LOST
    assert failure.arrived


@pytest.mark.parametrize(
    "aws_code",
    [
        "ExpiredTokenException",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "RequestTimeTooSkewed",
        "InvalidToken",
    ],
)
def test_refused_credentials_are_platform_failed(aws_code):
    failure = read(aws_code)

    assert failure.code is Code.PLATFORM_FAILED
    assert "did not accept the worker's credentials" in failure.message


def test_a_missing_permission_is_named():
    message = "User: arn:aws:sts::1:x is not authorized to perform: iam:PassRole on resource: y"

    assert (
        "lacks iam:PassRole: allow it in its IAM policy"
        in read("AccessDeniedException", message=message).message
    )
    assert "lacks ecs:UpdateService: allow" in read("AccessDeniedException", message="no").message


def test_an_absent_cluster_is_named():
    assert 'there is no cluster "shop"' in read("ClusterNotFoundException").message


def test_a_response_without_an_aws_code_mentions_a_proxy_and_the_endpoint():
    failure = read("403", 403, "Forbidden")

    assert failure.code is Code.PLATFORM_FAILED
    assert failure.aws_code == ""
    assert "proxy, or PLT_ECS_ENDPOINT" in failure.message


def test_a_code_with_its_namespace_is_the_same_code():
    assert read("com.amazonaws.ecs#ServiceNotFoundException").code is Code.NOT_FOUND


@pytest.mark.parametrize(
    "error",
    [
        exceptions.EndpointConnectionError(endpoint_url=URL, error=REFUSED),
        exceptions.EndpointConnectionError(endpoint_url=URL, error=OSError("no such host")),
        exceptions.ConnectTimeoutError(endpoint_url=URL),
        exceptions.SSLError(endpoint_url=URL, error="expired"),
        exceptions.ProxyConnectionError(proxy_url="http://proxy.test"),
    ],
)
def test_a_failed_connection_means_that_nothing_was_attempted(error):
    failure = library_errors.failure("ecs:UpdateService", error)

    assert failure.code is Code.PLATFORM_UNREACHABLE
    assert failure.again is Again.LATER
    assert not failure.arrived


@pytest.mark.parametrize(
    "error",
    [
        exceptions.EndpointConnectionError(
            endpoint_url=URL, error=aiohttp.ClientOSError(104, "reset by peer")
        ),
        exceptions.ConnectionClosedError(endpoint_url=URL),
        exceptions.ReadTimeoutError(endpoint_url=URL),
        exceptions.HTTPClientError(error="x"),
    ],
)
def test_a_broken_connection_may_have_carried_the_request(error):
    failure = library_errors.failure("ecs:UpdateService", error)

    assert failure.code is Code.PLATFORM_FAILED
    assert failure.again is Again.LOST
    assert failure.arrived


def test_parameters_refused_by_the_client_library_are_invalid():
    error = exceptions.ParamValidationError(report="Missing required parameter")

    assert library_errors.failure("ecs:UpdateService", error).code is Code.INVALID


@pytest.mark.parametrize(
    "error",
    [
        exceptions.NoCredentialsError(),
        exceptions.CredentialRetrievalError(provider="x", error_msg="y"),
        exceptions.PartialCredentialsError(provider="x", cred_var="y"),
    ],
)
def test_missing_credentials_are_platform_failed(error):
    failure = library_errors.failure("ecs:UpdateService", error)

    assert failure.code is Code.PLATFORM_FAILED
    assert "no AWS credentials" in failure.message


CLASSES = [
    each
    for each in vars(exceptions).values()
    if isinstance(each, type) and issubclass(each, exceptions.BotoCoreError)
]


def made(kind: type[exceptions.BotoCoreError]) -> exceptions.BotoCoreError:
    fields = {name for _, name, _, _ in Formatter().parse(kind.fmt) if name}
    if kind is exceptions.WaiterError:
        fields.add("last_response")
    return kind(**dict.fromkeys(fields, "x"))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_each_client_library_exception_has_a_fitting_code(kind):
    failure = library_errors.failure("ecs:UpdateService", made(kind))

    assert failure.code is not Code.INTERNAL
    lost = "the connection to AWS was lost" in failure.message
    is_of_connection = (exceptions.HTTPClientError, exceptions.ConnectionError)
    assert lost <= issubclass(kind, (*is_of_connection, exceptions.IncompleteReadError, OSError))
    if failure.code is Code.INVALID:
        assert issubclass(kind, library_errors.ILL_FORMED)
    if failure.again is not Again.NEVER:
        assert issubclass(kind, is_of_connection) or lost


@pytest.mark.parametrize(
    "kind",
    [
        exceptions.ProfileNotFound,
        exceptions.ConfigParseError,
        exceptions.InfiniteLoopConfigError,
        exceptions.UnauthorizedSSOTokenError,
        exceptions.SSOTokenLoadError,
        exceptions.RefreshWithMFAUnsupportedError,
        exceptions.InvalidIMDSEndpointError,
        exceptions.MetadataRetrievalError,
    ],
)
def test_a_failed_credentials_chain_means_that_nothing_was_sent(kind):
    failure = library_errors.failure("ecs:UpdateService", made(kind))

    assert "the worker has no AWS credentials" in failure.message
    assert (failure.code, failure.again, failure.arrived) == (
        Code.PLATFORM_FAILED,
        Again.NEVER,
        False,
    )


@pytest.mark.parametrize(
    "error", [RecursionError(), MemoryError(), RuntimeError("s3cret"), UnicodeError("s3cret")]
)
def test_any_other_exception_is_a_failure_without_its_message(error):
    failure = library_errors.failure("ecs:UpdateService", error)

    assert (failure.code, failure.arrived) == (Code.PLATFORM_FAILED, True)
    assert "s3cret" not in failure.message


def test_a_redirection_is_reported_with_its_host_alone():
    failure = read("302", 302, location="https://portal.test/login?token=s3cret")

    assert failure.code is Code.PLATFORM_FAILED
    assert "a redirection to https://portal.test (status 302)" in failure.message
    assert "s3cret" not in failure.message
    for odd in ("", "http://[::1", "//x", "javascript:alert(1)", "/status"):
        assert "a redirection (status 302)" in read("302", 302, location=odd).message


@pytest.mark.parametrize(
    "response",
    [
        {},
        {"Error": None},
        {"Error": [], "ResponseMetadata": None},
        {"Error": {"Code": {"a": {}}, "Message": [[]]}, "ResponseMetadata": {}},
        {"Error": {"Code": None}, "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": None}},
    ],
)
def test_a_malformed_error_is_platform_failed(response):
    error = exceptions.ClientError({"Error": {}}, "UpdateService")
    error.response = response

    assert errors.of_answer("ecs:UpdateService", {}, error).code is Code.PLATFORM_FAILED


def test_long_messages_are_cut():
    assert len(read("InvalidParameterException", message="x" * 100_000).message) < 3000
