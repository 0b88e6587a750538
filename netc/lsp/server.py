"""The protocol: pygls on one side, the plain functions of this package on the other."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

import netc
from netc import language
from netc.catalogue import Catalogue, catalogue
from netc.errors import Diagnostic, NetError, Source, Span
from netc.lsp import completion, rename, symbols
from netc.lsp.analysis import Analysis, analyse
from netc.lsp.hover import hover

KINDS = {
    "field": lsp.CompletionItemKind.Field,
    "type": lsp.CompletionItemKind.Class,
    "value": lsp.CompletionItemKind.EnumMember,
    "blob": lsp.CompletionItemKind.Variable,
    "keyword": lsp.CompletionItemKind.Keyword,
    "composite": lsp.CompletionItemKind.Function,
    "constant": lsp.CompletionItemKind.Constant,
    "file": lsp.CompletionItemKind.File,
}
SYMBOLS = {
    "layer": lsp.SymbolKind.Object,
    "composite": lsp.SymbolKind.Function,
    "constant": lsp.SymbolKind.Constant,
    "block": lsp.SymbolKind.Namespace,
}
SEVERITY = {"error": lsp.DiagnosticSeverity.Error, "warning": lsp.DiagnosticSeverity.Warning}


class Server(LanguageServer):
    """Open texts, each with its last analysis and the last one that could be planned."""

    def __init__(self, types: Catalogue) -> None:
        super().__init__("netc", netc.__version__)
        self.types = types
        self.current: dict[str, Analysis] = {}
        self.good: dict[str, Analysis] = {}

    def look(self, uri: str) -> Analysis:
        """The analysis of a text as it is now."""
        text = self.workspace.get_text_document(uri).source.removeprefix("\ufeff")
        found = self.current.get(uri)
        if found is None or found.source.text != text:
            found = analyse(text, path_of(uri), self.types)
            self.current[uri] = found
            if found.plans or uri not in self.good:
                self.good[uri] = found
        return found

    def forget(self, uri: str) -> None:
        self.current.pop(uri, None)
        self.good.pop(uri, None)


def path_of(uri: str) -> str:
    """The path of a file URI; other URIs as they are."""
    parts = urlsplit(uri)
    return unquote(parts.path) if parts.scheme == "file" else uri


def offset_of(source: Source, position: lsp.Position) -> int:
    """A protocol position (line, UTF-16 units) as a character offset."""
    if position.line >= len(source.line_starts):
        return len(source.text)
    start = source.line_starts[position.line]
    line = source.line(position.line + 1)
    units = line.encode("utf-16-le", errors="surrogatepass")[: 2 * position.character]
    return start + len(units.decode("utf-16-le", errors="ignore"))


def range_of(span: Span) -> lsp.Range:
    """A span as a protocol range."""
    return lsp.Range(_position(span.source, span.start), _position(span.source, span.end))


def _position(source: Source, offset: int) -> lsp.Position:
    line, column = source.position(offset)
    before = source.text[offset - column + 1 : offset]
    return lsp.Position(line - 1, len(before.encode("utf-16-le", errors="surrogatepass")) // 2)


def diagnostic_of(found: Diagnostic, uri: str) -> lsp.Diagnostic:
    """A diagnostic; one whose place is in another file stands at the top of this one."""
    path, span = path_of(uri), found.span
    outer = span
    while outer is not None and outer.source.path != path:
        outer = outer.call
    nowhere = lsp.Range(lsp.Position(0, 0), lsp.Position(0, 0))
    parts = [found.message if outer is span or span is None else f"{span}: {found.message}"]
    parts += [f"note: {note.message}" for note in found.notes]
    parts += [f"help: {found.help}"] if found.help else []
    return lsp.Diagnostic(
        range=range_of(outer) if outer else nowhere,
        message="\n".join(parts),
        severity=SEVERITY[found.severity],
        code=str(found.code),
        source="netc",
        related_information=[
            lsp.DiagnosticRelatedInformation(
                lsp.Location(uri_of(note.span, path, uri), range_of(note.span)), note.message
            )
            for note in found.notes
            if note.span is not None
        ],
    )


def uri_of(span: Span, path: str, uri: str) -> str:
    """Where a span is: in the text of this URI, or in a file."""
    return uri if span.source.path == path else Path(span.source.path).resolve().as_uri()


def make_server(files: tuple[Path, ...] = ()) -> Server:
    """A server with all features; `files` are the user's own layer files."""
    server = Server(catalogue(files))
    _texts(server)
    _questions(server)
    _changes(server)
    return server


def _texts(server: Server) -> None:
    def publish(uri: str) -> None:
        found = server.look(uri)
        diagnostics = [diagnostic_of(d, uri) for d in found.diagnostics]
        server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, diagnostics))

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        publish(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        publish(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        server.forget(params.text_document.uri)
        server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(params.text_document.uri, []))


def _questions(server: Server) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hovered(params: lsp.HoverParams) -> lsp.Hover | None:
        found = server.look(params.text_document.uri)
        text = hover(found, offset_of(found.source, params.position))
        return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, text)) if text else None

    @server.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=['"', ":", " ", "(", "/"]))
    def completed(params: lsp.CompletionParams) -> lsp.CompletionList:
        uri = params.text_document.uri
        found = server.look(uri)
        proposals = completion.complete(found, server.good[uri], offset_of(found.source, params.position))
        return lsp.CompletionList(False, [_item(p) for p in proposals])

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def defined(params: lsp.DefinitionParams) -> lsp.Location | None:
        uri = params.text_document.uri
        found = server.look(uri)
        span = rename.definition(found, offset_of(found.source, params.position))
        if span is None:
            return None
        return lsp.Location(uri_of(span, found.source.path, uri), range_of(span))

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def outlined(params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        return [_symbol(s) for s in symbols.outline(server.look(params.text_document.uri))]


def _changes(server: Server) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_RENAME)
    def renamed(params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
        uri = params.text_document.uri
        found = server.look(uri)
        spans = rename.occurrences(found, offset_of(found.source, params.position))
        if not spans or not rename.possible(found, spans, params.new_name):
            return None
        edits = [lsp.TextEdit(range_of(span), params.new_name) for span in spans]
        return lsp.WorkspaceEdit(changes={uri: edits})

    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    def formatted(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit]:
        found = server.look(params.text_document.uri)
        try:
            after = language.format_text(found.source.text, found.source.path)
        except NetError:
            return []  # a text that cannot be parsed stays as it is; its diagnostics say why
        if after == found.source.text:
            return []
        return [lsp.TextEdit(range_of(Span(found.source, 0, len(found.source.text))), after)]


def _item(proposal: completion.Proposal) -> lsp.CompletionItem:
    return lsp.CompletionItem(
        label=proposal.label,
        kind=KINDS[proposal.kind],
        detail=proposal.detail or None,
        documentation=lsp.MarkupContent(lsp.MarkupKind.Markdown, proposal.doc) if proposal.doc else None,
        insert_text=proposal.insert,
        insert_text_format=lsp.InsertTextFormat.Snippet if "$0" in proposal.insert else lsp.InsertTextFormat.PlainText,
    )


def _symbol(symbol: symbols.Symbol) -> lsp.DocumentSymbol:
    return lsp.DocumentSymbol(
        name=symbol.name or "(no name)",
        kind=SYMBOLS[symbol.kind],
        range=range_of(symbol.span),
        selection_range=range_of(symbol.name_span),
        detail=symbol.detail or None,
        children=[_symbol(child) for child in symbol.children],
    )
