"""Pictures are laid out by the program that is there; where none is, or none writes the format, that is said."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import pytest

from netc.errors import NetError
from netc.report import rendering

DOT = 'digraph { a [label="conv 1"]; a -> b }'


def test_text_needs_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert rendering.picture(DOT, "dot") == DOT.encode()


def test_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(NetError) as caught:
        rendering.picture(DOT, "svg")
    [said] = caught.value.diagnostics
    assert (said.code, said.message) == (rendering.NO_DOT, "no program that lays out pictures is installed")
    assert "pip install 'netc[draw]'" in (said.help or "")


def test_found_beside_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert Path(sysconfig.get_path("scripts"), "graphviz-pure").exists()
    assert b"conv 1" in rendering.picture(DOT, "svg")


def test_a_program_that_does_not_write_the_format_gives_way_to_one_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dot = tmp_path / "dot"
    dot.write_text("#!/bin/sh\necho 'Format: not recognized' >&2\nexit 1\n")
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert b"conv 1" in rendering.picture(DOT, "svg")
    with pytest.raises(NetError, match=r"no \.nothing picture can be written: "):
        rendering.picture(DOT, "nothing")
