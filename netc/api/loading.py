"""Weight files into nets: one after the other, by layer name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from netc import run, solve
from netc.api.definition import PathLike
from netc.errors import Code, Diagnostic, Report, suggest, warn
from netc.run.apart import apart, load_apart
from netc.schema.weights import Weights

UNKNOWN_NAME = Code(
    "SNP012",
    "the name map names a layer that is not there",
    why="`--map OLD=NEW` gives the weights of layer OLD of the file to layer NEW of the net. A mistyped name would "
    "silently leave the layer untrained.",
    example="netc train new.prototxt --weights old.caffemodel --map fc8=fc8_flicker",
    fix="Use names that `netc summary` shows for the net, and that the report of loaded weights shows for the file.",
)

UNTRAINED = Code(
    "SNP033",
    "layers that only tests have are not trained",
    why="A layer that is in the test net and not in the one that is trained (a classifier that judges generated "
    "images) never learns. No weight file gave it values, so it has those of its fillers, and what it says means "
    "nothing. This is a warning.",
    example="netc train gan.net  # with a classifier in test { }, and no weights for it",
    fix='Name the classifier\'s weights: `weights: "classifier.caffemodel"` in the solver, or --weights.',
)


def load_files(
    net: run.Net,
    files: Iterable[PathLike],
    *,
    reshape: bool = False,
    names: Mapping[str, str] | None = None,
    tests: Sequence[run.Net] = (),
) -> dict[Path, run.Loaded]:
    """Load weight files one after the other, by layer name; says what became of the layers of each.

    tests: nets that use the parameters of `net`, whose other layers take theirs from the files, too.
    """
    read = {path: solve.read_weights(path) for path in map(Path, files)}
    _check_names((net, *tests), {layer.name for weights in read.values() for layer in weights.layers}, names or {})
    loaded = {path: _load(net, tests, path, read[path], reshape, names) for path in read}
    warn((warning for found in loaded.values() for warning in found.warnings), stacklevel=2)
    return loaded


def _load(
    net: run.Net,
    tests: Sequence[run.Net],
    path: Path,
    weights: Weights,
    reshape: bool,
    names: Mapping[str, str] | None,
) -> run.Loaded:
    """Load a file into a net and its test nets; one for tests alone says nothing of what the net starts with."""
    options: dict[str, Any] = {"reshape": reshape, "names": names, "source": str(path)}
    rest, found = load_apart(tests, net, weights, **options)
    ours = {node.name for node in net.graph.nodes}
    if not found or any((names or {}).get(la.name, la.name) in ours for la in rest.layers if la.blobs):
        found = (run.load_weights(net, rest, **options), *found)
        return replace(_joined(found), fresh=found[0].fresh)
    return replace(_joined(found), fresh=(), ignored=tuple(la.name for la in rest.layers if la.blobs))


def untrained(net: run.Net, tests: Sequence[run.Net], loaded: Iterable[run.Loaded]) -> Iterator[Diagnostic]:
    """A warning (SNP033) that names the layers of test nets that learn nothing, and were in no file."""
    known = {name for found in loaded for name in found.loaded}
    fresh = [node for test, node in apart(tests, net) if node.name not in known]
    if fresh:
        names = ", ".join(node.name for node in fresh[:4]) + (f" and {len(fresh) - 4} more" if len(fresh) > 4 else "")
        message = f"only the test net has {names}, and no weight file: it judges by the values of its fillers"
        yield Diagnostic(UNTRAINED, message, fresh[0].record.span, help=UNTRAINED.fix, severity="warning")


def _joined(found: Sequence[run.Loaded]) -> run.Loaded:
    """What became of layers in several nets; those that the first one ignores."""
    return run.Loaded(
        loaded=tuple(name for part in found for name in part.loaded),
        ignored=found[0].ignored,
        mismatched=tuple(d for part in found for d in part.mismatched),
        warnings=tuple(d for part in found for d in part.warnings),
    )


def _check_names(nets: Iterable[run.Net], in_files: set[str], names: Mapping[str, str]) -> None:
    report = Report()
    in_net = {n.name for net in nets for n in net.graph.nodes if net.parameters.plan.layers[n.index].params}
    for old, new in names.items():
        for name, known, where in ((old, in_files, "no weight file has a"), (new, in_net, "the net has no")):
            if name not in known:
                close = suggest(name, known)
                help = f'did you mean "{close}"?' if close else None
                report.error(UNKNOWN_NAME, f'{old}={new}: {where} layer "{name}" with parameters', help=help)
    report.finish()
