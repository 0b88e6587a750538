"""What the tops of each form hold, against loops over the text itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from netc.data.text.corpus import Corpus
from netc.errors import NetError
from tests.data.text.common import TOPS, batch, layer, source, written

TEXT = "the cat sat on the mat\n\nthe dog\na\nthe cat and the dog sat\n"
PAIRS = "1 2 3\tone two three\n\n4\tfour\n5 6\tfive six\n"


def numbers(path: Path, fields: str = "unit: WORD") -> dict[str, int]:
    """The vocabulary that the file gives."""
    corpus = Corpus(layer(path, f"{fields} steps: 1 batch_size: 1"))
    return corpus.coder.vocabulary.numbers


# ---------------------------------------------------------------- LM


@pytest.mark.parametrize(("unit", "end"), [("CHAR", "\n"), ("WORD", "</s>")])
def test_running_text_in_streams(tmp_path: Path, unit: str, end: str) -> None:
    path = written(tmp_path, TEXT)
    known = numbers(path, f"unit: {unit}")
    tokens = [t for line in TEXT.splitlines() for t in [*(line if unit == "CHAR" else line.split()), end]]
    ids = [known[token] for token in tokens]
    streams, steps = 3, 4
    each = (len(ids) - 1) // streams
    found = source(path, f"unit: {unit} steps: {steps} batch_size: {streams}")
    place = 0
    for _ in range(3 * each // steps + 2):
        x, cont, wanted = batch(found)
        for step in range(steps):
            at = [stream * each + place for stream in range(streams)]
            assert x[step].tolist() == [ids[a] for a in at]
            assert wanted[step].tolist() == [ids[a + 1] for a in at]
            assert cont[step].tolist() == [float(place > 0)] * streams
            place = (place + 1) % each


def test_numbers_go_by_frequency_then_by_character(tmp_path: Path) -> None:
    found = numbers(written(tmp_path, "b a\nb c\n"))
    assert found == {"<pad>": 0, "<unk>": 1, "<s>": 2, "</s>": 3, "b": 4, "a": 5, "c": 6}


def test_lines_are_chosen_but_the_vocabulary_is_that_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "a\nb\nc\nd\n")
    x, _, wanted = batch(source(path, "unit: CHAR steps: 3 batch_size: 1 first: 1 count: 2"))
    known = numbers(path, "unit: CHAR")
    assert x[:, 0].tolist() == [known["b"], known["\n"], known["c"]]
    assert wanted[:, 0].tolist() == [known["\n"], known["c"], known["\n"]]


def test_another_number_of_streams(tmp_path: Path) -> None:
    """`--batch` and `--overfit-batch` plan the net for other sizes than the file says."""
    path = written(tmp_path, TEXT)
    found, other = (source(path, f"steps: 4 batch_size: {size}") for size in (3, 5))
    out = [np.empty((4, 5), np.float32) for _ in range(3)]
    found.next(out)
    assert [a.tolist() for a in out] == [a.tolist() for a in batch(other)]


# ---------------------------------------------------------------- two columns


def test_pairs(tmp_path: Path) -> None:
    path = written(tmp_path, PAIRS)
    found = source(path, "unit: WORD steps: 4 source_steps: 5 batch_size: 3", "PAIRS")
    given, mask, shown, wanted, cont = batch(found)
    assert cont.tolist() == [[0] * 3, *[[1] * 3] * 3]
    corpus = Corpus(layer(path, "unit: WORD steps: 4 batch_size: 3", "PAIRS"))
    left, right = (coder.vocabulary.tokens for coder in (corpus.coder, corpus.target_coder))
    rows = [[left[int(i)] for i in given[:, n]] for n in range(3)]
    assert rows[0] == ["<pad>", "<pad>", "1", "2", "3"]
    assert rows[1] == ["<pad>"] * 4 + ["4"]
    assert [[right[int(i)] for i in shown[:, n]] for n in range(3)] == [
        ["<s>", "one", "two", "three"],
        ["<s>", "four", "<pad>", "<pad>"],
        ["<s>", "five", "six", "<pad>"],
    ]
    assert [right[int(i)] for i in wanted[:, 0]] == ["one", "two", "three", "</s>"]
    assert [right[int(i)] for i in wanted[:, 1]] == ["four", "</s>", "<pad>", "<pad>"]
    np.testing.assert_array_equal(mask, given != 0)


def test_columns_of_different_units(tmp_path: Path) -> None:
    path = written(tmp_path, "12\tone two\n")
    given, _, _, wanted, _ = batch(source(path, "unit: CHAR target_unit: WORD steps: 3 batch_size: 1", "PAIRS"))
    assert (given[:, 0].tolist(), wanted[:, 0].tolist()) == ([0, 4, 5], [4, 5, 3])


def test_tags(tmp_path: Path) -> None:
    path = written(tmp_path, "the dog runs\tD N V\nrun\tV\n")
    words, mask, tags = batch(source(path, "unit: WORD steps: 4 batch_size: 2", "TAGS"))
    assert mask.T.tolist() == [[0, 1, 1, 1], [0, 0, 0, 1]]
    assert tags.T.tolist() == [[0, 5, 6, 4], [0, 0, 0, 4]]  # V is the most frequent tag
    assert (words.T == 0).tolist() == (mask.T == 0).tolist()


@pytest.mark.parametrize(
    ("lines", "listed", "wanted"),
    [
        ("ab\t2\nc\t0\n", None, [2, 0]),  # numbers stay what they are
        ("ab\tspam\nc\tham\n", None, [1, 0]),  # names in their order
        ("ab\tspam\nc\tham\n", "spam\nham\n", [0, 1]),
    ],
)
def test_labels(tmp_path: Path, lines: str, listed: str | None, wanted: list[float]) -> None:
    path = written(tmp_path, lines)
    classes = f'target_vocabulary: "{written(tmp_path, listed, "classes.txt")}"' if listed else ""
    tokens, label = batch(source(path, f"unit: CHAR steps: 3 batch_size: 2 {classes}", "LABELS"))
    assert tokens.tolist() == [[4, 5, 0], [6, 0, 0]]
    assert label.tolist() == wanted


# ---------------------------------------------------------------- neighbours


def lines_of(path: Path) -> list[list[int]]:
    known = numbers(path)
    return [[known[w] for w in line.split()] for line in TEXT.splitlines() if line]


@pytest.mark.parametrize("window", [1, 2, 9])
def test_each_word_with_each_neighbour(tmp_path: Path, window: int) -> None:
    path = written(tmp_path, TEXT)
    wanted = [
        (line[i], line[j])
        for line in lines_of(path)
        for i in range(len(line))
        for j in range(max(0, i - window), min(len(line), i + window + 1))
        if i != j
    ]
    word, near = batch(source(path, f"unit: WORD window: {window} batch_size: {len(wanted) + 2}", "SKIPGRAM"))
    assert list(zip(word.tolist(), near.tolist(), strict=True)) == [*wanted, *wanted[:2]]


@pytest.mark.parametrize("window", [1, 3])
def test_each_word_with_all_neighbours(tmp_path: Path, window: int) -> None:
    path = written(tmp_path, TEXT)
    wanted = [
        ([line[j] if 0 <= j < len(line) else 0 for j in range(i - window, i + window + 1) if j != i], line[i])
        for line in lines_of(path)
        for i in range(len(line))
        if len(line) > 1
    ]
    bag, word = batch(source(path, f"unit: WORD window: {window} batch_size: {len(wanted)}", "CBOW"))
    assert (bag.tolist(), word.tolist()) == ([b for b, _ in wanted], [w for _, w in wanted])


@pytest.mark.parametrize("window", [1, 4])
def test_how_often_words_stand_together(tmp_path: Path, window: int) -> None:
    path, wanted = written(tmp_path, TEXT), Counter[tuple[int, int]]()
    for line in lines_of(path):
        for i in range(len(line)):
            for j in range(len(line)):
                if 0 < abs(i - j) <= window:
                    wanted[line[i], line[j]] += 1 / abs(i - j)  # type: ignore[assignment]
    found = source(path, f"unit: WORD window: {window} batch_size: {len(wanted)}", "COOCCURRENCE")
    word, near, count = batch(found)
    assert list(zip(word.tolist(), near.tolist(), strict=True)) == sorted(wanted)
    np.testing.assert_allclose(count, [wanted[pair] for pair in sorted(wanted)], rtol=1e-6)


def test_frequent_words_are_thinned(tmp_path: Path) -> None:
    """A word of share f stays with probability sqrt(t / f); the same ones for every seed."""
    rng = np.random.default_rng(0)
    words = rng.choice(["common", "rare"], 20_000, p=[0.9, 0.1])
    path = written(tmp_path, "\n".join(" ".join(row) for row in words.reshape(-1, 20)))
    first, second = (source(path, "unit: WORD window: 1 batch_size: 8 subsample: 0.1", "CBOW", s) for s in (1, 2))
    kept = Counter(np.concatenate([batch(first)[1] for _ in range(first.order.count // 8)]).tolist())
    assert first.order.count == second.order.count
    assert kept[4] / (words == "common").sum() == pytest.approx((0.1 / 0.9) ** 0.5, abs=0.02)
    assert kept[5] / (words == "rare").sum() == pytest.approx(1, abs=0.02)


# ---------------------------------------------------------------- all of them

FIELDS = {
    "LM": "steps: 3 batch_size: 2",
    "PAIRS": "unit: WORD steps: 5 batch_size: 2 shuffle: true",
    "TAGS": "unit: WORD steps: 5 batch_size: 2 shuffle: true",
    "LABELS": "unit: WORD steps: 5 batch_size: 2 shuffle: true",
    "SKIPGRAM": "unit: WORD batch_size: 5 shuffle: true",
    "CBOW": "unit: WORD batch_size: 5 shuffle: true",
    "COOCCURRENCE": "unit: WORD batch_size: 5 shuffle: true",
}


def text_of(form: str, folder: Path) -> Path:
    tagged = "a b\tx y\nb c a\ty z x\nc\tz\na a\tx x\nb\ty\n"
    return written(folder, {"TAGS": tagged, "LABELS": tagged, "PAIRS": tagged}.get(form, TEXT))


@pytest.mark.parametrize("form", TOPS)
def test_goes_on_from_its_state(form: str, tmp_path: Path) -> None:
    path = text_of(form, tmp_path)
    found, other = (source(path, FIELDS[form], form, seed) for seed in (3, 4))
    for _ in range(7):
        batch(found)
    other.restore(found.state())
    for _ in range(9):
        for one, two in zip(batch(found), batch(other), strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("form", TOPS)
def test_other_text_is_noticed(form: str, tmp_path: Path) -> None:
    path = text_of(form, tmp_path)
    state = source(path, FIELDS[form], form).state()
    text = path.read_text()
    first, second = ("a", "c") if form in ("PAIRS", "TAGS", "LABELS") else ("cat", "dog")
    other = text.replace(first, "~").replace(second, first).replace("~", second)
    path.write_text(other)
    found = source(path, FIELDS[form], form)
    if found.order.count == state["count"]:
        with pytest.raises(NetError) as raised:
            found.restore(state)
        assert [d.code.id for d in raised.value.diagnostics] == ["DAT010"]


@pytest.mark.parametrize("form", [form for form in TOPS if form != "LM"])
def test_shuffled_epochs_hold_the_same_records(form: str, tmp_path: Path) -> None:
    path = text_of(form, tmp_path)
    found = source(path, FIELDS[form].replace("batch_size: 2", "batch_size: 5"), form)
    axis = found.records_in(found.shapes()[0])
    assert axis == 5
    count = found.order.count
    taken = found.order.take(2 * count).tolist()
    assert sorted(taken[:count]) == sorted(taken[count:]) == list(range(count))
    assert taken[:count] != taken[count:]


def test_classes_are_chosen(tmp_path: Path) -> None:
    path = written(tmp_path, "a\tx\nb\ty\nc\tx\nd\tz\ne\ty\n")
    fields = "unit: CHAR steps: 1 batch_size: 3 first: 1 classes: [0, 1] per_class: 1"
    found = source(path, fields.replace("batch_size: 3", "batch_size: 2"), "LABELS")
    tokens, label = batch(found)
    assert (found.order.count, tokens[:, 0].tolist(), label.tolist()) == (2, [5, 6], [1, 0])


def test_lines_that_are_not_there_cannot_be_chosen(tmp_path: Path) -> None:
    for fields in ("first: 9", "count: 9"):
        with pytest.raises(NetError) as raised:
            source(written(tmp_path, "ab\n" * 8), f"steps: 2 batch_size: 1 {fields}")
        assert [d.code.id for d in raised.value.diagnostics] == ["DAT030"]
