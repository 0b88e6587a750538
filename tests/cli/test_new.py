"""`netc new`: a net for a folder of photos, from the folder to predictions by name; nets of the gallery."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netc
from netc.api.gallery import gallery
from tests.cli.conftest import ROOT, Run

COLOURS = {"green": (40, 200, 60), "red": (210, 50, 40), "violet": (150, 40, 190)}


def photo(path: Path, colour: tuple[int, ...], seed: int, size: tuple[int, int] = (40, 50)) -> None:
    """A photo of a wall of this colour, more or less."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0, 25, (*size, len(colour)))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels if len(colour) > 1 else pixels[:, :, 0]).save(path)


def photos(folder: Path, count: int = 24, colours: dict[str, tuple[int, ...]] = COLOURS) -> Path:
    for name, colour in colours.items():
        for i in range(count):
            photo(folder / name / f"IMG {i}.png", colour, i, (40 + i % 3, 50))
    return folder


def test_from_photos_to_predictions_by_name(run: Run, tmp_path: Path) -> None:
    photos(tmp_path / "my walls")
    made = run("new", "walls.net", "--images", "my walls")
    assert made.code == 0
    assert "wrote walls.net: 3 classes, 57 photos to learn from, 15 to test on" in made.err
    assert "few photos to learn from in green (19), red (19), violet (19)" in made.err
    assert run("check", "walls.net").out == ""
    solver = netc.load(tmp_path / "walls.net").solver
    assert solver is not None
    assert solver.max_iter % solver.test_interval == 0  # the last iteration is tested
    trained = run("train", "walls.net", "--iterations", "30")
    assert trained.code == 0
    assert "warning" not in trained.err
    done = run("test", "walls.net", "--json", "--iterations", "1")
    assert "walls_iter_30.caffemodel" in done.err
    found = json.loads(done.out)
    assert found["classes"]["names"] == ["green", "red", "violet"]
    assert sum(found["classes"]["count"]) == 15
    assert found["accuracy"] > 0.9
    shown = run("test", "walls.net", "--iterations", "1").out
    assert re.search(r"violet .* 5 ", shown)
    (tmp_path / "elsewhere").mkdir()
    for name in ("walls.net", "walls_iter_30.caffemodel"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    photo(tmp_path / "new.png", COLOURS["violet"], 99)
    said = run("predict", "elsewhere/walls.net", "new.png", "--top", "1").out.splitlines()
    assert said[1].split()[1:] == ["2", "violet"]
    (tmp_path / "my walls").rename(tmp_path / "gone")
    said = run("predict", "elsewhere/walls.net", "new.png", "--json").out
    assert json.loads(said)["outputs"]["prob"][0]["label"] == "violet"


def test_what_is_chosen_follows_from_the_photos(run: Run, tmp_path: Path) -> None:
    photos(tmp_path / "large", 6, {"a": (10,), "b": (90,)})
    for i in range(6):
        photo(tmp_path / "large" / "a" / f"big{i}.jpg", (10,), i, (300, 400))
        photo(tmp_path / "large" / "b" / f"big{i}.jpg", (90,), i, (300, 200))
    assert run("new", "--images", "large").code == 0
    plan = netc.plan(tmp_path / "large.net", "TRAIN")
    values = {v.name: plan.shapes[v.index] for v in plan.graph.values}
    assert values["data"] == (5, 1, 96, 96)
    text = (tmp_path / "large.net").read_text()
    assert "40 x 50 to 300 x 400" in text
    mean = float(re.search(r"let mean = \[([\d.]+)\]", text)[1])  # type: ignore[index]
    assert 45 < mean < 60
    assert "let scale = 0.02" in text


def test_folders_of_their_own_to_train_and_test_on(run: Run, tmp_path: Path) -> None:
    photos(tmp_path / "set" / "train", 5)
    photos(tmp_path / "set" / "Val", 2)
    assert "15 photos to learn from, 6 to test on" in run("new", "set.net", "--images", "set").err
    text = (tmp_path / "set.net").read_text()
    assert 'source: "set/train"' in text
    assert 'source: "set/Val"' in text
    assert "split" not in text
    (tmp_path / "set" / "Val" / "blue").mkdir()
    done = run("new", "other.net", "--images", "set")
    assert "error[CLI014]: set/train and set/Val have different classes: Val/blue" in done.err
    assert not (tmp_path / "other.net").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "error[DAT012]: photos has no folders; it needs one for each class, with its images"),
        ({"cat": 3}, "error[CLI014]: photos has one class (cat): there is nothing to tell apart"),
        ({"cat": 3, "dog": 0}, "error[CLI014]: photos/dog needs two photos or more"),
        ({"cat": 3, "dog": 1}, "error[CLI014]: photos/dog needs two photos or more"),
    ],
)
def test_folders_that_no_net_can_be_made_for(run: Run, tmp_path: Path, given: dict[str, int], said: str) -> None:
    (tmp_path / "photos").mkdir()
    for name, count in given.items():
        (tmp_path / "photos" / name).mkdir()
        for i in range(count):
            photo(tmp_path / "photos" / name / f"{i}.png", (1, 2, 3), i)
    done = run("new", "a.net", "--images", "photos")
    assert done.code == 1
    assert said in done.err
    assert not (tmp_path / "a.net").exists()


