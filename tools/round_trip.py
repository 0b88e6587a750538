"""What reading, writing and formatting do to every net file below some folders: `python -m tools.round_trip DIR...`.

For each file that can be parsed: `parse -> write -> parse` gives the same tree, with and without lists; formatting
keeps the meaning and every comment, in order, and formatting twice is formatting once. Files with statements are
expanded instead of written. Prints how many files did each; exit code 1 if one did not.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netc.errors import NetError
from netc.language import Document, expand, parse, read_text, write
from netc.language.format import format_text
from netc.language.tree import Block, ListValue, Scalar, Value

_COMMENT = re.compile(r"""#[^\n]*|"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+'""")


def plain(value: Value) -> Any:
    """A tree without its spans."""
    if isinstance(value, Scalar):
        return value.kind, value.text
    if isinstance(value, ListValue):
        return [plain(item) for item in value.items]
    assert isinstance(value, Block)
    return tuple((field.name, plain(field.value)) for field in value.fields)


def without_lists(value: Any) -> Any:
    """Such a tree with each list as repeated fields."""
    if not isinstance(value, tuple) or (value and isinstance(value[0], str)):
        return value
    made = []
    for name, item in value:
        made += [(name, without_lists(each)) for each in (item if isinstance(item, list) else [item])]
    return tuple(made)


def comments(text: str) -> list[str]:
    """The comments of a text in order, without the blanks at their ends."""
    return [found[0].rstrip() for found in _COMMENT.finditer(text) if found[0].startswith("#")]


def wrong(text: str, path: Path) -> Iterator[str]:
    """What does not hold of a text that can be parsed."""
    document = parse(text, str(path))
    made = format_text(text, str(path))
    if format_text(made, str(path)) != made:
        yield "formatting twice differs"
    if comments(made) != comments(text):
        yield "comments differ"
    formatted = parse(made, str(path))
    if not document.plain:
        if _expanded(document) != _expanded(formatted):
            yield "formatting changes the meaning"
        return
    tree = plain(document.block)
    if plain(formatted.block) != tree:
        yield "formatting changes the meaning"
    if plain(parse(write(document.block), "a.prototxt").block) != tree:
        yield "writing changes the meaning"
    if plain(parse(write(document.block, lists=False), "a.prototxt").block) != without_lists(tree):
        yield "writing without lists changes the meaning"


def _expanded(document: Document) -> str:
    try:
        return write(expand(document).block)
    except NetError as error:
        return ", ".join(each.code.id for each in error.diagnostics)


def main() -> int:
    """Try every file; print the counts and each file that fails."""
    done, bad = Counter[str](), 0
    for folder in map(Path, sys.argv[1:]):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            try:
                text = read_text(path)
                parse(text, str(path))
            except NetError as error:
                done[f"refused: {error.diagnostics[0].code}"] += 1
                continue
            failures = list(wrong(text, path))
            bad += bool(failures)
            done["fails" if failures else "holds"] += 1
            done["comments"] += len(comments(text))
            for failure in failures:
                print(f"{path}: {failure}")
    print(", ".join(f"{what}: {count}" for what, count in sorted(done.items())))
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
