"""Findings about platforms, from the answers of workers."""

from contracts.faults import Code, Fault
from contracts.platform_access import Access, Lack
from gateway.console.doctor.finding import Severity
from gateway.console.doctor.platforms import findings
from tests.console.doctor.builders import checks, only

SCOPES = {"k8s": ["shop"]}
ECS = {"ecs": ["main"]}
REACHED = Access("k8s", "https://api")


def test_a_platform_with_all_rights_has_no_findings():
    assert list(findings({"k8s": REACHED}, SCOPES)) == []


def test_without_a_scope_the_rights_are_not_checked():
    found = only(findings({"k8s": REACHED}, {}))

    assert (found.check, found.severity) == ("platform-rights", Severity.UNCHECKED)
    assert found.remedy == "machinist doctor --scope k8s/SCOPE"


def test_lacking_rights_are_one_finding_per_scope_and_weight():
    lacks = [
        Lack("shop", "get pods", "machines"),
        Lack("shop", "list gateways", "routes", True),
        Lack("shop", "patch pods", "labels"),
        Lack("stage", "get pods", "machines"),
    ]

    shop, optional, stage = findings({"k8s": Access("k8s", "https://api", lacks=lacks)}, SCOPES)

    assert shop.what == "The workers of k8s lack rights in shop: get pods, patch pods."
    assert shop.meaning.endswith("machines, labels.")
    assert shop.remedy.endswith("kubectl -n shop apply -f deploy/kubernetes/rbac.yaml")
    assert (optional.check, optional.severity) == ("platform-rights-optional", Severity.WARNING)
    assert "in stage" in stage.what


def test_lacking_rights_on_aws_name_the_statements_and_the_role():
    lacks = [
        Lack("main", "ecs:TagResource", "workloads", statement="TagNewTaskDefinitions"),
        Lack("main", "ecs:TagResource", "labels", statement="LabelTasksOfTheCluster"),
        Lack("", "tag:GetResources", "labels", statement="FindByTags"),
    ]
    role = "arn:aws:iam::123456789012:role/worker"

    account, main = findings({"ecs": Access("ecs", "AWS", role, lacks)}, ECS)

    assert account.what == "The workers of ecs lack rights: tag:GetResources."
    assert account.remedy.startswith(
        f"Add the statement FindByTags of deploy/aws/iam-policy.json to the policies of {role}"
    )
    assert main.what == "The workers of ecs lack rights in main: ecs:TagResource."
    assert "the statements TagNewTaskDefinitions, LabelTasksOfTheCluster of" in main.remedy


def test_workers_of_earlier_versions_name_no_statements():
    lacks = [Lack("main", "ecs:ListTasks", "machines")]

    found = only(findings({"ecs": Access("ecs", "AWS", lacks=lacks)}, ECS))

    assert found.remedy.startswith(
        "Add the statements of deploy/aws/iam-policy.json to the policies of the role of the "
        "workers, or update the stack of the workers:\naws cloudformation deploy"
    )


def test_a_policy_that_denies_rights_is_the_one_to_change():
    lacks = [
        Lack("", "iam:PassRole", "workloads", False, "PassRolesToTasks"),
        Lack("", "ecs:ListTasks", "machines", False, "ListTheCluster", "the boundary"),
    ]

    absent, denied = findings({"ecs": Access("ecs", "AWS", lacks=lacks)}, ECS)

    assert absent.what.endswith("lack rights: iam:PassRole.")
    assert denied.what.endswith("lack rights: ecs:ListTasks, denied by the boundary.")
    assert denied.remedy == (
        "Let the boundary allow the rights of the statement ListTheCluster of "
        "deploy/aws/iam-policy.json"
    )


def test_a_scope_cannot_inject_a_shell_command():
    lacks = [Lack("a; rm", "get pods", "machines")]

    found = only(findings({"k8s": Access("k8s", "https://api", lacks=lacks)}, SCOPES))

    assert "-n 'a; rm' apply" in found.remedy


def test_a_platform_that_is_not_reached_is_an_error_with_the_reason():
    problem = Fault(Code.PLATFORM_UNREACHABLE, "no route to host").problem()

    found = only(findings({"k8s": problem}, SCOPES))

    assert (found.check, found.severity) == ("platform-unreachable", Severity.ERROR)
    assert "no route to host" in found.what


def test_workers_that_do_not_know_the_question_are_no_fault():
    for code in (Code.NOT_UNDERSTOOD, Code.UNSUPPORTED, Code.INVALID):
        found = only(findings({"k8s": Fault(code, "reason").problem()}, SCOPES))
        assert found.severity is Severity.UNCHECKED


def test_no_answer_and_no_worker_are_not_checked():
    silent = list(findings({"k8s": None}, {}))
    absent = list(findings({}, {"ecs": ["main"]}))

    assert checks(silent + absent) == ["platform", "platform"]
    assert "rights in main of ecs" in absent[0].what


def test_rights_that_the_platform_does_not_tell_are_not_checked():
    access = Access("ecs", "eu-central-1", unchecked="iam:SimulatePrincipalPolicy is not allowed")

    found = only(findings({"ecs": access}, ECS))

    assert found.severity is Severity.UNCHECKED
    assert "SimulatePrincipalPolicy" in found.meaning
