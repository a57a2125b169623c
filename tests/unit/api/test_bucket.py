"""A token bucket with the clock in our hands; hypothesis compares the gateway's with its definition."""

import pytest

from egress_api.bucket import Bucket


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(per_second=2, burst=3)
    assert [bucket.take(0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert [bucket.take(0.5), bucket.take(0.5)] == [0, 0.5]
    assert [bucket.take(100.0) for _ in range(4)] == [0, 0, 0, 0.5]


def test_who_is_refused_takes_nothing() -> None:
    bucket = Bucket(per_second=0.1, burst=1)
    assert bucket.take(0.0) == 0
    assert [bucket.take(now) for now in (0.0, 4.0, 9.0)] == pytest.approx([10.0, 6.0, 1.0])
    assert bucket.take(10.0) == 0


def test_a_rate_of_0_is_no_limit() -> None:
    bucket = Bucket(per_second=0, burst=1)
    assert {bucket.take(0.0) for _ in range(100)} == {0.0}
