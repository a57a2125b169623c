import os
from pathlib import Path

import pytest

from egress_recorder.capture.cpus import available_cpus, threads

VISIBLE = float(len(os.sched_getaffinity(0)))


def test_the_given_limit_counts() -> None:
    assert available_cpus(limit=0.5) == 0.5


def test_no_limit_exceeds_what_is_visible() -> None:
    assert available_cpus(limit=1000.0) == VISIBLE


@pytest.mark.parametrize(
    ("text", "cpus"), [("50000 100000", 0.5), ("100000 100000", 1.0), ("max 100000", VISIBLE), ("", VISIBLE)]
)
def test_the_quota_of_cgroup_v2_is_read(tmp_path: Path, text: str, cpus: float) -> None:
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert available_cpus(limit=None, root=tmp_path) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("75000", 0.75), ("-1", VISIBLE)])
def test_the_quota_of_cgroup_v1_is_read(tmp_path: Path, quota: str, cpus: float) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert available_cpus(limit=None, root=tmp_path) == cpus


def test_without_a_cgroup_all_visible_cpus_count(tmp_path: Path) -> None:
    assert available_cpus(limit=None, root=tmp_path) == VISIBLE


@pytest.mark.parametrize(("cpus", "count"), [(0.1, 1), (1.0, 1), (1.5, 2), (2.0, 2), (64.0, 4)])
def test_threads_follow_the_cpus_up_to_four(cpus: float, count: int) -> None:
    assert threads(cpus) == count
