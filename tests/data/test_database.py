"""Data layers: LMDBs of Datum records, raw and encoded, whole and damaged."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from netc.data import open_source, probe
from netc.data.datum import encode, encode_file
from netc.data.images import encode_image
from netc.data.lmdb_file import LmdbFile
from netc.errors import NetError, Report
from netc.language import read as read_file
from netc.schema.load import load_net
from netc.schema.registry import base_schema
from tests.data.common import batches, image_lmdb, images, layer, read, refused, same, write_lmdb

INTEROP = Path(__file__).parent.parent / "golden" / "interop"


def data(path: Path, size: int = 4, more: str = "", transform: str = "") -> object:
    fields = (
        f'data_param {{ source: "{path}" batch_size: {size} backend: LMDB {more} }} transform_param {{ {transform} }}'
    )
    return layer("Data", fields)


def test_caffes_own_batches_to_the_bit() -> None:
    transform = f'mean_file: "{INTEROP / "digits_mean.binaryproto"}" scale: 0.0625'
    golden = np.load(INTEROP / "digits_batches.npz")
    found = read(data(INTEROP / "digits_lmdb", 16, transform=transform), 14, phase="TEST")
    for index, (image, label) in enumerate(found):
        assert image.tobytes() == golden[f"data{index}"].tobytes()
        assert label.tobytes() == golden[f"label{index}"].tobytes()


def test_shapes_are_known_without_opening(tmp_path: Path) -> None:
    path = image_lmdb(tmp_path / "db", images(5))
    assert probe(data(path), "TRAIN") == ((4, 3, 6, 5), (4,))
    assert probe(data(path, transform="crop_size: 3"), "TRAIN") == ((4, 3, 3, 3), (4,))
    assert probe(data(path, transform="resize_param { height: 9 width: 7 }"), "TRAIN") == ((4, 3, 9, 7), (4,))
    assert probe(data(tmp_path / "nowhere"), "TRAIN") is None


def test_a_path_is_also_looked_for_beside_the_net(tmp_path: Path) -> None:
    image_lmdb(tmp_path / "db", images(2))
    (tmp_path / "inner").mkdir()
    net = tmp_path / "inner" / "a.net"
    net.write_text('layer { name: "d" type: "Data" top: "x" data_param { source: "db" batch_size: 1 backend: LMDB } }')
    (record,) = load_net(read_file(net), base_schema(), Report()).layer
    assert probe(record, "TRAIN") == ((1, 3, 6, 5),)


@pytest.mark.parametrize("large", [False, True], ids=["in leaf pages", "in overflow pages"])
def test_reads_what_the_library_wrote(tmp_path: Path, large: bool) -> None:
    records = [bytes([n % 256]) * ((5000 if large else 20) + n) for n in range(700)]
    file = LmdbFile(write_lmdb(tmp_path / "db", records))
    assert len(file) == 700
    assert [value for _, value in file] == records
    assert file.read(699) == (b"00000699", records[699])
    assert file.read(3) == (b"00000003", records[3])
    assert file.read(512)[1] == records[512]


def test_encoded_images_are_decoded_and_mixed_sizes_cropped(tmp_path: Path) -> None:
    first, second = images(1, (8, 9, 3))[0], images(1, (7, 11, 3), seed=1)[0]
    records = [encode_file(encode_image(image, "png"), label) for label, image in ((3, first), (7, second))]
    (image, label), _ = read(data(write_lmdb(tmp_path / "db", records), 2, transform="crop_size: 6"), 2, phase="TEST")
    assert label.tolist() == [3, 7]
    np.testing.assert_array_equal(image[0], first.transpose(2, 0, 1)[:, 1:7, 1:7])
    np.testing.assert_array_equal(image[1], second.transpose(2, 0, 1)[:, 0:6, 2:8])


def test_float_data(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 3, 4)
    ((image, label),) = read(data(write_lmdb(tmp_path / "db", [encode(values, -1)]), 1))
    np.testing.assert_array_equal(image[0], values)
    assert label.tolist() == [-1]


def test_rand_skip_starts_elsewhere(tmp_path: Path) -> None:
    path = image_lmdb(tmp_path / "db", images(50))
    starts = {int(read(data(path, 1, "rand_skip: 40"), seed=seed)[0][1][0]) for seed in range(8)}
    assert len(starts) > 3
    assert max(starts) < 40


# ---------------------------------------------------------------- exact resume


@pytest.mark.parametrize("ahead", [1, 4])
def test_goes_on_from_its_state(tmp_path: Path, ahead: int) -> None:
    path = image_lmdb(tmp_path / "db", images(13))
    record = data(path, 4, f"prefetch: {ahead}", "crop_size: 3 mirror: true noise: 1 rotation: 9")
    source = open_source(record, "TRAIN", 5)
    batches(source, 7)
    state = source.state()
    expected = batches(source, 6)
    other = open_source(record, "TRAIN", 99)  # the seed comes with the state
    batches(other, 2)
    other.restore(state)
    assert other.state() == state
    assert same(batches(other, 6), expected)


def test_other_data_is_not_gone_on_with(tmp_path: Path) -> None:
    state = open_source(data(image_lmdb(tmp_path / "a", images(13))), "TRAIN", 5).state()
    other = open_source(data(image_lmdb(tmp_path / "b", images(12))), "TRAIN", 5)
    assert refused(other.restore, state).code.id == "DAT010"


# ---------------------------------------------------------------- what is wrong with databases


def test_a_truncated_database(tmp_path: Path) -> None:
    path = image_lmdb(tmp_path / "db", images(200))
    whole = (path / "data.mdb").read_bytes()
    for size in (len(whole) - 1, len(whole) - 4096, len(whole) // 2, 8192, 5000, 4096, 100, 0):
        (path / "data.mdb").write_bytes(whole[:size])
        diagnostic = refused(open_source, data(path), "TRAIN", 1)
        assert diagnostic.code.id == "DAT003", size
        assert "data.mdb is damaged: it " in diagnostic.message
    diagnostic = refused(probe, data(path), "TRAIN")
    assert str(diagnostic.span) == "example.net:1:78"


def test_pages_that_nothing_names_may_be_missing(tmp_path: Path) -> None:
    path = image_lmdb(tmp_path / "db", images(200))
    whole = bytearray((path / "data.mdb").read_bytes())
    for page in (0, 4096):
        last = int.from_bytes(whole[page + 136 : page + 144], "little")
        whole[page + 136 : page + 144] = (last + 3).to_bytes(8, "little")
    (path / "data.mdb").write_bytes(whole)
    assert len(list(LmdbFile(path))) == 200


def test_no_damage_does_more_than_a_diagnostic(tmp_path: Path) -> None:
    path = image_lmdb(tmp_path / "db", images(60))
    whole = (path / "data.mdb").read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(0, len(whole))] ^= 1 << rng.integers(0, 8)
        (path / "data.mdb").write_bytes(damaged)
        with suppress(NetError):
            for _ in LmdbFile(path):
                pass


def test_a_corrupted_record_is_named_or_skipped(tmp_path: Path) -> None:
    pixels = images(6)
    records = [encode(image, label) for label, image in enumerate(pixels)]
    records[2] = records[2][:-40]
    path = write_lmdb(tmp_path / "db", records)
    diagnostic = refused(read, data(path), 1)
    assert diagnostic.code.id == "DAT002"
    assert f"record '00000002' of {path}" in diagnostic.message
    source = open_source(data(path), "TRAIN", 1, on_bad_record="skip")
    labels = [batch[1].tolist() for batch in batches(source, 3)]
    assert labels == [[0, 1, 4, 3], [5, 0, 1, 3], [4, 5, 0, 1]]
    assert [*source.bad] == [f"record '00000002' of {path}"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"\x0a\xff", "it is not a Datum: the bytes end inside a number"),
        (b"", "its image is 0x0x0"),
        (encode(images(1)[0], 1)[2:], "its image is 0x6x5"),
        (encode(images(1)[0][:, :2], 1), "it is 2 x 5, the batch 6 x 5, and there is no crop_size"),
        (encode(images(1)[0][:1], 1), "it has 1 channels, the batch 3"),
        (b"\x22\x00\x38\x01", "it says that it holds an encoded image, but has no data"),
        (encode_file(b"GIF89a", 1), "it is not an image that can be decoded: "),
        (b"\x08\xff\xff\xff\xff\x07\x10\xff\xff\xff\xff\x07\x18\x01", "its image is 2147483647x2147483647x1"),
    ],
)
def test_bad_records_say_why(tmp_path: Path, record: bytes, reason: str) -> None:
    path = write_lmdb(tmp_path / "db", [encode(images(1)[0], 0), record])
    assert reason in refused(read, data(path, 2)).message


def test_nothing_but_bad_records(tmp_path: Path) -> None:
    path = write_lmdb(tmp_path / "db", [b"\x0a\xff"] * 3)
    assert refused(read, data(path), on_bad_record="skip").code.id == "DAT011"
    path = write_lmdb(tmp_path / "empty", [])
    assert refused(read, data(path)).code.id == "DAT011"


def test_what_is_no_lmdb(tmp_path: Path) -> None:
    level = tmp_path / "level"
    level.mkdir()
    (level / "CURRENT").write_text("MANIFEST-000001\n")
    diagnostic = refused(open_source, data(level), "TRAIN", 1)
    assert diagnostic.code.id == "DAT005"
    assert "convert it once into an LMDB" in (diagnostic.help or "")
    (tmp_path / "a.txt").write_text("no database" * 100)
    for path in (tmp_path, tmp_path / "a.txt"):
        assert refused(open_source, data(path), "TRAIN", 1).code.id == "DAT012"
    assert refused(open_source, data(tmp_path / "nowhere"), "TRAIN", 1).code.id == "DAT016"
