"""What is set from outside, instead of what a file says: `width=64`, `solver.base_lr=0.01`.

A constant that the file itself declares is replaced here, before statements are carried out. Fields are set in what
comes of the statements, by those who know the messages (`netc/api/settings.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netc.errors import Diagnostic, NetError, Report, Source, Span
from netc.language import codes
from netc.language.parser import Parser
from netc.language.strings import quote
from netc.language.tree import Block, Document, Let, Scalar, Setting, Text, Value

SHOWN = "--set"
"""The name under which diagnostics show what was set."""


def setting(text: str) -> Setting:
    """What `NAME=VALUE` says. VALUE is an expression, or a block of fields in braces; any other text is a string.

    Raises NetError(SYN047) for a text without a name or a value.
    """
    source = Source(SHOWN, text)
    name, equals, value = text.partition("=")
    if not equals or not all(name.strip().split(".")) or not value.strip():
        message = f"`{text}` does not say what to set: NAME=VALUE"
        raise NetError(Diagnostic(codes.NOT_A_SETTING, message, Span(source, 0, len(text))))
    start = len(name) + 1
    start += len(value) - len(value.lstrip())
    span = Span(source, start, start + len(value.strip()))
    report = Report()
    made = _parsed(source, span, report)
    first = len(name) - len(name.lstrip())
    named = Span(source, first, first + len(name.strip()))
    problems = tuple(report.diagnostics) if report.failed or made is None else ()
    return Setting(name.strip(), None if problems else made, value.strip(), named, span, problems)


def setting_of(name: str, value: object) -> Setting:
    """What a name is set to by a value of Python: a number, a boolean, a string, or a list of these.

    Raises NetError(SYN047) for any other value.
    """
    return setting(f"{name}={_written(name, value)}")


def _written(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return quote(value.replace("${", "$${"))
    if isinstance(value, list | tuple):
        return f"[{', '.join(_written(name, item) for item in value)}]"
    message = f"`{name}` cannot be set to {value!r}: a {type(value).__name__} is no value of a file"
    raise NetError(Diagnostic(codes.NOT_A_SETTING, message))


def _parsed(source: Source, span: Span, report: Report) -> Value | None:
    braces = source.text[span.start] == "{" and source.text[span.end - 1] == "}"
    if not braces:
        made: Value | None = Parser(source, report, "expression", span.start, span.end).run()
        return made
    document: Document | None = Parser(source, report, "program", span.start + 1, span.end - 1).run()
    return None if document is None else Block(document.block.items, span)


def with_settings(document: Document, settings: Iterable[Setting]) -> Document:
    """The file with its own constants replaced; what names none of these stays in `Document.settings`.

    Raises NetError with what is wrong with the values.
    """
    last = {s.name: s for s in settings}
    declared = {item.name.text: item for item in document.block.items if isinstance(item, Let)}
    lets = {name: value_for(s, is_string(declared[name].value)) for name, s in last.items() if name in declared}
    items = tuple(
        replace(item, value=lets[item.name.text]) if isinstance(item, Let) and item.name.text in lets else item
        for item in document.block.items
    )
    rest = tuple(s for name, s in last.items() if name not in lets)
    return replace(document, block=Block(items, document.block.span), settings=rest)


def value_for(setting: Setting, string: bool) -> Value:
    """The value to put in a place. string: the place holds a string, so quotes may be left out.

    Raises NetError with what is wrong with the text as an expression.
    """
    if setting.value is not None and is_string(setting.value):
        return setting.value
    if string:
        return Scalar("string", setting.text, setting.span)
    if setting.value is None:
        raise NetError(setting.problems)
    return setting.value


def is_string(value: Value) -> bool:
    """Whether a value is written as a string."""
    return isinstance(value, Text) or (isinstance(value, Scalar) and value.kind == "string")
