"""Gallery nets against the files that people published: the same layers under the same names.

What is compared was taken from the published files by tests/nets/views.py.
"""

from __future__ import annotations

import json

import pytest

from netc.api.planning import load, plan_state
from tests.nets.views import EXACT, HERE, NETS, SAME_LAYERS, Published, digest, file_name, rows


@pytest.mark.parametrize("published", EXACT, ids=lambda p: f"{p.net}-{p.state.phase}")
def test_every_field_is_that_of_the_published_file(published: Published) -> None:
    plan = plan_state(load(NETS / f"{published.net}.net"), published.state)
    assert rows(plan) == (HERE / "published" / file_name(published)).read_text().splitlines()


@pytest.mark.parametrize("published", SAME_LAYERS, ids=lambda p: f"{p.net}-{p.state.phase}")
def test_layers_are_those_of_the_published_file(published: Published) -> None:
    plan = plan_state(load(NETS / f"{published.net}.net"), published.state)
    expected = json.loads((HERE / "published" / "digests.json").read_text())
    assert digest(plan) == expected[f"{published.net} {' '.join([published.state.phase, *published.state.stages])}"]


@pytest.mark.parametrize(("files", "lines"), [(("resnet152", "blocks/resnet"), 60), (("googlenet",), 70)])
def test_rewritten_nets_are_short(files: tuple[str, ...], lines: int) -> None:
    assert sum((NETS / f"{name}.net").read_text().count("\n") for name in files) <= lines
