"""Small sound files of every kind that a user can give, what reads each, and the damage that fits its format."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import lmdb
import numpy as np
from PIL import Image

import netc
from netc.api import planning
from netc.api.preprocess import given_mean, of_model
from netc.convert import files as convert
from netc.convert import hdf5, safetensors
from netc.convert.model import Options
from netc.data import annotated_datum
from netc.data import hdf5 as data_hdf5
from netc.data.bad import BadRecordError
from netc.data.box_files import read_boxes, read_label_map
from netc.data.database import image_of
from netc.data.datum import encode, encode_file, parse
from netc.data.dense_images import read_pairs
from netc.data.images import decode_image
from netc.data.mean import mean_image
from netc.data.survey import survey
from netc.data.window_data import read_windows
from netc.run.weights import weights_of
from netc.schema.scan import encode_bytes, encode_key
from netc.schema.weights import read_blob
from netc.schema.weights_write import write_blob, write_solver_state
from netc.schema.wire import encode as encode_record
from netc.solve import snapshots
from tools.attack import _damage
from tools.attack._damage import Damage, Random

NET = """name: "small"
layer { name: "data" type: "Digits" top: "data" top: "label" digits_param { batch_size: 4 shuffle: true } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 2 kernel_size: 3 } }
layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param { num_output: 10 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = 'base_lr: 0.01 momentum: 0.9 lr_policy: "fixed" max_iter: 10 random_seed: 3 snapshot_after_train: false '


@dataclass(frozen=True)
class Kind:
    """A kind of file: its name on the disk, sound contents, what reads it, the damage that knows its format."""

    file: str
    sound: tuple[bytes, ...]
    read: Callable[[Path], object]
    lies: tuple[Damage, ...] = ()


class ChangedError(Exception):
    """A file was refused, but had an effect."""


def kinds(folder: Path) -> dict[str, Kind]:
    """Every kind; `folder` holds what files refer to."""
    rng = np.random.default_rng(0)
    return {**_databases(folder, rng), **_arrays(folder, rng), **_images(rng), **_texts(folder), **_models(folder)}


def _survey(path: Path) -> None:
    survey(path, decode=True, classes=None, progress=lambda *_: None)


def _file(name: str, write: Callable[[Path], object], folder: Path) -> bytes:
    path = folder / name
    write(path)
    return path.read_bytes()


# ---------------------------------------------------------------- databases


def _databases(folder: Path, rng: Random) -> dict[str, Kind]:
    def database(records: Iterable[bytes]) -> bytes:
        path = folder / "made.mdb"
        path.unlink(missing_ok=True)
        with lmdb.open(str(path), map_size=1 << 24, subdir=False, lock=False) as env, env.begin(write=True) as txn:
            for index, record in enumerate(records):
                txn.put(f"{index:08}".encode(), record)
        return path.read_bytes()

    def mean(path: Path) -> None:
        mean_image(path, lambda *_: None)

    def both(path: Path) -> None:
        try:
            _survey(path)
        finally:
            mean(path)

    pixels = rng.integers(0, 256, (40, 3, 6, 5), dtype=np.uint8)
    raw = [encode(image, label) for label, image in enumerate(pixels)]
    large = [encode(rng.integers(0, 256, (3, 40, 50), dtype=np.uint8), 1) for _ in range(4)]
    floats = encode(rng.standard_normal((2, 3, 3)).astype(np.float32), 2)
    png = [encode_file(_image(image, "PNG"), 3) for image in pixels[:4].transpose(0, 2, 3, 1)]
    boxes = np.array([[1, 0, 0.1, 0.2, 0.5, 0.6, 0], [7, 1, 0, 0, 0.3, 0.4, 1]], np.float32)
    noted = [annotated_datum.encode_annotated(record, boxes) for record in (raw[0], png[0])]

    def record(path: Path) -> None:
        image_of(parse(path.read_bytes()), "as is")

    def annotated(path: Path) -> None:
        image_of(annotated_datum.parse(path.read_bytes()).datum, "color")

    sound = (database(raw), database(large), database(png), database(raw * 20))
    return {
        "lmdb": Kind("data.mdb", sound, both, (_damage.paged,)),
        "lmdb with boxes": Kind("data.mdb", (database(noted * 3),), _survey, (_damage.paged,)),
        "datum": Kind("datum", (raw[0], floats, png[0]), record, (_damage.message,)),
        "annotated datum": Kind("datum", tuple(noted), annotated, (_damage.message,)),
    }


# ---------------------------------------------------------------- arrays


def _packed(size: int) -> bytes:
    """A deflate stream of so many MiB of zeros, in a thousandth of it."""
    maker = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = maker.compress(bytes(1 << 20)) + maker.flush(zlib.Z_FULL_FLUSH)
    return piece * size + maker.flush()


def _gzip(content: bytes) -> bytes:
    return b"\x1f\x8b\x08\0\0\0\0\0\0\3" + content + bytes(8)


def repacked(data: bytes, rng: Random) -> bytes:
    """gzip: the content is damaged, or a bomb; the packing is right."""
    if rng.random() < 0.1:
        size = _damage.one(rng, [1, 100, 2000])
        head = struct.pack(">HBBIII", 0, 8, 3, size, 1024, 1024 - 16 // max(size, 1))
        maker = zlib.compressobj(9, zlib.DEFLATED, -15)
        return _gzip(maker.compress(head) + maker.flush(zlib.Z_FULL_FLUSH) + _packed(size))
    content = gzip.decompress(data)
    damages = [_damage.dimensioned, *_damage.BLIND]
    return gzip.compress(damages[_damage.pick(rng, len(damages))](content, rng), 1)


def rezipped(data: bytes, rng: Random) -> bytes:
    """NPZ: a member's header is a lie, a member is a bomb, or its sizes in the directory are lies."""
    out = io.BytesIO()
    method = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)[_damage.pick(rng, 4)]
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", method) as new:
        for name in old.namelist():
            content = old.read(name)
            damages = [_damage.declared, *_damage.BLIND]
            damage = damages[_damage.pick(rng, len(damages))]
            new.writestr(name, damage(content, rng) if rng.random() < 0.8 else content)
    made = out.getvalue()
    if rng.random() < 0.05:
        return npz_bomb(_damage.one(rng, [100, 2000]))
    if rng.random() < 0.3:
        start = made.rfind(b"PK\1\2")
        return _damage.lied(made, rng, max(start, 0))
    return made


def npz_bomb(size: int) -> bytes:
    """An NPZ file with an array of so many MiB of zeros."""
    head = io.BytesIO()
    lib: Any = np.lib.format
    lib.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (size, 1 << 20)})
    maker = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = maker.compress(head.getvalue()) + maker.flush(zlib.Z_FULL_FLUSH) + _packed(size)
    whole, name = len(head.getvalue()) + (size << 20), b"data.npy"
    local = b"PK\3\4" + struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0, 0, len(packed), whole, len(name), 0) + name
    entry = struct.pack("<HHHHHHIIIHHHHHII", 20, 20, 0, 8, 0, 0, 0, len(packed), whole, len(name), 0, 0, 0, 0, 0, 0)
    directory = b"PK\1\2" + entry + name
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(directory), len(local) + len(packed), 0)
    return local + packed + directory + end


