"""The digits source: what is in its splits, its order, wrap-around and state."""

import numpy as np
import pytest

from netc.data import has_source, open_source, probe
from netc.data.digits import split
from netc.data.order import Order, permutation
from netc.errors import NetError
from tests.layers.harness import layers_of


def record(fields: str, tops: str = 'top: "data" top: "label"') -> object:
    (layer,) = layers_of(f'layer {{ name: "d" type: "Digits" {tops} digits_param {{ {fields} }} }}')
    return layer


def batches(fields: str, count: int, seed: int = 1, size: int = 100) -> tuple[np.ndarray, np.ndarray]:
    source = open_source(record(f"batch_size: {size} {fields}"), "TRAIN", seed)
    images, labels = [], []
    for _ in range(count):
        out = [np.full(shape, np.nan, np.float32) for shape in source.shapes()]
        source.next(out)
        images.append(out[0])
        labels.append(out[1])
    return np.concatenate(images), np.concatenate(labels)


def test_the_splits_are_disjoint_and_cover_all() -> None:
    train, test, everything = split("train"), split("test"), split("all")
    assert [len(s[1]) for s in (train, test, everything)] == [1397, 400, 1797]
    np.testing.assert_array_equal(np.concatenate([test[0], train[0]]), everything[0])
    assert train[0].shape == (1397, 1, 8, 8)
    assert (train[0].min(), train[0].max()) == (0, 16)
    assert (np.bincount(test[1].astype(int)) > 25).all()


def test_the_test_split_never_changes() -> None:
    assert split("test")[1][:12].tolist() == [2, 4, 5, 4, 8, 2, 0, 6, 3, 3, 2, 6]


def test_batches_come_in_order_scaled_and_start_again() -> None:
    images, labels = batches('split: "test"', 5)
    np.testing.assert_array_equal(images[:400], split("test")[0] / 16)
    np.testing.assert_array_equal(labels[400:], labels[:100])
    images, _ = batches('split: "test" scale: 1', 1)
    np.testing.assert_array_equal(images, split("test")[0][:100])


def test_shuffled_epochs_have_all_records_in_another_order() -> None:
    _, labels = batches('split: "test" shuffle: true', 8)
    first, second = labels[:400], labels[400:]
    assert sorted(first) == sorted(second) == sorted(split("test")[1])
    assert (first != second).any()
    assert (batches('split: "test" shuffle: true', 4)[1] == first).all()
    assert (batches('split: "test" shuffle: true', 4, seed=2)[1] != first).any()


@pytest.mark.parametrize("shuffle", ["true", "false"])
def test_goes_on_from_its_state(shuffle: str) -> None:
    fields = f'split: "test" batch_size: 70 shuffle: {shuffle}'
    source = open_source(record(fields), "TRAIN", 3)
    out = [np.empty(shape, np.float32) for shape in source.shapes()]
    for _ in range(7):
        source.next(out)
    other = open_source(record(fields), "TRAIN", 3)
    other.restore(source.state())
    source.next(out)
    again = [np.empty_like(array) for array in out]
    other.next(again)
    np.testing.assert_array_equal(again[0], out[0])
    np.testing.assert_array_equal(again[1], out[1])


def test_the_first_axis_of_the_top_is_the_batch() -> None:
    source = open_source(record("batch_size: 64", 'top: "data"'), "TEST", 0)
    assert source.shapes() == ((64, 1, 8, 8),)
    out = np.empty((3, 1, 8, 8), np.float32)
    source.next([out])
    np.testing.assert_array_equal(out, split("train")[0][:3] / 16)


def test_a_batch_larger_than_the_data_walks_over_it_several_times() -> None:
    order = Order(3)
    assert order.take(7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert order.state() == {"epoch": 2, "position": 1, "seed": 0, "count": 3}


def test_probe_and_types_without_source() -> None:
    assert probe(record("batch_size: 5"), "TRAIN") == ((5, 1, 8, 8), (5,))
    assert has_source("Digits")
    assert not has_source("Input")
    (layer,) = layers_of('layer { name: "i" type: "Input" top: "x" input_param { shape { dim: 1 } } }')
    assert probe(layer, "TEST") is None
    with pytest.raises(NetError) as caught:
        open_source(layer, "TEST", 0)
    assert [d.code.id for d in caught.value.diagnostics] == ["DAT001"]
    assert str(caught.value.diagnostics[0].span) == "example.net:1:1"


def test_the_digits_are_those_of_scikit_learn() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn, which netc does not need, is not there")
    theirs = datasets.load_digits()
    order = permutation(1797, seed=0, stream=0)
    np.testing.assert_array_equal(split("all")[0].reshape(-1, 64), theirs.data[order])
    np.testing.assert_array_equal(split("all")[1], theirs.target[order])


def test_the_digits_are_in_the_file_that_netc_ships() -> None:
    """Their sums, so that an exchanged file is seen without scikit-learn, too."""
    images, labels = split("all")
    assert (images.sum(), labels.sum()) == (561718, 8070)
    assert (images[:, 0].reshape(1797, -1) * np.arange(64)).sum() % 9973 == 8443
