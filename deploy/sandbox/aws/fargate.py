"""The sizes of Fargate tasks: memory in MiB by CPU units."""

_SIZES: dict[int, range | tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}


def problem(cpu: str | None, memory: str | None) -> str | None:
    """Return ECS's message for a size that Fargate does not have."""
    for name, value in (("cpu", cpu), ("memory", memory)):
        if not value:
            return f"Fargate requires that '{name}' be defined at the task level."
    units, mebibytes = _units(cpu or ""), _mebibytes(memory or "")
    if mebibytes not in _SIZES.get(units, ()):
        return (
            f"No Fargate configuration exists for given values: {units} CPU, {mebibytes} memory. "
            "See the Amazon ECS documentation for the valid values."
        )
    return None


def _units(text: str) -> int:
    words = text.lower().replace("vcpu", " vcpu").split()
    factor = 1024 if len(words) == 2 else 1
    return _number(words[0] if words else "", factor)


def _mebibytes(text: str) -> int:
    words = text.lower().replace("gb", " gb").split()
    factor = 1024 if len(words) == 2 else 1
    return _number(words[0] if words else "", factor)


def _number(text: str, factor: int) -> int:
    try:
        return int(float(text) * factor)
    except ValueError:
        return 0
