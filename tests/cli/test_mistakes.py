"""What mistakes of newcomers are told, and that docs/mistakes.md says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc.api.planning import check
from netc.catalogue import catalogue
from netc.errors import Diagnostic, NetError
from tests.cli.conftest import ROOT
from tests.cli.mistakes import CONV, MISTAKES, NET, PLAIN, Mistake


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the nets find: a folder of photos by class, and a file to import."""
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):
        Path("photos", name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(f"photos/{name}/{i}.png")
    Path("blocks").mkdir()
    Path("blocks/resnet.net").write_text("def f(x) -> y { y = ReLU(x) }\n")
    return tmp_path


def told(mistake: Mistake) -> Diagnostic | None:
    """The first thing that `netc check` says: an error, or else a warning."""
    path = Path("mine.prototxt" if mistake.net == PLAIN else "mine.net")
    path.write_text(mistake.text, encoding="utf-8")
    try:
        found = list(check(path))
    except NetError as error:
        found = [d for d in error.diagnostics if d.severity == "error"]
    return found[0] if found else None


@pytest.mark.parametrize("net", [NET, CONV, PLAIN], ids=["net", "conv", "plain"])
def test_the_nets_are_right(folder: Path, net: str) -> None:
    assert told(Mistake("none", net, "", "")) is None


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_each_is_told(folder: Path, mistake: Mistake) -> None:
    found = told(mistake)
    assert (found.code.id if found else "") == mistake.code
    assert _told(found).startswith(mistake.says)


def test_the_table_of_the_page(expected: Callable[[Path, str], None], folder: Path) -> None:
    found = {mistake.name: told(mistake) for mistake in MISTAKES}
    rows = [
        f"| {m.name} | {_code(m.shown)} | {m.code or 'as meant'} | {_plain(_told(found[m.name]))} |" for m in MISTAKES
    ]
    remedy = sum(d is not None and bool(d.help) for d in found.values())
    meant = sum(d is None for d in found.values())
    named = len(found) - remedy - meant
    head = f"""# Mistakes, and what they are told

<!-- held by: tests/cli/test_mistakes.py -->
{len(MISTAKES)} mistakes of people who begin, each in a net that is right otherwise, and what `netc check` says of it
first. Of these, {remedy} are told what to write instead, {named} what is wrong and with which value, and {meant} are
read as they were meant. Mistakes that only training shows (records in order of class, pixels as they are, a rate that
is too high) are on the page docs/training.md. `netc explain CODE` has a page for each code.

<!-- held by: tests/cli/test_mistakes.py::test_each_is_told -->
| what | written | code | what it is told |
|---|---|---|---|
"""
    expected(ROOT / "docs" / "mistakes.md", head + "\n".join(rows) + "\n")


def _told(found: Diagnostic | None) -> str:
    return "" if found is None else found.help or found.message


def _code(text: str) -> str:
    """A piece of a file in a cell; angle brackets and pipes are text there."""
    return "<code>" + _plain(text) + "</code>"


def _plain(text: str) -> str:
    for sign, instead in (("&", "&amp;"), ("<", "&lt;"), ("|", "&#124;"), ("`", "'"), ("*", "&#42;"), ("[", "&#91;")):
        text = text.replace(sign, instead)
    return " ".join(text.split())


def test_data_layers_with_wrong_fields_are_refused_and_nothing_else_happens(folder: Path) -> None:
    """Their data is opened by `check`: what a layer refuses must not reach what reads it."""
    for layer_type in catalogue().types.values():
        for refused in layer_type.refuses if layer_type.source else ():
            tops = " ".join(f'top: "t{i}"' for i in range(refused.tops))
            Path("a.prototxt").write_text(f'layer {{ name: "d" type: "{layer_type.name}" {tops} {refused.fields} }}')
            with pytest.raises(NetError):
                check("a.prototxt")
