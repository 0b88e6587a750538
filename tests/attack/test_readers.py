"""A short run of the readers' campaign, and the smallest input of each kind of fault that such runs have found."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import lmdb
import numpy as np
import pytest

from netc.api.preprocess import given_mean
from netc.convert import files
from netc.data.annotated_datum import parse as parse_annotated
from netc.data.array_files import read_npz
from netc.data.bad import BadRecordError
from netc.data.box_files import read_boxes, read_label_map
from netc.data.datum import encode
from netc.data.hdf5 import read_files
from netc.data.idx import read_idx, read_images
from netc.data.images import decode_image
from netc.data.lmdb_file import LmdbFile
from netc.data.order import Order
from netc.data.survey import survey
from netc.errors import NetError
from netc.schema.scan import encode_bytes
from netc.schema.weights import parse_blob
from netc.solve import snapshots
from netc.solve.hdf5 import read_weights
from netc.untrusted import RATIO, ROOM, budget, library
from tools.attack._samples import _gzip, _packed, npz_bomb, png_bomb
from tools.attack.readers import run


def test_a_short_run() -> None:
    tally = run(240, 1)
    assert not tally.failures, "\n\n".join(tally.failures)
    assert sum(tally.counts.values()) == 240


def refused(call: Callable[..., object], *arguments: Any) -> str:
    """The code of the one diagnostic (a record's reason, if it is that), within the budget."""
    with pytest.raises((NetError, BadRecordError)) as caught:
        call(*arguments)
    error = caught.value
    return error.diagnostics[0].code.id if isinstance(error, NetError) else str(error)


def look(path: Path) -> None:
    survey(path, decode=True, classes=None, progress=lambda *_: None)


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_library_may_raise_anything() -> None:
    for error in (ValueError("bad\nthing."), KeyError(), MemoryError(), RecursionError("deep")):
        with pytest.raises(BadRecordError) as caught, library(BadRecordError):
            raise error
        assert "\n" not in str(caught.value)
    with pytest.raises(NetError), library(BadRecordError):  # netc's own pass
        raise NetError([])
    assert budget(10) == ROOM + 10 * RATIO


# ---------------------------------------------------------------- counts and sizes


@pytest.mark.parametrize(
    "shape",
    [(2**32 - 1, 0, 5), (1,) * 65, (0, 2**32 - 1, 2**32 - 1), (2**32 - 1,) * 2, (2**31, 4)],
    ids=["rows without values", "65 axes", "no huge rows", "too large", "more than there is"],
)
def test_sizes_of_idx_files(tmp_path: Path, shape: tuple[int, ...]) -> None:
    head = struct.pack(">HBB", 0, 8, len(shape)) + b"".join(struct.pack(">I", n) for n in shape)
    for path in (put(tmp_path / "a", head + b"1234"), put(tmp_path / "a.gz", gzip.compress(head + b"1234"))):
        assert refused(read_idx, path) == "DAT003"
        assert refused(look, path) == "DAT003"
        assert refused(lambda p: read_images(p, None, shape_only=True), path) == "DAT003"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(3,)", f"({2**62}, 2)"),
        ("(3,)", "(-3,)"),
        ("(3,)", "(1,) * 3"),
        ("'<f8'", "'|O'"),
        ("'<f8'", "'|V0'"),
        ("(3,)", str((1,) * 65)),
        ("{", "["),
    ],
)
def test_headers_of_npy_files(tmp_path: Path, old: str, new: str) -> None:
    out = io.BytesIO()
    np.save(out, np.zeros(3))
    data = out.getvalue()
    (size,) = struct.unpack_from("<H", data, 8)
    header = data[10 : 10 + size].decode().replace(old, new).encode()
    forged = data[:8] + struct.pack("<H", len(header)) + header + data[10 + size :]
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as members:
        members.writestr("data.npy", forged)
    assert refused(read_npz, tmp_path / "a.npz") == "DAT014"
    assert refused(given_mean, str(put(tmp_path / "a.npy", forged)), 3) == "RUN052"


def test_blobs_do_not_have_thousands_of_axes() -> None:
    assert refused(parse_blob, encode_bytes(7, encode_bytes(1, b"\xff" * 8 + b"\x7f" * 1) * 200_000)) == "SNP003"


# ---------------------------------------------------------------- LMDB


