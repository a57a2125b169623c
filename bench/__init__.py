"""How long a start takes and what a recording costs, measured on the demo's cluster: `make bench`.

In: the cluster as `make deploy` leaves it. Out: tables on the terminal and, with `--write`, docs/benchmarks.md.
Never part of the tests: figures depend on the machine, which is why every table says which one it was.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(
    0, str(ROOT / "tests")
)  # support/: the same publishers, gateway client and store as in the tests
