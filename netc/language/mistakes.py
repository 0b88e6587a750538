"""What a syntax mistake most likely was, how to say it, and how the parser may go on after it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from netc.errors import Note, Report, Source, Span
from netc.language import codes
from netc.language.builder import PHASES
from netc.language.lexer import BAD_CHARACTER, BAD_NUMBER, NAMES, OPEN_STRING
from netc.language.quotes import missing_quote
from netc.language.unclosed import never_closed

Action = Literal["insert", "as", "drop", "again", "split", "skip", "line"]


class Repair(NamedTuple):
    """insert a terminal before this one; take this one as another; drop it; begin a new entry with it, or with the name
    just before it; skip to where the next entry begins; or leave out the rest of the line."""

    action: Action
    terminal: str = ""


SKIP, DROP, AGAIN, SPLIT, LINE = Repair("skip"), Repair("drop"), Repair("again"), Repair("split"), Repair("line")

_STARTS = ("fields", "LBRACE", "")
_OF_FIELDS = ("COLON", "LSQUARE", "block", "body", "angle", "list", "empty", "values")
_OPENERS = ("LBRACE", "LANGLE", "LSQUARE")
_PLACEHOLDER = re.compile(r"\$\{?\w+\}?|\{\{[^}\n]*\}\}|\{%[^}\n]*%\}|@\w+@|%\(?\w+\)?s?|\$\(\w+\)")
_QUOTES = "\u201c\u201d\u2018\u2019`"
_SHOWN = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a string",
    "COLON": "`:`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LSQUARE": "`[`",
    "RSQUARE": "`]`",
    "LPAREN": "`(`",
    "RPAREN": "`)`",
    "COMMA": "`,`",
    "SEMICOLON": "`;`",
    "EQUALS": "`=`",
    "ARROW": "`->`",
    "IN": "`in`",
    "AS": "`as`",
    "DOTDOT": "`..`",
}
MOST_SHOWN = 80
"""Characters of a longer name or number that a message shows."""
_ENTRY = re.compile(r"[ \t]*[:{<=]")
_OTHER_WORDS = {
    "elif": "write `else if`",
    "return": "an output is assigned, as any blob: `y = ReLU(x)`",
    "while": "layers are repeated with `for`: `for i in 1..3 { ... }`",
    "var": "a constant is declared with `let`",
    "const": "a constant is declared with `let`",
    "function": "a composite is declared with `def`",
    "include": "another file is brought in with `import`",
    "from": 'another file is brought in with `import "path.net"`',
}
_OTHER_OPERATORS = {"&&": "and", "||": "or", "!": "not", "^": "**"}
_DASHED = re.compile(r"(\w++(?:-[A-Za-z]\w*+)++)[ \t]*[:{=]")
_TUPLE = re.compile(r"\(([\w., \t]*)\)")
_JSON = re.compile(r"\{\s*(?:\"|\})")
_WORD = re.compile(r"[^\s{};,\"'#]+")


@dataclass(frozen=True)
class Mistake:
    """A terminal for which the tables have no action: the stacks before it and where it stands."""

    source: Source
    symbols: list[str]
    values: list[Any]
    match: re.Match[str]
    kind: int
    wanted: tuple[str, ...]

    @property
    def start(self) -> int:
        return self.match.start(self.kind)

    @property
    def span(self) -> Span:
        return Span(self.source, self.start, max(self.start + 1, self.match.end(self.kind)))

    @property
    def written(self) -> str:
        """What stands there, as a message shows it."""
        start, end = self.match.span(self.kind)
        shown = self.source.text[start : min(end, start + MOST_SHOWN)]
        return shown if end - start <= MOST_SHOWN else shown + "..."

    @property
    def opener(self) -> str:
        """The innermost bracket that is open: LBRACE, LANGLE, LSQUARE or nothing."""
        return self.symbols[at] if (at := self.opener_at) else ""

    @property
    def opener_at(self) -> int:
        """Where the innermost bracket stands in `symbols`, or 0."""
        return next((at for at in range(len(self.symbols) - 1, 0, -1) if _opens(self.symbols, at)), 0)

    @property
    def listed(self) -> bool:
        """Whether the innermost open bracket is a block that is an item of a list."""
        outer = next((at for at in range(self.opener_at - 1, 0, -1) if _opens(self.symbols, at)), 0)
        return self.opener == "LBRACE" and self.symbols[outer] == "LSQUARE"

    @property
    def behind_comma(self) -> bool:
        return self.source.text[: self.start].rstrip().endswith(",")

    @cached_property
    def entry(self) -> int:
        """Where in `symbols` the entry that is being read begins."""
        at = len(self.symbols) - 1
        while at > 0 and self.symbols[at] not in _STARTS:
            at -= 1
        return at + 1

    @property
    def context(self) -> Literal["name", "value", "after", "item", "statement"]:
        """What was just read: a field's name, its colon, its whole value, a whole entry, or a part of a statement."""
        read = self.symbols[self.entry :]
        if not read or read[0] in ("field", "entry", "statement"):
            return "item"
        if read == ["NAME"]:
            return "name"
        if read[0] != "NAME" or read[1] not in _OF_FIELDS:
            return "statement"
        if read[-1] in ("COLON", "MINUS", "LSQUARE") or (read[-1] == "COMMA" and self.opener == "LSQUARE"):
            return "value"
        return "after"

    def name(self) -> tuple[str, Span] | None:
        """The name of the field that is being read."""
        if self.symbols[self.entry : self.entry + 1] != ["NAME"]:
            return None
        start, end = self.values[self.entry - 1]
        return self.source.text[start : min(end, start + MOST_SHOWN)], Span(self.source, start, end)

    def same_line(self) -> bool:
        """Whether this terminal stands on the line where the one before it ended."""
        if not self.values or not isinstance(self.values[-1], tuple):
            return True
        return "\n" not in self.source.text[self.values[-1][1] : self.start]


