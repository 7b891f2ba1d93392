"""ECS requests about services.

Unlike AWS, moto starts no tasks for a service, replaces a service of the same name, lists all
services in one page, and keeps deleted ones.
"""

from deploy.sandbox.aws import identifiers, scheduler, services
from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.fleet import Service
from deploy.sandbox.aws.identifiers import cluster_of, invalid
from deploy.sandbox.aws.messages import Json, Refusal
from deploy.sandbox.aws.paging import page
from deploy.sandbox.aws.service_checks import check
from deploy.sandbox.aws.tag_rules import checked_ecs_tags
from deploy.sandbox.aws.task_definitions import active_definition, find_definition

MAX_DESCRIBED = 10


def create_service(account: Account, params: Json) -> Json:
    cluster = cluster_of(account, params)
    name = identifiers.valid_name(params["serviceName"], "serviceName")
    checked_ecs_tags(params.get("tags"))
    present = account.fleet.services(cluster).get(name)
    if present is not None and present.facts["status"] == "DRAINING":
        raise invalid("Unable to Start a service that is still Draining.")
    if present is not None and present.active:
        return {"service": services.described(_repeated(present, params), True)}
    definition = active_definition(account, params.get("taskDefinition", ""))
    check(account, definition, params)
    arn = identifiers.cluster_arn(account, cluster)
    service = services.new_service(arn, definition, params)
    account.fleet.services(cluster)[name] = service
    return {"service": services.described(service, True)}


def update_service(account: Account, params: Json) -> Json:
    cluster = cluster_of(account, params)
    service = _present(account, cluster, params["service"])
    if not service.active:
        raise Refusal("ServiceNotActiveException", "Service was not ACTIVE.")
    if params.get("taskDefinition"):
        definition = active_definition(account, params["taskDefinition"])
        params = {**params, "taskDefinition": definition.arn}
    else:
        definition = find_definition(account, service.facts["taskDefinition"])
    check(account, definition, params)
    services.update(service, params)
    return {"service": services.described(service, True)}


def delete_service(account: Account, params: Json) -> Json:
    """Delete a service; repeating that while it is DRAINING or INACTIVE changes nothing."""
    cluster = cluster_of(account, params)
    service = _present(account, cluster, params["service"])
    if service.facts["desiredCount"] > 0 and not params.get("force"):
        raise invalid("The service cannot be stopped while it is scaled above 0.")
    if service.active:
        service.facts |= {"status": "DRAINING", "desiredCount": 0}
        service.needs_work = True
        reason = "Service deleted"
        for task in list(service.tasks.values()):
            scheduler.stop(account, task, "ServiceSchedulerInitiated", reason)
    return {"service": services.described(service, True)}


def list_services(account: Account, params: Json) -> Json:
    """List ACTIVE services; DRAINING and INACTIVE ones can only be described."""
    cluster = cluster_of(account, params)
    filters = [key for key in ("launchType", "schedulingStrategy") if key in params]
    arns = [
        service.facts["serviceArn"]
        for service in account.fleet.services(cluster).values()
        if service.active and all(service.facts[key] == params[key] for key in filters)
    ]
    refusal = invalid("Invalid token.")
    given, following = page(arns, identifiers.size(params, 10), params.get("nextToken"), refusal)
    return {"serviceArns": given} | ({"nextToken": following} if following else {})


def describe_services(account: Account, params: Json) -> Json:
    cluster = cluster_of(account, params)
    wanted = params.get("services", [])
    if not wanted:
        raise invalid("Services cannot be empty.")
    if len(wanted) > MAX_DESCRIBED:
        raise invalid("Services can have at most 10 items.")
    known = account.fleet.services(cluster)
    tags = "TAGS" in params.get("include", [])
    found, failures = [], []
    for given in dict.fromkeys(wanted):
        name = identifiers.service_name(given, cluster)
        if name in known:
            found.append(services.described(known[name], tags))
        else:
            # For a name, AWS returns an ARN without a cluster.
            arn = given if given.startswith("arn:") else account.arn("ecs", f"service/{name}")
            failures.append({"arn": arn, "reason": "MISSING"})
    return {"services": found, "failures": failures}


def _present(account: Account, cluster: str, given: str) -> Service:
    name = identifiers.service_name(given, cluster)
    service = account.fleet.services(cluster).get(name)
    if service is None:
        raise Refusal(*identifiers.SERVICE_NOT_FOUND)
    return service


def _repeated(present: Service, params: Json) -> Service:
    """Return the service if this request repeats the one that created it, else refuse."""
    token = params.get("clientToken")
    if token is not None and token == present.token and params == present.params:
        return present
    raise invalid("Creation of service was not idempotent.")
