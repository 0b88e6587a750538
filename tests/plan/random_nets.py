"""Random small nets as text: branches, in-place chains, Concat, Eltwise, Slice, shared parameters, several losses."""

from __future__ import annotations

from random import Random

BATCH = 2
Blob = tuple[str, tuple[int, ...]]  # name and shape without the batch


class RandomNet:
    """Grows a net layer by layer; `text` is the file. The same seed gives the same text."""

    def __init__(self, seed: int, layers: int = 14) -> None:
        self.random = Random(seed)
        self.lines: list[str] = [f'name: "random{seed}"']
        self.blobs: list[Blob] = []
        self.count = 0
        self.shared = self.random.random() < 0.5
        for _ in range(self.random.randint(1, 2)):
            shape = (self.random.choice((2, 3, 4)), 6, 6)
            self.blobs.append((self._input(shape), shape))
        for _ in range(layers):
            self.random.choice(STEPS)(self)
        for _ in range(self.random.randint(1, 3)):
            self._loss()
        if self.random.random() < 0.2:
            self.lines.insert(1, "force_backward: true")

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    # ------------------------------------------------------------ writing

    def _new(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def _input(self, shape: tuple[int, ...]) -> str:
        name = self._new("in")
        dims = " ".join(f"dim: {d}" for d in (BATCH, *shape))
        self.lines.append(
            f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}'
        )
        return name

    def _layer(self, kind: str, bottoms: list[str], tops: list[str], fields: str = "") -> None:
        name = self._new(kind.lower())
        blobs = " ".join([*(f'bottom: "{b}"' for b in bottoms), *(f'top: "{t}"' for t in tops)])
        self.lines.append(f'layer {{ name: "{name}" type: "{kind}" {blobs} {fields} }}')

    def _pick(self, rank: int | None = None) -> Blob:
        """A blob, mostly one of the newest."""
        fits = [b for b in self.blobs if rank is None or len(b[1]) == rank]
        return fits[-1] if self.random.random() < 0.5 else self.random.choice(fits)

    # ------------------------------------------------------------ steps

    def convolution(self) -> None:
        name, (channels, height, width) = self._pick(3)
        outputs, kernel, top = self.random.choice((2, 3, 4)), self.random.choice((1, 3)), self._new("c")
        param = ""
        if self.shared and self.random.random() < 0.5:
            param = f'param {{ name: "w{channels}_{outputs}_{kernel}" }} '
        elif self.random.random() < 0.2:
            param = "param { lr_mult: 0 } param { lr_mult: 0 } "
        filler = 'weight_filler { type: "xavier" } bias_filler { type: "uniform" min: -1 max: 1 }'
        fields = f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} pad: {kernel // 2} {filler} }}"
        self._layer("Convolution", [name], [top], param + fields)
        self.blobs.append((top, (outputs, height, width)))

    def pointwise(self) -> None:
        name, shape = self._pick()
        kind = self.random.choice(("ReLU", "ReLU", "Sigmoid", "TanH", "Dropout", "BatchNorm", "Scale"))
        if kind in {"BatchNorm", "Scale"} and len(shape) != 3:
            kind = "ReLU"
        fields = (
            'scale_param { filler { type: "uniform" min: 0.5 max: 1.5 } bias_term: true }' if kind == "Scale" else ""
        )
        top = name if self.random.random() < 0.5 else self._new("p")
        self._layer(kind, [name], [top], fields)
        if top != name:
            self.blobs.append((top, shape))

    def pooling(self) -> None:
        name, (channels, height, width) = self._pick(3)
        method, top = self.random.choice(("MAX", "AVE")), self._new("pool")
        self._layer("Pooling", [name], [top], f"pooling_param {{ pool: {method} kernel_size: 3 stride: 1 pad: 1 }}")
        self.blobs.append((top, (channels, height, width)))

    def eltwise(self) -> None:
        name, shape = self._pick()
        alike = [n for n, s in self.blobs if s == shape]
        bottoms = [name, *(self.random.choice(alike) for _ in range(self.random.randint(1, 2)))]
        fields = self.random.choice(("", "eltwise_param { operation: MAX }", "eltwise_param { operation: PROD }"))
        if fields == "" and len(bottoms) == 2:
            fields = "eltwise_param { coeff: 1 coeff: -0.5 }"
        top = name if self.random.random() < 0.3 else self._new("e")
        self._layer("Eltwise", bottoms, [top], fields)
        if top != name:
            self.blobs.append((top, shape))

    def concat(self) -> None:
        name, (channels, height, width) = self._pick(3)
        others = [(n, s) for n, s in self.blobs if len(s) == 3 and s[1:] == (height, width) and s[0] < 12]
        picked = [self.random.choice(others) for _ in range(self.random.randint(1, 2))] if others else []
        top = self._new("cat")
        self._layer("Concat", [name, *(n for n, _ in picked)], [top])
        self.blobs.append((top, (channels + sum(s[0] for _, s in picked), height, width)))

    def slice(self) -> None:
        name, (channels, *space) = self._pick(3)
        if channels < 2:
            return
        at, tops = self.random.randint(1, channels - 1), [self._new("s"), self._new("s")]
        self._layer("Slice", [name], tops, f"slice_param {{ slice_point: {at} }}")
        self.blobs += [(tops[0], (at, *space)), (tops[1], (channels - at, *space))]

    def reshape(self) -> None:
        name, shape = self._pick()
        size = 1
        for dim in shape:
            size *= dim
        top = self._new("f")
        if self.random.random() < 0.5:
            self._layer("Flatten", [name], [top])
            self.blobs.append((top, (size,)))
        else:
            self._layer("Reshape", [name], [top], "reshape_param { shape { dim: 0 dim: -1 dim: 1 dim: 2 } }")
            if size % 2 == 0:
                self.blobs.append((top, (size // 2, 1, 2)))
            else:
                self.lines.pop()

    def split(self) -> None:
        name, shape = self._pick()
        tops = [self._new("sp"), self._new("sp")]
        self._layer("Split", [name], tops)
        self.blobs += [(t, shape) for t in tops]

    def silence(self) -> None:
        self._layer("Silence", [self._pick()[0]], [])

    def _loss(self) -> None:
        name, shape = self._pick()
        if self.random.random() < 0.5:
            target = self._input(shape)
            self._layer("EuclideanLoss", [name, target], [self._new("loss")], "loss_weight: 0.5")
            return
        top, label = self._new("ip"), self._input(())
        fields = 'inner_product_param { num_output: 3 weight_filler { type: "xavier" } }'
        self._layer("InnerProduct", [name], [top], fields)
        self._layer("SoftmaxWithLoss", [top, label], [self._new("loss")])


STEPS = (
    RandomNet.convolution,
    RandomNet.convolution,
    RandomNet.pointwise,
    RandomNet.pointwise,
    RandomNet.pointwise,
    RandomNet.pooling,
    RandomNet.eltwise,
    RandomNet.eltwise,
    RandomNet.concat,
    RandomNet.slice,
    RandomNet.reshape,
    RandomNet.split,
    RandomNet.silence,
)


def random_net(seed: int, layers: int = 14) -> str:
    """The text of a random net; a function of its arguments only."""
    return RandomNet(seed, layers).text
