"""The guard: denies a worker's requests that its policy does not allow, as IAM does."""

from collections import deque
from pathlib import Path

from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.iam import policy
from deploy.sandbox.aws.iam.checks import checks
from deploy.sandbox.aws.iam.policy import Check, Json
from deploy.sandbox.aws.messages import QUERY, Refusal

SHIPPED = Path(__file__).parents[3] / "aws" / "iam-policy.json"
USER = "arn:aws:sts::123456789012:assumed-role/worker/sandbox"
EVERYWHERE = {
    "WorkloadCluster": "*",
    "WorkloadExecutionRoleArn": "*",
    "WorkloadTaskRoleArn": "*",
    "Listener": "app/*",
    "WorkloadNamespaceId": "*",
    "WorkerRoleArn": "*",
}
"""The least limits of the shipped policy, because a sandbox has any number of clusters."""
MAX_CHECKS = 100_000


class Guard:
    """Checks requests against a policy, and records the checks and the denials."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.checks: deque[Check] = deque(maxlen=MAX_CHECKS)
        self.denials: deque[str] = deque(maxlen=MAX_CHECKS)
        self.reset()

    def reset(self) -> None:
        """Restore the shipped policy without limits, and forget the checks."""
        self.policy = policy.read(self.shipped(**EVERYWHERE))
        self.checks.clear()
        self.denials.clear()

    def shipped(self, **values: str) -> Json:
        """Return the shipped policy document with values for its placeholders."""
        place = {
            "AWS::Partition": "aws",
            "AWS::Region": self._account.region,
            "AWS::AccountId": self._account.number,
        }
        return policy.filled(policy.load(SHIPPED), place | values)

    def check(self, action: str, parameters: Json) -> None:
        """Raise Refusal unless the policy allows all that a request needs."""
        for each in checks(self._account, action, parameters):
            self.checks.append(each)
            if not self.policy.allows(each):
                self.denials.append(str(each))
                raise denial(each.action, each.resource)


def denial(action: str, resource: str = "*") -> Refusal:
    """Return the refusal of IAM when no policy of the caller allows an action."""
    message = (
        f"User: {USER} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )
    # The Query protocol has another code and status for this refusal than the JSON protocols.
    if action.startswith(QUERY):
        return Refusal("AccessDenied", message, 403)
    return Refusal("AccessDeniedException", message)
