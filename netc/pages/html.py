"""A page as one file: its text, its styles, its scripts and its data, and a policy that lets nothing else in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from netc.api.metrics import finite
from netc.errors import visible
from netc.schema.names import json_in_utf8

_FOLDER = Path(__file__).parent
_ESCAPED = {ord(c): f"\\u{ord(c):04x}" for c in "&<\u2028\u2029"}
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src {}"


def page(
    title: str, body: str, data: object, *, scripts: Sequence[str], styles: Sequence[str], connect: str = "'none'"
) -> bytes:
    """The bytes of a page.

    body: HTML, with all that comes from files escaped. data: what scripts find as `DATA`; its texts are shown as text.
    scripts, styles: names of files of this package, in order. connect: where scripts may ask for more ("'self'").
    """
    css = "\n".join(_read(name) for name in styles)
    js = "\n".join(_read(name) for name in scripts)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY.format(connect)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(visible(title))}</title>",
        f"<style>\n{css}</style></head>",
        f"<body>{body}",
        f'<script type="application/json" id="data">{as_script(data)}</script>',
        f"<script>\n{js}</script></body></html>",
    ]
    return "\n".join(parts).encode("utf-8", "backslashreplace")


def as_script(data: object) -> str:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(json_in_utf8(finite(data)), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return (
        text.replace("&", "\\u0026").replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
