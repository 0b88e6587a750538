"""Files with statements to plain protobuf text."""

from __future__ import annotations

import os

from netc.language.tree import Block, Document
from netc.language.vocabulary import AnyLayer, Vocabulary


def expand(
    document: Document, vocabulary: Vocabulary | None = None, *, root: str | os.PathLike[str] | None = None
) -> Document:
    """The plain text format that a file's statements stand for; a file without any is returned as it is.

    `root` bounds what may be imported; by default it is the nearest directory above the file that holds `.git` or
    `pyproject.toml`. Spans point into the files as written, with the calls of composites that led there.

    Raises `NetError` with everything that is wrong (codes SYN0xx).
    """
    if document.plain:
        return document
    from netc.language.expansion import Expansion  # noqa: PLC0415  (plain text does not pay for it)

    fields = Expansion(document, vocabulary or AnyLayer(), root).run()
    return Document(Block(fields, document.block.span), document.source)
