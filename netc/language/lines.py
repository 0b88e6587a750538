"""`read("words.txt")`: the lines of a file, or of its columns one, as a list of strings."""

from __future__ import annotations

from netc.errors import NetError
from netc.language import codes
from netc.language.paths import is_odd, resolve, shown
from netc.language.read import read_text
from netc.language.scope import Context
from netc.language.tree import Operation
from netc.language.values import Result, kind_of


def lines(written: Operation, values: list[Result], at: Context) -> tuple[str, ...]:
    """The lines of the file that the first operand names; with a second one, the column of that number, from 0.

    Columns end at tabs. Raises `Failed` after reporting what is wrong.
    """
    texts = _file(written, values, at).split("\n")
    found = [line.removesuffix("\r") for line in (texts if texts[-1] else texts[:-1])]
    at.step(len(found), written.span)
    if len(values) == 1:
        return tuple(found)
    index = values[1]
    if len(values) > 2 or not isinstance(index, int) or isinstance(index, bool) or index < 0:
        message = f"`read` takes a file and perhaps the number of a column, not {', '.join(map(kind_of, values))}"
        raise at.fail(codes.OPERANDS, message, written.span)
    rows = [line.split("\t") for line in found]
    short = next((number for number, row in enumerate(rows, 1) if len(row) <= index), None)
    if short is not None:
        message = f"line {short} of {values[0]} has no column {index}: columns end at tabs and count from 0"
        raise at.fail(codes.OUT_OF_RANGE, message, written.operands[1].span)
    return tuple(row[index] for row in rows)


def _file(written: Operation, values: list[Result], at: Context) -> str:
    """The text of the file."""
    if not values or not isinstance(values[0], str):
        message = f"`read` takes the path of a file, not {', '.join(map(kind_of, values)) or 'nothing'}"
        raise at.fail(codes.OPERANDS, message, written.span, 'write the path as a string: `read("words.txt")`')
    path, span, importer = values[0], written.operands[0].span, written.span.source.path
    found = resolve(path, importer, at.root)
    if isinstance(found, str):
        raise at.fail(codes.IMPORT_PATH, f"`{path}` cannot be read: {found}", span)
    if is_odd(found):
        raise at.fail(codes.UNREADABLE, f"{shown(path, importer)} cannot be read: it is no regular file", span)
    try:
        text = read_text(str(found), shown(path, importer))
    except NetError as error:
        (why,) = error.diagnostics
        raise at.fail(why.code, why.message, span, why.help) from None
    at.text(len(text), written.span)
    return text
