"""Parts of pages that scripts write: between the markers and nowhere else, or not at all."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[3] / "docs"
BEGIN, END = "<!-- x -->", "<!-- /x -->"


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("generated")


def test_what_stands_around_the_markers_stays(generated: ModuleType) -> None:
    page = f"# Title\n\n{BEGIN}\nold\n{END}\nend\n"
    fresh = generated.table(Path("page.md"), page, "x", ["| a |", "|---|"])
    assert fresh == f"# Title\n\n{BEGIN}\n\n| a |\n|---|\n\n{END}\nend\n"
    assert generated.table(Path("page.md"), fresh, "x", ["| a |", "|---|"]) == fresh


@pytest.mark.parametrize(
    "page",
    ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n"],
    ids=["none", "no end", "turned round", "twice"],
)
def test_markers_that_are_not_there_once_are_named(generated: ModuleType, page: str) -> None:
    with pytest.raises(SystemExit, match=r"page\.md: the markers <!-- x --> and <!-- /x -->"):
        generated.table(Path("page.md"), page, "x", ["| a |"])


def test_a_check_writes_nothing(
    generated: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text("old")
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    generated.keep(page, "old", run="it")
    with pytest.raises(SystemExit, match="run `it`"):
        generated.keep(page, "new", run="it")
    assert page.read_text() == "old"
    monkeypatch.setattr(sys, "argv", ["generate"])
    generated.keep(page, "new", run="it")
    assert page.read_text() == "new"
