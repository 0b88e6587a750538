"""`netc predict --draw`: pictures of what a net says, and texts as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netc
from netc.run import weights_of
from netc.schema.weights_write import dump_weights
from tests.cli.conftest import Run
from tests.cli.test_generation import in_process, language_model


def test_the_command_draws(run: Run, tmp_path: Path) -> None:
    """An image of a net that makes images from noise, and one that colours classes."""
    (tmp_path / "made.prototxt").write_text(
        'input: "z" input_shape { dim: 1 dim: 1 dim: 4 dim: 4 }\n'
        'layer { name: "s" type: "Sigmoid" bottom: "z" top: "s" }\n'
        'layer { name: "c" type: "Convolution" bottom: "s" top: "c" convolution_param { num_output: 3 kernel_size: 1'
        ' weight_filler { type: "xavier" } } }\n'
        'layer { name: "p" type: "Softmax" bottom: "c" top: "p" }\n'
    )
    net = netc.Net(tmp_path / "made.prototxt")
    Image.new("L", (4, 4), 120).save(tmp_path / "a.png")
    (tmp_path / "w.caffemodel").write_bytes(dump_weights("made", weights_of(net).layers))
    done = run("predict", "made.prototxt", "--weights", "w.caffemodel", "a.png", "--draw", "out")
    assert done.code == 0, done.err
    assert "drew out/a.p.png" in done.out
    with Image.open(tmp_path / "out/a.p.png") as image:
        assert image.size == (256, 256)
        pixels = np.asarray(image)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) <= 3


def test_the_command_draws_what_a_net_makes_of_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "g.net").write_text(
        "train { data = Input() { shape { dim: [2, 1, 4, 4] } } }\n"
        'deploy { z = DummyData() { shape { dim: [2, 1, 4, 4] } data_filler { type: "gaussian" } } }\n'
        'deploy { c = Convolution(z) { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }\n'
        "deploy { image = TanH(c) }\n"
    )
    net = netc.Net(tmp_path / "g.net", stages=["deploy"])
    (tmp_path / "w.caffemodel").write_bytes(dump_weights("made", weights_of(net).layers))
    done = run("predict", "g.net", "--weights", "w.caffemodel", "--count", "3", "--draw", "out")
    assert (done.code, done.out.count("drew")) == (0, 3), done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"sample_{n}.image.png" for n in (1, 2, 3)]
    refused = run("predict", "g.net", "--weights", "w.caffemodel", "a.png")
    assert (refused.code, "RUN057" in refused.err) == (1, True)


def test_texts_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.net").write_text(language_model(tmp_path, "most: 3") + "solver { base_lr: 0.1 max_iter: 1 }\n")
    (tmp_path / "lines").write_text("ab\nb\n")
    solver = netc.Solver("a.net", changes={"random_seed": 1})
    solver.solve()
    code, said = in_process(["predict", "a.net", "lines", "--text", "a", "--draw", "out", "--count", "2"])
    assert code == 0, said
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"{stem}_{n}.txt" for stem in ("text_1", "lines_1", "lines_2") for n in (1, 2)}
    assert (tmp_path / "out/lines_1_1.txt").read_text().startswith("ab")
