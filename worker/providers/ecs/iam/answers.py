"""The answers of STS and IAM about the caller and its policies."""

from msgspec import Struct

ALLOWED = "allowed"
EXPLICIT_DENY = "explicitDeny"


class Caller(Struct, frozen=True, rename="pascal"):
    """The answer of GetCallerIdentity."""

    arn: str


class Role(Struct, frozen=True, rename="pascal"):
    """A role."""

    arn: str


class OneRole(Struct, frozen=True, rename="pascal"):
    """The answer of GetRole."""

    role: Role


class OrganizationsDecision(Struct, frozen=True, rename="pascal"):
    """The decision of the service control policies; only accounts of an organization have one."""

    allowed_by_organizations: bool = True


class BoundaryDecision(Struct, frozen=True, rename="pascal"):
    """The decision of the permissions boundary; only identities with a boundary have one."""

    allowed_by_permissions_boundary: bool = True


class OnResource(Struct, frozen=True, rename="pascal"):
    """The decision for one resource other than `*`."""

    eval_resource_decision: str
    missing_context_values: list[str] = []
    permissions_boundary_decision_detail: BoundaryDecision = BoundaryDecision()


class Evaluation(Struct, frozen=True, rename="pascal"):
    """The decision for an action.

    IAM repeats it for each resource other than `*`, and gives its details only there.
    """

    eval_action_name: str
    eval_decision: str
    missing_context_values: list[str] = []
    organizations_decision_detail: OrganizationsDecision = OrganizationsDecision()
    permissions_boundary_decision_detail: BoundaryDecision = BoundaryDecision()
    resource_specific_results: list[OnResource] = []

    @property
    def decisions(self) -> set[str]:
        """The decisions for all resources of the request."""
        specific = {each.eval_resource_decision for each in self.resource_specific_results}
        return specific or {self.eval_decision}

    @property
    def unknown_keys(self) -> set[str]:
        """The condition keys of the policies that the request does not contain."""
        specific = (each.missing_context_values for each in self.resource_specific_results)
        return set(self.missing_context_values).union(*specific)

    @property
    def passes_organization(self) -> bool:
        """True unless a service control policy denies the action."""
        return self.organizations_decision_detail.allowed_by_organizations

    @property
    def passes_boundary(self) -> bool:
        """True unless the permissions boundary denies the action."""
        specific = (
            each.permissions_boundary_decision_detail for each in self.resource_specific_results
        )
        details = (self.permissions_boundary_decision_detail, *specific)
        return all(each.allowed_by_permissions_boundary for each in details)


class Evaluations(Struct, frozen=True, rename="pascal"):
    """A page of SimulatePrincipalPolicy."""

    evaluation_results: list[Evaluation]
