"""Files with statements to plain protobuf text."""

from __future__ import annotations

import os

from netc.errors import Report
from netc.language.tree import Block, Document
from netc.language.vocabulary import AnyLayer, Vocabulary


def expand(
    document: Document,
    vocabulary: Vocabulary | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    report: Report | None = None,
) -> Document:
    """The plain text format that a file's statements stand for; a file without any is returned as it is.

    `root` bounds what may be imported; by default it is the nearest directory above the file that holds `.git` or
    `pyproject.toml`. Spans point into the files as written, with the calls of composites that led there.

    Raises `NetError` with everything that is wrong (codes SYN0xx). With a `report`, diagnostics go there instead, and
    what cannot be carried out is left out: a call becomes a layer without a type that has its tops.
    """
    if document.plain:
        return document
    from netc.language.expansion import Expansion  # noqa: PLC0415  (plain text does not pay for it)

    collected = Report() if report is None else report
    fields = Expansion(document, vocabulary or AnyLayer(), root).run(collected)
    if report is None:
        collected.finish()
    return Document(Block(fields, document.block.span), document.source)
