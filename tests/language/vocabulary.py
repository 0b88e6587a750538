"""A handful of layer types for the tests of expansion."""

from __future__ import annotations

from collections.abc import Collection

OWN = {
    "Convolution": ("convolution_param", {"num_output", "kernel_size", "stride", "pad", "weight_filler", "bias_term"}),
    "InnerProduct": ("inner_product_param", {"num_output", "weight_filler"}),
    "Pooling": ("pooling_param", {"pool", "kernel_size", "stride", "global_pooling"}),
    "ReLU": ("relu_param", {"negative_slope"}),
    "BatchNorm": ("batch_norm_param", {"use_global_stats"}),
    "Eltwise": ("eltwise_param", {"operation", "coeff"}),
    "Concat": ("concat_param", {"axis"}),
    "Digits": ("digits_param", {"split", "batch_size"}),
    "Input": ("input_param", {"shape"}),
    "SoftmaxWithLoss": ("softmax_param", {"axis"}),
    "Accuracy": ("accuracy_param", {"top_k"}),
    "Softmax": ("softmax_param", {"axis"}),
    "Silence": (None, set[str]()),
}


class TestedLayers:
    """See `netc.language.Vocabulary`."""

    def layer_types(self) -> Collection[str]:
        return OWN

    def message_field(self, type_name: str) -> str | None:
        return OWN[type_name][0]

    def is_own_field(self, type_name: str, name: str) -> bool:
        return name in OWN[type_name][1]

    def is_layer_field(self, name: str) -> bool:
        return name in ("name", "param", "loss_weight", "include", "exclude", "phase", "propagate_down")

    def usually(self, name: str) -> str | None:
        return None

    def in_place(self, type_name: str) -> bool:
        return type_name in ("ReLU", "BatchNorm")

    def fields_of_phase(self, phase: str) -> Collection[str]:
        return ()
