"""What one recording costs: CPU and memory of the recorder, from its container's own cgroup.

In: a task that records. Out: cores and bytes. It reads the files that the kernel keeps, through `kubectl exec`, so it
works on any cluster, with cgroup v1 and v2. The reading's own processes count too: 1 ms a sample and process.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import tasks
from egress_api.constants import RECORDER_CONTAINER
from support.e2e import NAMESPACE
from support.kubectl import Kubectl

WARM_UP_SECONDS = 10
"""Before the first sample: start-up, joining and the first key frames are another figure."""
SAMPLE_SECONDS = 5

READ = """
cd /sys/fs/cgroup
if [ -f cgroup.controllers ]; then
  grep usage_usec cpu.stat; grep -E '^(anon|file|shmem|inactive_file) ' memory.stat
  echo current $(cat memory.current); echo peak $(cat memory.peak 2>/dev/null || echo 0)
else
  echo usage_nsec $(cat cpuacct/cpuacct.usage)
  sed -n 's/^total_rss /anon /p; s/^total_cache /file /p; s/^total_shmem /shmem /p; s/^total_inactive_file /inactive_file /p' memory/memory.stat
  echo current $(cat memory/memory.usage_in_bytes); echo peak $(cat memory/memory.max_usage_in_bytes)
fi
for process in /proc/[0-9]*; do
  [ $process = /proc/$$ ] || [ ! -r $process/stat ] || {
    read -r stat < $process/stat
    command=$(tr '\\0\\n ' '+++' < $process/cmdline)
    set -- ${stat##*) }
    printf 'process %.90s %s %s\\n' "$command" ${12} ${13}
  }
done 2>/dev/null
echo hz $(getconf CLK_TCK)
true
"""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One reading."""

    at: float
    cpu_seconds: float
    resident_bytes: int
    """Memory that is not page cache."""
    working_set_bytes: int
    """What the kubelet counts against the limit: all but the page cache that can go at once."""
    processes: dict[str, float]
    """CPU seconds by command line."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a recording took over some time."""

    seconds: float
    cores: float
    resident_bytes: int
    working_set_bytes: int
    processes: dict[str, float]
    """Cores by command line, the larger ones."""

    def rows(self) -> list[tuple[str, str]]:
        """Return what a table says."""
        return [
            ("CPU", f"{self.cores:.2f} cores"),
            *((f"  of which `{name}`", f"{cores:.2f} cores") for name, cores in self.processes.items()),
            ("memory without page cache, highest", f"{self.resident_bytes / 1e6:.0f} MB"),
            ("working set, highest", f"{self.working_set_bytes / 1e6:.0f} MB"),
            ("measured over", f"{self.seconds:.0f} s"),
        ]


def measure(subject: tasks.Subject, *, seconds: float, say: Callable[[str], None]) -> Cost:
    """Record and read the recorder's cgroup for so long."""
    with tasks.recording(subject) as task:
        task.until("PROCESSING", seconds=tasks.START_SECONDS)
        pod = Kubectl(namespace=NAMESPACE).get("egresstask", task.task)["status"]["podName"]
        say(f"recorder {pod} runs; the first sample comes in {WARM_UP_SECONDS} s")
        wait(WARM_UP_SECONDS)
        samples = [read(pod)]
        while samples[-1].at - samples[0].at < seconds:
            wait(SAMPLE_SECONDS)
            samples.append(read(pod))
            last = samples[-1]
            spent = last.cpu_seconds - samples[-2].cpu_seconds
            say(f"{spent / (last.at - samples[-2].at):.2f} cores, {last.resident_bytes / 1e6:.0f} MB")
        task.stop()
    return summed(samples)


def summed(samples: list[Sample]) -> Cost:
    """Make one figure of many."""
    first, last = samples[0], samples[-1]
    lasts = last.at - first.at
    by_process = {
        name: (spent - first.processes.get(name, 0)) / lasts for name, spent in last.processes.items()
    }
    return Cost(
        seconds=lasts,
        cores=(last.cpu_seconds - first.cpu_seconds) / lasts,
        resident_bytes=max(sample.resident_bytes for sample in samples),
        working_set_bytes=max(sample.working_set_bytes for sample in samples),
        processes={
            name: cores
            for name, cores in sorted(by_process.items(), key=lambda item: -item[1])
            if cores > 0.005
        },
    )


def read(pod: str, *, namespace: str = NAMESPACE) -> Sample:
    """Read the recorder's cgroup once."""
    text = Kubectl(namespace=namespace).run(
        "exec", pod, f"--container={RECORDER_CONTAINER}", "--", "sh", "-c", READ
    )
    return parse(text, at=time.monotonic())


def parse(text: str, *, at: float) -> Sample:
    """Make a sample of what the script printed."""
    figures: dict[str, int] = {}
    ticks: dict[str, int] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if name == "process":
            found = re.fullmatch(r"(\S+) (\d+) (\d+)", rest)
            if found:
                command = named(" ".join(found[1].split("+")).strip())
                ticks[command] = ticks.get(command, 0) + int(found[2]) + int(found[3])
        elif rest.strip().isdigit():
            figures[name] = int(rest)
    if "anon" not in figures or not {"usage_usec", "usage_nsec"} & figures.keys():
        raise tasks.BenchError(f"the recorder's cgroup could not be read; the script said:\n{text}")
    cpu = figures["usage_usec"] / 1e6 if "usage_usec" in figures else figures["usage_nsec"] / 1e9
    return Sample(
        at=at,
        cpu_seconds=cpu,
        resident_bytes=figures["anon"] + figures.get("shmem", 0),
        working_set_bytes=figures["current"] - figures.get("inactive_file", 0),
        processes={name: count / figures.get("hz", 100) for name, count in ticks.items()},
    )


def named(command: str) -> str:
    """Shorten a command line to what tells a process from the others: Chromium has a dozen, by what they do."""
    program = command.split(" ", maxsplit=1)[0].rpartition("/")[2]
    if program == "chromium":
        kind = re.search(r"--type=([a-z-]+)", command)
        return f"chromium ({kind[1] if kind else 'browser'})"
    return program if program in {"Xvfb", "pulseaudio", "parec"} else command[:60]


def wait(seconds: float) -> None:
    """Let time pass: the length of a measurement, not a wait for something."""
    time.sleep(seconds)
