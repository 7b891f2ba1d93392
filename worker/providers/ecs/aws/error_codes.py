"""The meanings of AWS's error codes and messages; pure data."""

import re

from contracts.faults import Code

CODES: dict[str, Code] = {
    "AccessDenied": Code.PLATFORM_FORBIDDEN,
    "AccessDeniedException": Code.PLATFORM_FORBIDDEN,
    "AuthorizationError": Code.PLATFORM_FORBIDDEN,
    "BlockedException": Code.PLATFORM_FORBIDDEN,
    "OperationNotPermitted": Code.PLATFORM_FORBIDDEN,
    "UnauthorizedException": Code.PLATFORM_FORBIDDEN,
    "UnauthorizedOperation": Code.PLATFORM_FORBIDDEN,
    "PaginationTokenExpiredException": Code.PLATFORM_FAILED,
    "NoSuchEntity": Code.NOT_FOUND,
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
    "DuplicateRequest": Code.CONFLICT,
    "DuplicateTargetGroupName": Code.CONFLICT,
    "InvalidRequestException": Code.CONFLICT,
    "PriorityInUse": Code.CONFLICT,
    "ResourceExistsException": Code.CONFLICT,
    "ResourceInUse": Code.CONFLICT,
    "ResourceInUseException": Code.CONFLICT,
    "ServiceAlreadyExists": Code.CONFLICT,
}
"""By AWS's code. Other codes are classified by their form or by the HTTP status."""

NO_CLUSTER = "ClusterNotFoundException"
ABSENT = re.compile(r"NotFound(Exception)?\Z")

TRANSIENT_MESSAGES = re.compile(
    "too many concurrent attempts to create a new revision"
    "|does not have an associated load balancer"
    "|unable to assume the service linked role"
    r"|\bin progress\b|\btry again later\b|\btemporarily\b",
    re.IGNORECASE,
)
"""Messages of transient failures whose code blames the caller: another writer is active, or AWS
is eventually consistent about a new resource."""

STATES: dict[Code, re.Pattern[str]] = {
    Code.CONFLICT: re.compile(
        r"\b(is|was|are|has|have) (already |currently |still |been )*"
        r"(not (in )?(an? )?active|not running|inactive|stopp(ed|ing)|draining|deprovision\w*"
        r"|deactivat\w*|(being |marked for |scheduled for )?delet(ed|ion))\b"
        r"|\bin an? (terminal|final) state\b|\bspecify an active one\b|\bstill draining\b"
        r"|\b(target group|registry|namespace|secret|load balancer)\b[^.]{0,200}"
        r"\b(not (be )?found|does not exist)\b",
        re.IGNORECASE,
    ),
    Code.NOT_FOUND: re.compile(
        r"\b(task|service|cluster)\b[^.]{0,200}\b(not (be )?found|does not exist)\b",
        re.IGNORECASE,
    ),
}
"""Messages about the state of a resource whose code blames the request. AWS has one code,
InvalidParameterException, for malformed parameters and for states."""

BUSY = frozenset({"ConflictException", "UpdateInProgressException"})
"""Another operation on the resource is running; nothing was done, and a retry succeeds."""

THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "PriorRequestNotCompleteException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
"""Throttled before anything was done. LimitExceededException is absent: it is about a quota."""

TRANSIENT = frozenset(
    {
        "HealthUnavailable",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "InternalServiceError",
        "InternalServiceException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerException",
        "ServiceException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Unavailable",
    }
)
"""Failures inside AWS, whatever their status: the request may have had an effect."""

CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "SubscriptionRequiredException",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
"""AWS does not accept the worker's credentials; the request itself may be valid."""

KNOWN = frozenset({*CODES, NO_CLUSTER, *BUSY, *THROTTLED, *TRANSIENT, *CREDENTIALS})
"""The codes that metrics name; any other code is counted under the code of its fault."""
