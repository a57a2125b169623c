"""`soak` and `bench` lie at the top of the checkout, beside `operator/`: they go last on the path, never first."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))
