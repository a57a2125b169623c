"""The bench's arithmetic: what the kernel's files say, and what the page makes of it."""

import pytest
from bench import cost, crowd, document, files, layouts, losses
from bench.errors import BenchError
from bench.latency import Latency
from bench.machine import Machine
from bench.page import Results, section

CGROUP_V1 = """usage_nsec 25408880000
file 1695744
anon 90000000
shmem 1000000
inactive_file 1196032
current 120000000
peak 130000000
process python3+-m+egress_recorder+ 150 50
process python3+-m+egress_recorder.capture+ 1000 240
hz 100
"""
CGROUP_V2 = """usage_usec 25408880
anon 90000000
file 1695744
shmem 1000000
inactive_file 1196032
current 120000000
peak 130000000
hz 100
"""


@pytest.mark.parametrize("text", [CGROUP_V1, CGROUP_V2])
def test_both_kinds_of_cgroup_are_read(text: str) -> None:
    sample = cost.parse(text, at=5.0)

    assert sample.cpu_seconds == pytest.approx(25.40888)
    assert sample.resident_bytes == 91_000_000
    assert sample.working_set_bytes == 120_000_000 - 1_196_032


def test_processes_are_told_apart_by_their_command_line() -> None:
    assert cost.parse(CGROUP_V1, at=0).processes == {
        "python3 -m egress_recorder": 2.0,
        "python3 -m egress_recorder.capture": 12.4,
    }


def test_a_container_without_the_files_is_an_error_with_what_it_said() -> None:
    with pytest.raises(BenchError, match="no such file"):
        cost.parse("cat: no such file\n", at=0)


def sample(at: float, cpu: float, resident: int, **processes: float) -> cost.Sample:
    return cost.Sample(
        at=at, cpu_seconds=cpu, resident_bytes=resident, working_set_bytes=resident + 5, processes=processes
    )


def test_cores_are_what_was_spent_by_the_time_that_went_by() -> None:
    found = cost.summed([sample(10, 100, 7, a=1), sample(15, 101, 9, a=2), sample(70, 118, 8, a=10, b=0.1)])

    assert found.seconds == 60
    assert found.cores == pytest.approx(0.3)
    assert found.resident_bytes == 9
    assert found.processes == {"a": pytest.approx(0.15)}


def test_the_page_holds_every_table() -> None:
    machine = Machine(
        cpu="A CPU", cores=2, memory_gib=24, kernel="6.18, cgroup v1", kubernetes="v1.34.4", nodes=1,
        load_before=0.5, date="2026-11-23",
    )  # fmt: skip
    times = Latency(
        post=[0.01, 0.02, 0.03], processing=[1.0, 2.0, 3.0], segment=[6.0, 7.0, 8.0], stop=[1.0, 1.0, 1.0]
    )
    spent = cost.summed([sample(0, 0, 1_000_000), sample(60, 18, 2_000_000)])
    moving = cost.summed([sample(0, 0, 0, Xvfb=0, other=0), sample(60, 27, 0, Xvfb=6, other=3)])
    still = cost.summed([sample(0, 0, 0, other=0), sample(60, 9, 0, other=3)])

    text = "\n".join(section(
        Results(
            here=machine, runs=3, people_latency=times, people_cost=spent, pages_latency=times, pages_cold=times,
            pages_cost={"moving": moving, "still": still},
        )
    ))  # fmt: skip

    assert "| CPU | A CPU, 2 cores |" in text
    assert "| load average | 0.5 before, " in text
    assert "| POST answered | 20 ms | 29 ms | 30 ms |" in text
    assert "| POST → PROCESSING | 2.00 s | 2.90 s | 3.00 s |" in text
    assert "| CPU | 0.30 cores |" in text
    assert "| cold: POST → PROCESSING |  |  | 3.00 s |" in text
    assert "| warm: POST → PROCESSING | 2.00 s | 2.90 s | 3.00 s |" in text
    assert "| what | moving.html | still.html |" in text
    assert "| CPU | 0.45 cores | 0.15 cores |" in text
    assert "| of which `Xvfb` | 0.10 cores |  |" in text
    assert "| of which `other` | 0.05 cores | 0.05 cores |" in text


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/usr/lib/chromium/chromium --type=renderer --crashpad", "chromium (renderer)"),
        ("/usr/lib/chromium/chromium --kiosk", "chromium (browser)"),
        ("Xvfb -displayfd 5", "Xvfb"),
        (
            "/opt/egress/bin/python -m egress_recorder.capture",
            "/opt/egress/bin/python -m egress_recorder.capture",
        ),
    ],
)
def test_a_process_is_named_by_what_it_does(command: str, name: str) -> None:
    assert cost.named(command) == name


def test_a_section_is_replaced_between_its_markers_and_nothing_else() -> None:
    page = (
        "# Benchmarks\n\n<!-- a:begin -->\nold\n<!-- a:end -->\n\n<!-- b:begin -->\nother\n<!-- b:end -->\n"
    )

    assert document.replaced(page, "a", ["new", "lines"]) == page.replace("old", "new\nlines")


def test_a_new_section_comes_last() -> None:
    assert document.replaced("# Benchmarks\n", "a", ["new"]) == (
        "# Benchmarks\n\n<!-- a:begin -->\nnew\n<!-- a:end -->\n"
    )


def test_a_section_that_does_not_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="put it back"):
        document.replaced("<!-- a:begin -->\nold\n", "a", ["new"])


def test_a_clock_that_could_not_be_read_is_left_out_of_the_figures() -> None:
    way = losses.WAYS[0]
    found = [
        losses.Loss(seconds=2.0, by_clock=float("nan"), again=0.1),
        losses.Loss(seconds=3.0, by_clock=2.9, again=0.3),
    ]

    assert losses.rows({way: found, losses.WAYS[1]: []}) == [
        (way.name, "2", "2.50 s", "3.00 s", "2.90 s", "2.90 s", f"{way.again}: 0.20 s / 0.30 s")
    ]
    assert losses.rows({way: found[:1]})[0][4:6] == ("not read", "not read")


def test_a_crowd_is_held_against_two_people() -> None:
    costs = {
        size: cost.Cost(
            seconds=60, cores=cores, resident_bytes=100_000_000, working_set_bytes=0, processes={}
        )
        for size, cores in ((2, 0.2), (9, 0.4))
    }
    assert crowd.rows(costs) == [
        ("2", "0.20 cores", "1.00", "100 MB"),
        ("9", "0.40 cores", "2.00", "100 MB"),
    ]
    assert crowd.rows({9: costs[9]}) == [("9", "0.40 cores", "", "100 MB")]


def test_a_file_is_held_against_its_recording() -> None:
    made = {"mp4": files.Made(cpu_seconds=7.92, seconds=36, memory_bytes=60_000_000)}
    assert files.rows(made) == [("mp4", "7.9 s", "1.0%", "100 times", "60 MB")]


def test_a_layout_is_told_by_its_median_and_its_worst() -> None:
    changes = [layouts.Change(since_patch=at, since_heard=at / 2) for at in (0.2, 0.4, 0.9)]
    assert layouts.rows(changes, lost=0.0) == [
        ("PATCH answered → seen", "400 ms", "900 ms"),
        ("recorder told → seen", "200 ms", "450 ms"),
        ("seconds lost", "0.0", ""),
        ("times", "3", ""),
    ]
