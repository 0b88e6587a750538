"""transform_param: Caffe's fields by their formulas, netc's augmentations by what they promise."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from netc.data import augment, open_source
from netc.data.draws import Draws
from netc.data.order import Ticket
from netc.data.resize import resize
from netc.schema.weights_write import write_blob
from tests.data.common import batches, image_lmdb, images, layer, read, refused, same

PIXELS = images(6, (3, 9, 8))
GOLDEN = Path(__file__).parent.parent / "golden" / "data"


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_lmdb(tmp_path_factory.mktemp("data") / "db", PIXELS)


def data(db: Path, transform: str, size: int = 6) -> object:
    fields = f'data_param {{ source: "{db}" batch_size: {size} backend: LMDB }} transform_param {{ {transform} }}'
    return layer("Data", fields)


def one(db: Path, transform: str, phase: str = "TEST") -> np.ndarray:
    return read(data(db, transform), phase=phase)[0][0]


def test_scale_and_mean_values(db: Path) -> None:
    found = one(db, "scale: 0.017 mean_value: 104 mean_value: 117 mean_value: 123")
    mean = np.array([104, 117, 123], np.float32).reshape(3, 1, 1)
    np.testing.assert_array_equal(found, (PIXELS.astype(np.float32) - mean) * np.float32(0.017))
    np.testing.assert_array_equal(one(db, "mean_value: 7"), PIXELS.astype(np.float32) - 7)


def test_a_mean_image_is_subtracted_before_the_crop(db: Path, tmp_path: Path) -> None:
    mean = PIXELS.astype(np.float64).mean(0).astype(np.float32)
    path = mean_file(tmp_path, mean[None])
    found = one(db, f'mean_file: "{path}" crop_size: 4 scale: 0.5')
    np.testing.assert_array_equal(found, ((PIXELS - mean) * np.float32(0.5))[:, :, 2:6, 2:6])


def mean_file(folder: Path, mean: np.ndarray) -> Path:
    out = BytesIO()
    write_blob(out, mean)
    path = folder / "mean.binaryproto"
    path.write_bytes(out.getvalue())
    return path


def test_crops_are_central_in_test_and_anywhere_in_train(db: Path) -> None:
    np.testing.assert_array_equal(one(db, "crop_size: 5"), PIXELS[:, :, 2:7, 1:6])
    places = set()
    for image, label in read(data(db, "crop_size: 5"), 40):
        for item, number in zip(image, label.astype(int), strict=True):
            whole = PIXELS[number]
            fits = [(y, x) for y in range(5) for x in range(4) if np.array_equal(whole[:, y : y + 5, x : x + 5], item)]
            assert len(fits) == 1
            places.add(fits[0])
    assert len(places) == 20


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_half_of_the_images_are_mirrored_in_both_phases(db: Path, phase: str) -> None:
    mirrored = 0
    for image, label in read(data(db, "mirror: true"), 50, phase=phase):
        for item, number in zip(image, label.astype(int), strict=True):
            flipped = np.array_equal(item, PIXELS[number][:, :, ::-1])
            assert flipped or np.array_equal(item, PIXELS[number])
            mirrored += flipped
    assert 110 < mirrored < 190


def test_resize_param(db: Path) -> None:
    found = one(db, "resize_param { height: 5 width: 11 }")
    assert found.shape == (6, 3, 5, 11)
    np.testing.assert_array_equal(found[0].transpose(1, 2, 0), resize(PIXELS[0].transpose(1, 2, 0), 5, 11))
    found = one(db, "resize_param { resize_mode: FIT_SMALL_SIZE height: 18 width: 18 } crop_size: 17")
    assert found.shape == (6, 3, 17, 17)


def test_resizing_is_opencvs_to_the_bit() -> None:
    golden = np.load(GOLDEN / "resize.npz")
    for name in (n for n in golden.files if n.startswith("out")):
        wanted = golden[name]
        found = resize(golden[name.replace("out", "in")], *wanted.shape[:2])
        np.testing.assert_array_equal(found, wanted)


def test_resizing_floats() -> None:
    ramp = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    np.testing.assert_allclose(resize(ramp, 6, 8)[2:4, 3, 0], [4.25, 6.25])
    assert resize(ramp, 3, 4) is ramp


# ---------------------------------------------------------------- augmentations


ALL = (
    "crop_size: 6 mirror: true rotation: 20 min_area: 0.3 contrast: 0.3 color_shift: 8 lighting: 0.1 noise: 2 "
    "cutout: 2 mean_value: 100 scale: 0.01"
)
EACH = ("rotation: 20", "min_area: 0.3 crop_size: 5", "contrast: 0.3", "color_shift: 8", "lighting: 0.5", "noise: 2")


@pytest.mark.parametrize("fields", [*EACH, "cutout: 3", ALL])
def test_each_augmentation_changes_images_in_train_only(db: Path, fields: str) -> None:
    if "crop_size" not in fields:
        np.testing.assert_array_equal(one(db, fields), PIXELS)
    first, second = read(data(db, fields), 2)
    assert np.isfinite(first[0]).all()
    assert not same([first[:1]], [second[:1]]), "another epoch, another draw"
    np.testing.assert_array_equal(first[1], second[1])


def test_draws_depend_on_seed_layer_and_place_only(db: Path) -> None:
    reference = read(data(db, ALL, 6), 4)
    assert same(read(data(db, ALL, 6), 4), reference)
    items = np.concatenate([batch[0] for batch in read(data(db, ALL, 4), 6)])
    np.testing.assert_array_equal(items, np.concatenate([batch[0] for batch in reference]))
    assert not same(read(data(db, ALL), 4, seed=2), reference)


def test_switching_one_on_leaves_the_draws_of_others() -> None:
    ticket = Ticket(3, 1, 2, 7)
    draws = Draws(5, ticket)
    assert Draws(5, ticket).uniform(2) == draws.uniform(2)
    assert Draws(6, ticket).uniform(2) != draws.uniform(2)
    assert Draws(5, ticket._replace(seed=8)).uniform(2) != draws.uniform(2)
    assert Draws(5, ticket._replace(record=9)).uniform(2) == draws.uniform(2)
    numbers = draws.normal(1, 100_001)
    assert abs(float(numbers.mean())) < 0.02
    assert abs(float(numbers.std()) - 1) < 0.02
    assert len({Draws(5, ticket._replace(position=p)).below(0, 10**9) for p in range(1000)}) == 1000


def test_rotation_turns_about_the_centre() -> None:
    image = np.arange(25, dtype=np.float32).reshape(1, 5, 5)
    np.testing.assert_allclose(augment.rotate(image, 90)[0], np.rot90(image[0]), atol=1e-4)
    np.testing.assert_array_equal(augment.rotate(image, 0), image)


def test_cut_out_zeroes_a_square() -> None:
    for position in range(20):
        out = np.ones((3, 10, 10), np.float32)
        augment.cut_out(out, 4, Draws(0, Ticket(0, 0, position, 0)))
        zeros = int((out == 0).sum())
        assert 3 * 4 <= zeros <= 3 * 16
        assert zeros % 3 == 0


def test_small_images_can_be_cropped_and_resized(db: Path) -> None:
    assert read(data(db, "min_area: 0.5 crop_size: 20"))[0][0].shape == (6, 3, 20, 20)


def test_goes_on_from_its_state(db: Path) -> None:
    source = open_source(data(db, ALL, 4), "TRAIN", 3)
    batches(source, 3)
    state, expected = source.state(), batches(source, 3)
    other = open_source(data(db, ALL, 4), "TRAIN", 3)
    other.restore(state)
    assert same(batches(other, 3), expected)


# ---------------------------------------------------------------- what cannot be


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ('mean_file: "x" mean_value: 1', "DAT006", "has both mean_file and mean_value"),
        ("mean_value: 1 mean_value: 2", "DAT006", "has 2 mean values for images of 3 channels"),
        ("crop_size: 9", "DAT006", "crop_size: 9 is larger than the images, 9 x 8"),
        ("force_color: true force_gray: true", "DAT006", "cannot both be true"),
        ('mean_file: "nowhere"', "DAT007", 'there is no mean file "nowhere"'),
        ("resize_param { height: 5 }", "DAT006", "resize_param needs height and width"),
        ("resize_param { height: 5 width: 5 prob: 0.5 }", "DAT006", "take prob out"),
        ("resize_param { height: 5 width: 5 pad_value: [1, 2] }", "DAT006", "2 values of pad_value for images of 3"),
        ("noise_param { clahe: true }", "DAT006", "netc does not do clahe"),
        ("noise_param { saltpepper: true }", "DAT006", "has 0 values for images of 3 channels"),
        ("crop_h: 5", "DAT006", "crop_h and crop_w go together"),
        ("crop_h: 5 crop_w: 9", "DAT006", "crop_h: 5 crop_w: 9 is larger than the images, 9 x 8"),
        ("resize_param { height: 5 width: 5 resize_mode: FIT_SMALL_SIZE }", "DAT006", "add a crop_size"),
        ("rotation: -3", "DAT006", "rotation: -3 must be between 0 and 180"),
        ("contrast: 1.5", "DAT006", "contrast: 1.5 must be between 0 and 1"),
        ("min_area: 0.5", "DAT006", "min_area needs a crop_size"),
        ("min_area: 0 crop_size: 3", "DAT006", "min_area: 0 must be between 0 and 1"),
    ],
)
def test_what_cannot_be_done(db: Path, fields: str, code: str, message: str) -> None:
    diagnostic = refused(open_source, data(db, fields), "TRAIN", 1)
    assert diagnostic.code.id == code
    assert message in diagnostic.message
    assert diagnostic.span is not None


def test_a_mean_file_of_the_wrong_shape(db: Path, tmp_path: Path) -> None:
    path = mean_file(tmp_path, np.zeros((1, 3, 28, 28), np.float32))
    diagnostic = refused(open_source, data(db, f'mean_file: "{path}"'), "TRAIN", 1)
    assert diagnostic.code.id == "DAT007"
    assert "is 3x28x28, the images are 3x9x8" in diagnostic.message
    path.write_bytes(b"\x0a\xff no blob")
    assert refused(open_source, data(db, f'mean_file: "{path}"'), "TRAIN", 1).code.id == "DAT007"
