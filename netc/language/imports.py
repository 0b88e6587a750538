"""Files that a file imports: where an import leads, that it may, and what it brings into scope."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from netc.errors import NetError, Source, suggest
from netc.language import codes
from netc.language.evaluate import value_of
from netc.language.limits import MAX_FILES, Failed
from netc.language.parse import parse
from netc.language.paths import is_odd, project_root, resolve, shown
from netc.language.read import read_text
from netc.language.scope import Context, Run, Scope
from netc.language.tree import Block, Document, Import

CHARACTERS_OF_AN_IMPORT = 8
"""So many characters of an imported file count as one of `MAX_STEPS`: reading it takes as long."""


class Imports:
    """The files of one expansion, each evaluated at its first import; `carry_out` does the statements of a body.

    `files`: the scope and text of each by its real path, None while it waits for the files that it imports.
    """

    def __init__(
        self, main: str, root: str | os.PathLike[str] | None, carry_out: Callable[[Block, Context], None]
    ) -> None:
        self.root = Path(root) if root is not None else project_root(main)
        self.carry_out = carry_out
        self.files: dict[str, tuple[Scope, Source] | None] = {os.path.realpath(main): None}

    def bring(self, item: Import, at: Context) -> None:
        """Bring what a file itself declares into scope."""
        if not at.outermost:
            raise at.fail(codes.MISPLACED, "a file is imported by a file, not inside another statement", item.span)
        written = value_of(item.path, at)
        assert isinstance(written, str)
        importer = item.span.source.path
        found = resolve(written, importer, self.root)
        if isinstance(found, str):
            raise at.fail(codes.IMPORT_PATH, f"`{written}` cannot be imported: {found}", item.path.span)
        scope, source = self._load(str(found), shown(written, importer), item, at)
        for name, binding in scope.names.items():
            if binding.span.source is not source:
                continue  # imported by the other file; it does not pass it on
            before = at.scope.names.setdefault(name, binding)
            if before is not binding:
                message = f"the `{name}` of {written} is already declared here"
                raise at.fail(codes.NAME_TAKEN, message, item.path.span)

    def _load(self, path: str, name: str, item: Import, at: Context) -> tuple[Scope, Source]:
        """The scope and text of an imported file, evaluated at its first import."""
        if path in self.files:
            loaded = self.files[path]
            if loaded is None:
                raise at.fail(codes.IMPORT_CYCLE, f"{name} is waiting for this file", item.path.span)
            return loaded
        if len(self.files) > MAX_FILES:
            raise at.fail(codes.TOO_LARGE_EXPANSION, f"more than {MAX_FILES} files are imported", item.span)
        document = _read(path, name, item, at)
        self.files[path] = None
        inner = Context(at.limits, Scope(own=True), Run(), self.root, depth=at.deeper(item.span).depth, imported=True)
        if document.plain and document.block.items:
            raise at.fail(codes.MISPLACED, f"{name} declares nothing that could be imported", item.path.span)
        self.carry_out(document.block, inner)
        loaded = self.files[path] = (inner.scope, document.source)
        return loaded


def _beside(path: str) -> str | None:
    """Which file of the same folder was meant by one that is not there."""
    try:
        files = {p.stem: p.name for p in sorted(Path(path).parent.iterdir()) if p.suffix in (".net", ".prototxt")}
        is_there = Path(path).exists()
    except OSError:
        return None
    close = suggest(Path(path).stem, files) if not is_there else None
    return f"did you mean {files[close]}?" if close else None


def _read(path: str, name: str, item: Import, at: Context) -> Document:
    if is_odd(Path(path)):
        raise at.fail(codes.UNREADABLE, f"{name} cannot be read: it is no regular file", item.path.span)
    try:
        text = read_text(path, name)
    except NetError as error:
        (why,) = error.diagnostics
        raise at.fail(why.code, why.message, item.path.span, why.help or _beside(path)) from None
    at.step(len(text) // CHARACTERS_OF_AN_IMPORT, item.span)
    try:
        return parse(text, name)
    except NetError as error:
        at.limits.report.diagnostics += error.diagnostics
        raise Failed from None
