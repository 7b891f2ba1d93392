"""ECS requests about services.

moto starts no tasks for a service, replaces one of the same name, lists all in one page and
keeps what was deleted. AWS does as here.
"""

from deploy.sandbox.aws import identifiers, scheduler, services
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.fleet import Service
from deploy.sandbox.aws.identifiers import cluster_of, invalid
from deploy.sandbox.aws.messages import Json, Refusal
from deploy.sandbox.aws.paging import page
from deploy.sandbox.aws.service_checks import check
from deploy.sandbox.aws.tag_rules import checked_ecs_tags
from deploy.sandbox.aws.task_definitions import found, usable

DESCRIBED_AT_ONCE = 10


def create_service(account: Account, asked: Json) -> Json:
    cluster = cluster_of(account, asked)
    name = identifiers.valid_name(asked["serviceName"], "serviceName")
    checked_ecs_tags(asked.get("tags"))
    present = account.fleet.services(cluster).get(name)
    if present is not None and present.facts["status"] == "DRAINING":
        raise invalid("Unable to Start a service that is still Draining.")
    if present is not None and present.active:
        return {"service": services.described(_same(present, asked), True)}
    definition = usable(account, asked.get("taskDefinition", ""))
    check(account, definition, asked)
    arn = identifiers.cluster_arn(account, cluster)
    service = services.new_service(arn, definition, asked)
    account.fleet.services(cluster)[name] = service
    return {"service": services.described(service, True)}


def update_service(account: Account, asked: Json) -> Json:
    cluster = cluster_of(account, asked)
    service = _present(account, cluster, asked["service"])
    if not service.active:
        raise Refusal("ServiceNotActiveException", "Service was not ACTIVE.")
    if asked.get("taskDefinition"):
        definition = usable(account, asked["taskDefinition"])
        asked = {**asked, "taskDefinition": definition.arn}
    else:
        definition = found(account, service.facts["taskDefinition"])
    check(account, definition, asked)
    services.update(service, asked)
    return {"service": services.described(service, True)}


def delete_service(account: Account, asked: Json) -> Json:
    """Deleting again what drains or is INACTIVE succeeds and changes nothing."""
    cluster = cluster_of(account, asked)
    service = _present(account, cluster, asked["service"])
    if service.facts["desiredCount"] > 0 and not asked.get("force"):
        raise invalid("The service cannot be stopped while it is scaled above 0.")
    if service.active:
        service.facts |= {"status": "DRAINING", "desiredCount": 0}
        service.unsettled = True
        reason = "Service deleted"
        for task in list(service.tasks.values()):
            scheduler.stop(account, task, "ServiceSchedulerInitiated", reason)
    return {"service": services.described(service, True)}


def list_services(account: Account, asked: Json) -> Json:
    """Only ACTIVE ones: what drains or is deleted can be described but is not listed."""
    cluster = cluster_of(account, asked)
    filters = [key for key in ("launchType", "schedulingStrategy") if key in asked]
    arns = [
        service.facts["serviceArn"]
        for service in account.fleet.services(cluster).values()
        if service.active and all(service.facts[key] == asked[key] for key in filters)
    ]
    refusal = invalid("Invalid token.")
    given, following = page(arns, identifiers.size(asked, 10), asked.get("nextToken"), refusal)
    return {"serviceArns": given} | ({"nextToken": following} if following else {})


def describe_services(account: Account, asked: Json) -> Json:
    cluster = cluster_of(account, asked)
    wanted = asked.get("services", [])
    if not wanted:
        raise invalid("Services cannot be empty.")
    if len(wanted) > DESCRIBED_AT_ONCE:
        raise invalid("Services can have at most 10 items.")
    known = account.fleet.services(cluster)
    tags = "TAGS" in asked.get("include", [])
    found, failures = [], []
    for given in dict.fromkeys(wanted):
        name = identifiers.service_name(given, cluster)
        if name in known:
            found.append(services.described(known[name], tags))
        else:
            # Asked by name, AWS answers with an ARN that has no cluster in it.
            arn = given if given.startswith("arn:") else account.arn("ecs", f"service/{name}")
            failures.append({"arn": arn, "reason": "MISSING"})
    return {"services": found, "failures": failures}


def _present(account: Account, cluster: str, given: str) -> Service:
    name = identifiers.service_name(given, cluster)
    service = account.fleet.services(cluster).get(name)
    if service is None:
        raise Refusal(*identifiers.SERVICE_NOT_FOUND)
    return service


def _same(present: Service, asked: Json) -> Service:
    """The service, when this is the request again that made it."""
    token = asked.get("clientToken")
    if token is not None and token == present.token and asked == present.asked:
        return present
    raise invalid("Creation of service was not idempotent.")
