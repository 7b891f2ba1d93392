"""The CloudFormation template of ECS with its functions resolved for some parameters."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import deploy

FILE = Path(deploy.__file__).with_name("aws") / "machinist.yaml"
REGION, ACCOUNT = "eu-central-1", "123456789012"
PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::StackName": "machinist",
}
ABSENT = object()
"""The value of AWS::NoValue, which removes the property or the element."""
LISTS = ("CommaDelimitedList", "List<")
PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9:.]+)\}")

Json = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """Reads the short forms of functions, such as `!Ref Name`, as mappings."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> Json:
    match node:
        case yaml.ScalarNode():
            value: Any = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            raise AssertionError(f"a function of a mapping: {suffix}")
    return {suffix if suffix == "Ref" else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


@cache
def load() -> Json:
    """Return the template, which no caller changes."""
    template: Json = yaml.load(FILE.read_text(), Loader=_Loader)
    return template


class Stack:
    """The resources of a stack with these parameters."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self.template = load()
        declared = self.template["Parameters"]
        assert parameters.keys() <= declared.keys()
        self.values: Json = dict(PSEUDO)
        for name, parameter in declared.items():
            text = parameters.get(name, parameter.get("Default"))
            assert text is not None, f"the parameter {name} has no value"
            self.values[name] = _parameter(name, parameter, str(text))
        # A condition refers to earlier ones only.
        self._conditions: dict[str | None, bool] = {}
        for name, condition in self.template["Conditions"].items():
            self._conditions[name] = self.resolve(condition)
        self.resources = {
            name: self._resource(each)
            for name, each in self.template["Resources"].items()
            if self._conditions.get(each.get("Condition"), True)
        }

    def of_type(self, kind: str) -> dict[str, Json]:
        """Return the properties of the resources of a type by name."""
        found = self.resources.items()
        return {name: each["Properties"] for name, each in found if each["Type"] == kind}

    def violations(self) -> list[str]:
        """Return the descriptions of the assertions that the parameters violate."""
        return [
            assertion["AssertDescription"]
            for rule in self.template["Rules"].values()
            if self.resolve(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self.resolve(assertion["Assert"])
        ]

    def resolve(self, value: Any) -> Any:
        """Return a value with all functions replaced by their results."""
        match value:
            case {"Condition": name} if len(value) == 1:
                return self._conditions[name]
            case dict() if len(value) == 1 and (function := next(iter(value))) in FUNCTIONS:
                return FUNCTIONS[function](self, value[function])
            case dict():
                resolved = {key: self.resolve(each) for key, each in value.items()}
                return {key: each for key, each in resolved.items() if each is not ABSENT}
            case list():
                return [each for each in map(self.resolve, value) if each is not ABSENT]
        return value

    def _resource(self, resource: Json) -> Json:
        return resource | {"Properties": self.resolve(resource["Properties"])}

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return ABSENT
        if name in self.values:
            return self.values[name]
        return self._of_resource(name, "Ref")

    def _get_att(self, path: str) -> str:
        name, _, attribute = path.partition(".")
        return self._of_resource(name, attribute)

    def _of_resource(self, name: str, attribute: str) -> str:
        """A text in the form of the attribute, which names the resource."""
        kind = self.template["Resources"][name]["Type"]
        forms = {
            ("AWS::IAM::Role", "Ref"): name,
            ("AWS::IAM::Role", "Arn"): f"arn:aws:iam::{ACCOUNT}:role/{name}",
            ("AWS::Logs::LogGroup", "Ref"): name,
            ("AWS::Logs::LogGroup", "Arn"): f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*",
            ("AWS::ECS::TaskDefinition", "Ref"): f"{name}:1",
            ("AWS::ElasticLoadBalancingV2::TargetGroup", "Ref"): (
                f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/{name}/0"
            ),
        }
        return forms[kind, attribute]

    def _sub(self, given: Any) -> str:
        text, own = (given, {}) if isinstance(given, str) else given
        values = self.resolve(own)
        return PLACEHOLDER.sub(
            lambda found: str(values.get(found[1]) or self._named(found[1])), text
        )

    def _named(self, name: str) -> Any:
        return self._get_att(name) if "." in name else self._ref(name)

    def _if(self, given: list[Any]) -> Any:
        condition, yes, no = given
        return self.resolve(yes if self._conditions[condition] else no)

    def _equals(self, given: list[Any]) -> bool:
        one, other = map(self.resolve, given)
        return bool(one == other)


FUNCTIONS: dict[str, Callable[[Stack, Any], Any]] = {
    "Ref": Stack._ref,
    "Fn::GetAtt": Stack._get_att,
    "Fn::Sub": Stack._sub,
    "Fn::If": Stack._if,
    "Fn::Equals": Stack._equals,
    "Fn::Not": lambda stack, given: not stack.resolve(given[0]),
    "Fn::And": lambda stack, given: all(map(stack.resolve, given)),
    "Fn::Or": lambda stack, given: any(map(stack.resolve, given)),
    "Fn::Join": lambda stack, given: given[0].join(stack.resolve(given[1])),
    "Fn::Split": lambda stack, given: stack.resolve(given[1]).split(given[0]),
    "Fn::Select": lambda stack, given: stack.resolve(given[1])[int(given[0])],
}


def _parameter(name: str, declared: Json, text: str) -> str | list[str]:
    pattern, known = declared.get("AllowedPattern", ".*"), declared.get("AllowedValues")
    assert re.search(pattern, text, re.DOTALL), f"{name}={text!r} does not match {pattern}"
    assert known is None or text in map(str, known), f"{name}={text!r} is none of {known}"
    if declared["Type"] == "Number":
        assert float(declared.get("MinValue", text)) <= float(text), name
        assert float(text) <= float(declared.get("MaxValue", text)), name
    return text.split(",") if declared["Type"].startswith(LISTS) else text
