"""Methods that add load balancers, rules, targets and Cloud Map services from Python."""

import itertools

from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.cloud_map import check_create_namespace, check_create_service
from deploy.sandbox.aws.messages import Json


class Infrastructure:
    """The load balancers and the Cloud Map of an account; all methods are thread-safe."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.listener_arn: str | None = None
        self.namespace_id: str | None = None
        self._priorities = itertools.count(1001)

    @property
    def vpc(self) -> str:
        return self.account.network.vpc

    @property
    def subnets(self) -> list[str]:
        return self.account.network.subnets

    @property
    def security_group(self) -> str:
        return self.account.network.security_group

    def add_listener(self, name: str = "sandbox", port: int = 80) -> str:
        """Add a load balancer with a listener that answers 404, and return the listener's ARN."""
        nothing = {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": ""}
        with self.account.lock:
            balancing = self.account.balancing
            balancer = balancing.create_load_balancer(
                name,
                [self.security_group],
                self.subnets,
                scheme="internet-facing",
                loadbalancer_type="application",
            )
            balancer.activate()
            listener = balancing.create_listener(
                balancer.arn,
                "HTTP",
                str(port),
                None,  # type: ignore[arg-type]  # HTTP has no TLS policy
                None,
                [{"Type": "fixed-response", "FixedResponseConfig": nothing}],
            )
            self.listener_arn = str(listener.arn)
            return self.listener_arn

    def add_target_group(
        self, name: str, port: int = 3042, tags: dict[str, str] | None = None
    ) -> str:
        """Add a target group for IP addresses and return its ARN; services need a rule for it."""
        with self.account.lock:
            group = self.account.balancing.create_target_group(
                name,
                protocol="HTTP",
                port=port,
                vpc_id=self.vpc,
                target_type="ip",
                tags=_pairs(tags),
            )
            return str(group.arn)

    def add_rule(
        self,
        target_group_arn: str,
        *,
        host: str,
        priority: int | None = None,
        tags: dict[str, str] | None = None,
        listener_arn: str | None = None,
        conditions: list[Json] | None = None,
    ) -> str:
        """Add a rule that forwards a host and return its ARN; an absent listener is created."""
        first = {"Field": "host-header", "HostHeaderConfig": {"Values": [host]}}
        with self.account.lock:
            rule = self.account.balancing.create_rule(
                listener_arn or self.listener_arn or self.add_listener(),
                [first, *(conditions or [])],
                priority or next(self._priorities),
                [{"Type": "forward", "TargetGroupArn": target_group_arn}],
                _pairs(tags),
            )
            return str(rule.arn)

    def register_targets(self, target_group_arn: str, *ids: str, port: int = 3042) -> None:
        """Register IP addresses in a target group."""
        with self.account.lock:
            for id in ids:
                self.account.targets.register(target_group_arn, id, port)

    def set_target_health(
        self, target_group_arn: str, target: str | None, state: str | None
    ) -> None:
        """Set initial, healthy, unhealthy or draining; None restores the state by age.

        A target of None stands for all targets."""
        with self.account.lock:
            for (id, _), each in self.account.targets.of(target_group_arn).items():
                if target in {None, id}:
                    each.state = state

    def add_cloud_map_namespace(self, name: str = "sandbox.internal") -> str:
        """Add a namespace and return its id."""
        with self.account.lock:
            check_create_namespace(self.account, {"Name": name})
            operation = self.account.cloud_map.create_private_dns_namespace(
                name, "sandbox", "", self.vpc, [], {}
            )
            made = self.account.cloud_map.operations[operation].targets["NAMESPACE"]
            self.namespace_id = made
            return made

    def add_cloud_map_service(self, name: str, namespace_id: str | None = None) -> str:
        """Add a service and return its ARN, for `registry_arn` of add_service.

        An absent namespace is created."""
        with self.account.lock:
            namespace = namespace_id or self.namespace_id or self.add_cloud_map_namespace()
            check_create_service(self.account, {"Name": name, "NamespaceId": namespace})
            records = [{"Type": "A", "TTL": 10}]
            service = self.account.cloud_map.create_service(
                name,
                namespace,
                "sandbox",
                "",
                {"NamespaceId": namespace, "RoutingPolicy": "MULTIVALUE", "DnsRecords": records},
                {},
                {"FailureThreshold": 1},
                [],
                "DNS_HTTP",
            )
            return str(service.arn)


def _pairs(tags: dict[str, str] | None) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
