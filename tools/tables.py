"""Has lark make the parser's tables of netc's grammar and keeps them: `python -m tools.tables`."""

from __future__ import annotations

import json

from netc.files import write_bytes
from netc.language.tables import HERE, make_tables


def text() -> str:
    """The content of tables.json: one rule or state a line."""
    parts = []
    for key, value in make_tables((HERE / "grammar.lark").read_text(encoding="utf-8")).items():
        if isinstance(value, list):
            parts.append(f'"{key}": [\n  ' + ",\n  ".join(json.dumps(row) for row in value) + "\n]")
        else:
            parts.append(f'"{key}": {json.dumps(value)}')
    return "{" + ",\n".join(parts) + "}\n"


if __name__ == "__main__":
    write_bytes(HERE / "tables.json", text().encode())
