"""Imports that lead astray, or to too much, end in the right diagnostic, soon."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netc.errors import Diagnostic, NetError
from netc.language import expand, parse, read_text
from netc.language.limits import MAX_FILES
from tests.language.bombs import MOST_CALLS
from tests.work import Calls


def refused(main: Path, root: Path | None = None) -> Diagnostic:
    """The first diagnostic of a file."""
    with Calls() as calls, pytest.raises(NetError) as raised:
        expand(parse(read_text(main), str(main)), root=root)
    assert calls.count < MOST_CALLS
    return raised.value.diagnostics[0]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The root of a project, with a file beside it that it may not import."""
    (tmp_path / "secret.net").write_text("let a = 1\n")
    made = tmp_path / "project"
    made.mkdir()
    return made


def importing(project: Path, written: str) -> Diagnostic:
    main = project / "main.net"
    main.write_text(f'# imports one file\nimport "{written}"\n', encoding="utf-8", errors="surrogateescape")
    found = refused(main, project)
    assert str(found.span) == f"{main}:2:8"
    return found


@pytest.mark.parametrize(
    "written", ["../secret.net", "a/../../secret.net", "/etc/hostname", "..\\\\\\\\secret.net", ""]
)
def test_nothing_outside_the_root(project: Path, written: str) -> None:
    assert importing(project, written).code.id == "SYN039"


@pytest.mark.parametrize("target", ["../secret.net", "/etc/hostname", ".."])
def test_links_do_not_lead_out(project: Path, target: str) -> None:
    (project / "link").symlink_to(target)
    written = "link/secret.net" if target == ".." else "link"
    assert importing(project, written).code.id == "SYN039"


def test_a_directory(project: Path) -> None:
    (project / "blocks").mkdir()
    found = importing(project, "blocks")
    assert (found.code.id, found.message) == ("SYN020", f"{project}/blocks cannot be read: it is a directory")


def test_a_pipe_is_not_waited_for(project: Path) -> None:
    os.mkfifo(project / "pipe.net")
    found = importing(project, "pipe.net")
    assert (found.code.id, found.message) == ("SYN020", f"{project}/pipe.net cannot be read: it is no regular file")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to the administrator")
def test_a_file_without_permission(project: Path) -> None:
    (project / "mine.net").write_text("let a = 1")
    (project / "mine.net").chmod(0)
    assert importing(project, "mine.net").code.id == "SYN020"


def test_a_link_to_itself(project: Path) -> None:
    (project / "loop.net").symlink_to("loop.net")
    assert importing(project, "loop.net").code.id == "SYN020"


@pytest.mark.parametrize("name", ["n" * 300, "n/" * 3000, "no.net", "\udcff.net"])
def test_no_such_file(project: Path, name: str) -> None:
    assert importing(project, name).code.id == "SYN020"


def test_a_file_that_is_no_text(project: Path) -> None:
    (project / "weights.net").write_bytes(b"\x0a\x05LeNet\x00\x01\x02")
    assert importing(project, "weights.net").code.id == "SYN021"


def test_a_large_file(project: Path) -> None:
    with (project / "large.net").open("wb") as file:
        file.truncate(100 << 20)
    assert importing(project, "large.net").code.id == "SYN022"


def test_cycles(project: Path) -> None:
    main = project / "main.net"
    for name, next_one in (("main", "a"), ("a", "b"), ("b", "a")):
        (project / f"{name}.net").write_text(f'import "{next_one}.net"\n')
    found = refused(main, project)
    assert (found.code.id, str(found.span)) == ("SYN040", f"{project}/b.net:1:8")
    main.write_text('import "main.net"')
    assert (refused(main, project).code.id, str(refused(main, project).span)) == ("SYN040", f"{main}:1:8")


def test_a_cycle_through_a_link(project: Path) -> None:
    (project / "link.net").symlink_to("main.net")
    assert importing(project, "link.net").code.id == "SYN040"


def test_many_imports(project: Path) -> None:
    for number in range(300):
        (project / f"{number}.net").write_text(f"let a{number} = 1\n")
    (project / "main.net").write_text("".join(f'import "{number}.net"\n' for number in range(300)))
    found = refused(project / "main.net")
    assert (found.code.id, found.span and found.span.line) == ("SYN042", MAX_FILES + 1)


def test_a_chain_of_imports(project: Path) -> None:
    for number in range(100):
        (project / f"{number}.net").write_text(f'import "{number + 1}.net"\nlet a = {number}\n')
    (project / "100.net").write_text("let a = 100")
    (project / "main.net").write_text('import "0.net"')
    found = refused(project / "main.net")
    assert (found.code.id, str(found.span)) == ("SYN011", f"{project}/59.net:1:1")


def test_much_text_in_many_imports(project: Path) -> None:
    for number in range(100):
        (project / f"{number}.net").write_text(f"let a{number} = 1 # {'x' * 100_000}\n")
    (project / "main.net").write_text("".join(f'import "{number}.net"\n' for number in range(100)))
    assert refused(project / "main.net").code.id == "SYN042"
