"""Worker settings from the caller's AWS variables, and a check that AWS accepts them."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError
from botocore.session import Session

from contracts import api
from contracts.faults import Code, Fault
from contracts.process.environment import ConfigurationError
from deploy.failed import Failed
from deploy.options import from_caller_folder
from worker.provider import Call
from worker.providers import ecs
from worker.providers.ecs.aws.session import VARIABLES

CLUSTER = re.compile(r"[A-Za-z0-9_-]{1,255}")
TIMEOUT_S = 15
POLICY = "deploy/aws/iam-policy.json"

ENDPOINT = "PLT_ECS_ENDPOINT"
REGIONS = ("PLT_ECS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION")
PREFIXES = ("AWS_", "PLT_ECS_")
"""The prefixes of the variables that select the account and configure its workers."""
FILES = (
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


@dataclass(frozen=True)
class Attachment:
    """A region and an ECS cluster of the account of AWS's default credential chain."""

    region: str
    cluster: str
    # Contains credentials.
    variables: Mapping[str, str] = field(repr=False)

    def __str__(self) -> str:
        profile, endpoint = (self.variables.get(name) for name in ("AWS_PROFILE", ENDPOINT))
        text = f'region {self.region}, cluster "{self.cluster}"'
        text += f', profile "{profile}"' if profile else ""
        # A URL with an "@" may contain a password.
        text += f", {endpoint}" if endpoint and "@" not in endpoint else ""
        return f"AWS ({text})"

    def environment(self) -> dict[str, str]:
        """Return the variables of a worker."""
        return {**self.variables, "PLT_PROVIDER": "ecs", "PLT_ECS_REGION": self.region}


def read(environ: Mapping[str, str], cluster: str | None = None) -> Attachment:
    """Return the attachment that the variables and their AWS profile describe."""
    variables = {name: value for name, value in environ.items() if name.startswith(PREFIXES)}
    files = {name: variables[name] for name in FILES if variables.get(name)}
    variables |= {name: str(from_caller_folder(path)) for name, path in files.items()}
    name = cluster or variables.get("PLT_ECS_CLUSTER") or "default"
    if not CLUSTER.fullmatch(name):
        raise Failed(f"the cluster {name!r}: expected a name of letters, digits, - and _")
    regions = (variables[variable] for variable in REGIONS if variables.get(variable))
    region = next(regions, None) or _region_of_profile(variables)
    if region is None:
        raise Failed(
            "no AWS region: expected one in PLT_ECS_REGION or AWS_REGION, or in the profile of "
            "AWS_PROFILE"
        )
    return Attachment(region, name, variables)


def _region_of_profile(variables: Mapping[str, str]) -> str | None:
    try:
        session = Session()
        for variable, name in VARIABLES.items():
            if value := variables.get(variable):
                session.set_config_variable(name, value)
        region: str | None = session.get_config_variable("region")
    except BotoCoreError as error:
        raise Failed(f"no AWS region: {error}") from error
    return region


def check(attachment: Attachment) -> None:
    """Request the machines as a worker does. Raises Failed without a valid response."""
    try:
        asyncio.run(_get_machines(attachment))
    except ConfigurationError as error:
        raise Failed(f"{attachment}: {error}") from error
    except Fault as fault:
        expected = _expected(fault.code, attachment)
        raise Failed(f"{attachment}: {fault.message}\nExpected {expected}.") from fault


async def _get_machines(attachment: Attachment) -> None:
    async with ecs.open_provider(attachment.environment()) as provider:
        await provider.get_machines(api.GetMachines(attachment.cluster), Call.within(TIMEOUT_S))


def _expected(code: Code, attachment: Attachment) -> str:
    if code is Code.NOT_FOUND:
        return (
            f'a cluster "{attachment.cluster}" in the region {attachment.region} of the account '
            "of the credentials: --cluster names another cluster, AWS_REGION another region"
        )
    if code is Code.PLATFORM_FORBIDDEN:
        return f"an identity with the rights of {POLICY}"
    if code in (Code.PLATFORM_UNREACHABLE, Code.DEADLINE_EXCEEDED):
        return f"an AWS API of the region {attachment.region} that can be reached from here"
    return "a list of tasks: the credentials may be wrong or have expired"
