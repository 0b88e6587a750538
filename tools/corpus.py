"""Plan every net file of a corpus and compare with what BVLC Caffe says of it: `python tools/corpus.py DIR`.

DIR holds `files/` (net and solver files), `oracle.tsv` (per file and phase: Caffe's verdict and totals) and `oracle/`
(per file and phase: each layer's type, parameter values and top shapes). Where Caffe's run replaced data layers (their
data was not there), batches of 2 are planned here too. Exit code 1 if a net that Caffe builds plans differently or not
at all, or if anything but a diagnostic comes out of any file.
"""

from __future__ import annotations

import argparse
import csv
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from netc.api.planning import check, load, plan
from netc.errors import CODES, NetError
from netc.graph import State, included
from netc.layer import Phase, Shape, format_shape
from netc.plan.counts import count_layer, count_net
from netc.plan.model import Plan

GOOD = ("same", "planned", "diagnostic")
NO_SIZE = CODES["LAY010"]  # a data layer without data and without crop_size


@dataclass(frozen=True)
class Row:
    """One line of the table: what came out of a file in a phase, and why."""

    path: str
    phase: str
    oracle: str
    verdict: str
    why: str = ""


def rows(corpus: Path, only: str) -> Iterator[Row]:
    """The verdicts of all files whose path contains a string."""
    with (corpus / "oracle.tsv").open(encoding="utf-8") as lines:
        known = [r for r in csv.DictReader(lines, delimiter="\t") if only in r["path"]]
    for row in known:
        yield _against_oracle(corpus, row)
    seen = {row["path"] for row in known}
    for path in sorted((corpus / "files").rglob("*")):
        name = str(path.relative_to(corpus / "files"))
        if path.is_file() and only in name and name not in seen:
            yield _alone(path, name)


def _alone(path: Path, name: str) -> Row:
    try:
        check(path)
    except NetError as error:
        return Row(name, "", "", "diagnostic", _first(error))
    except Exception:
        return Row(name, "", "", "crash", traceback.format_exc(limit=-2))
    return Row(name, "", "", "planned")


def _against_oracle(corpus: Path, row: dict[str, str]) -> Row:
    name, phase, verdict = row["path"], row["phase"], row["verdict"]
    told = corpus / "oracle" / f"{name}.{phase}.txt"
    expected = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    try:
        planned = _plan(corpus / "files" / name, phase, row["swapped"] == "1", expected)
    except NetError as error:
        return Row(name, phase, verdict, "refused" if verdict == "ok" else "diagnostic", _first(error))
    except Exception:
        return Row(name, phase, verdict, "crash", traceback.format_exc(limit=-2))
    if verdict != "ok":
        return Row(name, phase, verdict, "planned")
    differences = _differences(planned, expected)
    return Row(name, phase, verdict, "different" if differences else "same", "; ".join(differences[:3]))


def _plan(path: Path, phase: str, swapped: bool, expected: list[str]) -> Plan:
    """The plan of a file; where netc asks for the size of the images, the size that Caffe's run was given."""
    in_phase: Phase = "TRAIN" if phase == "TRAIN" else "TEST"
    if not swapped:
        return plan(path, in_phase)
    try:
        return plan(path, in_phase, batch=2)
    except NetError as error:
        if any(d.severity == "error" and d.code is not NO_SIZE for d in error.diagnostics):
            raise
    return plan(path, in_phase, inputs=given_shapes(path, in_phase, expected))


def given_shapes(path: Path, phase: Phase, expected: list[str]) -> dict[str, Shape]:
    """The shapes that Caffe's run gave to data layers whose data was not there, by blob. expected: of the oracle."""
    dummies = {line[1]: line[4:] for line in (e.split("\t") for e in expected) if line[2:3] == ["DummyData"]}
    inputs: dict[str, Shape] = {}
    for layer in load(path).record.layer:
        if layer.name in dummies and included(layer, State(phase)):
            shapes = (tuple(map(int, shape.split("x"))) for shape in dummies[layer.name])
            inputs |= dict(zip(layer.top, shapes, strict=True))
    return inputs


def _first(error: NetError) -> str:
    errors = [d for d in error.diagnostics if d.severity == "error"]
    return f"{len(errors)}: {errors[0].code} {errors[0].message}"


def _differences(planned: Plan, expected: list[str]) -> list[str]:
    """Where a plan is not what the oracle's lines say."""
    layers = [line.split("\t")[1:] for line in expected if line.startswith("layer\t")]
    layers = [layer for layer in layers if layer[1] != "Split"]
    totals = dict(line.split(" ", 1) for line in expected if line.startswith(("macs_", "params_")))
    swapped = "swapped 1" in expected
    nodes = planned.graph.nodes
    found = []
    if len(layers) != len(nodes):
        found.append(f"{len(nodes)} layers, not {len(layers)}")
    for node, (name, kind, values, *shapes) in zip(nodes, layers, strict=False):
        tops = ["scalar" if not planned.shapes[v] else format_shape(planned.shapes[v]) for v in node.tops]
        ours = (node.name, node.type.name, count_layer(planned, node.index).blob_values, tops)
        theirs = (name, node.type.name if swapped and kind == "DummyData" else kind, int(values), shapes)
        if ours != theirs:
            found.append(f"{ours}, not {theirs}")
    for kind, values_of in (("input", planned.graph.inputs), ("output", planned.graph.outputs)):
        told = {tuple(line.split("\t")[1:]) for line in expected if line.startswith(f"{kind}\t")}
        ours_named = {(planned.graph.values[v].name, _caffes(planned.shapes[v])) for v in values_of}
        if ours_named != told:
            found.append(f"{kind}s {sorted(ours_named)}, not {sorted(told)}")
    total = count_net(planned)
    ours_total = {
        "params_total": total.blob_values,
        "params_learnable": total.blob_values,  # Caffe counts statistics here, too
        "macs_per_item": _macs_per_item(planned),
    }
    found += [f"{k} {v}, not {totals[k]}" for k, v in ours_total.items() if k in totals and int(totals[k]) != v]
    return found


def _caffes(shape: Shape) -> str:
    """A shape as Caffe writes it: `2 3 (6)`."""
    return "".join(f"{dim} " for dim in shape) + f"({prod(shape)})"


def _macs_per_item(planned: Plan) -> int:
    """Multiply-adds of one item of the batch, by each layer's own batch size."""
    return sum(
        layer.setup.macs // layer.setup.tops[0][0]
        for layer in planned.layers
        if layer.setup.tops and layer.setup.tops[0]
    )


def main() -> int:
    """Print the table and the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="the folder with files/, oracle/ and oracle.tsv")
    parser.add_argument("--only", default="", help="files whose path contains this")
    parser.add_argument("--all", action="store_true", help="print every row, not only what is wrong")
    options = parser.parse_args()
    table = list(rows(options.corpus, options.only))
    for row in table:
        if options.all or row.verdict not in GOOD:
            print("\t".join((row.verdict, row.oracle, row.phase, row.path, row.why)))
    counts = Counter((row.oracle or "not run", row.verdict) for row in table)
    print(f"\n{len({row.path for row in table})} files, {len(table)} nets")
    for (oracle, verdict), count in sorted(counts.items()):
        print(f"  Caffe: {oracle:<12} netc: {verdict:<12} {count:>5}")
    return int(any(row.verdict not in GOOD for row in table))


if __name__ == "__main__":
    sys.exit(main())
