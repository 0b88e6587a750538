"""Turns, stages, searches, generation, texts and choosing records, as an editor meets them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lsp.client import Client
from tests.lsp.test_statements import Editor, position

NET = """let width = 8
train { data, label = Digits() { split: "train" batch_size: 8 first: 2 count: 100 classes: [1, 2] per_class: 2 } }
test { data, label = Digits() { split: "test" batch_size: 8 } }
deploy { data = Input() { shape { dim: [1, 1, 8, 8] } } }
h = InnerProduct(data) { num_output: width weight_filler { type: "xavier" } }
score = InnerProduct(h) { num_output: 10 weight_filler { type: "xavier" } }
loss = SoftmaxWithLoss(score, label)
test { accuracy = Accuracy(score, label) }
deploy { prob = Softmax(score) }
solver {
  base_lr: 0.1 lr_policy: "fixed" random_seed: 1 test_iter: 2 test_interval: 5
  stage { max_iter: 10 turn { learn: "h" loss: "loss" } turn { learn: "score" loss: "loss" steps: 2 } }
  stage { max_iter: 10 sparsity: 0.5 sparse: "h" early_stop { output: "accuracy" restore: true } }
}
search { base_lr: log(1e-3, 1e-1) width: [8, 16] solver { weight_decay: between(0.0, 0.1) } best: "accuracy" }
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client() as running:
        yield running


@pytest.fixture
def editor(client: Client, tmp_path: Path) -> Editor:
    return Editor(client, (tmp_path / "a.net").as_uri(), NET)


def completed(client: Client, editor: Editor, text: str) -> set[str]:
    params = {"textDocument": {"uri": editor.uri, "version": 2}, "contentChanges": [{"text": text}]}
    client.tell("textDocument/didChange", params)
    where = {"textDocument": {"uri": editor.uri}, "position": position(text, len(text))}
    return {item["label"] for item in client.ask("textDocument/completion", where)["items"]}


@pytest.mark.parametrize(
    ("typed", "some", "none"),
    [
        ("solver { turn { ", {"learn", "loss", "steps"}, {"base_lr", "sparsity"}),
        ('solver { turn { learn: "', {"h", "score"}, {"loss", "label"}),
        ('solver { turn { loss: "', {"loss", "score"}, set()),
        ("solver { stage { ", {"max_iter", "sparsity", "sparse", "turn", "early_stop"}, set()),
        ("solver { stage { early_stop { ", {"output", "patience", "restore"}, {"turn"}),
        ('solver { early_stop { output: "', {"accuracy", "loss"}, set()),
        ("search { ", {"trials", "best", "method", "width", "base_lr", "vary"}, {"stage", "weights", "turn"}),
        ("search { method: ", {"RANDOM", "GRID", "TPE"}, set()),
        ('search { best: "', {"accuracy"}, set()),
        ("search { base_lr { ", {"log", "between", "among"}, {"trials"}),
        ("search { solver { momentum { ", {"log", "between", "among"}, {"trials"}),
        ("deploy { generate { ", {"from", "into", "method", "temperature", "width"}, {"trials"}),
        ('deploy { generate { from: "', {"prob", "score"}, set()),
        ("deploy { generate { method: ", {"SAMPLE", "BEAM"}, set()),
        ("z = Text() { ", {"source", "unit", "form", "steps", "vocabulary", "window", "first", "count"}, set()),
        ("z = Text() { form: ", {"LM", "PAIRS", "SKIPGRAM", "CBOW", "COOCCURRENCE"}, set()),
        ("z = Text() { unit: ", {"CHAR", "WORD", "BPE"}, set()),
        ("z = Digits() { ", {"first", "count", "classes", "per_class", "together"}, set()),
        ("z = Whiten(h) { method: ", {"PCA", "ZCA", "STANDARDIZE"}, set()),
    ],
)
def test_completion(client: Client, editor: Editor, typed: str, some: set[str], none: set[str]) -> None:
    labels = completed(client, editor, NET + typed)
    assert some <= labels, some - labels
    assert not none & labels


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("turn {", "one turn after the other"),
        ("learn:", "shared parameters"),
        ("steps:", "Batches and updates of the turn"),
        ("stage {", "other for some iterations"),
        ("sparsity:", "Share of the weights that are zero"),
        ("early_stop {", "when a test output gets no better"),
        ("search {", "netc search"),
        ("base_lr: log", "Learning rate at the start"),
        ("width: [8", "let width = 8"),
        ("best:", "output of the tests"),
        ("first:", "Records from this one on"),
        ("per_class:", "class"),
    ],
)
def test_hover(editor: Editor, word: str, said: str) -> None:
    assert said in editor.hover(word)


@pytest.mark.parametrize(
    ("change", "code", "at"),
    [
        (('learn: "h"', 'learn: "hh"'), "PLN030", "hh"),
        (('loss: "loss" }', 'loss: "los" }'), "PLN030", "los"),
        (("sparsity: 0.5", "sparsity: 1.5"), "SOL012", "1.5"),
        (("sparse:", "spars:"), "SCH001", "spars"),
        (("restore:", "restor:"), "SCH001", "restor"),
        (('output: "accuracy"', 'output: "acc"'), "SOL014", "acc"),
        (("stage { max_iter: 10 sparsity", "stage { random_seed: 3 max_iter: 10 sparsity"), "SOL030", "3"),
        (("width: [8, 16] solver", "widht: [8, 16] solver"), "SYN051", "widht"),
        (("log(1e-3, 1e-1)", "log(1e-1, 1e-3)"), "SOL051", "base_lr"),
        (('best: "accuracy" }', 'best: "acc" }'), "SOL051", "acc"),
        (("per_class: 2", "per_clas: 2"), "SCH001", "per_clas"),
    ],
)
def test_diagnostics(client: Client, editor: Editor, change: tuple[str, str], code: str, at: str) -> None:
    assert change[0] in NET
    text = NET.replace(*change)
    client.notes.clear()
    params = {"textDocument": {"uri": editor.uri, "version": 2}, "contentChanges": [{"text": text}]}
    client.tell("textDocument/didChange", params)
    found = next(d for d in client.diagnostics() if d["code"] == code)
    start, end = found["range"]["start"], found["range"]["end"]
    line = text.splitlines()[start["line"]]
    assert at in line[start["character"] : end["character"] if end["line"] == start["line"] else None]


def test_nothing_is_wrong_with_it(editor: Editor) -> None:
    assert editor.diagnostics == []
