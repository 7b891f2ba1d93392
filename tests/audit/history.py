"""A history of commands over a gateway, and the state of the platform that it leaves."""

from typing import Any

import httpx

from tests import examples
from tests.stack import Gateway

SCOPE = "default"
PULL_SECRET = {"registry": "reg.example.com", "username": "ci", "password": "canary-5b1f"}


class History:
    """Sends commands on several applications, in a fixed order."""

    def __init__(self, gateway: Gateway, provider: str, applications: int) -> None:
        self._gateway = gateway
        self.provider = provider
        self._applications = applications

    def send(self, number: int) -> None:
        """Send this number of commands; each is successful."""
        for index in range(number):
            answer = self._step(f"app-{index % self._applications}", index // self._applications)
            assert answer.status_code == 200, answer.text

    def _step(self, name: str, round: int) -> httpx.Response:
        """Send one command: workloads and routes change, some are deleted, and all are scaled."""
        deletes = name.endswith("3")
        match round:
            case 0:
                return self.apply(name, image=f"registry.example/{name}:{round}")
            case 1 | 4:
                return self.route(name, f"v{round}", generation=round)
            case 3:
                return self.apply(name, image=f"registry.example/{name}:{round}", version="v2")
            case 5 if deletes:
                return self.delete("gateway/httproutes", name)
            case 6 if deletes:
                return self.delete("controllers", name)
            case 7 if deletes:
                return self.apply(name, image=f"registry.example/{name}:{round}")
            case _:
                return self.scale(name, round % 4)

    def apply(self, name: str, **more: Any) -> httpx.Response:
        workload = examples.workload(name, appName=name, pullSecret=PULL_SECRET, **more)
        return self._put("workloads", {"workload": workload})

    def route(self, name: str, version: str, generation: int) -> httpx.Response:
        rule = {"backend": {"serviceName": name}, "versionId": version}
        pinned = {"kind": "header", "name": "x-deployment-id", "value": version}
        rules = [rule | {"match": pinned}, rule | {"match": {"kind": "default"}}]
        plan = examples.plan(
            name, hostname=f"{name}.example.org", rules=rules, generation=generation
        )
        return self._put("gateway/routeplans", {"plan": plan})

    def scale(self, name: str, replicas: int) -> httpx.Response:
        return self._gateway.http.post(
            f"/{self.provider}/controllers/{SCOPE}/{name}", json={"replicas": replicas}
        )

    def delete(self, path: str, name: str) -> httpx.Response:
        return self._gateway.http.delete(f"/{self.provider}/{path}/{SCOPE}/{name}")

    def state(self) -> dict[str, Any]:
        """Return controllers, images and routes of the applications."""
        controllers = self._get(f"controllers/{SCOPE}")["controllers"]
        images = {
            (each["controller"]["name"], each["image"])
            for each in self._get(f"machines/{SCOPE}")
            if "controller" in each
        }
        names = [f"app-{number}" for number in range(self._applications)]
        routes = {name: self._get(f"gateway/httproutes/{SCOPE}/{name}") for name in names}
        return {
            "controllers": {
                each["name"]: (each["replicas"], each["labels"]) for each in controllers
            },
            "images": images,
            "routes": {
                name: (route["spec"]["hostnames"], [str(rule) for rule in route["spec"]["rules"]])
                for name, route in routes.items()
                if route.get("spec")
            },
        }

    def _put(self, path: str, body: Any) -> httpx.Response:
        (content,) = body.values()
        return self._gateway.http.put(f"/{self.provider}/{path}/{SCOPE}", json=content)

    def _get(self, path: str) -> Any:
        return self._gateway.http.get(f"/{self.provider}/{path}").json()