def _h5(write: Callable[[Any], object]) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        write(file)
    return out.getvalue()


def hostile(data: bytes, rng: Random) -> bytes:
    """HDF5 that is sound, but whose datasets or groups are made to do harm."""
    shapes = [(0, 3), (5, 0), (2**40, 0), (2**20, 2**10), (4, 2**27), (1, 1, 1)]

    def write(file: Any) -> None:
        group = file.create_group("data") if rng.random() < 0.7 else file
        shape = shapes[_damage.pick(rng, len(shapes))]
        chunks = tuple(min(max(s, 1), 2**13) for s in shape) if rng.random() < 0.5 else None
        made = group.create_dataset("label", shape, "f4", chunks=chunks, compression="gzip" if chunks else None)
        if rng.random() < 0.5:
            for name in range(_damage.one(rng, [1, 3, 200])):
                group[str(name)] = made
        if rng.random() < 0.3:
            group["inner"] = file["/"] if rng.random() < 0.5 else group
        if rng.random() < 0.2:
            file["net"] = np.frombuffer(rng.bytes(20), np.uint8)

    return _h5(write)


def _arrays(folder: Path, rng: Random) -> dict[str, Kind]:
    images = struct.pack(">HBBIII", 0, 8, 3, 10, 5, 4) + rng.bytes(200)
    labels = struct.pack(">HBBI", 0, 8, 1, 10) + rng.bytes(10)
    npy, npz = io.BytesIO(), io.BytesIO()
    np.save(npy, rng.standard_normal((3, 4, 5)))
    np.savez_compressed(npz, data=rng.standard_normal((10, 3)), label=np.arange(10))

    def rows(file: Any) -> None:
        file["data"] = rng.standard_normal((12, 2, 3)).astype(np.float32)
        file.create_dataset("label", data=np.arange(12.0), chunks=(5,), compression="gzip")

    def listed(path: Path) -> None:
        (folder / "list.txt").write_text(f"{path}\n")
        reader = data_hdf5.Hdf5Reader(
            data_hdf5.read_files(folder / "list.txt", ["data", "label"]), ["data", "label"], False
        )
        for record in range(min(len(reader), 100)):
            reader.fetch(record)

    def h5(path: Path) -> None:
        try:
            _survey(path)
        finally:
            listed(path)

    def mean(path: Path) -> None:
        given_mean(str(path), 3)

    return {
        "idx": Kind("images-idx3", (images, labels), _survey, (_damage.dimensioned,)),
        "idx.gz": Kind("images.gz", (gzip.compress(images), gzip.compress(labels)), _survey, (repacked,)),
        "npz": Kind("a.npz", (npz.getvalue(),), _survey, (rezipped, rezipped)),
        "npy": Kind("mean.npy", (npy.getvalue(),), mean, (_damage.declared,)),
        "hdf5": Kind("a.h5", (_h5(rows),), h5, (_damage.lied, hostile)),
    }


