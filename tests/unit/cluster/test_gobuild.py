"""Go programs: built once for each state of their sources, and only where the machine has none that will do."""

import os
from pathlib import Path

import pytest

from egress_cluster import gobuild
from egress_cluster.gobuild import KIND, KUBE, PROGRAMS, Program, built, digest, link, on_path, wanted
from egress_cluster.settings import CLUSTER_FOLDER, Settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(gobuild, "CLUSTER_FOLDER", tmp_path)
    module = tmp_path / "tool"
    module.mkdir()
    (module / "go.mod").write_text("module egress.dev/tool\n\ngo 1.24.0\n")
    (module / "main.go").write_text('package main\n\nfunc main() { println("one") }\n')
    return module


def _program(*, package: str = ".", ldflags: str = "-s -w") -> Program:
    return Program(name="tool", folder="tool", package=package, ldflags=ldflags)


def _executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go", "other.go"])
def test_a_changed_source_is_another_state(folder: Path, name: str) -> None:
    before = digest(_program())
    with (folder / name).open("a") as file:
        file.write("// changed\n")
    assert digest(_program()) != before


def test_flags_and_package_belong_to_the_state_but_notes_do_not(folder: Path) -> None:
    before = digest(_program())
    (folder / "NOTES.md").write_text("no source")
    assert digest(_program()) == before
    assert digest(_program(ldflags="-s")) != before
    assert digest(_program(package="./cmd")) != before


def test_a_build_is_kept_and_an_older_one_goes(folder: Path, tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path / "cache", environment=dict(os.environ))
    first = gobuild.build(_program(), settings)
    stamp = first.stat().st_mtime_ns
    assert gobuild.build(_program(), settings).stat().st_mtime_ns == stamp

    (folder / "main.go").write_text('package main\n\nfunc main() { println("two") }\n')
    second = gobuild.build(_program(), settings)

    assert second != first
    assert not first.exists()
    assert (settings.bin / "tool").resolve() == second


def test_the_machines_own_program_is_taken_but_not_our_link(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path / "cache")
    machine = _executable(tmp_path / "machine" / "kind")
    _executable(settings.bin / "kind")
    both = f"{settings.bin}{os.pathsep}{machine.parent}"

    found = Settings(cache=settings.cache, environment={"PATH": both})
    assert on_path("kind", found) == machine
    assert wanted(KIND, found) == machine
    assert on_path("kind", Settings(cache=settings.cache, environment={"PATH": str(settings.bin)})) is None


def test_a_link_is_replaced_without_a_gap(tmp_path: Path) -> None:
    one, two = _executable(tmp_path / "one"), _executable(tmp_path / "two")
    name = tmp_path / "bin" / "tool"
    link(name, one)
    link(name, two)
    link(name, two)
    assert name.readlink() == two
    assert [path.name for path in name.parent.iterdir()] == ["tool"]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_every_program_is_pinned(program: Program) -> None:
    for name in ("go.mod", "go.sum"):
        assert (CLUSTER_FOLDER / program.folder / name).exists()


def test_where_a_program_is_built_names_its_state(tmp_path: Path) -> None:
    path = built(KUBE, Settings(cache=tmp_path))
    assert path == tmp_path / "go" / f"kube-{digest(KUBE)}" / "kube"
