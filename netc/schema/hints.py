"""What a person most likely meant by a field that does not exist: usual confusions, forks' fields, misplaced fields."""

from __future__ import annotations

from netc.errors import slips, suggest
from netc.schema import codes
from netc.schema.forks import FORK_FIELDS, REPLACEMENTS
from netc.schema.registry import MessageType
from netc.schema.values import BadValueError

# What people write -> what the field is called. A name is looked up only where the message has the right one.
CONFUSIONS: dict[str, tuple[str, ...]] = {
    "activation": ("relu_param",),
    "avg_loss": ("average_loss",),
    "axes": ("axis",),
    "backend_type": ("backend",),
    "batch": ("batch_size",),
    "batchnorm_param": ("batch_norm_param",),
    "batchsize": ("batch_size",),
    "bias": ("bias_term",),
    "bias_decay": ("decay_mult",),
    "bias_init": ("bias_filler",),
    "bias_lr": ("lr_mult",),
    "biasterm": ("bias_term",),
    "blobs_lr": ("lr_mult",),
    "bn_param": ("batch_norm_param",),
    "bottoms": ("bottom",),
    "channel": ("channels",),
    "clip": ("clip_gradients",),
    "clip_norm": ("clip_gradients",),
    "conv_param": ("convolution_param",),
    "count": ("num_output",),
    "crop": ("crop_size",),
    "cropsize": ("crop_size",),
    "decay": ("weight_decay", "decay_mult"),
    "depth": ("num_output",),
    "dilate": ("dilation",),
    "dilation_rate": ("dilation",),
    "dims": ("dim",),
    "drop_prob": ("dropout_ratio",),
    "drop_ratio": ("dropout_ratio",),
    "dropout": ("dropout_ratio", "dropout_param"),
    "epsilon": ("eps", "delta"),
    "fc_param": ("inner_product_param",),
    "file": ("source",),
    "filler": ("weight_filler",),
    "filter_size": ("kernel_size",),
    "filters": ("num_output",),
    "groups": ("group",),
    "hidden_size": ("num_output",),
    "innerproduct_param": ("inner_product_param",),
    "input": ("bottom",),
    "inputs": ("input", "bottom"),
    "ip_param": ("inner_product_param",),
    "iterations": ("max_iter",),
    "iters": ("max_iter",),
    "kernel": ("kernel_size",),
    "kernelsize": ("kernel_size",),
    "ksize": ("kernel_size",),
    "leak": ("negative_slope",),
    "learning_rate": ("base_lr", "lr_mult"),
    "loss_weights": ("loss_weight",),
    "lr": ("base_lr", "lr_mult"),
    "lr_decay": ("gamma",),
    "lr_rate": ("base_lr",),
    "lr_schedule": ("lr_policy",),
    "max_epoch": ("max_iter",),
    "max_iterations": ("max_iter",),
    "max_iters": ("max_iter",),
    "mean": ("mean_value",),
    "meanfile": ("mean_file",),
    "method": ("pool",),
    "mode": ("solver_mode", "pool"),
    "model": ("net",),
    "mom": ("momentum",),
    "momentum_1": ("momentum",),
    "n_output": ("num_output",),
    "neg_slope": ("negative_slope",),
    "nout": ("num_output",),
    "num_filter": ("num_output",),
    "num_filters": ("num_output",),
    "num_groups": ("group",),
    "num_iter": ("max_iter",),
    "num_outputs": ("num_output",),
    "num_units": ("num_output",),
    "op": ("operation",),
    "optimizer": ("type",),
    "out_channels": ("num_output",),
    "output": ("num_output", "top"),
    "output_size": ("num_output",),
    "pad_mode": ("padding",),
    "pad_size": ("pad",),
    "padding_size": ("pad",),
    "params": ("param",),
    "phase_param": ("phase",),
    "pool_param": ("pooling_param",),
    "pool_size": ("kernel_size",),
    "pool_type": ("pool",),
    "pooling": ("pool",),
    "prefix": ("snapshot_prefix",),
    "ratio": ("dropout_ratio",),
    "regularization": ("regularization_type",),
    "save_interval": ("snapshot",),
    "seed": ("random_seed",),
    "size": ("kernel_size", "dim"),
    "slope": ("negative_slope",),
    "snapshot_interval": ("snapshot",),
    "snapshot_iter": ("snapshot",),
    "solver_param": ("solver",),
    "step": ("stepsize",),
    "step_size": ("stepsize",),
    "step_value": ("stepvalue",),
    "steps": ("stepvalue",),
    "stepvalues": ("stepvalue",),
    "stride_size": ("stride",),
    "strides": ("stride",),
    "subsample": ("stride",),
    "test_iters": ("test_iter",),
    "tops": ("top",),
    "train_iter": ("max_iter",),
    "transformation_param": ("transform_param",),
    "transformer_param": ("transform_param",),
    "units": ("num_output",),
    "update_rule": ("type",),
    "val_iter": ("test_iter",),
    "wd": ("weight_decay", "decay_mult"),
    "weight_init": ("weight_filler",),
    "weight_lr": ("lr_mult",),
    "width_kernel": ("kernel_w",),
    "window": ("kernel_size",),
}


