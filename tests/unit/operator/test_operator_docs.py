"""docs/operator.md is what the code says."""

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def test_the_tables_of_the_page_are_those_of_the_code() -> None:
    spec = importlib.util.spec_from_file_location("generate_operator", DOCS / "generate_operator.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    page = (DOCS / "operator.md").read_text()

    assert generator.rendered(page) == page, "run python docs/generate_operator.py"