def _opens(symbols: list[str], at: int) -> bool:
    """Whether a symbol is an opening bracket, and not a comparison's `<`."""
    return symbols[at] in _OPENERS and not (symbols[at] == "LANGLE" and symbols[at - 1] == "sum")


def explain(mistake: Mistake, report: Report) -> Repair:
    """Report what is wrong at this terminal (not the end of the text) and say how to go on."""
    kind = NAMES[mistake.kind]
    if kind == "FLOOR":
        return _comment(mistake, report)
    if (repair := _placeholder(mistake, report) or _quote(mistake, report)) is not None:
        return repair
    if kind in (BAD_NUMBER, OPEN_STRING, BAD_CHARACTER):
        return _bad_terminal(mistake, kind, report)
    if kind in ("RBRACE", "RANGLE", "RSQUARE"):
        return _closer(mistake, kind, report)
    if kind == "LBRACE" and mistake.opener == "LSQUARE" and mistake.behind_comma and report.failed:
        return Repair("insert", "COMMA")  # behind an item that was not closed: its comma was taken for a field's
    match mistake.context:
        case "name":
            return _after_name(mistake, kind, report)
        case "value":
            return _no_value(mistake, report)
        case "after":
            return _after_value(mistake, kind, report)
        case "item":
            return _no_item(mistake, kind, report)
        case "statement":
            return _statement(mistake, kind, report)


def _comment(m: Mistake, report: Report) -> Repair:
    """`//` as in C: said once, and the rest of each such line is left out."""
    said = "`//` begins no comment"
    if all(found.message != said for found in report.diagnostics):
        report.error(codes.UNEXPECTED, said, m.span, help="comments begin with `#`, here and in other lines")
    return LINE


def _placeholder(m: Mistake, report: Report) -> Repair | None:
    text, start = m.source.text, m.start
    if NAMES[m.kind] == "LBRACE" and text[start - 1 : start] == "{":
        start -= 1
    elif NAMES[m.kind] not in (BAD_CHARACTER, "PERCENT"):
        return None
    found = _PLACEHOLDER.match(text, start)
    if found is None:
        return None
    span = Span(m.source, start, found.end())
    report.error(codes.PLACEHOLDER, f"`{found[0]}` is a template's placeholder", span, help="fill in its value first")
    return SKIP


