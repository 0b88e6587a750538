"""Where training starts from: the solver's own `weights`, unless others are asked for."""

from pathlib import Path

import pytest

import netc

DATA = 'layer { name: "x" type: "Input" top: "x" top: "t" input_param { shape { dim: 2 dim: 3 } } }'
RUN = "base_lr: 0.1 max_iter: 1 snapshot_after_train: false"


def net(**values: int) -> str:
    """A net with a layer of each name, whose weights are all the value."""
    filler = "inner_product_param {{ num_output: 3 weight_filler {{ value: {1} }} }}"
    layer = f'layer {{{{ name: "{{0}}" type: "InnerProduct" bottom: "x" top: "{{0}}" {filler} }}}}'
    loss = f'layer {{ name: "loss" type: "EuclideanLoss" bottom: "{min(values)}" bottom: "t" top: "loss" }}'
    return "\n".join([DATA, *(layer.format(name, value) for name, value in values.items()), loss])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A net with layers a and b, weights of a alone (1) and of b alone (2), and a solver that names both."""
    (tmp_path / "models").mkdir()
    (tmp_path / "net.prototxt").write_text(net(a=0, b=0))
    for name, value in (("a", 1), ("b", 2)):
        file = tmp_path / f"{name}.net"
        file.write_text(f'{net(**{name: value})} solver {{ {RUN} snapshot_prefix: "{tmp_path}/models/{name}" }}')
        netc.Solver(file).snapshot()
    weights = 'weights: "models/a_iter_0.caffemodel, models/b_iter_0.caffemodel"'
    (tmp_path / "solver.prototxt").write_text(f'net: "net.prototxt" {RUN} {weights}')
    return tmp_path


def first_weights(solver: netc.Solver) -> dict[str, float]:
    return {name: float(blobs[0].ravel()[0]) for name, blobs in solver.net.params.items()}


def test_the_solvers_own_weights_are_loaded(folder: Path) -> None:
    solver = netc.Solver(folder / "solver.prototxt")
    assert first_weights(solver) == {"a": 1, "b": 2}
    assert [path.name for path in solver.loaded] == ["a_iter_0.caffemodel", "b_iter_0.caffemodel"]


def test_weights_that_are_asked_for_replace_them(folder: Path) -> None:
    solver = netc.Solver(folder / "solver.prototxt", weights=[folder / "models/b_iter_0.caffemodel"])
    assert first_weights(solver) == {"a": 0, "b": 2}
    solver = netc.Solver(folder / "solver.prototxt", changes={"weights": ()})
    assert (first_weights(solver), solver.loaded) == ({"a": 0, "b": 0}, {})


def test_weights_that_are_not_there_are_named(folder: Path) -> None:
    (folder / "solver.prototxt").write_text(f'net: "net.prototxt" {RUN} weights: "models/c.caffemodel"')
    with pytest.raises(netc.NetError, match=r"models/c\.caffemodel"):
        netc.Solver(folder / "solver.prototxt")
