"""The account's default VPC from moto: subnets, a security group and private addresses."""

import ipaddress
import itertools
from typing import Any

import msgspec

# AWS reserves the first four addresses of a subnet.
_RESERVED = 4


class Address(msgspec.Struct):
    ip: str
    subnet: str
    zone: str


class Network:
    def __init__(self, ec2: Any) -> None:
        subnets = [subnet for zone in ec2.subnets.values() for subnet in zone.values()]
        self._subnets = {subnet.id: subnet for subnet in subnets}
        self._count = itertools.count()
        self.vpc: str = subnets[0].vpc_id
        self.security_group: str = next(iter(ec2.groups[self.vpc]))
        self.subnets = sorted(self._subnets, key=lambda name: str(self._subnets[name].cidr_block))

    def address(self, subnets: list[str]) -> Address:
        """Return a new private address in the next subnet."""
        number = next(self._count)
        known = [name for name in subnets if name in self._subnets] or self.subnets
        subnet = self._subnets[known[number % len(known)]]
        block = ipaddress.ip_network(subnet.cidr_block)
        offset = _RESERVED + (number // len(known)) % (block.num_addresses - _RESERVED - 1)
        return Address(str(block[offset]), subnet.id, subnet.availability_zone)

    def missing(self, subnets: list[str]) -> list[str]:
        return [name for name in subnets if name not in self._subnets]
