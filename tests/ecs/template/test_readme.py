"""The commands of deploy/aws/README.md."""

import json
import re
import subprocess

from deploy.sandbox.aws.iam import guard, policy
from tests.ecs.template.resolved import FILE, load

README = FILE.with_name("README.md").read_text()
COMMANDS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


def test_the_parameters_of_the_readme_exist() -> None:
    [create] = [each for each in COMMANDS if "cloudformation deploy" in each]
    given = set(re.findall(r"\b([A-Z]\w+)=", create.partition("--parameter-overrides")[2]))
    named = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)(?:=[^`]*)?`", README))
    template = load()
    declared = template["Parameters"]
    statements = {each["Sid"] for each in policy.load(guard.SHIPPED)["Statement"]}

    assert given <= declared.keys()
    assert named <= declared.keys() | template["Resources"].keys() | statements
    assert {name for name, each in declared.items() if "Default" not in each} <= given


def test_the_policy_that_the_readme_makes_by_hand_has_no_placeholder_left() -> None:
    [fill] = [each for each in COMMANDS if each.startswith("sed")]
    done = subprocess.run(
        fill, shell=True, cwd=FILE.parent, capture_output=True, text=True, check=True
    )
    filled = policy.read(json.loads(done.stdout))

    assert "${" not in done.stdout
    assert len(filled.rights) == len(policy.read(policy.load(guard.SHIPPED)).rights)
    assert policy.Check(
        "ecs:UpdateService", "arn:aws:ecs:eu-central-1:123456789012:service/shop/web"
    ) in [policy.Check(each.action, each.resource.replace("*", "web")) for each in filled.rights]
