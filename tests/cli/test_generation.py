"""`netc predict` on nets that generate, `netc data vocab` and `netc data ngram`: what they print and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api.generation.test_generator import language_model, translator
from tests.docs.running import in_process


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A translator (a -> x, b -> y) that has learned its three lines by heart, in the working folder."""
    monkeypatch.chdir(tmp_path)
    text = translator(tmp_path)
    text = text.replace("num_output: 4 }", 'num_output: 4 weight_filler { type: "gaussian" std: 0.5 } }')
    text = text.replace("num_output: 6 }", 'num_output: 6 weight_filler { type: "uniform" min: -0.4 max: 0.4 } }')
    solver = 'solver { type: "Adam" base_lr: 0.03 max_iter: 150 random_seed: 1 snapshot_prefix: "t" }'
    (tmp_path / "t.net").write_text(f"{text}\n{solver}\n")
    code, said = in_process(["train", "t.net", "--metrics", "m.jsonl"])
    assert code == 0, said
    return tmp_path


def predicted(*options: str) -> list[str]:
    code, said = in_process(["predict", "t.net", "--weights", "t_iter_150.caffemodel", *options])
    assert code == 0, said
    return [line for line in said.splitlines() if "layers loaded" not in line]


def test_lines_are_translated_and_judged(trained: Path) -> None:
    assert predicted("--text", "a b", "--text", "b") == ["x y", "y"]
    assert predicted("p.txt") == ["x y", "y", "x x y", "3 of 3 texts are right; BLEU 1.0000"]
    (trained / "wrong.txt").write_text("x y\nx\ny y y\n")
    (trained / "given.txt").write_text("a b\nb\na a b\n")
    *texts, summary = predicted("given.txt", "--references", "wrong.txt")
    assert texts == ["x y", "y", "x x y"]
    assert summary.startswith("1 of 3 texts are right; BLEU ")
    assert summary.endswith("of 2 wrong ones the net finds the reference better 0 times (the search missed it), "
                            "its own text 2 times")  # fmt: skip


def test_json(trained: Path) -> None:
    *lines, summary = map(json.loads, predicted("p.txt", "--json", "--count", "2"))
    assert [line["texts"][0]["text"] for line in lines] == ["x y", "y", "x x y"]
    assert {len(line["texts"]) for line in lines} == {2}
    assert lines[0]["source"] == "p.txt:1"
    assert lines[0]["reference"] == "x y"
    assert lines[0]["texts"][0]["score"] >= lines[0]["texts"][1]["score"]
    assert summary == {"texts": 3, "right": 3, "bleu": 1.0, "search_errors": 0, "model_errors": 0}


def test_fields_of_the_block_are_set_like_all_fields(trained: Path) -> None:
    (line,) = map(json.loads, predicted("--text", "a a b", "--json", "--set", "generate.most=1"))
    assert line["texts"][0]["tokens"] == 1
    code, said = in_process(["predict", "t.net", "--weights", "t_iter_150.caffemodel", "--text", "a", "--set",
                             "generate.width=0"])  # fmt: skip
    assert code == 1
    assert "RUN111" in said


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--text", "a a a a a"], 1, "DAT022"),
        (["p.txt", "--references", "short.txt"], 1, "CLI020"),
        (["missing.txt"], 1, "DAT012"),
        ([], 2, "nothing to predict"),
    ],
)
def test_refusals(trained: Path, options: list[str], code: int, said: str) -> None:
    (trained / "short.txt").write_text("x\n")
    found, text = in_process(["predict", "t.net", "--weights", "t_iter_150.caffemodel", *options])
    assert (found, said in text) == (code, True), text


def test_a_net_that_does_not_generate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = language_model(tmp_path, "").replace("generate { from: prob into: x  }", "")
    (tmp_path / "a.net").write_text(text)
    code, said = in_process(["predict", "a.net", "--weights", "none.caffemodel", "--text", "ab"])
    assert code == 1
    assert "RUN110" in said or "SNP" in said


def test_check_says_what_is_wrong_with_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = language_model(tmp_path, "top_p: 2").replace("from: prob", 'from: "pr"')
    (tmp_path / "a.net").write_text(text)
    code, said = in_process(["check", "a.net"])
    assert code == 1
    assert "top_p: 2: it is above 0" in said
    assert 'from: "pr" is not a blob of the net that predicts' in said


def test_expand_leaves_the_block_out_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.net").write_text(language_model(tmp_path, "most: 3"))
    code, said = in_process(["expand", "a.net"])
    assert code == 0
    assert "warning[CLI017]: `generate` is left out: Caffe has nothing for it" in said
    assert "\ngenerate {" not in said


def test_vocab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("the cat the\tx y\nThe dog\tx\n")
    code, said = in_process(["data", "vocab", "a.txt", "a.vocab", "--unit", "WORD", "--column", "0", "--size", "6"])
    assert code == 0
    assert "6 tokens" in said
    assert (tmp_path / "a.vocab").read_text() == "<pad>\t0\n<unk>\t2\n<s>\t0\n</s>\t0\nthe\t2\nThe\t1\n"
    code, said = in_process(["data", "vocab", "a.txt", "-", "--unit", "WORD", "--column", "2"])
    assert (code, "DAT022" in said, "none of the number 2" in said) == (1, True, True)


def test_ngram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("ab\n" * 50)
    (tmp_path / "b.txt").write_text("ab\nab\n")
    for options in (["a.txt"], ["a.txt", "b.txt"], ["a.txt", "--count", "10"]):
        code, said = in_process(["data", "ngram", *options, "--order", "2", "--json"])
        assert code == 0, said
        found = json.loads(said)
        assert found["perplexity"]["2"] < 1.1 < found["perplexity"]["1"] < 4
    code, said = in_process(["data", "ngram", "b.txt", "--count", "2"])
    assert (code, "DAT022" in said) == (1, True)
