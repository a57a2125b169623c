"""The rules of the house that no linter knows."""

import operator
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARENTS = ("crds", "gateway", "operator", "recorder-image", "cluster")


def test_operator_is_still_the_standard_librarys() -> None:
    assert Path(operator.__file__).parent == Path(sysconfig.get_paths()["stdlib"])


def test_no_parent_folder_is_a_package() -> None:
    assert [p for p in PARENTS if (ROOT / p / "__init__.py").exists()] == []


def test_no_module_is_called_operator() -> None:
    assert [p for p in ROOT.glob("*/**/operator.py") if ".venv" not in p.parts] == []
