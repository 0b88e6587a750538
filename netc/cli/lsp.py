"""`netc lsp`: the language server, for editors."""

from __future__ import annotations

from pathlib import Path

import click

from netc.cli._options import code_options
from netc.errors import Code, Diagnostic, NetError

NO_PYGLS = Code(
    "CLI003",
    "the language server's package is not installed",
    why="`netc lsp` speaks the Language Server Protocol through pygls, which is an extra.",
    example="netc lsp",
    fix="pip install 'netc[lsp]'",
)


@click.command("lsp")
@code_options
def command(layers: tuple[Path, ...]) -> None:
    """Speak the Language Server Protocol on stdin and stdout: diagnostics, hover, completion, definition, rename,
    outline, formatting. Editors start this; see tools/vscode.
    """
    try:
        from netc.lsp.server import make_server  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise NetError(Diagnostic(NO_PYGLS, f"{error.name} is not installed", help=NO_PYGLS.fix)) from error
    make_server(layers).start_io()
