"""The soak's arithmetic, and the servers that it sets up for itself."""

import numpy as np
import pytest
from bench.machine import Machine
from soak import long, outage, place, windows
from soak.outcome import Outcome
from soak.watching import Reading
from soak.windows import Window

MACHINE = Machine(
    cpu="A CPU", cores=2, memory_gib=24, kernel="6.18, cgroup v1", kubernetes="v1.34.4", nodes=1,
    load_before=0.5, date="2026-11-23",
)  # fmt: skip


def window(at: float, *, offset: float = 0.0, latency: float = 0.1) -> Window:
    return Window(at=at, offsets={"user1": offset}, latencies={"user1": latency})


def reading(at: float, memory: float, **status: object) -> Reading:
    return Reading(at=at, status=status, memory=int(memory), cores=0.2)


def test_a_clock_that_runs_wrong_by_200_ppm_has_that_slope() -> None:
    looks = [window(at, latency=0.15 - 200e-6 * at) for at in np.linspace(0, 600, 12)]

    assert windows.slopes(looks, "latencies")["user1"] == pytest.approx(-200e-6)


def test_a_slope_of_one_window_is_not_known() -> None:
    assert np.isnan(windows.slopes([window(0)], "offsets")["user1"])


def test_a_window_in_which_somebody_was_not_heard_is_left_out_of_their_slope() -> None:
    silent = Window(at=10, offsets={}, latencies={})

    assert windows.slopes([window(0), silent, window(20, offset=0.02)], "offsets") == {
        "user1": pytest.approx(0.001)
    }


def test_the_worst_offset_is_the_largest_of_all_people_either_way() -> None:
    assert Window(at=0, offsets={"a": 0.01, "b": -0.05}, latencies={}).worst_offset == 0.05


def test_memory_counts_once_the_recorder_is_warm() -> None:
    cold = [reading(at, 50e6 + at * 1e6) for at in (0, 300, 599)]
    warm = [reading(at, 100e6 + (at - 600) * 1e3) for at in (601, 1200, 1800)]

    assert long.memory_growth([*cold, *warm]) * 3600 == pytest.approx(3.6e6)
    assert long.memory_words([*cold, *warm]) == "100 MB, 101 MB"


def test_a_reading_without_memory_is_no_leak() -> None:
    found = [reading(601, 100e6), reading(700, 0), reading(1800, 100e6)]

    assert long.memory_growth(found) == pytest.approx(0, abs=1)


def test_the_condition_says_why_uploads_fail() -> None:
    def status(value: str) -> dict[str, object]:
        return {"conditions": [{"type": "Uploaded", "status": value, "reason": "StoreUnreachable"}]}

    assert outage.upload_trouble(status("False")) == "StoreUnreachable"
    assert outage.upload_trouble(status("Unknown")) == ""
    assert outage.upload_trouble({}) == ""


@pytest.mark.parametrize(
    ("failures", "row"),
    [((), "| kept | everything |"), (("the clock wandered",), "| not kept | the clock wandered |")],
)
def test_the_section_says_what_was_not_kept(failures: tuple[str, ...], row: str) -> None:
    found = Outcome(name="soak-a", title="A", words="Words.", rows=[("one", "1")], failures=failures)

    lines = found.section(command="make soak PART=a", here=MACHINE, load_after=0.7)

    assert lines[0] == "## A"
    assert "Written by `make soak PART=a` on 2026-11-23: A CPU, 2 cores, 24 GiB" in "\n".join(lines)
    assert "load average 0.5 before, 0.7 after. Words." in "\n".join(lines)
    assert lines[-2:] == ["| one | 1 |", row]


def test_the_servers_are_the_demos_in_a_namespace_of_their_own() -> None:
    objects = place.server_objects("somewhere")

    assert {each["metadata"]["namespace"] for each in objects} == {"somewhere"}
    assert {each["metadata"]["name"] for each in objects if each["kind"] == "Deployment"} == {
        "livekit",
        "store",
    }
    text = str(objects)
    assert "hostPath" not in text
    assert "nodePort" not in text
