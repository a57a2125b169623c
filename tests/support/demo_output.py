"""What a demo prints, without what differs from run to run: to hold it against the README.

In: a text. Out: its lines from the first one shown on, ids, moments and sizes replaced by words.
"""

import re

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


def masked(text: str, *, since: str) -> list[str]:
    """Return the lines from the first one shown on, with what differs from run to run taken out."""
    lines = text[text.index(since) :].rstrip().splitlines()
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