def _bad_terminal(m: Mistake, kind: str, report: Report) -> Repair:
    if kind == BAD_NUMBER:
        why = "octal numbers have no 8 or 9" if re.fullmatch(r"0[0-9]+", m.written) else ""
        report.error(codes.BAD_NUMBER, f"`{m.written}` is not a number" + (f": {why}" if why else ""), m.span)
        return Repair("as", "NUMBER") if m.context == "value" else SKIP
    written = m.written
    if kind == OPEN_STRING:  # and its quotes do not tell more
        help = f"end it with {written[0]}"
        report.error(codes.OPEN_STRING, "this string is not closed on its line", m.span, help=help)
        return Repair("as", "STRING") if m.context == "value" else SKIP
    if written in _QUOTES:
        report.error(codes.BAD_CHARACTER, f"`{written}` is a typographic quote", m.span, help="""write " instead""")
        return SKIP
    if m.source.text.startswith(("//", "/*"), m.start):
        report.error(codes.BAD_CHARACTER, "comments begin with `#`", m.span)
        return SKIP
    if written.isspace() or not written.isprintable():
        name = f"U+{ord(written):04X}"
        report.error(codes.BAD_CHARACTER, f"the character {name} is neither a blank nor a letter here", m.span)
        return DROP
    if (tuple_ := _TUPLE.match(m.source.text, m.start)) and m.context == "value":
        span, hint = Span(m.source, m.start, tuple_.end()), f"write `[{tuple_[1]}]`"
        report.error(codes.BAD_CHARACTER, "several values stand in square brackets", span, help=hint)
        return SKIP
    for sign, instead in _OTHER_OPERATORS.items():
        if m.source.text.startswith(sign, m.start):
            report.error(codes.BAD_CHARACTER, f"`{sign}` has no meaning here", m.span, help=f"write `{instead}`")
            return SKIP
    word = _WORD.match(m.source.text, m.start)
    quoted = f'write a string in quotes: "{word[0]}"' if word and m.context == "value" else None
    report.error(codes.BAD_CHARACTER, f"`{written}` has no meaning here", m.span, help=quoted)
    return SKIP


def _quote(m: Mistake, report: Report) -> Repair | None:
    """A line with an odd number of quotes: whatever else seems wrong in it comes from that."""
    found = missing_quote(m.source, m.start)
    if found is None:
        return None
    span = found.span
    if found.missing == "open":
        word = m.source.text[span.start : span.end - 1]
        message, help = f"the quote before `{word}` is missing", f'write "{word}"'
    else:
        quote = m.source.text[span.start]
        message, help = "this string is not closed on its line", f"end it with {quote}"
    if any(each.span is not None and each.span.start == span.start for each in report.diagnostics):
        return DROP
    report.error(codes.OPEN_STRING, message, span, help=help)
    if NAMES[m.kind] != OPEN_STRING:
        return SKIP
    if found.missing == "open":
        return DROP
    return Repair("as", "STRING") if m.context == "value" else SKIP


def _closer(m: Mistake, kind: str, report: Report) -> Repair:
    if m.context in ("name", "value"):
        if m.opener == "LSQUARE":
            report.error(codes.MISSING_VALUE, "an item of the list is missing", m.span)
            return SKIP
        return _no_value(m, report)
    if not m.opener and _quote_hides_braces(report):
        return DROP
    if not m.opener:
        report.error(codes.STRAY_CLOSE, f"`{m.written}` closes no block", m.span)
        return DROP
    if kind == "RSQUARE" and m.listed:
        return _unclosed_item(m, report)
    wanted = {"LBRACE": "}", "LANGLE": ">", "LSQUARE": "]"}[m.opener]
    opened = Span(m.source, *m.values[m.opener_at - 1])
    report.error(
        codes.UNEXPECTED, f"`{wanted}` expected, not `{m.written}`", m.span, notes=[Note("opened here", opened)]
    )
    if kind == "RSQUARE":
        return DROP
    return SKIP if m.opener == "LSQUARE" else Repair("as", "RBRACE" if m.opener == "LBRACE" else "RANGLE")


def _unclosed_item(m: Mistake, report: Report) -> Repair:
    opened = Span(m.source, *m.values[m.opener_at - 1])
    report.error(codes.UNCLOSED, "this `{` is never closed", opened, notes=[Note("the next item begins here", m.span)])
    return Repair("insert", "RBRACE")


