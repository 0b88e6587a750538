"""Hooks of mkdocs (`make docs`): pages of the site that are made from the code, and the top level's own pages.

A page a layer type, and pages of what fields may name, the solver's fields and transformations: what `netc explain`
says. README, ARCHITECTURE, CONTRIBUTING and CHANGELOG become pages, their links into `docs/` links of the site.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import netc
from netc.api.choices import all_choices, described
from netc.api.definition import schema_of
from netc.catalogue import catalogue
from netc.report import explain, named

ROOT = Path(__file__).parent.parent
TOP = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}


def on_files(files: Files, config: Any) -> Files:
    """Add what is not in `docs/`."""
    for path, text in (*_top(), *_layers(), *_reference()):
        files.append(File.generated(config, path, content=text))
    return files


def _top() -> Iterator[tuple[str, str]]:
    for name, page in TOP.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        yield page, re.sub(r"\]\(docs/", "](", text)


def _layers() -> Iterator[tuple[str, str]]:
    types = catalogue()
    schema, rows = schema_of(types), ["# Layer types", "", "| type | |", "|---|---|"]
    for name, layer_type in sorted(types.types.items()):
        yield f"reference/layers/{name}.md", explain.type_page(layer_type, schema)
        rows.append(f"| [{name}](layers/{name}.md) | {_first_line(layer_type.doc)} |")
    yield "reference/layers.md", "\n".join(rows) + "\n"


def _reference() -> Iterator[tuple[str, str]]:
    schema = schema_of(catalogue())
    parts = ["# Fillers, policies and update rules"]
    for kind, choices in all_choices().items():
        parts += [
            f"## {kind[0].upper()}{kind[1:]}",
            *(_deeper(named.choice_page(one, schema)) for one in choices.values()),
        ]
    yield "reference/choices.md", "\n\n".join(parts)
    for page, message in (("solver", "SolverParameter"), ("transforms", "TransformationParameter")):
        yield f"reference/{page}.md", named.message_page(message, schema, described) or ""
    homes = (f"::: {netc._HOME.get(name, 'netc.api.planning')}.{name}" for name in netc.__all__)
    yield "reference/python.md", "\n\n".join(["# Python", "What `import netc` gives.", *homes])


def _deeper(page: str) -> str:
    """A page as a part of another one: its headings two levels deeper."""
    return re.sub(r"^(#+ )", r"##\1", page, flags=re.MULTILINE)


def _first_line(doc: str) -> str:
    return doc.strip().splitlines()[0].replace("|", "\\|")