# ---------------------------------------------------------------- images


def _image(pixels: np.ndarray, format: str, mode: str | None = None) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(out, format)
    return out.getvalue()


def png_bomb(data: bytes, rng: Random) -> bytes:
    """PNG of black pixels, in a thousandth of their bytes."""
    side = _damage.one(rng, [1000, 4000, 8000, 16000, 60000])
    content = zlib.compress(bytes(1)) if side > 8000 else b"\x78\xda" + _packed(side * (side + 1) // (1 << 20) + 1)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)), (b"IDAT", content), (b"IEND", b"")]
    parts = [struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _images(rng: Random) -> dict[str, Kind]:
    colour = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)

    def decode(path: Path) -> None:
        for how in ("color", "gray", "as is"):
            decode_image(path.read_bytes(), how)

    deep = io.BytesIO()
    Image.fromarray(rng.integers(0, 65536, (9, 12), dtype=np.uint16)).save(deep, "PNG")
    pngs = (_image(colour, "PNG"), _image(colour, "PNG", "P"), _image(colour, "PNG", "RGBA"), deep.getvalue())
    found = {
        "png": Kind("a.png", pngs, decode, (_damage.chunked, _damage.chunked, png_bomb)),
        "jpeg": Kind("a.jpg", (_image(colour, "JPEG"), _image(colour, "JPEG", "L")), decode, (_damage.frame,)),
    }
    for format in ("GIF", "BMP", "TIFF", "WEBP", "PPM"):
        name = format.lower()
        found[name] = Kind(f"a.{name}", (_image(colour, format),), decode, (_damage.headed, _damage.headed))
    return found


# ---------------------------------------------------------------- texts


def _texts(folder: Path) -> dict[str, Kind]:
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "0.png")
    images = "".join(f"{folder}/0.png {label}\n" for label in range(5)).encode()
    windows = f"# 0\n{folder}/0.png\n3\n4\n4\n2\n1 0.9 0 0 3 3\n0 0.1 1 1 2 2\n".encode()
    voc = b"<annotation><size><width>9</width><height>7</height></size><object><name>cat</name><difficult>1</difficult>"
    voc += b"<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></object></annotation>"
    label_map = b'item { name: "cat" label: 1 display_name: "a" }\nitem { name: "dog" label: 2 }\n'
    program = (
        b"let n = 3\ndef f(x) -> y { y = ReLU(x) }\nx = Input() { shape { dim: [1, 4] } }\nfor i in 0..n { x = f(x) }\n"
    )

    def boxes(path: Path) -> None:
        read_boxes(path, {"cat": 1}, 10, 20)

    def text(path: Path) -> None:
        planning.plan(netc.load(path))

    def pairs(path: Path) -> None:
        read_pairs(path)

    worded = (_damage.worded, _damage.worded)
    return {
        "csv": Kind("a.csv", (b"a,b,label\n1,2,0\n3,4.5,1\n", b"1;2\n3;4\n"), _survey, worded),
        "image list": Kind("list.txt", (images,), _survey, worded),
        "windows": Kind("windows.txt", (windows,), read_windows, worded),
        "pairs": Kind("pairs.txt", (b"a.png b.png\nc.png d.png\n",), pairs, worded),
        "boxes": Kind("a.txt", (b"1 2 3 4 5\n2 0 0 9.5 9\n",), boxes, worded),
        "voc": Kind("a.xml", (voc,), boxes, worded),
        "label map": Kind("map.prototxt", (label_map,), read_label_map, worded),
        "net": Kind("a.net", (NET.encode(), program), text, worded),
    }


# ---------------------------------------------------------------- models


