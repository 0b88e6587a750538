"""What `netc new` chooses for a folder of photos, from what was seen of them; `starting_text` writes it down."""

from __future__ import annotations

from dataclasses import dataclass

from netc.data.look import Look, Part
from netc.data.mistaken import SUFFIXES
from netc.errors import Code, Diagnostic, NetError

NO_NET = Code(
    "CLI014",
    "no net can be made for these photos",
    why="`netc new FILE --images FOLDER` writes a net that tells classes apart. It needs a folder with a folder of "
    "photos for each of at least two classes, with at least two photos of each: one to learn from and one to test on. "
    "Or folders `train` and `test` (or `val`) that have such folders, with the same names in both.",
    example="netc new photos.net --images photos/  # a folder of photos, none of them sorted",
    fix="Sort the photos: photos/cat/1.jpg, photos/cat/2.jpg, photos/dog/1.jpg, photos/dog/2.jpg ...",
)
FEW = 20
"""Photos of a class; with fewer, a net that starts from nothing learns little."""
UNEVEN = 5
"""Times the photos of the smallest class; beyond, a net tends to say the largest class."""
_SIZES = ((56, 32), (128, 64))  # photos whose shorter side is below the first number, in the middle: side of the input
_LARGEST = 96
_EPOCHS = 45
_ITERATIONS = (300, 20_000)
_BATCH = 32


@dataclass(frozen=True)
class Choice:
    """What `netc new` chose: the input's side, batches of both phases, the length of training, the widths of blocks."""

    side: int
    resized: int
    batch: int
    test_batch: int
    test_iterations: int
    iterations: int
    interval: int
    display: int
    widths: tuple[int, ...]
    first_stride: int


def choose(look: Look) -> Choice:
    """What fits the photos. Raises NetError(CLI014) for photos that no net can be made for."""
    _refuse(look)
    shorter = sorted(min(pair) for pair in zip(look.heights, look.widths, strict=True))
    middle = shorter[len(shorter) // 2]
    side = next((side for below, side in _SIZES if middle < below), _LARGEST)
    batch = min(_BATCH, max(2, look.train.count // 4))
    epoch = max(1, look.train.count // batch)
    wanted = min(max(_EPOCHS * epoch, _ITERATIONS[0]), _ITERATIONS[1])
    interval = _round(wanted / 10)
    test_batch = _divisor(look.test.count)
    return Choice(
        side=side,
        resized=side + side // 8,
        batch=batch,
        test_batch=test_batch,
        test_iterations=look.test.count // test_batch,
        iterations=-(-wanted // interval) * interval,  # so that the last iteration is followed by a test
        interval=interval,
        display=max(1, wanted // 20),
        widths=(32, 64, 128) if side == _SIZES[0][1] else (32, 64, 128, 256),
        first_stride=2 if side == _LARGEST else 1,
    )


def _refuse(look: Look) -> None:
    train, test = look.train.counts, look.test.counts
    if list(train) != list(test):
        alone = [f"{a.folder.name}/{name}" for a, b in _both(look) for name in a.counts if name not in b.counts]
        message = f"{look.train.folder} and {look.test.folder} have different classes: {', '.join(alone[:8])}"
    elif len(train) < 2:
        message = f"{look.train.folder} has one class ({next(iter(train))}): there is nothing to tell apart"
    elif empty := next((f"{p.folder / name}" for p, _ in _both(look) for name, n in p.counts.items() if not n), None):
        few = "" if look.divided else "two photos or more; with fewer there is none to test on. It needs "
        message = f"{empty} needs {few}files that end in {', '.join(sorted(SUFFIXES))}"
    elif not look.heights:
        name, reason = look.bad[0]
        message = f"none of the photos can be read: {name}: {reason}"
    else:
        return
    raise NetError(Diagnostic(NO_NET, message, help=NO_NET.fix))


def _both(look: Look) -> tuple[tuple[Part, Part], tuple[Part, Part]]:
    return (look.train, look.test), (look.test, look.train)


def _divisor(count: int) -> int:
    """A batch size of at most 64 with which a test leaves the fewest of `count` records out; the largest of these."""
    sizes = range(min(16, count), min(64, count) + 1)
    return min(sizes, key=lambda size: (count % size, -size))


def _round(number: float) -> int:
    """Up to a multiple of 10, for people."""
    return max(10, -int(-number // 10) * 10)


def advice(look: Look) -> list[str]:
    """What whoever sorted the photos should know of them, a sentence each."""
    counts, found = look.train.counts, []
    if look.bad:
        name, reason = look.bad[0]
        what = f"{len(look.bad)} photos cannot be read, such as {name}: {reason}"
        found.append(f"{what}; take them out, or train with --on-bad-record skip")
    if few := [f"{name} ({n})" for name, n in counts.items() if n < FEW]:
        found.append(f"few photos to learn from in {', '.join(few[:8])}: some {FEW * 5} of each class learn well")
    if max(counts.values()) > UNEVEN * min(counts.values()):
        most, least = max(counts, key=lambda n: counts[n]), min(counts, key=lambda n: counts[n])
        said = f"there are {counts[most]} photos of {most} and {counts[least]} of {least}"
        found.append(f"{said}: the net will tend to say {most}")
    return found