# Fields of one form that people write in another form, and of one message in another.
_WRITE: dict[tuple[str, str], str] = {
    ("LayerParameter", "blobs_lr"): "write `param { lr_mult: ... }`, one `param` for each parameter",
    ("LayerParameter", "weight_decay"): "write `param { decay_mult: ... }`, one `param` for each parameter",
    ("LayerParameter", "blob_share_mode"): "write `param { share_mode: ... }`",
    ("LayerParameter", "layer"): "layers do not nest: close the one before with `}`",
    ("V1LayerParameter", "layers"): "layers do not nest: close the one before with `}`",
    ("V1LayerParameter", "lr_mult"): "in `layers` this is `blobs_lr: ...`, once for each parameter",
    ("V1LayerParameter", "decay_mult"): "in `layers` this is `weight_decay: ...`, once for each parameter",
    ("NetParameter", "input_param"): 'write `layer { type: "Input" top: ... input_param { ... } }`',
    ("NetParameter", "bottom"): "it stands in a layer: `layer { ... bottom: ... }`",
    ("NetParameter", "top"): "it stands in a layer: `layer { ... top: ... }`",
    ("ConvolutionParameter", "kernel_d"): "for three axes write `kernel_size` three times: depth, height, width",
    ("ConvolutionParameter", "kernel_depth"): "for three axes write `kernel_size` three times: depth, height, width",
}


def explain_unknown(name: str, type: MessageType, beside: set[str], layer_type: str = "") -> BadValueError:
    """Why a message has no such field, and what to write.

    `beside` are the names of the fields it stands among; `layer_type` is the `type` of the layer it stands in.
    """
    fork = FORK_FIELDS.get((type.name, name))
    if fork is not None:
        what = f"`{name}` is not a field of BVLC Caffe's {type.name}; it comes from {fork}"
        help = REPLACEMENTS.get((type.name, name), "netc does not know this field")
        return BadValueError(codes.FORK_FIELD, what, help)
    what = f"{type.name} has no field `{name}`"
    holders = beside | {f.name for f in type.fields.values() if f.type == f"{layer_type}Parameter"}
    return BadValueError(codes.UNKNOWN_FIELD, what, _help(name, type, holders))


def _help(name: str, type: MessageType, beside: set[str]) -> str | None:
    fields = type.fields
    if (type.name, name) in _WRITE:
        return _WRITE[type.name, name]
    for meant in CONFUSIONS.get(name.lower(), ()):
        if meant in fields:
            return f"did you mean `{meant}`?"
    place = _inside(name, type, beside)
    if place is not None:
        return f"`{name}` is a field of `{place}`: write `{place} {{ {name}: ... }}`"
    guess = _alike(name, type, beside)
    if guess is not None:
        return f"did you mean `{guess}`?"
    for meant in CONFUSIONS.get(name.lower(), ()):
        place = _inside(meant, type, beside)
        if place is not None:
            return f"did you mean `{place} {{ {meant}: ... }}`?"
    return _elsewhere(name, type)


def _alike(name: str, type: MessageType, beside: set[str]) -> str | None:
    """The field whose name looks most like this one.

    Of equals rather one of a block that is repeated here, or at least one that is not a fork's.
    """
    repeated = [f.name for f in type.fields.values() if f.repeated and f.message and f.name in beside]
    usual = [f.name for f in type.fields.values() if f.declaration.origin in ("caffe", "netc")]
    guesses = [suggest(name, names) for names in (repeated, usual, list(type.fields))]
    return min((guess for guess in guesses if guess), key=lambda guess: slips(name, guess), default=None)


def _inside(name: str, type: MessageType, beside: set[str]) -> str | None:
    """The field of a message, among this message's own, that has a field of this name."""
    holders = [f.name for f in type.fields.values() if f.message is not None and name in f.message.fields]
    written = [holder for holder in holders if holder in beside]
    if len(written) == 1:
        return written[0]
    return holders[0] if len(holders) == 1 or name in ("lr_mult", "decay_mult") else None


def _elsewhere(name: str, type: MessageType) -> str | None:
    """The one message of the schema that has such a field."""
    schema = type.schema
    owners = [m for m in schema.messages if name in schema.message(m).fields and not m.startswith("V")]
    return f"`{name}` is a field of {owners[0]}" if len(owners) == 1 else None
