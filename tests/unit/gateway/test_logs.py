"""The log: one JSON object a line, with the ids, without secrets. It runs as a process, as its reader meets it."""

import json
import os
import subprocess
import sys

CODE = """
import logging
from egress_gateway.logs import configure_logs, get_logger
from egress_gateway.settings import LogLevel

configure_logs(LogLevel.INFO)
log = get_logger("here")
log.info("a request\\nof two lines", task_id="t1")
log.debug("not shown")
logging.getLogger("a.library").warning("it %s", "says")
try:
    secret = "007eJxt9VMp+//+i9SOE"
    raise RuntimeError("broken")
except RuntimeError:
    log.exception("a request failed")
"""


def test_every_line_is_an_object_that_begins_with_when_how_bad_and_what() -> None:
    run = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env=dict(os.environ),
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [list(line)[:3] for line in lines] == [["ts", "level", "msg"]] * 3
    assert [(line["level"], line["msg"]) for line in lines] == [
        ("info", "a request\nof two lines"),
        ("warning", "it says"),
        ("error", "a request failed"),
    ]
    assert lines[0]["task_id"] == "t1"
    assert "RuntimeError: broken" in lines[2]["exception"]
    assert "007eJxt9VMp" not in run.stdout
