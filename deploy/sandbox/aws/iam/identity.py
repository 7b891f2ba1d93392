"""The requests of a worker about its identity: who it is, its role, a simulation of its policy.

The forms of the answers are those of the API reference. IAM answers once for each action, and gives
the decisions for resources other than `*` below it.
"""

from deploy.sandbox.aws import paging
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.iam.policy import Check, Policy
from deploy.sandbox.aws.messages import Json, Refusal, Request

SESSION = "sandbox"
ID = "AROASANDBOXWORKER000"
ALLOWED, DENIED = "allowed", "implicitDeny"
MOST_ITEMS = 100
INVALID_MARKER = Refusal("ValidationError", "Invalid Marker.")


def answer(account: Account, policy: Policy, request: Request) -> Json | None:
    """Return the answer, or None for any other request."""
    match request.action:
        case "sts:GetCallerIdentity":
            return _caller(account)
        case "iam:GetRole":
            return _role(account, request.parameters["RoleName"])
        case "iam:SimulatePrincipalPolicy":
            return _simulated(account, policy, request.parameters)
    return None


def _caller(account: Account) -> Json:
    session = f"assumed-role/{_name(account)}/{SESSION}"
    arn = f"arn:aws:sts::{account.number}:{session}"
    return {"UserId": f"{ID}:{SESSION}", "Account": account.number, "Arn": arn}


def _role(account: Account, name: str) -> Json | None:
    if name != _name(account):
        return None
    path = account.worker_role.partition(":role")[2].removesuffix(name)
    role = {"Path": path, "RoleName": name, "RoleId": ID, "Arn": account.worker_role}
    return {"Role": role | {"CreateDate": "2026-01-01T00:00:00Z"}}


def _name(account: Account) -> str:
    return account.worker_role.rpartition("/")[2]


def _simulated(account: Account, policy: Policy, parameters: Json) -> Json:
    _check_source(account, parameters["PolicySourceArn"])
    most = min(parameters.get("MaxItems", MOST_ITEMS), account.pace.evaluations_per_page)
    actions, marker = paging.page(
        parameters["ActionNames"], most, parameters.get("Marker"), INVALID_MARKER
    )
    resources = parameters.get("ResourceArns", ["*"])
    keys = {
        each["ContextKeyName"]: tuple(each["ContextKeyValues"])
        for each in parameters.get("ContextEntries", [])
    }
    found = [
        _evaluated(policy, [Check(action, each, keys) for each in resources]) for action in actions
    ]
    return {"EvaluationResults": found, "IsTruncated": marker is not None, "Marker": marker}


def _check_source(account: Account, arn: str) -> None:
    kind, _, name = arn.rpartition(":")[2].partition("/")
    if kind not in {"role", "user", "group"} or not name:
        message = f"Invalid Entity Arn: {arn} does not clearly define entity type and name."
        raise Refusal("InvalidInput", message)
    if arn != account.worker_role:
        raise Refusal("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)


def _evaluated(policy: Policy, checks: list[Check]) -> Json:
    """Return the decision for one action on some resources."""
    decisions = [ALLOWED if policy.allows(each) else DENIED for each in checks]
    first = checks[0]
    result: Json = {
        "EvalActionName": first.action,
        "EvalResourceName": first.resource,
        "EvalDecision": ALLOWED if set(decisions) == {ALLOWED} else DENIED,
        "MatchedStatements": [],
    }
    if first.resource == "*":
        return result | {"MissingContextValues": policy.unknown_keys(first)}
    specific = [
        {
            "EvalResourceName": each.resource,
            "EvalResourceDecision": decision,
            "MatchedStatements": [],
            "MissingContextValues": policy.unknown_keys(each),
        }
        for each, decision in zip(checks, decisions, strict=True)
    ]
    return result | {"MissingContextValues": [], "ResourceSpecificResults": specific}
