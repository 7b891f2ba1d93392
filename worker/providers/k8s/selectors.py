"""Label selectors: rendered for the API server, and matched as it matches them; pure."""

from collections.abc import Mapping

from msgspec import Struct

from contracts.faults import Code, Fault
from worker.providers.k8s.objects import LabelSelector, Replication, Requirement, Workload

Labels = Mapping[str, str]


class Term(Struct, frozen=True):
    """A requirement of a selector: `=` with one value, or an operator of matchExpressions."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The term in the syntax of the parameter `labelSelector`."""
        match self.operator:
            case "=":
                return f"{self.key}={self.values[0]}"
            case "In":
                return f"{self.key} in ({','.join(self.values)})"
            case "NotIn":
                return f"{self.key} notin ({','.join(self.values)})"
            case "Exists":
                return self.key
            case _:
                return f"!{self.key}"

    def matches(self, labels: Labels) -> bool:
        """Return whether labels fulfil the term; an absent label fulfils NotIn."""
        match self.operator:
            case "=" | "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
            case _:
                return False


class Selector(Struct, frozen=True):
    """The terms that labels must all fulfil; at least one, since none would select all."""

    terms: tuple[Term, ...]

    @property
    def text(self) -> str:
        """The selector as the parameter `labelSelector`."""
        return ",".join(term.text for term in self.terms)

    def matches(self, labels: Labels) -> bool:
        """Return whether labels fulfil every term."""
        return all(term.matches(labels) for term in self.terms)

    def equalities(self) -> list[tuple[str, str]]:
        """Return the labels that every selected object has."""
        return [(term.key, term.values[0]) for term in self.terms if term.operator == "="]


def of_labels(labels: Labels) -> Selector | None:
    """Return the selector that requires all the labels, None for no labels."""
    return _selector(_equal(labels))


def of_controller(workload: Workload | Replication) -> Selector | None:
    """Return the selector of a controller's pods; None, for none, never selects all pods."""
    rule = workload.spec.selector
    if rule is None:
        return None
    if not isinstance(rule, LabelSelector):
        return _selector(_equal(rule))
    return _selector([*_equal(rule.match_labels or {}), *map(_term, rule.match_expressions or ())])


def _selector(terms: list[Term]) -> Selector | None:
    return Selector(tuple(terms)) if terms else None


def _equal(labels: Labels) -> list[Term]:
    return [Term(key, "=", (value,)) for key, value in labels.items()]


def _term(requirement: Requirement) -> Term:
    match requirement.operator:
        case "In" | "NotIn":
            return Term(requirement.key, requirement.operator, tuple(requirement.values or ()))
        case "Exists" | "DoesNotExist":
            return Term(requirement.key, requirement.operator)
        case operator:
            raise Fault(
                Code.PLATFORM_FAILED,
                f"a selector has the operator {operator!r}; "
                "expected In, NotIn, Exists or DoesNotExist",
            )
