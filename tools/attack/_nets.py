"""Random nets for the executors: all that lowering knows and much that it does not, in sizes that fit no block.

Channels that are no multiple of 16, odd sizes, groups, strides, pads, dilations, windows that hang over the edge,
branches, chains in place, shared parameters, several losses, batches of 1 to 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from random import Random

Shape = tuple[int, ...]  # without the batch
CHANNELS = (1, 3, 4, 8, 16, 17, 20, 32, 33, 48)
LARGEST = 6000  # elements of a blob of one image


class RandomNet:
    """Grows a net layer by layer; `text` is the file. The numbers it draws decide about all of it.

    Inputs called labels<N>_<i> take whole numbers below N.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.batch = random.randint(1, 9)
        self.lines = ['name: "random"', *(["force_backward: true"] if self.chance(0.3) else [])]
        self.blobs: dict[str, Shape] = {}
        self.unread: list[str] = []
        self.shared: dict[str, str] = {}
        self.count = 0
        for _ in range(1 + self.chance(0.15)):
            self.input((random.choice(CHANNELS), random.randint(4, 13), random.randint(4, 13)))
        self.grow()
        self.losses()

    def grow(self) -> None:
        for _ in range(self.random.randint(2, 8)):
            self.random.choice(STEPS)(self)

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    # ------------------------------------------------------------ drawing and writing

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def pick(self, rank: int | None = 3) -> tuple[str, Shape] | None:
        """A blob, mostly the newest."""
        fits = [b for b in self.blobs if rank is None or len(self.blobs[b]) == rank]
        if not fits:
            return None
        found = fits[-1] if self.chance(0.7) else self.random.choice(fits)
        return found, self.blobs[found]

    def layer(self, kind: str, bottoms: list[str], tops: Mapping[str, Shape], fields: str = "") -> None:
        blobs = " ".join([*(f'bottom: "{b}"' for b in bottoms), *(f'top: "{t}"' for t in tops)])
        self.lines.append(f'layer {{ name: "{self.name(kind.lower())}" type: "{kind}" {blobs} {fields} }}')
        self.unread = [b for b in self.unread if b not in bottoms]
        for top, shape in tops.items():
            self.blobs[top] = shape
            self.unread.append(top)

    def input(self, shape: Shape, stem: str = "data") -> str:
        name = self.name(stem)
        self.input_of(name, (self.batch, *shape))
        if stem == "data":
            self.blobs[name] = shape
        return name

    def input_of(self, name: str, shape: Shape) -> None:
        """An input of any shape, the batch included."""
        dims = " ".join(f"dim: {d}" for d in shape)
        self.lines.append(
            f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}'
        )

    def like(self, shape: Shape, name: str, most: int) -> list[str]:
        """The blob `name` and others of its shape; convolutions make them where there are none."""
        found = [name]
        for _ in range(self.random.randint(1, most - 1)):
            others = [b for b, s in self.blobs.items() if s == shape and b != name]
            if others and self.chance(0.6):
                found.append(self.random.choice(others))
            else:
                size = self.random.choice((1, 3))
                top = self.name("branch")
                fields = f"num_output: {shape[0]} kernel_size: {size} pad: {size // 2}"
                self.layer("Convolution", [name], {top: shape}, f"convolution_param {{ {fields} }}")
                if self.chance(0.5):
                    self.layer("ReLU", [top], {top: shape})
                found.append(top)
        return found

    # ------------------------------------------------------------ windows

    def convolution(self, kinds: tuple[str, ...] = ("Convolution",)) -> None:
        if (found := self.pick()) is None:
            return
        bottom, (channels, *size) = found
        kind, r = self.random.choice(kinds), self.random
        square = self.chance(0.7)
        kernel, stride, pad, dilation = ([0, 0] for _ in range(4))
        for i in (0, 1):
            kernel[i] = kernel[0] if square and i else r.choice((1, 1, 2, 3, 3, 3, 4, 5))
            stride[i] = stride[0] if square and i else r.choice((1, 1, 1, 2, 3))
            dilation[i] = dilation[0] if square and i else r.choice((1, 1, 1, 1, 2, 3))
            pad[i] = pad[0] if square and i else r.randint(0, kernel[i] - (kernel[i] > 1))
        windows = zip(size, kernel, stride, pad, dilation, strict=True)
        if kind == "Convolution":
            ends = [(s + 2 * p - d * (k - 1) - 1) // t + 1 for s, k, t, p, d in windows]
        else:
            ends = [t * (s - 1) + d * (k - 1) + 1 - 2 * p for s, k, t, p, d in windows]
        outputs, group = r.choice(CHANNELS), 1
        if self.chance(0.3):
            group = r.choice([g for g in (2, 3, 4, 8, channels) if channels % g == 0] or [1])
            outputs = channels if group == channels or self.chance(0.5) else 2 * channels
        if min(ends) < 1 or outputs * prod(ends) > LARGEST:
            return
        fields = f"num_output: {outputs} group: {group} bias_term: {'true' if self.chance(0.8) else 'false'} "
        fields += f"kernel_h: {kernel[0]} kernel_w: {kernel[1]} stride_h: {stride[0]} stride_w: {stride[1]} "
        fields += f"pad_h: {pad[0]} pad_w: {pad[1]} dilation: {dilation[0]} dilation: {dilation[1]}"
        again = self.chance(0.2)  # with the same weights
        self.count += 1
        param = f'param {{ name: "w{self.count}" }} ' if again else "param { lr_mult: 0 } " * self.chance(0.1)
        self.layer(kind, [bottom], {self.name("c"): (outputs, *ends)}, f"{param}convolution_param {{ {fields} }}")
        if again:
            other = next((b for b, s in self.blobs.items() if s == found[1] and b != bottom), bottom)
            self.layer(kind, [other], {self.name("c"): (outputs, *ends)}, f"{param}convolution_param {{ {fields} }}")

    def deconvolution(self) -> None:
        self.convolution(("Deconvolution",))

    def pooling(self) -> None:
        if (found := self.pick()) is None:
            return
        bottom, (channels, *size) = found
        r, method = self.random, self.random.choice(("MAX", "AVE"))
        if self.chance(0.15):
            self.layer(
                "Pooling", [bottom], {self.name("p"): (channels, 1, 1)},
                f"pooling_param {{ pool: {method} global_pooling: true }}",
            )  # fmt: skip
            return
        kernel = [r.randint(2, min(4, s)) if s > 1 else 1 for s in size]
        pad = [r.randint(0, k - 1) if self.chance(0.4) else 0 for k in kernel]
        stride = [r.randint(1, 3) for _ in size]
        windows = [*zip(size, kernel, pad, stride, strict=True)]
        ends = [-(-(s + 2 * p - k) // t) + 1 for s, k, p, t in windows]
        if any(pad):  # Caffe drops a window that begins behind the image, if either axis has a pad...
            ends = [end - ((end - 1) * t >= s + p) for end, (s, _, p, t) in zip(ends, windows, strict=True)]
        beyond = any((end - 1) * t >= s + p for end, (s, _, p, t) in zip(ends, windows, strict=True))
        floor = beyond or self.chance(0.2)  # ... and else gives the lowest of all numbers
        if floor:
            ends = [(s + 2 * p - k) // t + 1 for s, k, p, t in windows]
        fields = f"pool: {method} kernel_h: {kernel[0]} kernel_w: {kernel[1]} stride_h: {stride[0]} "
        fields += f"stride_w: {stride[1]} pad_h: {pad[0]} pad_w: {pad[1]}" + " round_mode: FLOOR" * floor
        self.layer("Pooling", [bottom], {self.name("p"): (channels, *ends)}, f"pooling_param {{ {fields} }}")

    def upsampling(self) -> None:
        """Up by repeating cells, or down with a mask and up by it."""
        if (found := self.pick()) is None:
            return
        bottom, (channels, height, width) = found
        if self.chance(0.5):
            if channels * height * width * 4 <= LARGEST:
                larger = {self.name("up"): (channels, 2 * height, 2 * width)}
                self.layer("Upsample", [bottom], larger, "upsample_param { scale: 2 }")
            return
        if min(height, width) < 2:
            return
        small = channels, (height + 1) // 2, (width + 1) // 2
        pooled, mask, fields = self.name("p"), self.name("mask"), "pooling_param { kernel_size: 2 stride: 2 }"
        self.layer("Pooling", [bottom], {pooled: small, mask: small}, fields)
        if self.chance(0.5):
            fields = f"convolution_param {{ num_output: {channels} kernel_size: 1 }}"
            self.layer("Convolution", [pooled], {self.name("c"): small}, fields)
            pooled = next(reversed(self.blobs))
        fields = f"upsample_param {{ upsample_h: {height} upsample_w: {width} }}"
        self.layer("Upsample", [pooled, mask], {self.name("up"): found[1]}, fields)
        del self.blobs[mask]

    # ------------------------------------------------------------ one blob to one of its shape

    def pointwise(self) -> None:
        if (found := self.pick(None)) is None:
            return
        kind, fields = self.random.choice(POINTWISE)
        self.same(found, kind, fields)

    def same(self, found: tuple[str, Shape], kind: str, fields: str) -> str:
        bottom, shape = found
        top = bottom if self.chance(0.5) and "data" not in bottom else self.name("y")
        self.layer(kind, [bottom], {top: shape}, fields)
        return top

    def relu(self) -> None:
        if (found := self.pick(None)) is not None:
            self.same(found, "ReLU", "")

    def channels(self) -> None:
        found = self.pick()
        if found is None or self.batch * prod(found[1][1:]) < 12:  # fewer values have no variance to speak of
            return
        top = found[0]
        if self.chance(0.7):
            own = " scale_bias: true" * (self.count % 4 == 0)
            top = self.same(found, "BatchNorm", f"batch_norm_param {{ eps: 0.001{own} }}")
        for kind, fields in (("Scale", "scale_param { bias_term: true }"), ("Bias", ""), ("ReLU", "")):
            if self.chance(0.6 if kind != "Bias" else 0.1):
                top = self.same((top, found[1]), kind, fields)

    def lrn(self) -> None:
        if (found := self.pick()) is not None:
            region = " norm_region: WITHIN_CHANNEL" if self.chance(0.2) else ""
            beta = self.random.choice((0.75, 0.5))
            size = self.random.choice((3, 5))
            self.same(found, "LRN", f"lrn_param {{ local_size: {size} alpha: 0.3 beta: {beta}{region} }}")

    # ------------------------------------------------------------ several blobs

    def eltwise(self) -> None:
        if (found := self.pick()) is None:
            return
        bottoms = self.like(found[1], found[0], 4)
        operation = self.random.choice(("SUM", "SUM", "SUM", "PROD", "MAX"))
        coefficients = ""
        if operation == "SUM" and self.chance(0.4):
            coefficients = " ".join(f"coeff: {self.random.choice((1, -0.5, 2))}" for _ in bottoms)
        top = bottoms[0] if self.chance(0.2) and "data" not in bottoms[0] else self.name("e")
        self.layer("Eltwise", bottoms, {top: found[1]}, f"eltwise_param {{ operation: {operation} {coefficients} }}")
        if self.chance(0.5):
            self.layer("ReLU", [top], {top: found[1]})

    def gate(self) -> None:
        """A squeeze-and-excitation block: gates from means over the planes."""
        if (found := self.pick()) is None:
            return
        bottom, (channels, _, _) = found
        one, means, gates = (channels, 1, 1), self.name("means"), self.name("gates")
        self.layer("Pooling", [bottom], {means: one}, "pooling_param { pool: AVE global_pooling: true }")
        fields = f"convolution_param {{ num_output: {channels} kernel_size: 1 }}"
        self.layer("Convolution", [means], {gates: one}, fields)
        self.layer("Sigmoid", [gates], {gates: one})
        self.layer("Axpy", [gates, *self.like(found[1], bottom, 2)], {self.name("gated"): found[1]})

    def concat(self) -> None:
        if (found := self.pick()) is None or found[1][0] > 64:
            return
        bottom, (_, *space) = found
        others = [b for b, s in self.blobs.items() if len(s) == 3 and s[1:] == tuple(space) and s[0] <= 48]
        bottoms = [bottom, *(self.random.choice(others or [bottom]) for _ in range(self.random.randint(1, 2)))]
        if self.chance(0.5):
            bottoms[-1] = self.like(found[1], bottom, 2)[-1]
        total = sum(self.blobs[b][0] for b in bottoms)
        self.layer("Concat", bottoms, {self.name("cat"): (total, *space)})

    def concat_lines(self) -> None:
        """Along another axis than channels."""
        if (found := self.pick()) is None or found[1][1] > 16:
            return
        bottom, (channels, height, width) = found
        self.layer(
            "Concat", [bottom, bottom], {self.name("cat"): (channels, 2 * height, width)}, "concat_param { axis: 2 }"
        )

    def permute(self) -> None:
        """Channels last, as the heads of detectors have it, or any axes but the batch."""
        if (found := self.pick()) is None:
            return
        bottom, shape = found
        order = (2, 3, 1) if self.chance(0.5) else self.random.sample((1, 2, 3), 3)
        fields = " ".join(f"order: {axis}" for axis in (0, *order))
        top = {self.name("perm"): tuple(shape[axis - 1] for axis in order)}
        self.layer("Permute", [bottom], top, f"permute_param {{ {fields} }}")

    def slice(self) -> None:
        if (found := self.pick()) is None or found[1][0] < 2:
            return
        bottom, (channels, *space) = found
        at = 16 if channels > 16 and self.chance(0.6) else self.random.randint(1, channels - 1)
        tops = {self.name("s"): (at, *space), self.name("s"): (channels - at, *space)}
        self.layer("Slice", [bottom], tops, f"slice_param {{ slice_point: {at} }}")

    def crop(self) -> None:
        if (found := self.pick()) is None or min(found[1][1:]) < 3:
            return
        bottom, (channels, height, width) = found
        like = self.name("like")
        self.layer(
            "Pooling", [bottom], {like: (channels, height - 1, width - 1)}, "pooling_param { kernel_size: 2 stride: 1 }"
        )
        fields = f"crop_param {{ axis: 2 offset: {self.random.randint(0, 1)} }}"
        self.layer("Crop", [bottom, like], {self.name("crop"): (channels, height - 1, width - 1)}, fields)

    def reshape(self) -> None:
        if (found := self.pick()) is None:
            return
        bottom, (channels, height, width) = found
        if self.chance(0.5):
            self.layer("Flatten", [bottom], {self.name("f"): (channels * height * width,)})
        else:
            fields = "reshape_param { shape { dim: 0 dim: 0 dim: 1 dim: -1 } }"
            self.layer("Reshape", [bottom], {self.name("f"): (channels, 1, height * width)}, fields)

    def split(self) -> None:
        if (found := self.pick(None)) is not None:
            self.layer("Split", [found[0]], {self.name("sp"): found[1], self.name("sp"): found[1]})

    def inner_product(self) -> None:
        if (found := self.pick(None)) is None:
            return
        outputs = self.random.choice((1, 3, 10, 16, 33, 64))
        fields = f"num_output: {outputs}"
        if self.chance(0.2):
            fields += " transpose: true"
        self.layer("InnerProduct", [found[0]], {self.name("ip"): (outputs,)}, f"inner_product_param {{ {fields} }}")

    # ------------------------------------------------------------ the ends

    def losses(self) -> None:
        """One for each blob that nobody reads, up to three; the rest is silenced or stays an output."""
        leaves = list(dict.fromkeys(self.unread)) or [next(reversed(self.blobs))]
        self.random.shuffle(leaves)
        for number, leaf in enumerate(leaves):
            if number < 3 or self.chance(0.3):
                self.loss(leaf, self.blobs[leaf])
            elif self.chance(0.5):
                self.layer("Silence", [leaf], {})

    def loss(self, leaf: str, shape: Shape) -> None:
        weight = f"loss_weight: {self.random.choice((0.3, 2))}" if self.chance(0.3) else ""
        top = self.name("loss")
        kind = self.random.choice(("ip", "ip", "scores", "scores", "square"))
        if kind == "ip":
            self.layer("InnerProduct", [leaf], {f"{top}_scores": (5,)}, "inner_product_param { num_output: 5 }")
            leaf, shape = f"{top}_scores", (5,)
        if kind == "square":
            target = self.input(shape, "target")
            self.layer(self.random.choice(("EuclideanLoss", "L1Loss")), [leaf, target], {top: ()}, weight)
        elif shape[0] == 1:
            self.layer("Sigmoid", [leaf], {top: shape})
        else:
            label = self.input(shape[1:], f"labels{shape[0]}_")
            ignore = "loss_param { ignore_label: 1 }" if self.chance(0.3) else ""
            self.layer("SoftmaxWithLoss", [leaf, label], {top: ()}, f"{weight} {ignore}")
            if self.chance(0.4):
                self.layer("Accuracy", [leaf, label], {f"{top}_accuracy": ()})
            if self.chance(0.3):
                self.layer("Softmax", [leaf], {f"{top}_softmax": shape})


POINTWISE = (
    ("ReLU", "relu_param { negative_slope: 0.1 }"), ("PReLU", ""), ("PReLU", "prelu_param { channel_shared: true }"),
    ("ELU", ""), ("ELU", "elu_param { alpha: 0.5 }"), ("Sigmoid", ""), ("Sigmoid", ""), ("TanH", ""), ("AbsVal", ""),
    ("BNLL", ""), ("Swish", ""), ("Exp", "exp_param { scale: 0.5 }"), ("Log", "log_param { scale: 0.01 shift: 2 }"),
    ("Power", "power_param { power: 2 scale: 0.5 shift: 1 }"), ("Power", "power_param { scale: -2 shift: 0.3 }"),
    ("Power", "power_param { power: 3 }"), ("Dropout", ""), ("Dropout", "dropout_param { dropout_ratio: 0.2 }"),
    ("Clip", "clip_param { min: -0.5 max: 1 }"), ("ReLU6", ""), ("Softmax", ""),
)  # fmt: skip

STEPS = (
    *(RandomNet.convolution,) * 8, *(RandomNet.deconvolution,) * 2, *(RandomNet.pooling,) * 3, *(RandomNet.relu,) * 2,
    *(RandomNet.pointwise,) * 5, *(RandomNet.channels,) * 3, *(RandomNet.eltwise,) * 3, *(RandomNet.concat,) * 2,
    RandomNet.gate, RandomNet.upsampling, RandomNet.slice, RandomNet.crop, RandomNet.permute, RandomNet.concat_lines,
    RandomNet.reshape, RandomNet.split, RandomNet.inner_product, RandomNet.lrn,
)  # fmt: skip
