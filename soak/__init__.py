"""What takes too long for the tests: hours of recording, minutes of outage, a clock that runs wrong: `make soak`.

In: a cluster as `make deploy` leaves it. Out: progress lines, figures, and with `--write` a section of
docs/benchmarks.md for each part; exit code 1 where a figure is worse than what the project promises.
Each part has servers, operator, images and namespaces of its own: what happens to the demo's release does not matter.
"""

import bench  # noqa: F401 - it puts tests/ on the path: support/ is what the parts stand on