def _after_name(m: Mistake, kind: str, report: Report) -> Repair:
    name, span = m.name() or ("", m.span)
    if kind == "EQUALS":
        report.error(codes.EQUALS, f"`{name}` is given its value with `:`, not `=`", m.span)
        return Repair("as", "COLON")
    dashed = _DASHED.match(m.source.text, span.start) if kind == "MINUS" and m.start == span.end else None
    if dashed is not None:
        whole, hint = Span(m.source, span.start, dashed.end(1)), f"write `{dashed[1].replace('-', '_')}`"
        report.error(codes.UNEXPECTED, f"`{dashed[1]}` is not a name: `-` cannot stand in one", whole, help=hint)
        return SKIP
    if kind == "NAME" and name in PHASES and m.written in PHASES:
        report.error(codes.UNEXPECTED, f"a comma is missing before `{m.written}`", m.span)
        return Repair("insert", "COMMA")
    if kind in ("NUMBER", "STRING", "NAME") and name in _OTHER_WORDS and m.same_line():
        report.error(codes.UNEXPECTED, f"`{name}` means nothing here", span, help=_OTHER_WORDS[name])
        return SKIP
    entry = kind == "NAME" and _ENTRY.match(m.source.text, m.match.end(m.kind)) is not None
    if entry and not m.same_line() and not _deeper(m.source, m.start, span.start):
        return _no_value(m, report, AGAIN)
    if entry:
        report.error(codes.MISSING_BRACE, f"`{{` is missing after `{name}`", span)
        return Repair("insert", "LBRACE")
    if kind == "NAME" and name in PHASES:
        report.error(codes.MISSING_BRACE, f"`{{` is missing after `{name}`", span)
        return Repair("insert", "LBRACE")
    if kind in ("NUMBER", "STRING", "MINUS", "NAME") and m.same_line():
        report.error(codes.MISSING_COLON, f"a colon is missing between `{name}` and `{m.written}`", m.span)
        return Repair("insert", "COLON")
    return _no_value(m, report)


def _no_value(m: Mistake, report: Report, repair: Repair = SKIP) -> Repair:
    name, span = m.name() or ("the field", m.span)
    path = _WORD.match(m.source.text, m.start) if NAMES[m.kind] in ("SLASH", "FLOOR") else None
    if path is not None and m.same_line():
        hint = f'write a string in quotes: "{path[0]}"'
        report.error(codes.UNEXPECTED, f"a value of `{name}` cannot begin with `{m.written}`", m.span, help=hint)
        return repair
    if m.same_line() and NAMES[m.kind] not in ("RBRACE", "RANGLE", "RSQUARE", "COMMA", "SEMICOLON", "NAME", "END"):
        report.error(codes.UNEXPECTED, f"a value of `{name}` cannot begin with `{m.written}`", m.span)
    else:
        report.error(codes.MISSING_VALUE, f"`{name}` has no value", span)
    return repair


def _after_value(m: Mistake, kind: str, report: Report) -> Repair:
    name, _ = m.name() or ("the field", m.span)
    top = m.symbols[-1]
    if m.symbols[-3:] == ["NAME", "COLON", "NAME"] and kind in ("COLON", "LBRACE", "LANGLE", "EQUALS"):
        (start, _), (_, colon) = m.values[-1], m.values[-2]
        if "\n" in m.source.text[colon:start]:
            outer = m.values[-3]
            report.error(codes.MISSING_VALUE, f"`{name}` has no value", Span(m.source, *outer))
            return SPLIT
    if m.opener == "LSQUARE" and m.symbols[-1] != "RSQUARE" and kind in ("NUMBER", "NAME", "MINUS", "LBRACE", "STRING"):
        report.error(codes.UNEXPECTED, f"a comma is missing before `{m.written}`", m.span)
        return Repair("insert", "COMMA")
    hint = None
    if top == "NAME" and kind == "MINUS":
        hint = "write a string in quotes"
    elif kind == "COMMA" and "LPAREN" in m.symbols[m.entry :]:
        hint = f"several values stand in square brackets: `{name}: [..., ...]`"
    elif kind in ("NUMBER", "MINUS") and top == "NUMBER":
        hint = f"repeat the field for each value, or write `{name}: [..., ...]`"
    report.error(codes.UNEXPECTED, f"`{m.written}` cannot follow the value of `{name}`", m.span, help=hint)
    return SKIP


def _no_item(m: Mistake, kind: str, report: Report) -> Repair:
    if kind in ("COMMA", "SEMICOLON"):
        report.error(codes.UNEXPECTED, f"`{m.written}` separates nothing here", m.span)
        return DROP
    if kind == "LSQUARE":
        report.error(codes.EXTENSION_NAME, "netc's messages have no extensions", m.span)
        return SKIP
    if kind == "LBRACE" and m.listed and m.behind_comma:
        return _unclosed_item(m, report)
    listed = m.behind_comma and kind in ("NUMBER", "STRING", "MINUS")
    help = "several values stand in brackets: `name: [..., ...]`" if listed else None
    if _JSON.match(m.source.text, m.start):
        help = 'this looks like JSON; a net is `name: "..." layer { ... } layer { ... }`'
    report.error(codes.UNEXPECTED, f"a field's name was expected, not `{m.written}`", m.span, help=help)
    return SKIP


