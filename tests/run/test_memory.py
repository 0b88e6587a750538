"""How large the arena of a lowered net is, next to what lives in it at once. Nothing is allocated here."""

from __future__ import annotations

from pathlib import Path

import pytest

from netc.api import planning
from netc.fast.precision import Precision
from netc.fast.program.lower import lower

ROOT = Path(__file__).parents[2]
TRAINED = [
    ("tools/bench/nets/caffenet.prototxt", 32),
    ("tools/bench/nets/cifar10_quick.prototxt", 100),
    ("nets/alexnet.net", 32),
    ("nets/googlenet.net", 16),
    ("nets/vgg16.net", 4),
    ("nets/resnet50.net", 8),
    ("nets/lenet.net", 64),
]


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("precision", ["fast", "exact"])
@pytest.mark.parametrize(("net", "batch"), TRAINED)
def test_training_needs_little_more_than_what_lives_at_once(
    net: str, batch: int, threads: int, precision: Precision
) -> None:
    """Blocked blobs, packed parameters and workspace counted."""
    program = lower(planning.plan(ROOT / net, "TRAIN", batch=batch), threads, precision)
    assert program.lower_bound_bytes <= program.planned_bytes <= 1.05 * program.lower_bound_bytes


@pytest.mark.parametrize("net", sorted(ROOT.glob("nets/*.net")), ids=lambda p: p.stem)
def test_so_does_every_net_of_the_gallery(net: Path) -> None:
    for phase, training in (("TRAIN", True), ("TEST", False)):
        program = lower(planning.plan(net, phase, training=training), 2)  # type: ignore[arg-type]
        assert program.planned_bytes <= 1.05 * program.lower_bound_bytes


def test_the_same_plan_gets_the_same_places() -> None:
    plan = planning.plan(ROOT / "nets/alexnet.net", "TRAIN", batch=8)
    first, second = ([(m.name, m.offset) for m in lower(plan, 2).memory] for _ in range(2))
    assert first == second
