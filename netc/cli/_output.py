"""The one place that prints: data on stdout, messages on stderr, colours only on a terminal.

Names come out of files that somebody else wrote, so nothing here takes them for markup, and what a terminal would act
on is shown as an escape. Content (the text of a net, say) goes out byte for byte, unless stdout is a terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markdown import Markdown
from rich.segment import Segment
from rich.text import Text

from netc.cli._streams import not_printed
from netc.errors import Diagnostic, NetError, visible
from netc.schema.names import json_in_utf8

COLOURS = {"error": "bold red", "warning": "bold yellow"}
_plain: dict[str, Any] = {"soft_wrap": True, "highlight": False, "markup": False, "emoji": False}


class Printer(Console):
    """A console whose text is shown as it is. Raises NetError(CLI004) where stdout cannot be written."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text, keep="\n"), segment.style)

    def print(self, *objects: Any, **options: Any) -> None:
        with _printing():
            super().print(*objects, **options)


def _width(stream: TextIO | None) -> int | None:
    """The terminal's, or $COLUMNS; else wide enough for all that is shown."""
    known = (stream and stream.isatty()) or os.environ.get("COLUMNS", "").isdecimal()
    return None if known else 200


out = Printer(width=_width(sys.stdout), **_plain)
err = Printer(stderr=True, width=_width(sys.stderr), **_plain)


@contextmanager
def _printing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise NetError(not_printed(error)) from None


def take_stdout() -> None:
    """From now on stdout is for the content of an output file (`-o -`); what is for people goes to stderr."""
    out.stderr = True


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
    line(json.dumps(json_in_utf8(value)))


def line(text: str) -> None:
    """A line of stdout, at once."""
    with _printing():
        out.file.write(visible(text) + "\n")
        out.file.flush()


def page(markdown: str) -> None:
    """A page: laid out on a terminal, else as it is."""
    if out.is_terminal:
        out.print(Markdown(markdown))
    else:
        content(markdown)


def content(data: str | bytes) -> None:
    """The content of a file on stdout: every byte of it, or what a terminal can show."""
    with _printing():
        if isinstance(data, str) and sys.stdout.isatty():
            sys.stdout.write(visible(data, keep="\n\t"))
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)
        sys.stdout.flush()


def quiet(still: bool = True) -> None:
    """Whether nothing is printed any more; content is, all the same."""
    out.quiet = err.quiet = still


def say(message: str, style: str = "") -> None:
    """A message for the person, on stderr."""
    err.print(message, style=style)
