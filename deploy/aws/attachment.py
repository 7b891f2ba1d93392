"""From the AWS variables of a terminal to what configures a worker, and whether that works."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError
from botocore.session import Session

from contracts import api
from contracts.environment import ConfigurationError
from contracts.faults import Code, Fault
from deploy.failed import Failed
from deploy.options import as_typed
from worker.provider import Call
from worker.providers import ecs
from worker.providers.ecs.aws.session import VARIABLES

CLUSTER = re.compile(r"[A-Za-z0-9_-]{1,255}")
PATIENCE_S = 15
POLICY = "deploy/aws/iam-policy.json"

ENDPOINT = "PLT_ECS_ENDPOINT"
REGIONS = ("PLT_ECS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION")
OURS = ("AWS_", "PLT_ECS_")
"""How the variables begin that find the account and configure its workers."""
FILES = (
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


@dataclass(frozen=True)
class Attachment:
    """A region of the account that AWS's own chain of credentials leads to, and a cluster of it."""

    region: str
    cluster: str
    # There are credentials among them.
    variables: Mapping[str, str] = field(repr=False)

    def __str__(self) -> str:
        profile, endpoint = (self.variables.get(name) for name in ("AWS_PROFILE", ENDPOINT))
        said = f'region {self.region}, cluster "{self.cluster}"'
        said += f', profile "{profile}"' if profile else ""
        # A URL may hold a password.
        return f"AWS ({said}, {endpoint})" if endpoint and "@" not in endpoint else f"AWS ({said})"

    def environment(self) -> dict[str, str]:
        """What configures a worker."""
        return {**self.variables, "PLT_PROVIDER": "ecs", "PLT_ECS_REGION": self.region}


def read(environ: Mapping[str, str], cluster: str | None = None) -> Attachment:
    """What the variables of a terminal, and the profile that they may name, say about AWS."""
    variables = {name: value for name, value in environ.items() if name.startswith(OURS)}
    variables |= {name: str(as_typed(variables[name])) for name in FILES if variables.get(name)}
    place = cluster or variables.get("PLT_ECS_CLUSTER") or "default"
    if not CLUSTER.fullmatch(place):
        raise Failed(f"the cluster {place!r}: expected its name, of letters, digits, - and _")
    given = (variables[name] for name in REGIONS if variables.get(name))
    region = next(given, None) or _region_of_profile(variables)
    if region is None:
        raise Failed(
            "no AWS region: expected one in PLT_ECS_REGION or AWS_REGION, or in the profile of "
            "AWS_PROFILE"
        )
    return Attachment(region, place, variables)


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
    """Ask for machines as a worker would, before anything is started that depends on it."""
    try:
        asyncio.run(_ask(attachment))
    except ConfigurationError as error:
        raise Failed(f"{attachment}: {error}") from error
    except Fault as fault:
        expected = _expected(fault.code, attachment)
        raise Failed(f"{attachment}: {fault.message}\nExpected {expected}.") from fault


async def _ask(attachment: Attachment) -> None:
    async with ecs.open_provider(attachment.environment()) as provider:
        await provider.get_machines(api.GetMachines(attachment.cluster), Call.within(PATIENCE_S))


def _expected(code: Code, attachment: Attachment) -> str:
    if code is Code.NOT_FOUND:
        return (
            f'a cluster "{attachment.cluster}" in the region {attachment.region} of the account '
            "that the credentials belong to: --cluster names another, AWS_REGION another region"
        )
    if code is Code.PLATFORM_FORBIDDEN:
        return f"an identity with the rights of {POLICY}"
    if code in (Code.PLATFORM_UNREACHABLE, Code.DEADLINE_EXCEEDED):
        return f"an AWS API of the region {attachment.region} that can be reached from here"
    return "a list of tasks: the credentials may be wrong or have expired"
