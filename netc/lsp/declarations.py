"""The constants and composites that a file can use: its own, and those of the files that it imports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netc import language
from netc.errors import NetError, Source, Span
from netc.language.paths import project_root, resolve
from netc.language.tree import Define, Document, Import, Let, Scalar
from netc.lsp.analysis import Analysis

MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Declaration:
    """A `let` or a `def` and whether this file holds it."""

    item: Let | Define
    own: bool

    @property
    def span(self) -> Span:
        return self.item.name.span

    def describe(self) -> str:
        """Markdown: how it is declared, the comment above it, and the file if it is another one."""
        item, source = self.item, self.span.source
        head = (
            signature(item) if isinstance(item, Define) else _cut(f"let {item.name.text} = {_written(item.value.span)}")
        )
        comment = _comment_above(source, item.span.start)
        where = "" if self.own else f"*in {Path(source.path).name}*"
        return "\n\n".join(part for part in (f"```netc\n{head}\n```", comment, where) if part)


def declarations(analysis: Analysis) -> dict[str, Declaration]:
    """By name; what the file itself declares hides what it imports."""
    document = analysis.document
    if document is None:
        return {}
    found = {d.item.name.text: d for other in _imported(document) for d in _declared(other, own=False)}
    return found | {d.item.name.text: d for d in _declared(document, own=True)}


def _declared(document: Document, own: bool) -> Iterator[Declaration]:
    yield from (Declaration(item, own) for item in document.block.items if isinstance(item, Let | Define))


def _imported(document: Document) -> list[Document]:
    """The files that a file imports, and those that they import, that can be read."""
    root, found, waiting = project_root(document.source.path), dict[Path, Document](), [document]
    while waiting:
        here = waiting.pop()
        for item in here.block.items:
            path = _leads_to(item, here.source.path, root) if isinstance(item, Import) else None
            if path is not None and path not in found and (read := _read(path)) is not None:
                found[path] = read
                waiting.append(read)
    return list(found.values())


def _leads_to(item: Import, importer: str, root: Path) -> Path | None:
    if not isinstance(item.path, Scalar):
        return None
    path = resolve(item.path.text, importer, root)
    return path if isinstance(path, Path) else None


def _read(path: Path) -> Document | None:
    try:
        return language.read(path)
    except NetError:
        return None


def imported_file(analysis: Analysis, offset: int) -> Document | None:
    """The file that the import at an offset leads to."""
    document = analysis.document
    items = document.block.items if document is not None else ()
    here = next((i for i in items if isinstance(i, Import) and i.span.start <= offset <= i.span.end), None)
    path = _leads_to(here, analysis.source.path, project_root(analysis.source.path)) if here else None
    return None if path is None else _read(path)


def describe_file(document: Document) -> str:
    """Markdown: what an imported file declares."""
    lines = [
        signature(d.item) if isinstance(d.item, Define) else f"let {d.item.name.text}"
        for d in _declared(document, False)
    ]
    comment = _comment_above(document.source, document.source.text.find("\n\n") + 1)
    return "\n\n".join(part for part in (comment, "```netc\n" + "\n".join(lines) + "\n```") if part)


def signature(item: Define) -> str:
    """The first line of a composite: inputs, parameters with their defaults, outputs."""
    text = item.span.source.text[item.span.start : item.body.span.start]
    return " ".join(text.split())


def _written(span: Span) -> str:
    return " ".join(span.source.text[span.start : span.end].split())


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 4] + " ..."


def _comment_above(source: Source, at: int) -> str:
    """The comment lines just above an offset's line."""
    lines = source.text[: source.text.rfind("\n", 0, at) + 1].splitlines()
    found: list[str] = []
    while lines and lines[-1].lstrip().startswith("#"):
        found.append(lines.pop().lstrip("# \t").rstrip())
    return "\n".join(reversed(found))