def test_what_is_wrong_with_photos_is_said(run: Run, tmp_path: Path) -> None:
    photos(tmp_path / "p", 4)
    photos(tmp_path / "p", 40, {"red": COLOURS["red"]})
    (tmp_path / "p" / "green" / "broken.jpg").write_bytes(b"no picture")
    said = run("new", "a.net", "--images", "p").err
    assert "1 photos cannot be read, such as p/green/broken.jpg: " in said
    assert "there are 32 photos of red and 3 of violet: the net will tend to say red" in said


def test_nothing_is_overwritten(run: Run, tmp_path: Path) -> None:
    photos(tmp_path / "p", 2)
    (tmp_path / "a.net").write_text("mine")
    done = run("new", "a.net", "--images", "p")
    assert done.code == 1
    assert "error[CLI015]: a.net is there already" in done.err
    assert (tmp_path / "a.net").read_text() == "mine"
    assert run("new", "a.net", "--images", "p", "--force").code == 0
    photos(tmp_path / "q", 2)
    assert run("new", "q.net", "--images", "q").code == 0
    assert netc.load(tmp_path / "q.net").solver.snapshot_prefix == "q-net"  # "q" would put snapshots among the photos
    (tmp_path / "blocks").mkdir()
    (tmp_path / "blocks" / "resnet.net").write_text("mine")
    assert "error[CLI015]: blocks/resnet.net is there already" in run("new", "resnet18").err
    assert not (tmp_path / "resnet18.net").exists()


@pytest.mark.parametrize("name", ["$${x}", 'quo"te', "back\\slash", "ünïcode", "a.b"])
def test_names_that_mean_something_in_a_net_file(run: Run, tmp_path: Path, name: str) -> None:
    photos(tmp_path / name, 2)
    assert run("new", f"{name}.net", "--images", name).code == 0
    assert run("check", f"{name}.net").code == 0
    plan = netc.plan(tmp_path / f"{name}.net", "TRAIN")
    assert plan.graph.name == name


def test_nets_of_the_gallery(run: Run, tmp_path: Path) -> None:
    listed = run("new", "--list").out.splitlines()
    assert [line.split()[0] for line in listed] == sorted(gallery())
    assert {path.stem for path in (ROOT / "nets").glob("*.net")} == set(gallery())
    assert run("new", "mobilenet_v1").code == 0
    assert (tmp_path / "blocks" / "mobilenet.net").read_text() == (ROOT / "nets/blocks/mobilenet.net").read_text()
    assert run("check", "mobilenet_v1.net").code == 0
    assert run("new", "mobilenet_v2.net").code == 0
    assert "is there already, as it is in the gallery" in run("new", "mobilenet_v2").err
    done = run("new", "resnt18")
    assert done.code == 2
    assert "did you mean resnet18?" in done.err


def test_the_wheel_has_the_gallery() -> None:
    """Where `gallery()` looks first is where pyproject.toml puts the nets."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"]["nets"] == "netc/gallery"


def test_no_weights_and_none_left_by_training(run: Run, small: Path, tmp_path: Path) -> None:
    done = run("test", small)
    assert done.code == 1
    assert "error[RUN055]: no weights are named, and there is no small_iter_N.caffemodel" in done.err
    (tmp_path / "deploy.prototxt").write_text('input: "data" input_shape { dim: 1 dim: 1 }')
    assert "there is no deploy_iter_N.caffemodel" in run("predict", "deploy.prototxt", "a.png").err


def test_the_newest_snapshot_is_that_of_the_last_run(run: Run, small: Path, tmp_path: Path) -> None:
    run("train", small, "--iterations", "12")
    run("train", small, "--iterations", "3")
    assert "small_iter_3.caffemodel: " in run("test", small, "--iterations", "1").err
    (tmp_path / "small_iter_99.caffemodel.backup").write_text("no snapshot")
    assert "small_iter_3.caffemodel: " in run("test", small, "--iterations", "1").err
