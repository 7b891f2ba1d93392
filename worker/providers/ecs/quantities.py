"""Reads Kubernetes' quantities exactly, in every spelling; knows nothing of what they measure."""

import re
from decimal import Decimal

from contracts.faults import Code, Fault
from contracts.validation import show

Quantity = str | int | float

DECIMAL = {"m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}

SPELLING = re.compile(
    r"(?P<number>\+?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40}))"
    rf"(?:[eE](?P<exponent>[+-]?[0-9]{{1,3}})|(?P<suffix>{'|'.join([*BINARY, *DECIMAL])}))"
)
"""An `E` with digits behind it is an exponent, without them a suffix."""

EXPECTED = (
    "a quantity of Kubernetes: a number, alone or with one of m k M G T P E Ki Mi Gi Ti Pi Ei, or "
    "with an exponent such as e3"
)


def read(value: Quantity, where: str) -> Decimal:
    """The amount in its base unit (cores, bytes), or the fault `invalid`."""
    found = SPELLING.fullmatch(str(value))
    if found is None:
        raise Fault(Code.INVALID, f"{where}: expected {EXPECTED}, got {show(value)}")
    number = Decimal(found["number"])
    suffix = found["suffix"] or ""
    if suffix in BINARY:
        return number * Decimal(1024 ** BINARY[suffix])
    return number.scaleb(int(found["exponent"] or DECIMAL[suffix]))
