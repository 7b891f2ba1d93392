"""The TTL cache: bounded, and without expired values."""

from worker.ttl_cache import TtlCache


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_was_used_last_is_kept_when_there_is_too_much():
    memory: TtlCache[str, int] = TtlCache(limit=2, lifetime=60)
    memory.put("a", 1)
    memory.put("b", 2)
    memory.get("a")
    memory.put("c", 3)

    assert [memory.get(key) for key in "abc"] == [1, None, 3]
    assert len(memory) == 2


def test_a_finding_is_believed_for_its_lifetime_however_often_it_is_used():
    clock = Clock()
    memory: TtlCache[str, tuple[int, ...]] = TtlCache(limit=9, lifetime=60, clock=clock)
    memory.put("a", ())
    clock.now = 60
    assert memory.get("a") == ()

    clock.now = 61

    assert memory.get("a") is None
    assert len(memory) == 0


def test_what_turned_out_wrong_is_forgotten():
    memory: TtlCache[str, int] = TtlCache(limit=2, lifetime=60)
    memory.put("a", 1)
    memory.forget("a")
    memory.forget("never known")

    assert memory.get("a") is None
