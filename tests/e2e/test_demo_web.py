"""The README's demo of a web page, run as it stands there: it works, and prints what the README shows."""

import re
import subprocess
from pathlib import Path

import pytest

from support.demo_output import masked
from support.e2e import Gateway

ROOT = Path(__file__).parents[2]
FIRST_SHOWN = "2. Start: a page"


@pytest.mark.timeout(300)
def test_it_prints_what_the_readme_shows(gateway: Gateway) -> None:
    readme = (ROOT / "README.md").read_text()
    block = next(b for b in re.findall(r"```console\n(.*?)```", readme, re.DOTALL) if FIRST_SHOWN in b)
    done = subprocess.run(
        ["make", "demo-web"], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert masked(done.stdout, since=FIRST_SHOWN) == masked(block, since=FIRST_SHOWN)
    assert (ROOT / "demo-output" / "frame-web.png").read_bytes().startswith(b"\x89PNG")
