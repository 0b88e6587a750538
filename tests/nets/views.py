"""A net's graph as plain rows: what must be the same when a published file is rewritten with composites.

`python -m tests.nets.views CORPUS` writes the rows and digests of the published files that are kept beside the tests.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from netc.api.planning import load, plan_state
from netc.graph import State
from netc.plan.model import Plan
from netc.schema.record import Record

HERE = Path(__file__).parent
NETS = HERE.parent.parent / "nets"
DEPLOY = State("TEST", 0, ("deploy",))
TRAIN, TEST = State("TRAIN"), State("TEST")
_CONNECTIONS = ("name", "type", "bottom", "top", "include", "exclude", "phase")
_NEUTRAL = {"pad": ([0], 0), "stride": ([1], 1), "group": (1,)}  # written out or not, they mean the same


@dataclass(frozen=True)
class Published:
    """A gallery net in a state, and the published file (in a state) that has the same layers."""

    net: str
    state: State
    file: str
    file_state: State


EXACT = (
    Published("resnet152", TEST, "KaimingHe__deep-residual-networks/prototxt/ResNet-152-deploy.prototxt", TEST),
    Published("googlenet", TRAIN, "BVLC__caffe/models/bvlc_googlenet/train_val.prototxt", TRAIN),
    Published("googlenet", TEST, "BVLC__caffe/models/bvlc_googlenet/train_val.prototxt", TEST),
)
SAME_LAYERS = (
    Published("lenet", DEPLOY, "BVLC__caffe/examples/mnist/lenet.prototxt", TEST),
    Published("alexnet", TRAIN, "BVLC__caffe/models/bvlc_alexnet/train_val.prototxt", TRAIN),
    Published("alexnet", DEPLOY, "BVLC__caffe/models/bvlc_alexnet/deploy.prototxt", TEST),
    Published("resnet50", DEPLOY, "KaimingHe__deep-residual-networks/prototxt/ResNet-50-deploy.prototxt", TEST),
    Published("resnet101", DEPLOY, "KaimingHe__deep-residual-networks/prototxt/ResNet-101-deploy.prototxt", TEST),
    Published("mobilenet_v1", DEPLOY, "shicai__MobileNet-Caffe/mobilenet_deploy.prototxt", TEST),
    Published("mobilenet_v2", DEPLOY, "shicai__MobileNet-Caffe/mobilenet_v2_deploy.prototxt", TEST),
    Published("squeezenet", DEPLOY, "forresti__SqueezeNet/SqueezeNet_v1.1/deploy.prototxt", TEST),
)


def rows(plan: Plan) -> list[str]:
    """A line for each layer: name, type, bottoms, tops, shapes, blob values, and a hash of all other fields."""
    made = []
    for index, node in enumerate(plan.graph.nodes):
        values = plan.graph.values
        shapes = ["x".join(map(str, plan.shapes[v])) for v in node.tops]
        blobs = [str(prod(b.shape)) for b in plan.layers[index].setup.params]
        named = ([values[v].name for v in node.bottoms], [values[v].name for v in node.tops], shapes, blobs)
        fields = {k: v for k, v in _plain(node.record).items() if k not in _CONNECTIONS}
        made.append(" ".join([node.name, node.record.type, *(",".join(n) or "-" for n in named), _hash(fields)]))
    return made


def digest(plan: Plan) -> dict[str, Any]:
    """A hash over the layers that are not data: names, connections, shapes of one item, parameters, fields.

    Fields that only training reads (fillers, param) or that mean nothing to netc (engine) are left out; so is whether
    BatchNorm says `use_global_stats`, which all of them do in phase TEST.
    """
    values, made = plan.graph.values, []
    for index, node in enumerate(plan.graph.nodes):
        if node.type.source or node.record.type == "Input":
            continue
        named = [[values[v].name for v in group] for group in (node.bottoms, node.tops)]
        shapes = [list(plan.shapes[v][1:]) for v in node.tops]
        blobs = [list(b.shape) for b in plan.layers[index].setup.params]
        made.append([node.name, node.record.type, *named, shapes, blobs, _computing(node.record)])
    return {"layers": len(made), "sha256": _hash(made)}


def _computing(record: Record) -> dict[str, Any]:
    found = {}
    for name, message in _plain(record).items():
        if name.endswith("_param") and isinstance(message, dict):
            kept = {k: v for k, v in message.items() if k not in ("engine", "use_global_stats") and "filler" not in k}
            kept = {k: v for k, v in kept.items() if v not in _NEUTRAL.get(k, ())}
            if kept:
                found[name] = kept
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return {name: _plain(field) for name, field in value.values.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_name(published: Published) -> str:
    return f"{published.net}.{published.state.phase.lower()}.txt"


def main(corpus: Path) -> None:
    folder = HERE / "published"
    folder.mkdir(exist_ok=True)
    for exact in EXACT:
        plan = plan_state(load(corpus / exact.file), exact.file_state)
        (folder / file_name(exact)).write_text("\n".join(rows(plan)) + "\n")
    digests = {}
    for same in SAME_LAYERS:
        plan = plan_state(load(corpus / same.file), same.file_state)
        digests[f"{same.net} {' '.join([same.state.phase, *same.state.stages])}"] = digest(plan)
    (folder / "digests.json").write_text(json.dumps(digests, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
