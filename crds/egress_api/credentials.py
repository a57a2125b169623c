"""The store's secret options: files in a folder, one for each, which the kubelet swaps when the Secret changes.

In: the folder. Out: the options, and whether they are still what they were. They are never logged.
"""

from pathlib import Path

State = tuple[tuple[str, int, int], ...]
"""Tells one state of the folder from another without reading the files."""


def read_credentials(folder: Path) -> dict[str, str]:
    """Return the secret options: file name → content."""
    return {path.name: path.read_text().strip() for path in _files(folder)}


def state_of(folder: Path) -> State:
    """Return what changes whenever a file is replaced or rewritten."""
    found = ((path.name, path.stat()) for path in _files(folder))
    return tuple((name, about.st_ino, about.st_mtime_ns) for name, about in found)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    # Kubernetes' own links and folders begin with a dot.
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and path.is_file()]
