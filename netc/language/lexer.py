"""The terminals: one compiled regular expression, and the names of what it finds.

Every match is blanks and comments followed by exactly one terminal, whose group number is the terminal's number.
What no terminal fits is matched by one of the faulty kinds, so that the scan never stops before the end.
"""

from __future__ import annotations

import re

END = "END"
BAD_NUMBER, OPEN_STRING, BAD_CHARACTER = "BAD_NUMBER", "OPEN_STRING", "BAD_CHARACTER"

_NUMBER = (
    r"(?:0[xX][0-9a-fA-F]+"  # hexadecimal
    r"|0[0-7]+"  # octal
    r"|(?:(?:0|[1-9][0-9]*)(?:\.(?!\.)[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?)"  # decimal; `1..3` is 1, then ..
    r"(?![0-9A-Za-z_]|\.(?!\.))"
)
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("NAME", r"[A-Za-z_][A-Za-z0-9_]*"),
    ("COLON", r":"),
    ("STRING", r"\"[^\"\\\n]*+(?:\\[^\n][^\"\\\n]*+)*+\"|'[^'\\\n]*+(?:\\[^\n][^'\\\n]*+)*+'"),
    ("NUMBER", _NUMBER),
    ("LBRACE", r"\{"),
    ("RBRACE", r"\}"),
    ("LANGLE", r"<"),
    ("RANGLE", r">"),
    ("LSQUARE", r"\["),
    ("RSQUARE", r"\]"),
    ("COMMA", r","),
    ("SEMICOLON", r";"),
    ("MINUS", r"-"),
    ("EQUALS", r"="),
    (BAD_NUMBER, r"\.?[0-9](?:[eE][+-]|[0-9A-Za-z_.])*"),
    (OPEN_STRING, r"[\"'][^\n]*"),
    (END, r"\Z"),
    (BAD_CHARACTER, r"[^\n]"),
)

NAMES: tuple[str, ...] = ("", *(name for name, _ in _PATTERNS))
NUMBERS: dict[str, int] = {name: number for number, name in enumerate(NAMES)}
SCANNER = re.compile(r"(?:[ \t\r\n\v\f]++|\#[^\n]*+)*+(?:" + "|".join(f"({p})" for _, p in _PATTERNS) + ")")
