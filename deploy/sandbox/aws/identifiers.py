"""The parsing and validation of names and ARNs in ECS requests."""

import re

from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.messages import Json, Refusal

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_TASK_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f-]{36}")
_ARN = re.compile(r"arn:aws[a-z-]*:ecs:([a-z0-9-]+):([0-9]{12}):([a-z-]+)/(.+)")


def invalid(message: str) -> Refusal:
    return Refusal("InvalidParameterException", message)


def client_error(message: str) -> Refusal:
    return Refusal("ClientException", message)


CLUSTER_NOT_FOUND = ("ClusterNotFoundException", "Cluster not found.")
SERVICE_NOT_FOUND = ("ServiceNotFoundException", "Service not found.")


def cluster_of(account: Account, params: Json) -> str:
    """Return the name of a request's cluster, which must exist; the default is `default`."""
    given = params.get("cluster") or "default"
    name = given
    if given.startswith("arn:"):
        match = _ARN.fullmatch(given)
        if match is None or match[3] != "cluster":
            raise invalid("Invalid identifier: The identifier is not a cluster ARN.")
        if (match[1], match[2]) != (account.region, account.number):
            raise Refusal(*CLUSTER_NOT_FOUND)
        name = match[4]
    if not _NAME.fullmatch(name):
        raise invalid("Invalid cluster name.")
    cluster = account.ecs.clusters.get(name)
    if cluster is None or cluster.status == "INACTIVE":
        raise Refusal(*CLUSTER_NOT_FOUND)
    return name


def cluster_arn(account: Account, cluster: str) -> str:
    return account.arn("ecs", f"cluster/{cluster}")


def service_name(given: str, cluster: str) -> str:
    return _last_word(given, cluster, "service")


def task_id(given: str, cluster: str) -> str:
    name = _last_word(given, cluster, "task")
    if len(name) not in {32, 36}:
        raise invalid("taskId length should be one of [32,36]")
    if not _TASK_ID.fullmatch(name):
        raise invalid("taskId should be hexadecimal")
    return name.replace("-", "")


def valid_name(name: str, what: str) -> str:
    if not _NAME.fullmatch(name):
        raise invalid(
            f"{what} must be 1 to 255 letters, numbers, hyphens and underscores: {name!r}"
        )
    return name


def size(params: Json, default: int) -> int:
    """Return `maxResults`, which is at most 100 for every list."""
    wanted = params.get("maxResults", default)
    if not 1 <= wanted <= 100:
        raise invalid("maxResults must be between 1 and 100.")
    return int(wanted)


def _last_word(given: str, cluster: str, kind: str) -> str:
    if not given.startswith("arn:"):
        return given
    match = _ARN.fullmatch(given)
    if match is None or match[3] != kind:
        raise invalid(f"Invalid identifier: The identifier is not a {kind} ARN.")
    # Short ARNs (before 2018) do not contain a cluster.
    *place, name = match[4].split("/")
    if place and place[0] != cluster:
        raise invalid(
            f"Invalid identifier: Identifier is for cluster {place[0]}. Your cluster is {cluster}"
        )
    return name
