"""The rules for names and labels, with the API server's messages."""

import re

from deploy.sandbox.kubernetes.kinds import Cause, Object, invalid_value
from deploy.sandbox.kubernetes.statuses import quoted

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"

SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{_SUBDOMAIN}')"
)
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
    f"used for validation is '{_LABEL}')"
)
DNS_1035_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
    f"'abc-123', regex used for validation is '{_DNS_1035}')"
)
KEY_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    f"validation is '{_QUALIFIED}')"
)
VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',"
    f"  or '12345', regex used for validation is '{_VALUE}')"
)

MAX_LENGTH = {"subdomain": 253, "label": 63, "dns-1035": 63}
_PATTERNS = {"subdomain": _SUBDOMAIN, "label": _LABEL, "dns-1035": _DNS_1035}
_RULES = {"subdomain": SUBDOMAIN_RULE, "label": LABEL_RULE, "dns-1035": DNS_1035_RULE}


def name_faults(name: str, form: str) -> list[str]:
    faults = []
    if len(name.encode()) > MAX_LENGTH[form]:
        faults.append(f"must be no more than {MAX_LENGTH[form]} bytes")
    if not re.fullmatch(_PATTERNS[form], name):
        faults.append(_RULES[form])
    return faults


def label_key_faults(key: str) -> list[str]:
    prefix, slash, name = key.rpartition("/")
    faults = []
    if slash and not prefix:
        faults.append("prefix part must be non-empty")
    elif slash and name_faults(prefix, "subdomain"):
        faults.append(f"prefix part {SUBDOMAIN_RULE}")
    if not name:
        faults.append("name part must be non-empty")
    elif len(name.encode()) > 63:
        faults.append("name part must be no more than 63 bytes")
    if not re.fullmatch(_QUALIFIED, name):
        faults.append(KEY_RULE)
    return faults


def label_value_faults(value: str) -> list[str]:
    faults = []
    if len(value.encode()) > 63:
        faults.append("must be no more than 63 bytes")
    if not re.fullmatch(_VALUE, value):
        faults.append(VALUE_RULE)
    return faults


def label_causes(labels: Object, field: str) -> list[Cause]:
    causes = []
    for key, value in labels.items():
        causes += [invalid_value(field, quoted(key), why) for why in label_key_faults(key)]
        causes += [invalid_value(field, quoted(value), why) for why in label_value_faults(value)]
    return causes
