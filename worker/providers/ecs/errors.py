"""The table of faults: what AWS or the way to it said, as codes and words; pure."""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

import aiohttp
from botocore import exceptions

from contracts.faults import Code, Fault

CODES: dict[str, Code] = {
    "AccessDenied": Code.PLATFORM_FORBIDDEN,
    "AccessDeniedException": Code.PLATFORM_FORBIDDEN,
    "AuthorizationError": Code.PLATFORM_FORBIDDEN,
    "BlockedException": Code.PLATFORM_FORBIDDEN,
    "OperationNotPermitted": Code.PLATFORM_FORBIDDEN,
    "UnauthorizedException": Code.PLATFORM_FORBIDDEN,
    "UnauthorizedOperation": Code.PLATFORM_FORBIDDEN,
    "PaginationTokenExpiredException": Code.PLATFORM_FAILED,
    "ServiceNotActiveException": Code.NOT_FOUND,
    "ClientException": Code.INVALID,
    "InvalidInput": Code.INVALID,
    "InvalidParameter": Code.INVALID,
    "InvalidParameterException": Code.INVALID,
    "InvalidParameterValue": Code.INVALID,
    "ValidationError": Code.INVALID,
    "ValidationException": Code.INVALID,
    "ClusterContainsServicesException": Code.CONFLICT,
    "ClusterContainsTasksException": Code.CONFLICT,
    "ConflictException": Code.CONFLICT,
    "DuplicateRequest": Code.CONFLICT,
    "DuplicateTargetGroupName": Code.CONFLICT,
    "InvalidRequestException": Code.CONFLICT,
    "PriorityInUse": Code.CONFLICT,
    "ResourceExistsException": Code.CONFLICT,
    "ResourceInUse": Code.CONFLICT,
    "ResourceInUseException": Code.CONFLICT,
    "ServiceAlreadyExists": Code.CONFLICT,
    "UpdateInProgressException": Code.CONFLICT,
}
"""By AWS's own code. What is not here is told by its shape (`_code`) or by the HTTP status."""

PASSING = re.compile(
    "too many concurrent attempts to create a new revision"
    "|does not have an associated load balancer"
    "|unable to assume the service linked role",
    re.IGNORECASE,
)
"""What AWS calls the caller's mistake and is none: others do the same, or AWS does not know
everywhere yet what was made a moment ago."""

NO_CLUSTER = "ClusterNotFoundException"
ABSENT = re.compile(r"NotFound(Exception)?\Z")

