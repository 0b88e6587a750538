"""What PyTorch does not have, as text in the files of `pieces/`: a model brings those that it uses."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Piece:
    """A function or class: its text, and the other pieces that it uses."""

    name: str
    text: str
    uses: frozenset[str]


@cache
def pieces() -> dict[str, Piece]:
    """Every piece by its name, in the order in which they may stand in a file."""
    found: dict[str, Piece] = {}
    for path in sorted(Path(__file__).with_name("pieces").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                source = ast.get_source_segment(text, node)
                assert source is not None
                found[node.name] = Piece(node.name, source, frozenset(_WORD.findall(source)) - {node.name})
    return found


@cache
def defined(text: str) -> frozenset[str]:
    """The functions and classes that a text defines."""
    return frozenset(n.name for n in ast.parse(text).body if isinstance(n, ast.FunctionDef | ast.ClassDef))


def needed(text: str) -> list[Piece]:
    """The pieces that a text names, and those that these use."""
    known = pieces()
    words, wanted = set(_WORD.findall(text)), set[str]()
    while new := (words & known.keys()) - wanted:
        wanted |= new
        words = {word for name in new for word in known[name].uses}
    return [piece for name, piece in known.items() if name in wanted]