def _models(folder: Path) -> dict[str, Kind]:
    (folder / "net.prototxt").write_text(NET)
    (folder / "solver.prototxt").write_text(f'net: "{folder}/net.prototxt" snapshot_prefix: "{folder}/run" {SOLVER}')
    solver = netc.Solver(folder / "solver.prototxt")
    solver.step(2)
    loop: Any = solver
    at = snapshots.write(loop)
    loop.p = loop.p.replace(snapshot_format="HDF5")
    h5 = snapshots.write(loop)
    weights = weights_of(loop.net)
    full = at.weights.read_bytes()
    half = convert.dump(convert.read(at.weights), ".caffemodel", Options(half=True)).content
    blob, v1 = io.BytesIO(), b""
    write_blob(blob, np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2))
    for layer in weights.layers:
        if layer.blobs:
            old = encode_bytes(4, layer.name.encode()) + b"\x28\x0e"
            v1 += encode_bytes(2, old + b"".join(encode_bytes(6, _blob(b)) for b in layer.blobs))
    tensors = b"".join(safetensors.dump(weights, NET))

    def model(path: Path) -> None:
        found = convert.read(path)
        of_model(path)
        for ending in (".h5", ".caffemodel"):
            convert.dump(found, ending)

    def load(path: Path) -> None:
        (hdf5 if path.suffix == ".h5" else safetensors).load(path)

    state = _states(loop)
    return {
        "caffemodel": Kind("w.caffemodel", (full, half, v1), model, (_damage.message, _damage.message)),
        "binaryproto": Kind("m.binaryproto", (blob.getvalue(),), read_blob, (_damage.message,)),
        "caffemodel.h5": Kind("w.caffemodel.h5", (hdf5.dump(weights, NET),), load, (_damage.lied, hostile)),
        "safetensors": Kind("w.safetensors", (tensors,), load, (_damage.tensors,)),
        "solver state": Kind("run.solverstate", (at.state.read_bytes(),), state, (_damage.message, _forged(at.state))),
        "solver state.h5": Kind("run.solverstate.h5", (h5.state.read_bytes(),), state, (_damage.lied, hostile)),
    }


def _blob(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    write_blob(out, array)
    return out.getvalue()


def _states(loop: Any) -> Callable[[Path], None]:
    """Reads a state into a solver. A state that is refused must change nothing."""
    net = loop.net

    def bits() -> Any:
        history = [array.tobytes() for blobs in loop.updater.history for array in blobs.values()]
        values = [p.data.tobytes() for p in net.parameters.all]
        feeds = {name: json.dumps(feed.state()) for name, feed in net.feeds.items()}
        return loop.iteration, net.iteration, net.seed, history, values, feeds, str(loop.losses), loop.waited

    def read(path: Path) -> None:
        before = bits()
        try:
            loop.restore(path)
        except netc.NetError:
            if bits() != before:
                raise ChangedError("the state was refused, but the solver has changed") from None
            raise
        loop.step(1)

    return read


def _forged(path: Path) -> Damage:
    """A state with nonsense in it, and the right checksum."""
    state, training = snapshots.read_state(path)
    lies = [
        "{",
        "[]",
        "1e400",
        "null",
        '{"position": 1e400}',
        '{"position": -7}',
        '{"position": "0", "epoch": 1}',
        "{}",
    ]
    lies += [
        '{"epoch": 0, "position": 99999999999999999999, "seed": 1}',
        "[" * 5000,
        "9" * 9000,
        '{"epoch": NaN}',
        "\ud800",
    ]

    def forge(data: bytes, rng: Random) -> bytes:
        at, record = state, training
        value = _damage.one(rng, _damage.LIES)
        match _damage.pick(rng, 4):
            case 0:
                at = type(state)(-7, state.learned_net, state.current_step, state.history)
            case 1:
                at = type(state)(state.iter, ["", "x" * 5000, "a/\udcff", "."][_damage.pick(rng, 4)], 0, state.history)
            case 2:
                net = training.net[0]
                lie = lies[_damage.pick(rng, len(lies))]
                source = net.source[0].replace(state=lie) if rng.random() < 0.8 else net.source[0].replace(layer="x")
                record = training.replace(net=(net.replace(source=(source,)),))
            case _:
                name = ["seed", "waited", "skipped", "weights_crc"][_damage.pick(rng, 4)]
                record = training.replace(**{name: value & 0x7FFFFFFF if name != "seed" else value - 2**63})
        signed = encode_record(snapshots._signed(at, record))
        out = io.BytesIO()
        write_solver_state(out, at)
        body = out.getvalue() + encode_bytes(snapshots.TRAINING, signed)
        return encode_key(20001, 1) + struct.pack("<Q", len(body)) + body

    return forge


REFUSALS = (netc.NetError, BadRecordError)
