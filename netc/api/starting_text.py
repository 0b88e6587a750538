"""The text of the net that `netc new` writes for a folder of photos: a file to read, and to change."""

from __future__ import annotations

import os
from pathlib import Path
from string import Template

from netc.api.starting import Choice
from netc.data.look import TEST_SHARE, Look
from netc.errors import visible
from netc.language.strings import quote

_NET = Template("""\
# Tells $classes kinds of photos apart. Made by `netc new`; all of it may be changed, and `netc explain NAME` says what
# a layer, a field or a filler does.
#
#   netc check $file        says what is wrong with it, before anything runs
#   netc train $file        trains it, and writes the weights at the end
#   netc test $file         says how well each class is told, and which are taken for which
#   netc predict $file ...  says what photos show
#
# Class 0 is the first, and so on (photos to learn from + to test on). Their names are stored with the weights.
$counts
name: $name

# Photos are $sizes pixels (height x width). All are resized, and a square is cut out
# of them: while training anywhere, and mirrored half of the time, so that no photo looks the same twice; in tests from
# the centre. A larger side shows more, and takes longer.
let size = $resized
let side = $side
# The mean of their pixels ($channels) is subtracted, and what remains is divided by its standard deviation,
# $deviation: nets learn best from numbers around 0 that are about as large as 1.
let mean = [$mean]
let scale = $scale
$parts
# Each epoch has another order (shuffle): a net that saw all photos of one class, and then all of the next, would learn
# to say whatever it saw last.
train {
  data, label = ImageFolder() as photos {
    image_folder_param {
      source: $train
$train_fields      batch_size: $batch
      shuffle: true
      new_height: size
      new_width: size
$colour    }
    transform_param { crop_size: side mirror: true mean_value: mean scale: scale }
  }
}
test {
  data, label = ImageFolder() as photos {
    image_folder_param {
      source: $test
$test_fields      batch_size: $test_batch
      new_height: size
      new_width: size
$colour    }
    transform_param { crop_size: side mean_value: mean scale: scale }
  }
}

# Convolutions find small patterns, and then patterns of patterns. BatchNorm keeps all numbers of about one size, so
# that training can take large steps; the filler msra starts weights at the size that suits a ReLU.
def block(x; width, stride = 1) -> y {
  y = Convolution(x) {
    num_output: width
    kernel_size: 3
    pad: 1
    stride: stride
    bias_term: false
    weight_filler { type: "msra" }
  }
  y = BatchNorm(y) { moving_average_fraction: 0.95 }
  y = Scale(y) { bias_term: true }
  y = ReLU(y)
}

# Each Pooling halves height and width, so that the next block sees twice as much of the photo, and costs less.
h = block(data) { width: $first$stride }
for width in [$widths] {
  h = Pooling(h) { pool: MAX kernel_size: 2 stride: 2 }
  h = block(h) { width: width }
}
h = Pooling(h) { pool: AVE global_pooling: true }
score = InnerProduct(h) { num_output: $classes weight_filler { type: "xavier" } }
loss = SoftmaxWithLoss(score, label)
test { accuracy = Accuracy(score, label) }

# In $iterations iterations each photo is seen about $epochs times. The learning rate falls to 0 in a line (poly);
# should the loss become NaN, make base_lr smaller. A test takes $test_iterations batches of $test_batch photos.
solver {
  type: "SGD"
  base_lr: 0.05
  lr_policy: "poly"
  power: 1
  momentum: 0.9
  weight_decay: 0.0005
  max_iter: $iterations
  test_iter: $test_iterations
  test_interval: $interval
  display: $display
  average_loss: $display
  random_seed: 1
  snapshot_prefix: $prefix
}
""")
_ONE_FOLDER = """\

# Of each class, $share of the photos are there to test on: the net never learns from them. Which ones follows from
# their names, so it stays the same."""
_TWO_FOLDERS = """\

# The photos to learn from and those to test on are in folders of their own."""


def net_text(look: Look, choice: Choice, file: Path) -> str:
    """The text of the net, as it stands in `file`."""
    train, test = look.train, look.test
    fields = {name: "" if look.divided else _split(name) for name in ("train", "test")}
    return _NET.substitute(
        classes=len(train.counts),
        file=visible(file.name),
        name=_quoted(file.stem),
        counts="\n".join(f"#   {visible(name)}: {train.counts[name]} + {test.counts[name]}" for name in train.counts),
        sizes=_sizes(look),
        resized=choice.resized,
        side=choice.side,
        channels="grey" if look.gray else "blue, green, red",
        deviation=f"{look.deviation:.1f}",
        mean=", ".join(f"{value:.1f}" for value in look.mean),
        scale=f"{1 / look.deviation:.4g}",
        parts=_TWO_FOLDERS if look.divided else _ONE_FOLDER.replace("$share", f"{TEST_SHARE:.0%}"),
        train=_source(train.folder, file),
        test=_source(test.folder, file),
        train_fields=fields["train"],
        test_fields=fields["test"],
        batch=choice.batch,
        test_batch=choice.test_batch,
        colour="      is_color: false\n" if look.gray else "",
        first=choice.widths[0],
        stride=f" stride: {choice.first_stride}" if choice.first_stride > 1 else "",
        widths=", ".join(map(str, choice.widths[1:])),
        iterations=choice.iterations,
        epochs=max(1, round(choice.iterations * choice.batch / train.count)),
        test_iterations=choice.test_iterations,
        interval=choice.interval,
        display=choice.display,
        prefix=_quoted(_prefix(file)),
    )


def _prefix(file: Path) -> str:
    """Where snapshots go: a prefix that is a folder would put them there, among the photos."""
    return f"{file.stem}-net" if file.with_suffix("").is_dir() or Path(file.stem).is_dir() else file.stem


def _split(part: str) -> str:
    return f'      split: "{part}"\n      test_share: {TEST_SHARE}\n'


def _sizes(look: Look) -> str:
    smallest, largest = (look.heights[0], look.widths[0]), (look.heights[-1], look.widths[-1])
    one = f"{smallest[0]} x {smallest[1]}"
    return one if smallest == largest else f"{one} to {largest[0]} x {largest[1]}"


def _source(folder: Path, file: Path) -> str:
    """The folder as the net names it: from the net's file on where that is possible, so that both may move."""
    try:
        path = os.path.relpath(folder.resolve(), file.resolve().parent)
    except ValueError:  # on another drive
        path = str(folder.resolve())
    return _quoted(Path(path).as_posix())


def _quoted(text: str) -> str:
    return quote(text).replace("${", "$${")
