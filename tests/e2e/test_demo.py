"""The README's first command, run as it stands there: it works, and prints what the README shows."""

import re
import subprocess
from pathlib import Path

import pytest

from support.e2e import Gateway

ROOT = Path(__file__).parents[2]
FIRST_SHOWN = "2. Two people"
CHANNEL = "readme"
"""Not the README's: the tests' own people publish there under the same names, and the demo takes its people away."""
MASKS = (
    (r"\bt[a-z2-7]{20}\b", "TASK"),
    (r"\bdemo\d{10}\b", "REQUEST"),
    (r"\b\d{8}_\d{6}_", "MOMENT_"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "MOMENT"),
    (r'"sha256":"[0-9a-f]{64}"', '"sha256":"SHA256"'),
    (r'"(sizeBytes|durationSeconds)":[\d.]+', r'"\1":N'),
    (r"^ *\d+  demo-output", "SIZE  demo-output"),
    (r"^\d+\.\d+ s$", "N s"),
    (r"\d+s$", "Ns"),
    (r" {2,}", "  "),  # columns are as wide as the longest word in them
)


def masked(text: str) -> list[str]:
    """Return the lines from the first one shown on, with what differs from run to run taken out."""
    lines = text[text.index(FIRST_SHOWN) :].rstrip().splitlines()
    out: list[str] = []
    for line in lines:
        plain = line
        for pattern, word in MASKS:
            plain = re.sub(pattern, word, plain)
        # As many segments as the machine's pace gave.
        plain = re.sub(r"_\d{6}\.ts$", "_N.ts", plain)
        if not (out and plain == out[-1]):
            out.append(plain)
    return out


@pytest.mark.timeout(300)
def test_it_prints_what_the_readme_shows(gateway: Gateway) -> None:
    readme = (ROOT / "README.md").read_text()
    block = next(b for b in re.findall(r"```console\n(.*?)```", readme, re.DOTALL) if FIRST_SHOWN in b)
    done = subprocess.run(
        ["make", "demo", f"CHANNEL={CHANNEL}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.replace(f"people-{CHANNEL}", "people-egress-test").replace(CHANNEL, "egress_test")
    assert masked(said) == masked(block)
    assert (ROOT / "demo-output" / "frame.png").read_bytes().startswith(b"\x89PNG")