def mdb(tmp_path: Path, count: int = 300) -> bytearray:
    path = tmp_path / "made.mdb"
    with lmdb.open(str(path), map_size=1 << 22, subdir=False, lock=False) as env, env.begin(write=True) as txn:
        for index in range(count):
            txn.put(f"{index:08}".encode(), encode(np.full((1, 8, 8), index % 256, np.uint8), index))
    return bytearray(path.read_bytes())


def metas(data: bytearray, at: int, value: int) -> bytearray:
    for page in (0, 4096):
        struct.pack_into("<Q", data, page + at, value)
    return data


def test_entries_of_a_database_are_not_believed(tmp_path: Path) -> None:
    path = put(tmp_path / "data.mdb", metas(mdb(tmp_path), 120, 2**62))
    assert refused(LmdbFile, path) == "DAT003"


def test_a_tree_that_is_a_circle(tmp_path: Path) -> None:
    data = mdb(tmp_path)
    (root,) = struct.unpack_from("<Q", data, 4096 + 128)
    (count,) = struct.unpack_from("<H", data, root * 4096 + 12)
    for slot in range((count - 16) // 2):
        (node,) = struct.unpack_from("<H", data, root * 4096 + 16 + 2 * slot)
        struct.pack_into("<HHH", data, root * 4096 + node, root, 0, 0)
    for last in (10, 2**40):  # with the file as long as it says, and not
        assert refused(look, put(tmp_path / "data.mdb", metas(data, 136, last))) == "DAT003"


def test_records_that_share_their_bytes(tmp_path: Path) -> None:
    """All slots of a leaf name one record: a file could hold any number of megabytes so."""
    data = mdb(tmp_path, 30)
    (root,) = struct.unpack_from("<Q", data, 4096 + 128)
    first = data[root * 4096 + 16 : root * 4096 + 18]
    for slot in range(1500):
        data[root * 4096 + 16 + 2 * slot : root * 4096 + 18 + 2 * slot] = first
    struct.pack_into("<H", data, root * 4096 + 12, 16 + 2 * 1000)
    path = put(tmp_path / "data.mdb", metas(data, 120, 1000))
    assert refused(lambda p: list(LmdbFile(p)), path) == "DAT003"


# ---------------------------------------------------------------- bombs


def test_bombs(tmp_path: Path) -> None:
    """Files of 2 MB or less that would become 2 GB."""
    head = struct.pack(">HBBIII", 0, 8, 3, 2000, 1024, 1024)
    image = png_bomb(b"", np.random.default_rng(0))
    assert refused(read_idx, put(tmp_path / "a.gz", _gzip(gzip.compress(head)[10:-8] + _packed(1)))) == "DAT003"
    assert refused(look, put(tmp_path / "a.npz", npz_bomb(2000))) == "DAT014"
    side = struct.pack(">II", 8000, 8000)
    sized = image[:16] + side + image[24:]
    assert "too many for a file of" in refused(decode_image, _checked(sized), "color")


def _checked(data: bytes) -> bytes:
    import zlib  # noqa: PLC0415

    return data[:29] + struct.pack(">I", zlib.crc32(data[12:29])) + data[33:]


def test_large_images_are_decoded_if_their_file_is_large_too() -> None:
    from PIL import Image  # noqa: PLC0415

    out = io.BytesIO()
    Image.fromarray(np.zeros((3000, 4000), np.uint8)).save(out, "PNG")
    assert decode_image(out.getvalue(), "gray").shape == (3000, 4000, 1)


@pytest.mark.parametrize(
    ("shape", "options"),
    [((2**40, 0), {}), ((5, 0), {}), ((4, 2**27), {"chunks": (1, 2**27)}), ((2**30,), {"chunks": (2**28,)})],
)
def test_hdf5_datasets_that_are_not_there(tmp_path: Path, shape: tuple[int, ...], options: dict[str, Any]) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", shape, "f4", **options)
    put(tmp_path / "list.txt", b"a.h5\n")
    assert refused(read_files, tmp_path / "list.txt", ["data"]) == "DAT008"
    assert refused(look, tmp_path / "a.h5") == "DAT008"


def test_hdf5_groups_in_a_circle_and_blobs_in_many_places(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "circle.h5", "w") as file:
        group = file.create_group("data/a")
        group["again"] = group
    with h5py.File(tmp_path / "many.h5", "w") as file:
        group = file.create_group("data/a")
        group.create_dataset("0", (1 << 22,), "f4", chunks=(1 << 20,))
        for name in range(1, 50):
            group[str(name)] = group["0"]
    assert refused(read_weights, tmp_path / "circle.h5") == "SNP026"
    assert refused(read_weights, tmp_path / "many.h5") == "SNP026"
    assert refused(files.read, tmp_path / "many.h5") == "SNP026"


# ---------------------------------------------------------------- texts


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_of_xml(tmp_path: Path, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>'
    path = put(tmp_path / "a.xml", text.encode(encoding))
    assert refused(read_boxes, path, {}, 1, 1) == "it declares entities, which are not read"


@pytest.mark.parametrize("label", ["99999999999", "-99999999999", "9" * 400, "9" * 5000])
def test_classes_beyond_what_floats_hold(tmp_path: Path, label: str) -> None:
    assert "line 1" in refused(read_boxes, put(tmp_path / "a.txt", f"{label} 1 2 3 4\n".encode()), {}, 9, 9)
    path = put(tmp_path / "map.prototxt", f'item {{ name: "a" label: {label} }}'.encode())
    assert refused(read_label_map, path) == "DAT012"


def test_label_maps_take_linear_time(tmp_path: Path) -> None:
    assert refused(read_label_map, put(tmp_path / "map.prototxt", b"item{" * 400_000)) == "DAT012"


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    put(tmp_path / "list.txt", b"x" * 5000 + b" 1\n")
    found = survey(tmp_path / "list.txt", decode=True, classes=None, progress=lambda *_: None)
    assert "name too long" in found.bad[0][1]


def test_boxes_in_a_damaged_record_are_merged_in_linear_time() -> None:
    note = encode_bytes(2, encode_bytes(2, encode_bytes(1, b""))) * 3
    assert "no datum" in refused(parse_annotated, encode_bytes(3, note * 10_000))


# ---------------------------------------------------------------- solver states


@pytest.mark.parametrize("place", ["{", "[]", "1e400", "null", '{"epoch": 1e400}', "{}", "[" * 5000, "9" * 9000])
def test_forged_states_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    solver, training = _trained(tmp_path, monkeypatch)
    net = training.net[0]
    forged = training.replace(net=(net.replace(source=(net.source[0].replace(state=place),)),))
    _refused_unchanged(solver, tmp_path, forged, 2, ("SNP022", "DAT010"))


@pytest.mark.parametrize(("iteration", "field"), [(-7, {}), (2, {"waited": -1}), (2, {"skipped": -2})])
def test_forged_counts_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, iteration: int, field: dict[str, int]
) -> None:
    solver, training = _trained(tmp_path, monkeypatch)
    _refused_unchanged(solver, tmp_path, training.replace(**field), iteration, ("SNP022",))


def test_places_are_whole_numbers() -> None:
    order = Order(10)
    for lie in (1.5, "1", None, [], 2**64, {}):
        with pytest.raises(NetError) as caught:
            order.restore({"epoch": 0, "position": lie})
        assert caught.value.diagnostics[0].code.id == "DAT010"
    assert json.dumps(order.state()) == '{"epoch": 0, "position": 0, "seed": 0, "count": 10}'


def _trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    import netc  # noqa: PLC0415

    monkeypatch.chdir(tmp_path)
    layers = 'layer { name: "d" type: "Digits" top: "x" top: "y" digits_param { batch_size: 2 } }'
    layers += 'layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 10 } }'
    layers += 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "l" }'
    Path("net.prototxt").write_text(layers)
    Path("s.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 9 snapshot_prefix: "s" momentum: 0.9'
    )
    solver = netc.Solver("s.prototxt")
    solver.step(2)
    solver.snapshot()
    _, training = snapshots.read_state(Path("s_iter_2.solverstate"))
    solver.step(1)
    return solver, training


def _refused_unchanged(solver: Any, folder: Path, training: Any, iteration: int, codes: tuple[str, ...]) -> None:
    from netc.schema.wire import encode as encode_record  # noqa: PLC0415

    state, _ = snapshots.read_state(folder / "s_iter_2.solverstate")
    state = type(state)(iteration, state.learned_net, state.current_step, state.history)
    signed = encode_record(snapshots._signed(state, training))
    with (folder / "forged.solverstate").open("wb") as file:
        snapshots.write_solver_state(file, state)  # type: ignore[attr-defined]
        file.write(encode_bytes(snapshots.TRAINING, signed))

    def bits() -> tuple[Any, ...]:
        values = b"".join(p.data.tobytes() for p in solver.net.parameters.all)
        return solver.iteration, values, {name: feed.state() for name, feed in solver.net.feeds.items()}

    before = bits()
    assert refused(solver.restore, folder / "forged.solverstate") in codes
    assert bits() == before
