"""The TTL cache: limited in size, without expired values."""

from worker.ttl_cache import TtlCache


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_least_recently_used_entry_is_evicted():
    cache: TtlCache[str, int] = TtlCache(limit=2, lifetime=60)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)

    assert [cache.get(key) for key in "abc"] == [1, None, 3]
    assert len(cache) == 2


def test_a_value_expires_after_its_lifetime_even_if_it_is_read():
    clock = Clock()
    cache: TtlCache[str, tuple[int, ...]] = TtlCache(limit=9, lifetime=60, clock=clock)
    cache.put("a", ())
    clock.now = 60
    assert cache.get("a") == ()

    clock.now = 61

    assert cache.get("a") is None
    assert len(cache) == 0


def test_a_forgotten_value_is_absent():
    cache: TtlCache[str, int] = TtlCache(limit=2, lifetime=60)
    cache.put("a", 1)
    cache.forget("a")
    cache.forget("never known")

    assert cache.get("a") is None
