"""A capture child that does what a scenario says: it stands in for GStreamer, which only the image has.

It speaks the real protocol (config on stdin, events on stdout, stop by command or end of file) and writes
real files into the real spool, so everything on the supervisor's side is the real thing: the process, the
pipes, the store, the signals. The real capture under the real supervisor is tested on the cluster (tests/e2e).

Run as `python scripted_capture.py SCENARIO.json`. The scenario is a list of runs, one for each time a capture
is started (the last one repeats); a run is an object with any of:
    join           seconds until it joins, null = never            segments  how many it makes before `then`
    every          seconds between two segments, 0.05              seconds   what each says it lasts, 4.0; 0 = the truth
    people         events at the join, [["anna", "video-on"], …]   then      "wait" (for the stop), "ended:REASON",
    on_stop        "end" (default), "hang", "crash"                          "exit:CODE", "crash", "hang" (without a
    refuse         REASON it ends with instead of joining                    word), "still" (figures that don't grow)
    noise          text to print on stdout before anything          stray     start a grandchild that holds the pipes
    media          files that its segments are, in turn and again
    size           bytes of a segment, 7708                         left      file whose content is in the segment that
    lingers        true: it says its last word and does not exit
    blind          true: it joins and gives no frame                          is open when `then` or `on_stop` comes

Like the real one it tells its figures every second, opens each segment with a word, and keeps what it makes
during a pause to itself, as left_out_*.ts.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

STATS_SECONDS = 0.5
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
        self.frames = 0
        self.paused = config.get("paused", False)
        self.jump = False
        self.began = time.time()
        self.said_stats = 0.0
        self.growing = True

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
        self.leave_open()
        self.go_on(*run.get("then", "wait").split(":"))

    def join(self) -> None:
        seconds = self.run.get("join", 0)
        if self.wait_for_stop(seconds) or seconds is None:
            self.end("Stopped")
        if "refuse" in self.run:
            self.end(self.run["refuse"])
        self.say(event="joined", at=time.time())
        self.began = self.said_stats = time.time()
        if self.run.get("blind"):
            self.go_on("still")
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
            case "still":
                self.growing = False
                while not self.wait_for_stop(STATS_SECONDS):
                    self.say(event="stats", frames=self.frames, dropped=0)
                self.end("Stopped")
            case other:
                raise ValueError(f"not a way to go on: {other}")

    def stop(self) -> None:
        match self.run.get("on_stop", "end"):
            case "end":
                if not self.paused:
                    self.segment()
                self.end("Stopped")
            case "hang":
                self.leave_open()
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                signal.pause()
            case "crash":
                self.leave_open()
                os.kill(os.getpid(), signal.SIGSEGV)

    def segment(self) -> None:
        if self.paused:
            return
        now = time.time()
        seconds = self.run.get("seconds", 4.0) or round(now - self.began, 6)
        size = self.run.get("size", 41 * 188)
        body = TS_PACKET * (size // 188 - 1) + f"{os.getpid()}-{self.index}".encode().ljust(188, b"\xff")
        if media := self.run.get("media"):
            body = Path(media[self.index % len(media)]).read_bytes()
        (self.spool / self.name).write_bytes(body)
        about = {"path": self.name, "index": self.index, "started_at": now - seconds, "jump": self.jump}
        self.say(event="segment-opened", **about)
        self.say(event="segment-closed", duration=seconds, **about)
        self.index, self.jump, self.began = self.index + 1, False, now

    def leave_open(self) -> None:
        if "left" in self.run and not self.paused:
            (self.spool / self.name).write_bytes(Path(self.run["left"]).read_bytes())
            self.say(
                event="segment-opened",
                path=self.name,
                index=self.index,
                started_at=self.began,
                jump=self.jump,
            )

    def pause(self, *, paused: bool) -> None:
        if paused == self.paused:
            return
        left_out = self.spool / "left_out_000000.ts"
        if paused:
            self.segment()
            left_out.write_bytes(TS_PACKET)
        else:
            left_out.unlink(missing_ok=True)
        self.paused, self.jump, self.began = paused, self.index > 0, time.time()
        self.say(event="pause", paused=paused, at=self.began)

    @property
    def spool(self) -> Path:
        return Path(self.config["spool"])

    @property
    def name(self) -> str:
        return self.config["segment_pattern"] % self.index

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
            "DiskFull": 71,
        }
        self.say(event="ended", reason=reason, message=f"The script said {reason}.")
        if self.run.get("lingers"):
            signal.pause()
        os._exit(codes.get(reason, 70))

    def wait_for_stop(self, seconds: float | None) -> bool:
        """Wait, heeding what it is told meanwhile; say whether that was to stop."""
        until = time.monotonic() + (float("inf") if seconds is None else seconds)
        while (left := until - time.monotonic()) > 0:
            readable, _, _ = select.select([0], [], [], min(left, STATS_SECONDS))
            self.tell_figures()
            if not readable:
                continue
            lines = os.read(0, 4096)
            if lines == b"" or b"stop" in lines:
                return True
            for told in map(json.loads, lines.splitlines()):
                if told["command"] == "layout":
                    self.say(event="warning", reason="Arranged", message=told["layout"])
                elif told["command"] == "users":
                    self.say(event="warning", reason="Chosen", message=" ".join(told["users"]))
                else:
                    self.pause(paused=told["command"] == "pause")
        return False

    def tell_figures(self) -> None:
        if self.said_stats and self.growing and time.time() - self.said_stats >= STATS_SECONDS:
            self.said_stats, self.frames = time.time(), self.frames + 15
            self.say(event="stats", frames=self.frames, dropped=0)


if __name__ == "__main__":
    main()
