"""The platforms as their workers see them: reached, and with the needed rights; no I/O."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from contracts.faults import Code, Problem
from contracts.platform_access import Access, Lack
from gateway.console.doctor.finding import Finding, error, listed, plural, shell, unchecked, warning

GRANT = {
    "k8s": "In a checkout, for each namespace: set it in the last line of "
    "deploy/kubernetes/rbac.yaml, then\nkubectl -n {scope} apply -f deploy/kubernetes/rbac.yaml",
    "ecs": "Add {statements} of deploy/aws/iam-policy.json to the policies of {identity}, or "
    "update the stack of the workers:\naws cloudformation deploy --stack-name machinist "
    "--template-file deploy/aws/machinist.yaml --capabilities CAPABILITY_IAM",
}
ROLE = "the role of the workers"


def findings(
    answers: Mapping[str, Access | Problem | None], scopes: Mapping[str, Sequence[str]]
) -> Iterator[Finding]:
    """Return the findings about the platform of each provider."""
    for provider, answer in answers.items():
        if answer is None:
            yield unchecked(
                "platform",
                f"The platform of {provider} was not checked.",
                "No worker has answered the question in time.",
                "Run machinist doctor again; look at the log of a worker",
            )
        elif isinstance(answer, Problem):
            yield _of_problem(provider, answer)
        else:
            yield from _of_access(provider, answer, scopes.get(provider, ()))
    for provider in sorted(scopes.keys() - answers.keys()):
        yield unchecked(
            "platform",
            f"The rights in {listed(scopes[provider])} of {provider} were not checked.",
            "No worker of this provider is attached.",
            f"Start a worker with PLT_PROVIDER_NAME={provider}",
        )


def _of_problem(provider: str, problem: Problem) -> Finding:
    if problem.code in (Code.NOT_UNDERSTOOD, Code.UNSUPPORTED):
        return unchecked(
            "platform",
            f"The platform of {provider} was not checked.",
            f"The workers do not report it: {problem.detail[:100]}",
            "Install this version of machinist for the workers",
        )
    if problem.code in (Code.INVALID, Code.NOT_FOUND):
        return unchecked(
            "platform",
            f"The rights on the platform of {provider} were not checked.",
            problem.detail,
            "Name existing scopes with --scope",
        )
    return error(
        "platform-unreachable",
        f"The workers of {provider} cannot use their platform: {problem.detail}.",
        "Every request for this provider fails.",
        "If the address cannot be reached, check PLT_K8S_REST_API_URL or PLT_ECS_ENDPOINT, DNS, "
        "proxies and network policies of the workers; if the credentials are refused, renew the "
        "token, certificate or role that their environment names",
    )


def _of_access(provider: str, access: Access, scopes: Sequence[str]) -> Iterator[Finding]:
    if not scopes:
        yield unchecked(
            "platform-rights",
            f"The rights of the workers of {provider} on {access.location} were not checked.",
            "The platform is reached. Rights belong to a scope: a namespace, or an ECS cluster.",
            f"machinist doctor --scope {provider}/SCOPE",
        )
    elif access.unchecked:
        yield unchecked(
            "platform-rights",
            f"Not all rights of the workers of {provider} on {access.location} were checked.",
            access.unchecked,
            f"Compare the policies of {access.identity or ROLE} with deploy/aws/iam-policy.json",
        )
    for _, lacks in groupby(sorted(access.lacks, key=_kind), _kind):
        yield _of_lacks(provider, access, list(lacks))


def _kind(lack: Lack) -> tuple[str, str, bool]:
    return lack.scope, lack.denied_by, lack.optional


def _of_lacks(provider: str, access: Access, lacks: Sequence[Lack]) -> Finding:
    """Return the finding about rights that the same change grants."""
    scope, denied_by, is_optional = _kind(lacks[0])
    rights = listed(dict.fromkeys(lack.right for lack in lacks))
    denied = f", denied by {denied_by}" if denied_by else ""
    uses = listed(dict.fromkeys(lack.used_by for lack in lacks))
    make = warning if is_optional else error
    return make(
        "platform-rights-optional" if is_optional else "platform-rights",
        f"The workers of {provider} lack rights{f' in {scope}' * bool(scope)}: {rights}{denied}.",
        f"Requests fail with 403 platform_forbidden, or lack information: {uses}.",
        _remedy(access, lacks),
    )


def _remedy(access: Access, lacks: Sequence[Lack]) -> str:
    names = list(dict.fromkeys(lack.statement for lack in lacks if lack.statement))
    # Workers of earlier versions do not name statements.
    statements = f"the {plural(names, 'statement', 'statements')} {', '.join(names)}"
    if denied_by := lacks[0].denied_by:
        return f"Let {denied_by} allow the rights of {statements} of deploy/aws/iam-policy.json"
    return GRANT[access.platform].format(
        scope=shell(lacks[0].scope),
        statements=statements if names else "the statements",
        identity=access.identity or ROLE,
    )