def _statement(m: Mistake, kind: str, report: Report) -> Repair:
    read = m.symbols[m.entry :]
    if read == ["target", "EQUALS"] and kind in ("NUMBER", "STRING", "MINUS", "LSQUARE", "LBRACE", "LPAREN"):
        start, end = m.values[m.entry - 1].name.span.start, m.values[m.entry - 1].name.span.end
        name, equals = m.source.text[start:end], Span(m.source, *m.values[m.entry])
        hint = f"write `{name}: ...`; a constant is declared with `let {name} = ...`"
        report.error(codes.EQUALS, f"`{name}` is given its value with `:`, not `=`", equals, help=hint)
        return SKIP
    if "LBRACE" in m.wanted and "NUMBER" not in m.wanted and not m.same_line() and isinstance(m.values[-1], tuple):
        before = Span(m.source, *m.values[-1])
        written = m.source.text[before.start : before.end]
        report.error(codes.MISSING_BRACE, f"`{{` is missing after `{written}`", before)
        return Repair("insert", "LBRACE")
    wanted = [_SHOWN.get(terminal, terminal.lower()) for terminal in m.wanted if terminal != "END"]
    shown = " or ".join(wanted) if len(wanted) <= 4 else ""
    expected = _instead(m, kind, read) or (f"expected {shown}" if shown else None)
    report.error(codes.UNEXPECTED, f"`{m.written}` does not fit here", m.span, help=expected)
    return SKIP


def _instead(m: Mistake, kind: str, read: list[str]) -> str | None:
    """What to write where people write as in other languages."""
    if "LPAREN" in read and "RPAREN" not in read and "DEF" not in read:
        if kind == "LPAREN" and m.symbols[-1] == "NAME":
            return "a layer's input has a name: assign the inner layer to one first"
        if kind in ("EQUALS", "COLON", "NUMBER"):
            return "between the parentheses stand blobs; fields follow in braces: `{ name: ... }`"
    if kind == "EQUALS" and read[:1] == ["IF"]:
        return "two values are compared with `==`"
    if kind == "NAME" and read == ["IMPORT"] and (path := _WORD.match(m.source.text, m.start)):
        if "." not in path[0] and "/" not in path[0]:
            return 'a net file is no Python program: take this out (`import "blocks.net"` brings in another net file)'
        return f'put it in quotes: "{path[0]}"'
    return None


def explain_end(mistake: Mistake, report: Report) -> None:
    """Report what the end of the text leaves open: a field without its value, and the brackets never closed."""
    source, symbols, values = mistake.source, mistake.symbols, mistake.values
    end = max(0, len(source.text) - 1)
    before = len(report.diagnostics)
    if mistake.context in ("name", "value") and (found := mistake.name()):
        report.error(codes.MISSING_VALUE, f"`{found[0]}` has no value", found[1])
    if _quote_hides_braces(report):
        return
    open_at = [values[i - 1][0] for i in range(1, len(symbols)) if _opens(symbols, i)]
    open_at = [at for at in open_at if source.text[at] in "{<["]
    if not open_at:
        if len(report.diagnostics) == before:
            part = mistake.start < len(source.text)
            what, at = ("expression", mistake.start) if part else ("statement", end)
            report.error(codes.UNEXPECTED, f"the {what} ends too early", Span(source, at, at + 1))
        return
    likely = never_closed(source, open_at)
    notes = [Note("the text ends here", Span(source, end, len(source.text)))]
    for at in likely or open_at[-1:]:
        span = Span(source, at, at + 1)
        report.error(codes.UNCLOSED, f"this `{source.text[at]}` is never closed", span, notes=notes)


def _deeper(source: Source, at: int, than: int) -> bool:
    """Whether the line of `at` is indented further than the line of `than`."""
    text = source.text
    line = text.rfind("\n", 0, than) + 1
    outer = len(text[line:than]) - len(text[line:than].lstrip())
    line = text.rfind("\n", 0, at) + 1
    return not text[line:at].strip() and at - line > outer


def _quote_hides_braces(report: Report) -> bool:
    """Whether a string without its end holds the rest of a line with braces: they need not be missed."""
    strings = (d.span for d in report.diagnostics if d.code is codes.OPEN_STRING and d.span is not None)
    return any(set("{}") & set(s.source.line(s.line)[s.column - 1 :]) for s in strings)
