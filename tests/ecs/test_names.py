"""ECS's rules for names, ids and tags."""

from collections.abc import Callable
from typing import Any

import pytest

from contracts.faults import Code, Fault
from worker.providers.ecs import names

CLUSTER_ARN = "arn:aws:ecs:eu-central-1:123456789012:cluster/shop"
SERVICE_ARN = "arn:aws:ecs:eu-central-1:123456789012:service"
TASK_ARN = "arn:aws:ecs:eu-central-1:123456789012:task"
HEX = "0123456789abcdef0123456789abcdef"
UUID = "01234567-89ab-cdef-0123-456789abcdef"


def code_of(check: Callable[..., Any], *arguments: Any) -> Code | None:
    try:
        check(*arguments)
    except Fault as fault:
        return fault.code
    return None


@pytest.mark.parametrize(
    "scope", ["shop", "Shop_1-a", "x" * 255, CLUSTER_ARN, CLUSTER_ARN.replace("aws", "aws-cn")]
)
def test_a_cluster_is_a_name_or_an_arn(scope):
    assert names.cluster(scope) == scope


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "shop.eu",
        "x" * 256,
        "sh op",
        "shop/1",
        "shop\n",
        "ä",
        "arn:aws:ecs:eu-central-1:123456789012:service/shop",
        "arn:aws:ecs:eu-central-1:123456789012:cluster/",
        "arn:aws:ecs:eu-central-1:1:cluster/shop",
        "arn:aws:iam::123456789012:cluster/shop",
        CLUSTER_ARN + "/web",
    ],
)
def test_other_texts_are_no_cluster(scope):
    with pytest.raises(Fault, match="scope: expected a cluster") as raised:
        names.cluster(scope)

    assert raised.value.code is Code.INVALID


@pytest.mark.parametrize(
    ("name", "ecs"),
    [
        ("web", "web"),
        ("Web_1-x", "Web_1-x"),
        ("my-app-v1.2.3", "my-app-v1-2-3-4f878d"),
        ("my-app-v1-2-3-4f878d", "my-app-v1-2-3-4f878d"),
        ("web:1", "web-1-8724d3"),
        (f"{SERVICE_ARN}/shop/web", "web"),
        (f"{SERVICE_ARN}/web", "web"),
    ],
)
def test_each_spelling_of_a_service_gives_its_name_in_ecs(name, ecs):
    assert names.service_name(name) == ecs
    assert names.service_name(ecs) == ecs


def test_a_long_name_is_cut_and_stays_unique():
    cut, other = names.service_name("x" * 256), names.service_name("x" * 257)

    assert len(cut) == len(other) == 255
    assert cut != other


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a/b",
        "..",
        "a b",
        "a\x00",
        "ä",
        "a" * 600,
        f"{SERVICE_ARN}/",
        f"{SERVICE_ARN}/a/b/c",
        f"{TASK_ARN}/shop/{HEX}",
        "arn:aws:ecs:web",
    ],
)
def test_other_texts_are_no_service(name):
    assert code_of(names.service_name, name) is Code.INVALID


def test_a_service_of_another_cluster_is_refused():
    assert names.service_name(f"{SERVICE_ARN}/shop/web", "name", CLUSTER_ARN) == "web"
    with pytest.raises(Fault, match='a resource of the cluster "shop"') as raised:
        names.service_name(f"{SERVICE_ARN}/other/web", "name", "shop")
    assert raised.value.code is Code.INVALID


@pytest.mark.parametrize(
    ("value", "id"),
    [
        (HEX, HEX),
        (UUID, UUID),
        (f"{TASK_ARN}/shop/{HEX}", HEX),
        (f"{TASK_ARN}/{UUID}", UUID),
    ],
)
@pytest.mark.parametrize("cluster", ["shop", CLUSTER_ARN])
def test_a_task_is_named_by_its_id_or_its_arn(value, id, cluster):
    assert names.task_id(value, cluster) == id


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (f"{TASK_ARN}/other/{HEX}", Code.INVALID),
        (f"{TASK_ARN}/shop/web", Code.INVALID),
        (f"{SERVICE_ARN}/shop/web", Code.INVALID),
        ("a/b", Code.INVALID),
        ("..", Code.INVALID),
        ("a b", Code.INVALID),
        ("", Code.INVALID),
        ("absent", Code.NOT_FOUND),
        (HEX.upper(), Code.NOT_FOUND),
        (HEX + "0", Code.NOT_FOUND),
    ],
)
def test_other_texts_are_no_task_of_the_cluster(value, code):
    assert code_of(names.task_id, value, "shop") is code


def test_an_impossible_task_id_is_not_found():
    with pytest.raises(Fault, match='no machine "web-1" in the cluster "shop"'):
        names.task_id("web-1", CLUSTER_ARN)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("app.kubernetes.io/name", "orders-api"),
        ("k" * 128, "v" * 256),
        ("a b", ""),
        ("Größe:x+-@", "äöü _.:/=+-@"),
    ],
)
def test_a_valid_tag_is_a_valid_label(key, value):
    assert names.labels({key: value}) == {key: value}
    assert names.label_changes({key: value}) == {key: value}


@pytest.mark.parametrize("key", ["aws:ecs:serviceName", "AWS:x", "a=b"])
def test_labels_that_cannot_be_set_can_be_searched(key):
    assert names.labels({key: "v"}) == {key: "v"}
    assert code_of(names.label_changes, {key: "v"}) is Code.INVALID


def test_a_label_key_with_an_equals_sign_can_only_be_removed():
    with pytest.raises(Fault, match="labels are asked for as key=value"):
        names.label_changes({"a=b": "c=d"})
    assert names.label_changes({"a=b": None}) == {"a=b": None}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("", "v"),
        ("k" * 129, "v"),
        ("k", "v" * 257),
        ("a*", "v"),
        ("k", "a,b"),
        ("k", "a\x00b"),
        ("k", "a\n"),
        ("a\tb", "v"),
        ("k", "<script>"),
    ],
)
def test_an_invalid_tag_is_an_invalid_label(key, value):
    assert code_of(names.labels, {key: value}) is Code.INVALID
    assert code_of(names.label_changes, {key: value}) is Code.INVALID


def test_more_than_50_labels_are_invalid():
    fifty = {f"k{n}": "v" for n in range(50)}

    assert names.labels(fifty) == fifty
    with pytest.raises(Fault, match="at most 50"):
        names.labels(fifty | {"one": "more"})


def test_a_label_is_removed_by_its_key_alone():
    assert names.label_changes({"k": None}) == {"k": None}
    assert code_of(names.label_changes, {"aws:k": None}) is Code.INVALID


@pytest.mark.parametrize(
    ("arn", "ours"),
    [
        (f"{TASK_ARN}/shop/{HEX}", True),
        (f"{TASK_ARN}/shop-2/{HEX}", False),
        (f"{TASK_ARN}/sho/{HEX}", False),
        (f"{TASK_ARN}/{UUID}", True),
        (f"{SERVICE_ARN}/shop/web", True),
        (f"{SERVICE_ARN}/other/web", False),
        (f"{SERVICE_ARN}/web", True),
        ("nonsense", False),
    ],
)
@pytest.mark.parametrize("cluster", ["shop", CLUSTER_ARN])
def test_a_long_arn_contains_its_cluster(arn, ours, cluster):
    assert names.is_of(cluster, arn) is ours
