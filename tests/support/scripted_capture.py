"""A capture child that does what a scenario says: it stands in for GStreamer, which only the image has.

It speaks the real protocol (config on stdin, events on stdout, stop by command or end of file) and writes
real files into the real spool, so everything on the supervisor's side is the real thing: the process, the
pipes, the store, the signals. The real capture under the real supervisor is tested on the cluster (tests/e2e).

Run as `python scripted_capture.py SCENARIO.json`. The scenario is a list of runs, one for each time a capture
is started (the last one repeats); a run is an object with any of:
    join           seconds until it joins, null = never            segments  how many it makes before `then`
    every          seconds between two segments, 0.05              seconds   what each says it lasts, 4.0
    people         events at the join, [["anna", "video-on"], …]   then      "wait" (for the stop), "ended:REASON",
    on_stop        "end" (default), "hang", "crash"                          "exit:CODE", "crash", "hang"
    refuse         REASON it ends with instead of joining
    noise          text to print on stdout before anything          stray     start a grandchild that holds the pipes
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

TS_PACKET = b"\x47\x1f\xff\x10" + b"\xff" * 184


def main() -> None:
    scenario = Path(sys.argv[1])
    runs = json.loads(scenario.read_text())
    counter = scenario.with_suffix(".count")
    number = int(counter.read_text()) if counter.exists() else 0
    counter.write_text(str(number + 1))
    run = runs[min(number, len(runs) - 1)]
    config = json.loads(sys.stdin.readline())
    Path(str(scenario) + f".config-{number}").write_text(json.dumps(config))
    Capture(run, config).play()


class Capture:
    def __init__(self, run: dict, config: dict) -> None:
        self.run = run
        self.config = config
        self.index = 0

    def play(self) -> None:
        run = self.run
        if "noise" in run:
            sys.stdout.write(run["noise"])
            sys.stdout.flush()
        if run.get("stray"):
            subprocess.Popen(["sleep", "600"])
        self.join()
        for _ in range(run.get("segments", 3)):
            if self.wait_for_stop(run.get("every", 0.05)):
                self.stop()
            self.segment()
        self.go_on(*run.get("then", "wait").split(":"))

    def join(self) -> None:
        seconds = self.run.get("join", 0)
        if self.wait_for_stop(seconds) or seconds is None:
            self.end("Stopped")
        if "refuse" in self.run:
            self.end(self.run["refuse"])
        self.say(event="joined", at=time.time())
        self.say(event="first-frame", at=time.time())
        for identity, change in self.run.get("people", [["anna", "video-on"]]):
            self.say(event="participant", identity=identity, change=change)

    def go_on(self, then: str, detail: str = "") -> None:
        match then:
            case "wait":
                while not self.wait_for_stop(self.run.get("every", 0.05)):
                    self.segment()
                self.stop()
            case "ended":
                self.end(detail)
            case "exit":
                os._exit(int(detail))
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "hang":
                signal.pause()
            case other:
                raise ValueError(f"not a way to go on: {other}")

    def stop(self) -> None:
        match self.run.get("on_stop", "end"):
            case "end":
                self.segment()
                self.end("Stopped")
            case "hang":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                signal.pause()
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)

    def segment(self) -> None:
        name = self.config["segment_pattern"] % self.index
        seconds = self.run.get("seconds", 4.0)
        body = TS_PACKET * 40 + f"{os.getpid()}-{self.index}".encode().ljust(188, b"\xff")
        (Path(self.config["spool"]) / name).write_bytes(body)
        self.say(
            event="segment-closed",
            path=name,
            duration=seconds,
            started_at=time.time() - seconds,
            index=self.index,
        )
        self.index += 1

    def say(self, **event: object) -> None:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()

    def end(self, reason: str) -> None:
        codes = {
            "Stopped": 0,
            "JoinRefused": 64,
            "SourceUnreachable": 65,
            "SourceClosed": 66,
            "IdentityTaken": 67,
        }
        self.say(event="ended", reason=reason, message=f"The script said {reason}.")
        os._exit(codes.get(reason, 70))

    def wait_for_stop(self, seconds: float | None) -> bool:
        readable, _, _ = select.select([0], [], [], seconds)
        if not readable:
            return False
        line = os.read(0, 4096)
        return line == b"" or b"stop" in line


if __name__ == "__main__":
    main()
