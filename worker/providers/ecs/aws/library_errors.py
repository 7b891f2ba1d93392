"""Exceptions of the AWS client library as failures; pure."""

import aiohttp
from botocore import exceptions
from botocore.parsers import ResponseParserError

from contracts.checks.json_limits import LimitExceeded
from contracts.faults import Code
from worker.providers.ecs.aws import errors
from worker.providers.ecs.aws.errors import Again, Failure

CREDENTIALS = (
    exceptions.ConfigNotFound,
    exceptions.ConfigParseError,
    exceptions.CredentialRetrievalError,
    exceptions.InvalidConfigError,
    exceptions.InvalidIMDSEndpointError,
    exceptions.InvalidIMDSEndpointModeError,
    exceptions.MetadataRetrievalError,
    exceptions.NoAuthTokenError,
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.ProfileNotFound,
    exceptions.RefreshWithMFAUnsupportedError,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
    exceptions.UnknownCredentialError,
)
CONFIGURATION = (
    exceptions.ApiVersionNotFoundError,
    exceptions.BaseEndpointResolverError,
    exceptions.DataNotFoundError,
    exceptions.EndpointProviderError,
    exceptions.InvalidChecksumConfigError,
    exceptions.InvalidDefaultsMode,
    exceptions.InvalidEndpointConfigurationError,
    exceptions.InvalidEndpointDiscoveryConfigurationError,
    exceptions.InvalidProxiesConfigError,
    exceptions.InvalidRegionError,
    exceptions.InvalidRetryConfigurationError,
    exceptions.InvalidSTSRegionalEndpointsConfigError,
    exceptions.MissingDependencyException,
    exceptions.ServiceNotInRegionError,
    exceptions.UnknownFIPSEndpointError,
    exceptions.UnknownRegionError,
    exceptions.UnknownServiceStyle,
    exceptions.UnknownSignatureVersionError,
    exceptions.UnsupportedServiceProtocolsError,
    exceptions.UnsupportedSignatureVersionError,
)
"""The configuration of the client library does not allow a request; nothing was sent."""

ILL_FORMED = (
    exceptions.MissingParametersError,
    exceptions.ParamValidationError,
    exceptions.ValidationError,
)
"""The client library rejects the parameters; nothing was sent."""

UNSENT = (
    exceptions.ConnectTimeoutError,
    exceptions.ProxyConnectionError,
    exceptions.SSLError,
)
"""The request was certainly not sent: no connection or no handshake."""

LOST = (
    exceptions.ConnectionError,
    exceptions.HTTPClientError,
    exceptions.IncompleteReadError,
)
UNREADABLE = (
    exceptions.ChecksumError,
    exceptions.FlexibleChecksumError,
    ResponseParserError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    IndexError,
    RecursionError,
)
"""Exceptions of the client library's parsers for malformed answers."""


def failure(action: str, error: Exception) -> Failure:
    """Return the failure for an exception that the library raised for an action."""
    if isinstance(error, CREDENTIALS):
        return errors.no_credentials(str(error))
    if isinstance(error, CONFIGURATION):
        return Failure(
            Code.PLATFORM_FAILED,
            f"the worker's AWS client is not configured for {action}: {error}",
        )
    if isinstance(error, ILL_FORMED):
        return Failure(Code.INVALID, f"the AWS client rejects the parameters of {action}: {error}")
    if isinstance(error, UNSENT) or _is_refused(error):
        return Failure(
            Code.PLATFORM_UNREACHABLE, f"AWS cannot be reached: {error}", again=Again.LATER
        )
    if isinstance(error, (*LOST, OSError)):
        return Failure(
            Code.PLATFORM_FAILED,
            f"the connection to AWS was lost before it answered {action}: {error}",
            again=Again.LOST,
        )
    if isinstance(error, LimitExceeded):
        return errors.unexpected(action, str(error))
    if isinstance(error, UNREADABLE):
        # The message would quote the answer, which may contain a container's environment.
        return errors.unexpected(action, f"it cannot be read ({type(error).__name__})")
    return Failure(
        Code.PLATFORM_FAILED,
        f"the AWS client failed at {action}: {type(error).__name__}",
        arrived=True,
    )


def _is_refused(error: Exception) -> bool:
    # The client library raises the same exception for a refused and for a broken connection.
    if not isinstance(error, exceptions.EndpointConnectionError):
        return False
    cause = error.kwargs.get("error")
    return not isinstance(cause, aiohttp.ClientConnectionError) or isinstance(
        cause, aiohttp.ClientConnectorError
    )
