"""Convert every net of a corpus, run what was made beside netc, and say what became of it: a table of files.

    python -m tools.convert_corpus DIR [--to onnx] [--for TOOL] [--only PART] [--list] [--nets] [--unchecked]

DIR holds `files/` (net files), `oracle.tsv` and `oracle/` (per file and phase: what BVLC Caffe says of it); files that
Caffe builds in phase TEST are converted, as `netc convert` would, with made-up parameters, and compared layer by layer
on random inputs (`netc/convert/check.py`). --nets: the gallery, `nets/`, as well. --list: one line for each file, else
for those that are not as they should be. --for: of `--to caffe`, the tool that is to read the files. --unchecked: only
write. Exit code 1 if less than 97 in 100 convert and agree.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from netc.convert import files
from netc.convert.check import check, random_inputs
from netc.convert.made_up import parameters
from netc.convert.model import Model, Options
from netc.convert.predicting import build
from netc.errors import NetError
from tools.corpus import given_shapes

ENOUGH = 0.97
GALLERY = Path(__file__).parent.parent / "nets"
SMALLER = 2  # what batches are cut to


@dataclass(frozen=True)
class Row:
    """A file, its verdict ("same", "differs", "refused" or "broken"), and why, or how far the worst blob is off."""

    path: str
    verdict: str
    why: str = ""


def paths(corpus: Path | None, only: str, nets: bool) -> Iterator[tuple[str, Path]]:
    """The names and places of the files."""
    if corpus is not None:
        with (corpus / "oracle.tsv").open() as file:
            for line in csv.DictReader(file, delimiter="\t"):
                if line["phase"] == "TEST" and line["verdict"] == "ok" and only in line["path"]:
                    yield line["path"], corpus / "files" / line["path"]
    for path in sorted((*GALLERY.glob("*.net"), *GALLERY.glob("systems/*.net"))) if nets else ():
        if only in path.name:
            yield f"nets/{path.relative_to(GALLERY)}", path


def row(name: str, path: Path, ending: str, told: Path | None, profile: str = "", checked: bool = True) -> Row:
    """Convert a file and compare. told: what the oracle says of it."""
    try:
        model = files.read(path)
        options = replace(_options(model, told), profile=profile)
        it, _ = build(model, options)
        made = files.dump(Model(path, model.definition, parameters(it.plan)), ending, options)
        if not checked:
            return Row(name, "same", "not compared")
        if made.checkable is None:
            return Row(name, "broken", "there is nothing to run")
        found = check(made.checkable, random_inputs(made.checkable, 1))
    except NetError as error:
        return Row(name, "refused", "; ".join(dict.fromkeys(d.message for d in error.diagnostics)))
    except Exception as error:  # whatever a library says of what was made
        return Row(name, "broken", f"{type(error).__name__}: {error}".split("\n")[0][:300])
    if found.problem is not None:
        return Row(name, "differs", found.problem.message)
    if found.compared < found.computed:
        return Row(name, "same", f"{found.compared} of {found.computed} blobs compared")
    return Row(name, "same", f"{found.worst.error:.1e}" if found.worst else "")


def _options(model: Model, told: Path | None) -> Options:
    """A smaller batch, where the net allows one; the sizes that Caffe's run was given where the data is not there."""
    lines = told.read_text(encoding="utf-8").splitlines() if told is not None and told.exists() else []
    inputs = given_shapes(model.path, "TEST", lines)
    for options in (Options(batch=SMALLER), Options(), Options(inputs=inputs)):
        try:
            build(model, options)
        except NetError:
            continue
        return options
    return Options()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?")
    parser.add_argument("--to", default="onnx")
    parser.add_argument("--for", dest="profile", default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--unchecked", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--nets", action="store_true")
    arguments = parser.parse_args()
    found = []
    for name, path in paths(arguments.corpus, arguments.only, arguments.nets):
        start = time.monotonic()
        told = arguments.corpus / "oracle" / f"{name}.TEST.txt" if arguments.corpus else None
        found.append(row(name, path, f".{arguments.to}", told, arguments.profile, not arguments.unchecked))
        if arguments.list or found[-1].verdict != "same":
            seconds = time.monotonic() - start
            print(f"{found[-1].verdict:8} {name}  {found[-1].why}  ({seconds:.1f} s)", flush=True)
    good = sum(r.verdict == "same" for r in found)
    said = f"{arguments.to} for {arguments.profile}" if arguments.profile else arguments.to
    print(f"{good} of {len(found)} convert to {said}{'' if arguments.unchecked else ' and agree'}")
    return 0 if good >= ENOUGH * len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
