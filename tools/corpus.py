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
from pathlib import Path

from netc.api.planning import check, plan
from netc.errors import NetError
from netc.layer import format_shape
from netc.plan.counts import count_layer, count_net
from netc.plan.model import Plan

GOOD = ("same", "planned", "diagnostic")


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
    batch = 2 if row["swapped"] == "1" else None
    try:
        planned = plan(corpus / "files" / name, "TRAIN" if phase == "TRAIN" else "TEST", batch=batch)
    except NetError as error:
        return Row(name, phase, verdict, "refused" if verdict == "ok" else "diagnostic", _first(error))
    except Exception:
        return Row(name, phase, verdict, "crash", traceback.format_exc(limit=-2))
    if verdict != "ok":
        return Row(name, phase, verdict, "planned")
    expected = (corpus / "oracle" / f"{name}.{phase}.txt").read_text(encoding="utf-8").splitlines()
    differences = _differences(planned, expected)
    return Row(name, phase, verdict, "different" if differences else "same", "; ".join(differences[:3]))


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
    total = count_net(planned)
    ours_total = {
        "params_total": total.blob_values,
        "params_learnable": total.blob_values,  # Caffe counts statistics here, too
        "macs_per_item": _macs_per_item(planned),
    }
    found += [f"{k} {v}, not {totals[k]}" for k, v in ours_total.items() if k in totals and int(totals[k]) != v]
    return found


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
