"""One AWS account in one region: what moto keeps of it, and what the corrections keep beside.

The only place that takes hold of moto's backends.
"""

import itertools
import threading
from dataclasses import dataclass, field

from moto.core.base_backend import BackendDict
from moto.ec2.models import ec2_backends
from moto.ecs.models import EC2ContainerServiceBackend, ecs_backends
from moto.elbv2.models import ELBv2Backend, elbv2_backends
from moto.secretsmanager.models import SecretsManagerBackend, secretsmanager_backends
from moto.servicediscovery.models import ServiceDiscoveryBackend, servicediscovery_backends

from deploy.sandbox.aws.fleet import Fleet
from deploy.sandbox.aws.network import Network
from deploy.sandbox.aws.targets import Targets

# moto's state is the process's; an account of its own keeps a sandbox apart from others.
_numbers = itertools.count(123456789012)


@dataclass
class Pace:
    """How long AWS takes, in seconds: 0 at once, None never; and how short its pages are.

    At once means after the answer to the request that started it, as on AWS.
    """

    running_after: float | None = 0
    stopped_after: float | None = 0
    healthy_after: float | None = 0
    resources_per_page: int = 100


@dataclass
class Account:
    region: str
    number: str = field(default_factory=lambda: str(next(_numbers)))
    pace: Pace = field(default_factory=Pace)
    # Requests are answered one at a time: moto does not expect two at once.
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.network = Network(ec2_backends[self.number][self.region])
        self.clear()

    def clear(self) -> None:
        """Forget everything but the network, which others may have been told of."""
        for backends in list(BackendDict._instances):  # type: ignore[misc]  # of a generic class
            if backends is not ec2_backends:
                backends.pop(self.number, None)
        self.fleet = Fleet()
        self.targets = Targets()

    def forget(self) -> None:
        """Leave nothing of the account in moto."""
        self.clear()
        ec2_backends.pop(self.number, None)

    @property
    def ecs(self) -> EC2ContainerServiceBackend:
        return ecs_backends[self.number][self.region]

    @property
    def balancing(self) -> ELBv2Backend:
        return elbv2_backends[self.number][self.region]

    @property
    def cloud_map(self) -> ServiceDiscoveryBackend:
        return servicediscovery_backends[self.number][self.region]

    @property
    def secrets(self) -> SecretsManagerBackend:
        return secretsmanager_backends[self.number][self.region]

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.number}:{rest}"
