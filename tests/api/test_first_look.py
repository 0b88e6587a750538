"""What the first records of a run's data say: class by class, another number of classes, pixels as they are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc.api.first_look import first_look, one_class
from netc.api.session import Solver

NET = """
data, label = ImageFolder() {{ source: "photos" batch_size: 8 {fields} }}
{layers}
loss = SoftmaxWithLoss(score, label)
solver {{ base_lr: 0.001 max_iter: 2 random_seed: 1 }}
"""
SCORE = 'score = InnerProduct(data) {{ num_output: {} weight_filler {{ type: "xavier" }} }}'
SCALED = "transform_param { mean_value: 118 scale: 0.02 }"


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name in ("cat", "dog", "owl"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(random.integers(0, 256, (6, 6, 3), np.uint8)).save(tmp_path / "photos" / name / f"{i}.png")


def solver(fields: str, layers: str = SCORE.format(3), **options: object) -> Solver:
    Path("a.net").write_text(NET.format(fields=fields, layers=layers))
    return Solver("a.net", **options)  # type: ignore[arg-type]


def codes(made: Solver) -> list[str]:
    return [d.code.id for d in first_look(made.net)]


def test_a_net_with_nothing_wrong_is_told_nothing() -> None:
    assert codes(solver(f"shuffle: true {SCALED}")) == []


def test_classes_one_after_the_other() -> None:
    made = solver(f"{SCALED}")
    (found,) = first_look(made.net)
    assert found.code.id == "RUN047"
    assert found.severity == "warning"
    assert "come class by class (0 to 2)" in found.message or "are all of class" in found.message
    assert "shuffle: true" in str(found.help)


def test_one_class_only() -> None:
    for name in ("dog", "owl"):
        for path in list(Path("photos", name).iterdir())[1:]:
            path.rename(path.with_suffix(".txt"))
    for i in range(70):
        Image.new("RGB", (6, 6), (i, 2, 3)).save(f"photos/cat/more{i}.png")
    assert "the first 64 records are all of class 0" in first_look(solver(SCALED).net)[0].message


def test_a_batch_or_two_in_order_is_no_finding() -> None:
    for path in list(Path("photos").rglob("*.png"))[4:]:
        path.unlink()
    Path("a.net").write_text(NET.format(fields=f"{SCALED} shuffle: true", layers=SCORE.format(3)))
    assert codes(Solver("a.net")) == []


@pytest.mark.parametrize(("count", "wanted"), [(3, []), (2, ["RUN048"]), (1000, ["RUN048"])])
def test_the_number_of_classes(count: int, wanted: list[str]) -> None:
    found = first_look(solver(f"shuffle: true {SCALED}", SCORE.format(count)).net)
    assert [d.code.id for d in found] == wanted
    if found:
        assert f'tells {count} classes apart; the data of layer "data" has 3: cat, dog, owl' in found[0].message
        assert found[0].help == "num_output: 3 in the layer that makes its scores"


CONV = 'c = Convolution({}) {{ num_output: 2 kernel_size: 3 weight_filler {{ type: "msra" }} }}\n'
END = 'score = InnerProduct(c) { num_output: 3 weight_filler { type: "xavier" } }'


@pytest.mark.parametrize(
    ("fields", "layers", "wanted"),
    [
        ("", SCORE.format(3), ["RUN049"]),
        ("", CONV.format("data") + END, ["RUN049"]),
        ("", CONV.format("data") + "c = BatchNorm(c)\nc = Scale(c)\n" + END, []),
        ("", "d = Power(data) { scale: 0.01 }\n" + CONV.format("d") + END, []),
        ("transform_param { scale: 0.00390625 }", SCORE.format(3), []),
        ("transform_param { mean_value: 118 }", SCORE.format(3), []),
    ],
)
def test_pixels_as_they_are(fields: str, layers: str, wanted: list[str]) -> None:
    assert codes(solver(f"shuffle: true {fields}", layers)) == wanted


def test_a_look_changes_nothing() -> None:
    """The run that was looked at gives the same losses to the bit."""
    runs = []
    for look in (False, True):
        made = solver(f"shuffle: true {SCALED}")
        if look:
            first_look(made.net)
        made.solve()
        runs.append([made.net.params[name][0].tobytes() for name in made.net.params])
    assert runs[0] == runs[1]


def test_a_batch_of_one_class() -> None:
    assert one_class(solver(SCALED, overfit=4).net) == 0
    assert one_class(solver(f"{SCALED} shuffle: true", overfit=16).net) is None
