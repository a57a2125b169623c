"""The fault table's rows: the page shows what the tests hold, and no row hides another."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from support import fault_rows, store_fault_rows
from support.faults import Fault

DOCS = Path(__file__).resolve().parents[3] / "docs"
ALL = [*fault_rows.ROWS, *fault_rows.NODES, *store_fault_rows.ROWS]


@pytest.fixture
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_faults", DOCS / "generate_faults.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_the_rows(generator: ModuleType) -> None:
    page = (DOCS / "recordings.md").read_text()

    assert generator.rendered(page) == page, "run PYTHONPATH=tests python docs/generate_faults.py"


def test_the_page_shows_every_row(generator: ModuleType) -> None:
    shown = "\n".join(generator.table())

    assert [fault.name for fault in ALL if f"{fault.says} |" not in shown] == []


def test_names_are_told_apart() -> None:
    names = [fault.name for fault in ALL]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault.name)
def test_a_row_that_loses_time_says_where(fault: Fault) -> None:
    expected = fault.expected

    losses = [reason for reason in expected.gaps if reason != "Paused"]
    assert bool(losses) == bool(expected.lost_seconds)
