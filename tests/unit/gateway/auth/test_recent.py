from egress_gateway.auth.recent import Recent


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_value_holds_for_its_time_and_not_longer() -> None:
    clock = Clock()
    recent: Recent[str, int] = Recent(entries=2, clock=clock)
    recent.put("a", 1, seconds=5)
    clock.now += 4.9
    assert recent.get("a") == 1
    clock.now += 0.1
    assert recent.get("a") is None
    assert len(recent) == 0


def test_it_never_holds_more_than_its_bound_and_the_oldest_goes() -> None:
    recent: Recent[int, int] = Recent(entries=3, clock=Clock())
    for number in range(1000):
        recent.put(number, number, seconds=60)
        assert len(recent) <= 3
    assert [recent.get(number) for number in (996, 997, 999)] == [None, 997, 999]


def test_what_is_put_again_is_new_again() -> None:
    recent: Recent[str, int] = Recent(entries=2, clock=Clock())
    for key in ("a", "b", "a", "c"):
        recent.put(key, 1, seconds=60)
    assert recent.get("a") == 1
    assert recent.get("b") is None
