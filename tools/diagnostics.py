"""Writes docs/diagnostics/: a page for each diagnostic code, and a list of all, from what the codes themselves declare.

    python -m tools.diagnostics            write the pages
    python -m tools.diagnostics --check    say which page is not what the codes give (exit 1)

Where a code's example is a whole file, the page shows what `netc check` says of it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from netc.api.planning import check
from netc.errors import Code, Diagnostic, NetError
from netc.report.explain import all_codes, code_page

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "diagnostics"
STAGES = {
    "SYN": "The language: reading and expanding text",
    "SCH": "The schema: fields and values",
    "GRA": "The graph: layers and blobs",
    "LAY": "Layer types",
    "PLN": "The plan: shapes, parameters, gradients",
    "RUN": "Running a net",
    "SOL": "Solving",
    "DAT": "Data",
    "SNP": "Weights and snapshots",
    "CNV": "Converting",
    "CLI": "The command line",
}
ENDINGS = (".net", ".prototxt")
"""What an example is tried as: .net files may hold statements, .prototxt files must not."""
_COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )?(?:mpirun [^#]*)?netc |.*\b(?:net|caffe)\.\w+")


def is_command(example: str) -> bool:
    """Whether an example is a command or a line of Python, not the text of a file."""
    return _COMMAND.match(example) is not None


def found_in(code: Code) -> tuple[str, Diagnostic] | None:
    """The name of the file and the diagnostic, if `netc check` of the example as a whole file gives this code."""
    stem = "self" if '"self.net"' in code.example else "example"
    for name in [stem + ending for ending in ENDINGS] if code.example else ():
        for diagnostic in _check(code.example, name):
            if diagnostic.code is code:
                return name, diagnostic
    return None


def _check(text: str, name: str) -> Iterable[Diagnostic]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text + "\n", encoding="utf-8")
        try:
            return check(path)
        except NetError as error:
            return error.diagnostics


def page(code: Code) -> str:
    """The page of a code: that of `netc explain`, and what its example is."""
    text = code_page(code)
    if not code.example:
        return text
    found = found_in(code)
    if found is None:
        kind = "command or call" if is_command(code.example) else "part of a file, or of its surroundings"
        return text.replace("## Example\n", f"## Example\n\n(A {kind}.)\n", 1)
    said = _shown(*found)
    example, fix, rest = text.partition("\n## Fix\n")
    return f"{example.rstrip()}\n\n`netc check` says:\n\n{said}{fix}{rest}"


def _shown(name: str, diagnostic: Diagnostic) -> str:
    lines = diagnostic.render().splitlines()
    without = (re.sub(rf"[^\s(]*/{re.escape(name)}", name, line) for line in lines)
    return "\n".join(f"    {_cut(line)}".rstrip() for line in without) + "\n"


def _cut(line: str, width: int = 160) -> str:
    return line if len(line) <= width else line[: width - 4] + " ..."


def index(codes: Iterable[Code]) -> str:
    """The list of all codes by stage."""
    lines = [
        "# Diagnostics",
        "",
        "Everything that netc refuses or warns of has a code. `netc explain CODE` shows the page of a code; these are",
        "the same pages. They are made by `python -m tools.diagnostics` from the codes' declarations.",
        "",
        "How well the diagnostics find mistakes in published nets: [mutations.md](mutations.md). What the language",
        "does with arbitrary input: [robustness.md](robustness.md).",
    ]
    by_stage: dict[str, list[Code]] = {}
    for code in codes:
        by_stage.setdefault(code.id[:3], []).append(code)
    for stage in sorted(by_stage, key=[*STAGES, *by_stage].index):
        lines += ["", f"## {STAGES.get(stage, stage)}", "", "| code | what |", "|---|---|"]
        lines += [f"| [{code.id}]({code.id}.md) | {code.title} |" for code in by_stage[stage]]
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """Name and text of every file."""
    codes = all_codes()
    return {"README.md": index(codes.values()), **{f"{id}.md": page(code) for id, code in codes.items()}}


def outdated(made: dict[str, str]) -> list[str]:
    """The pages that differ from what is in the folder, and those in the folder that belong to no code."""
    known = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    gone = [name for name in known if re.fullmatch(r"[A-Z]{3}\d{3}\.md", name) and name not in made]
    return [name for name, text in made.items() if known.get(name) != text] + gone


def main() -> int:
    """Write the pages, or compare them."""
    made = pages()
    changed = outdated(made)
    if "--check" in sys.argv[1:]:
        print("\n".join(changed) or "all pages are up to date")
        return int(bool(changed))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in made:
            (FOLDER / name).write_text(made[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    print(f"{len(made)} pages, {len(changed)} of them changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
