"""Vectors by name: neighbours, files, maps; `netc embed` on tables of words and on blobs of images."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from netc.api.embedding import Vectors, named, svg, table_of
from netc.errors import NetError
from tests.docs.running import in_process

VECTORS = Vectors(
    ("up", "right", "upper", "down", "none"), np.array([[0, 1], [1, 0], [0.5, 3], [0, -2], [0, 0]], np.float32)
)


def test_neighbours_by_the_cosine() -> None:
    found = VECTORS.near("up")
    assert [name for name, _ in found] == ["upper", "right", "down"]
    assert [cosine for _, cosine in found] == pytest.approx([3 / np.sqrt(9.25), 0, -1])
    assert VECTORS.near("up", 1) == found[:1]


def test_equal_vectors_keep_their_order() -> None:
    same = Vectors(("a", "b", "c"), np.ones((3, 2), np.float32))
    assert [name for name, _ in same.near("b")] == ["a", "c"]


def test_the_format_of_word2vec() -> None:
    text = Vectors(("a", "two words", "\n"), np.array([[1, 0.5], [-2, 1e-7], [0, 3]], np.float32)).as_word2vec()
    assert text == "3 2\na 1 0.5\ntwo_words -2 1e-07\n_ 0 3\n"


def test_a_map_shows_every_name() -> None:
    picture = ET.fromstring(svg(["a<b", "x\x1b"], np.array([[0, 0], [3, 1.0]])))
    texts = [each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["a<b", "x\\x1b"]
    for circle in picture.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 <= float(circle.attrib["cx"]) <= 900
        assert 0 <= float(circle.attrib["cy"]) <= 900


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        (lambda: VECTORS.near("upp"), "RUN115", 'no vector is called "upp"'),
        (lambda: table_of({"e": [np.ones((2, 3))]}, "f", ()), "RUN114", 'no layer "f" has parameters'),
        (lambda: table_of({"e": [np.ones(3)]}, "e", ()), "RUN114", "no table"),
        (lambda: named(np.ones((2, 3)), ("a",)), "RUN115", "1 names for 2 vectors"),
    ],
)
def test_refusals(call, code: str, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NetError) as raised:
        call()
    (found,) = raised.value.diagnostics
    assert (found.code.id, said in found.message) == (code, True)


NET = """
let words = read("w.vocab")
word, near = Text() { source: "w.txt" form: SKIPGRAM unit: WORD vocabulary: "w.vocab" window: 1 batch_size: 8 }
let start = { type: "uniform" min: -1 max: 1 }
e = Embed(word) { input_dim: len(words) num_output: 4 bias_term: false weight_filler: start }
loss = NegativeSamplingLoss(e, near) { num_output: len(words) frequency: number(read("w.vocab", 1)) }
solver { type: "Adam" base_lr: 0.01 max_iter: 30 random_seed: 1 snapshot_prefix: "w" }
"""


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.txt").write_text("a x a y\nb x b y\na z\n" * 5)
    (tmp_path / "w.net").write_text(NET)
    for command in (["data", "vocab", "w.txt", "w.vocab", "--unit", "WORD"], ["train", "w.net"]):
        code, said = in_process(command)
        assert code == 0, said
    return tmp_path


def test_words(trained: Path) -> None:
    code, said = in_process(["embed", "w.net", "--table", "e", "--near", "a,x", "--count", "2", "--json"])
    assert code == 0, said
    found = json.loads(said.splitlines()[-1])
    assert (found["vectors"], found["size"]) == (9, 4)
    assert len(found["near"]["a"]) == len(found["near"]["x"]) == 2
    code, said = in_process(["embed", "w.net", "--table", "e", "--export", "w.vec"])
    assert code == 0, said
    lines = (trained / "w.vec").read_text().splitlines()
    assert lines[0] == "9 4"
    assert [line.split()[0] for line in lines[1:6]] == ["<pad>", "<unk>", "<s>", "</s>", "a"]
    rows = {line.split()[0]: np.array(line.split()[1:], float) for line in lines[1:]}
    cosine = rows["a"] @ rows["x"] / np.linalg.norm(rows["a"]) / np.linalg.norm(rows["x"])
    code, said = in_process(["embed", "w.net", "--table", "e", "--near", "a", "--json"])
    assert dict(json.loads(said.splitlines()[-1])["near"]["a"])["x"] == pytest.approx(cosine, abs=1e-5)


def test_a_map(trained: Path) -> None:
    pytest.importorskip("sklearn", reason="the extra embed is not installed")
    maps = []
    for name in ("one.svg", "two.svg"):
        code, said = in_process(["embed", "w.net", "--table", "e", "--tsne", name])
        assert code == 0, said
        maps.append((trained / name).read_text())
    assert maps[0] == maps[1]
    assert "&lt;unk&gt;" in maps[0]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 2, "give one of --table and --blob"),
        (["--table", "e", "--blob", "e"], 2, "give one of --table and --blob"),
        (["--blob", "e"], 2, "--blob needs images or arrays"),
        (["--table", "eh"], 1, "RUN114"),
        (["--table", "e", "--near", "q"], 1, "RUN115"),
        (["--table", "e", "--names", "w.txt"], 1, "DAT021"),
    ],
)
def test_options(trained: Path, options: list[str], code: int, said: str) -> None:
    found, text = in_process(["embed", "w.net", *options])
    assert (found, said in text) == (code, True), text


def test_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images that are most like one: here those of nearly the same pixels."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    base = rng.normal(size=(2, 1, 4, 4)).astype(np.float32)
    np.savez("x.npz", data=np.concatenate([base, base + 0.01, -base]))
    (tmp_path / "n.net").write_text(
        "data, label = Digits() { batch_size: 4 transform_param { crop_size: 4 } }\n"
        'f = InnerProduct(data) { num_output: 6 weight_filler { type: "xavier" } }\n'
        'score = InnerProduct(f) { num_output: 10 weight_filler { type: "xavier" } }\n'
        "loss = SoftmaxWithLoss(score, label)\n"
        'solver { base_lr: 0.001 lr_policy: "fixed" max_iter: 2 random_seed: 1 snapshot_prefix: "n" }\n'
    )
    code, said = in_process(["train", "n.net"])
    assert code == 0, said
    code, said = in_process(["embed", "n.net", "x.npz", "--blob", "f", "--near", "x.npz[0]", "--count", "1", "--json"])
    assert code == 0, said
    assert json.loads(said.splitlines()[-1])["near"]["x.npz[0]"][0][0] == "x.npz[2]"
