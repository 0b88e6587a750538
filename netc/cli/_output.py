"""What every command prints with: data on stdout, messages on stderr, colours only on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from netc.errors import Diagnostic

out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True, soft_wrap=True, highlight=False, width=None if sys.stderr.isatty() else 200)

COLOURS = {"error": "bold red", "warning": "bold yellow"}


def show(diagnostics: Iterable[Diagnostic]) -> None:
    """Print diagnostics to stderr, the severity in colour, one blank line between them."""
    for i, diagnostic in enumerate(diagnostics):
        if i:
            err.print()
        err.print(_coloured(diagnostic))


def _coloured(diagnostic: Diagnostic) -> Text:
    head, _, rest = diagnostic.render().partition("\n")
    severity = f"{diagnostic.severity}[{diagnostic.code}]:"
    place, found, message = head.partition(severity)
    text = Text(place)
    text.append(severity if found else "", COLOURS[diagnostic.severity])
    text.append(message)
    for line in rest.split("\n") if rest else []:
        style = "cyan" if line.lstrip(" |").startswith("^") or line.startswith("  help:") else ""
        text.append("\n" + line, style)
    return text


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def say(message: str, style: str = "") -> None:
    """A message for the person, on stderr."""
    err.print(escape(message), style=style)
