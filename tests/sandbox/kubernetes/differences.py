"""The known differences between the sandbox and a real API server, with the reason for each.

`reason` excludes recordings by patterns for id, title, method, target and headers; `KNOWN` lists
recordings (`file#number`) that are replayed and have another answer.
"""

import re

from tests.sandbox.kubernetes.replay import Recording

_NOT_SERVED: dict[str, str] = {
    r"/leases|/componentstatuses|/events|/endpoints|/endpointslices|/persistentvolumeclaims|/jobs"
    r"|/resourcequotas|/controllerrevisions|/daemonsets": "a kind that machinist does not use",
    r"/(log|exec|attach|portforward|proxy|binding|eviction|ephemeralcontainers|token)\b": (
        "a subresource that machinist does not use"
    ),
    r"/tokenreviews|/selfsubject": "a review that machinist does not ask for",
    r"GET /(openapi|openid|metrics|\.well-known|debug|logs|flagz|statusz)": (
        "documents that machinist does not read"
    ),
    r"as=Table|apidiscovery": "a representation for kubectl; clients fall back to plain JSON",
    r"as=PartialObjectMetadata": "a representation that machinist does not ask for",
    r"protobuf|cbor|application/yaml": "machinist speaks JSON",
    r"[Ii]mpersonat": "machinist does not impersonate",
    r"\?verbose|\?exclude": "health checks in detail",
    r"Upgrade": "machinist opens no WebSocket",
    r"21_admission": "policies, quotas and webhooks are injected as faults instead",
}


def reason(recording: Recording) -> str | None:
    """Return the reason for not replaying a recording, or None."""
    if recording.row.get("cut") == "request":
        return "the recorded request is incomplete"
    if "client-wrong" in recording.row["title"]:
        return "a certificate of an unknown CA already fails in the TLS handshake"
    described = f"{recording.id} {recording.row['title']} {recording.row['method']} " + (
        f"{recording.row['target']} {recording.row['headers']}"
    )
    if recording.row["status"] == 101:
        return "machinist opens no WebSocket"
    if "watch=" in described or "/watch/" in described:
        return "watches have tests of their own" if recording.row["status"] == 200 else None
    return next((why for what, why in _NOT_SERVED.items() if re.search(what, described)), None)


_EARLIER = "recorded before the controllers had acted; here they act at once"
_HISTORY = "needs versions that only the recorder knew; test_lists covers it"
_TYPES = "zero values that only the real server's types add"

KNOWN: dict[str, str] = {
    "01_discovery#10": "kinds that machinist does not use come first",
    "01_discovery#11": "kinds that machinist does not use come first",
    "01_discovery#19": "hashes of the storage and categories are for kubectl",
    "03_auth#47": "tokens of service accounts are not issued here",
    "05_paths#39": "Hypercorn passes a whole URL on as a path",
    "04_pagination#12": "no controller puts a CA into every namespace here",
    "07_server_side_apply#29": _EARLIER,
    "07_server_side_apply#31": _TYPES,
    "08_delete#38": _EARLIER,
    "08_delete#46": _EARLIER,
    "09_watch#6": "refusals are in JSON even where a client asks for YAML",
    "10_patch#1": _EARLIER,
    "10_patch#2": _EARLIER,
    "10_patch#4": _EARLIER,
    "12_pods#13": _TYPES,
    "13_gateway_api#24": "refusals carry no warnings here",
    "14_workloads#13": _EARLIER,
    "14_workloads#14": "which of two ReplicaSets comes first depends on a hash",
    "14_workloads#16": "which of two ReplicaSets comes first depends on a hash",
    "16_nodes_endpoints#8": "which of two equal pods goes first",
    "16_nodes_endpoints#12": "names a pod whose name was generated",
    "17_misc#8": "refusals carry no warnings here",
    "17_misc#12": "an object of which no creation was recorded; test_protocol covers gzip",
    "17_misc#15": "the timeout of a request is not read here",
    "18_expired_410#4": _HISTORY,
    "18_expired_410#5": _HISTORY,
    "18_expired_410#6": _HISTORY,
    "18_expired_410#8": _HISTORY,
}
