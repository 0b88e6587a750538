"""Each system of `nets/systems/`: checked, in canonical form, with a section of docs/systems.md, and it learns."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from netc.api.gradcheck import gradcheck
from netc.api.planning import check, load
from netc.api.session import Solver
from netc.language import format_text
from netc.solve.events import Events, Step
from tests.nets.views import NETS

FILES = sorted((NETS / "systems").glob("*.net"))
each_system = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
PAGE = (NETS.parent / "docs/systems.md").read_text(encoding="utf-8")


@each_system
def test_nothing_is_wrong_with_it(path: Path) -> None:
    assert check(path) == ()
    text = path.read_text(encoding="utf-8")
    assert format_text(text, str(path)) == text


def test_each_has_a_section() -> None:
    assert sorted(re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)) == [path.stem for path in FILES]


ITERATIONS = {
    "autoencoder": 40,
    "cbow": 150,
    "charlm": 30,
    "dates": 60,
    "dsd": 30,
    "faster_rcnn_digits": 60,
    "fcn": 60,
    "gan": 40,
    "glove": 250,
    "siamese": 30,
    "skipgram": 300,
    "ssd_digits": 20,
    "style": 40,
    "tagger": 40,
    "textcnn": 250,
    "transfer": 30,
    "translate": 60,
    "triplet": 90,
    "unet_digits": 20,
    "yolo_digits": 20,
    "whiten": 20,
}
"""Over the last third of which the loss is lower by a quarter than at the start, with the file's seed."""


FASTER = {"fcn": {"width": 8}, "siamese": {"rate": 0.005}, "triplet": {"rate": 0.02}}
"""Settings with which a few iterations show what a file learns slowly."""
SMALLER = {"fcn": {"width": 8, "hidden": 16}, "gan": {"batch": 2, "width": 4}}
"""Settings of the gradient check; a net's own noise has its own batch."""
BATCHES = {"faster_rcnn_digits": 1, "siamese": 4, "triplet": 12}
"""Of the gradient check, where two samples do not do: one image to propose regions of, digits of two classes."""


class Losses(Events):
    """The loss of each iteration."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def stepped(self, step: Step) -> None:
        self.found.append(step.loss)


@each_system
def test_it_learns(path: Path) -> None:
    events = Losses()
    changes = {"test_interval": 0, "test_iter": (), "snapshot": 0, "snapshot_after_train": False}
    solver = Solver(path, changes=changes, events=events, settings=FASTER.get(path.stem))
    iterations = ITERATIONS[path.stem]
    solver.step(iterations)
    last = events.found[-iterations // 3 :]  # many: batches of one image are worth 0.3 or 3, as it happens
    assert np.mean(last) < 0.75 * np.mean(events.found[:3])


@each_system
def test_its_gradients_are_the_derivatives(path: Path) -> None:
    """Every blob, at one of its values (`netc gradcheck` looks at more); none is left out because it is zero."""
    found = list(gradcheck(load(path, settings=SMALLER.get(path.stem)), batch=BATCHES.get(path.stem, 2), values=1))
    assert [c.blob for c in found if c.wrong(1e-4)] == []
    assert [c.blob for c in found if c.zero] == []