THROTTLED = frozenset(
    {
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Turned away before anything was done. LimitExceededException is none of them: it is a quota."""

CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""AWS does not believe who the worker says it is; its caller can do nothing about it."""

NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.TokenRetrievalError,
    exceptions.NoAuthTokenError,
    exceptions.MetadataRetrievalError,
    exceptions.SSOError,
)
UNSENT = (
    exceptions.ConnectTimeoutError,
    exceptions.SSLError,
    exceptions.ProxyConnectionError,
)
"""The request surely did not leave: no connection, no handshake."""

ILL_FORMED = (
    exceptions.ParamValidationError,
    exceptions.ValidationError,
    exceptions.MissingParametersError,
)
"""The client library refuses the parameters; nothing was sent."""

RIGHT = re.compile(r"not authorized to perform: (?P<action>[\w-]+:\w+)")
MESSAGE_LIMIT = 2000


class Again(Enum):
    """When a request that failed may be sent again."""

    NEVER = auto()
    LOST = auto()
    """It may have had its effect: soon, if sending twice has one effect."""
    LATER = auto()
    """It was turned away or did not leave: after a while."""


class Failure(Fault):
    """A request failed; `aws_code` is AWS's own word for it, empty where AWS said none."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        aws_code: str = "",
        again: Again = Again.NEVER,
        arrived: bool = False,
        retry_after: int | None = None,
    ) -> None:
        """`arrived` says that it may have had its effect all the same."""
        super().__init__(code, message, retry_after=retry_after)
        self.wish = retry_after or 0
        """The seconds that AWS itself asked to wait."""
        self.aws_code = aws_code
        self.again = again
        self.arrived = arrived or again is Again.LOST
        self.after_loss = False
        """Whether an earlier attempt of this very request may have had its effect."""


def of_answer(action: str, parameters: Mapping[str, Any], error: exceptions.ClientError) -> Failure:
    """The failure that an answer other than 2xx is; `action` is what was asked for."""
    response: Mapping[str, Any] = error.response
    said = response.get("Error", {})
    about = response.get("ResponseMetadata", {})
    status = int(about.get("HTTPStatusCode", 0))
    aws_code = _own_code(str(said.get("Code", "")))
    words = _words(str(said.get("Message") or "no reason given"), aws_code, status)
    if error.operation_name != action.partition(":")[2]:
        # The client library first wanted new credentials of a role that it assumes.
        words = f"the worker has no AWS credentials: {error.operation_name} failed: {words}"
        return Failure(Code.PLATFORM_FAILED, words, aws_code=aws_code)
    if aws_code in THROTTLED or status == 429:
        after = _retry_after(about.get("HTTPHeaders", {}))
        return Failure(
            Code.PLATFORM_LIMITING, words, aws_code=aws_code, again=Again.LATER, retry_after=after
        )
    if aws_code in CREDENTIALS:
        words = f"AWS did not accept the worker's credentials: {words}"
        return Failure(Code.PLATFORM_FAILED, words, aws_code=aws_code)
    if status >= 500 or aws_code == "ServerException":
        return Failure(Code.PLATFORM_FAILED, words, aws_code=aws_code, again=Again.LOST)
    if not aws_code:
        return Failure(
            Code.PLATFORM_FAILED,
            f"the answer has status {status} where AWS would explain itself: it may come from a "
            "proxy, or PLT_ECS_ENDPOINT is no AWS API",
        )
    code = _code(aws_code)
    if code is Code.INVALID and PASSING.search(words):
        return Failure(Code.PLATFORM_FAILED, words, aws_code=aws_code, again=Again.LATER)
    if code is Code.PLATFORM_FORBIDDEN:
        words = _missing(action, words)
    if aws_code == NO_CLUSTER:
        words = f'there is no cluster "{parameters.get("cluster")}": {words}'
    return Failure(code, words, aws_code=aws_code)


def of_connection(action: str, error: exceptions.BotoCoreError) -> Failure:
    """The failure that an exception of the client library is."""
    if isinstance(error, ILL_FORMED):
        return Failure(Code.INVALID, f"{action} cannot be asked for like this: {error}")
    if isinstance(error, NO_CREDENTIALS):
        return Failure(Code.PLATFORM_FAILED, f"the worker has no AWS credentials: {error}")
    if isinstance(error, UNSENT) or _refused(error):
        return Failure(
            Code.PLATFORM_UNREACHABLE, f"AWS cannot be reached: {error}", again=Again.LATER
        )
    return Failure(
        Code.PLATFORM_FAILED,
        f"the connection to AWS was lost before it answered {action}: {error}",
        again=Again.LOST,
    )


def of_files(error: OSError) -> Failure:
    """The failure that a file is which the client library reads before it sends anything."""
    return Failure(Code.PLATFORM_FAILED, f"the worker has no AWS credentials: {error}")


def overdue(action: str) -> Failure:
    """The failure that the deadline is when it comes before the answer."""
    return Failure(
        Code.DEADLINE_EXCEEDED,
        f"AWS did not answer {action} before the deadline",
        arrived=True,
    )


def nonsense(action: str, reason: str) -> Failure:
    """The failure that a successful answer is which is not what was asked for."""
    return Failure(
        Code.PLATFORM_FAILED,
        f"AWS's answer to {action} is not what was asked for: {reason[:MESSAGE_LIMIT]}",
        arrived=True,
    )


def _refused(error: exceptions.BotoCoreError) -> bool:
    # The client library folds a refused connection and a broken one into the same exception.
    cause = error.kwargs.get("error")
    return isinstance(error, exceptions.EndpointConnectionError) and (
        not isinstance(cause, aiohttp.ClientConnectionError)
        or isinstance(cause, aiohttp.ClientConnectorError)
    )


def _own_code(said: str) -> str:
    """AWS's code without its namespace; a bare status number is none."""
    code = said.rpartition("#")[2]
    return "" if code.isdigit() or code == "Unknown" else code


def _code(aws_code: str) -> Code:
    if found := CODES.get(aws_code):
        return found
    if ABSENT.search(aws_code):
        return Code.NOT_FOUND
    return Code.PLATFORM_INVALID


def _words(message: str, aws_code: str, status: int) -> str:
    return f"{message[:MESSAGE_LIMIT]} (AWS: {aws_code or status})"


def _missing(action: str, words: str) -> str:
    named = RIGHT.search(words)
    missing = named["action"] if named else action
    return f"the worker's AWS identity lacks {missing}: allow it in its IAM policy. {words}"


def _retry_after(headers: Mapping[str, str]) -> int | None:
    text = headers.get("retry-after", "").strip()
    return int(text) if text.isdecimal() else None
