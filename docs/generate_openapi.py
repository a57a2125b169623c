"""Write docs/openapi.json from the code: `python docs/generate_openapi.py`, `--check` to compare only."""  # noqa: INP001 - a script beside the document, not a package

import sys
from pathlib import Path

from egress_gateway.openapi.document import rendered

DOCUMENT = Path(__file__).parent / "openapi.json"


def main() -> None:
    """Write the document, or with --check fail if it would change."""
    fresh = rendered()
    if "--check" not in sys.argv[1:]:
        DOCUMENT.write_text(fresh, encoding="utf-8")
    elif not DOCUMENT.is_file() or DOCUMENT.read_text(encoding="utf-8") != fresh:
        raise SystemExit(f"{DOCUMENT} is not what the code says: run python docs/generate_openapi.py")


if __name__ == "__main__":
    main()
