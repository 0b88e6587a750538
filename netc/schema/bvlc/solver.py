"""The solver: how a net is trained, and the state that a snapshot keeps."""

from __future__ import annotations

from netc.schema.declare import Enum, Message, optional, repeated
from netc.schema.forks import NVCAFFE, SSD, YOLO

CPU = "netc runs on the CPU"
_NETS = (
    optional("net", 24, "string", doc="Path of the net to train, and to test."),
    optional("net_param", 25, "NetParameter", doc="The net itself, instead of a path."),
    optional("train_net", 1, "string", doc="Path of the net to train."),
    repeated("test_net", 2, "string", "Paths of the nets to test."),
    optional("train_net_param", 21, "NetParameter", doc="The net to train, instead of a path."),
    repeated("test_net_param", 22, "NetParameter", "The nets to test, instead of paths."),
    optional("train_state", 26, "NetState", doc="State of the train net; its phase is TRAIN if unset."),
    repeated("test_state", 27, "NetState", "State of each test net; the phase is TEST if unset."),
    repeated("weights", 42, "string", "Weight files to start from."),
)
_RUN = (
    repeated("test_iter", 3, "int32", "Batches in a test of each test net."),
    optional("test_interval", 4, "int32", 0, "Iterations between tests; 0: never."),
    optional("test_compute_loss", 19, "bool", False, "Also report the loss of the test net."),
    optional("test_initialization", 32, "bool", True, "Test once before the first iteration."),
    optional("display", 6, "int32", doc="Iterations between reports; 0: never."),
    optional("average_loss", 33, "int32", 1, "Iterations over which the reported loss is averaged."),
    optional("max_iter", 7, "int32", doc="Iterations to train for."),
    optional("iter_size", 36, "int32", 1, "Batches whose gradients are accumulated for one update."),
    optional("snapshot", 14, "int32", 0, "Iterations between snapshots; 0: only at the end."),
    optional("snapshot_prefix", 15, "string", doc="Path that the names of snapshots start with."),
    optional("snapshot_diff", 16, "bool", False, "Also keep the gradients in snapshots."),
    optional("snapshot_format", 37, "SolverParameter.SnapshotFormat", "BINARYPROTO", "File format of snapshots."),
    optional("snapshot_after_train", 28, "bool", True, "Write a snapshot when training ends."),
    optional("solver_mode", 17, "SolverParameter.SolverMode", "GPU", "Where Caffe runs.", ignored=CPU),
    optional("device_id", 18, "int32", 0, "Number of the GPU.", ignored=CPU),
    optional("random_seed", 20, "int64", -1, "Seed of every random number; negative: a fresh one each run."),
    optional("debug_info", 23, "bool", False, "Report mean absolute values of blobs, gradients and updates."),
    optional(
        "layer_wise_reduce", 41, "bool", True, "Overlap communication of several GPUs with backward.", ignored=CPU
    ),
)
_RATE = (
    optional("base_lr", 5, "float", doc="Learning rate at the start."),
    optional("lr_policy", 8, "string", doc="How the learning rate changes with the iteration.", names="policy"),
    optional("gamma", 9, "float", doc="Factor in the formula of the policy."),
    optional("power", 10, "float", doc="Exponent in the formula of the policy."),
    optional("stepsize", 13, "int32", doc="Iterations in the formula of the policy: those that a step takes."),
    repeated("stepvalue", 34, "int32", "Iterations at which the rate steps (policy multistep)."),
)
_UPDATE = (
    optional("type", 40, "string", "SGD", "How gradients change parameters: the update rule.", names="update rule"),
    optional("momentum", 11, "float", doc="Share of the last update kept; Adam's first moment decay."),
    optional("momentum2", 39, "float", 0.999, "Adam's second moment decay."),
    optional("rms_decay", 38, "float", 0.99, "RMSProp's decay of the mean square."),
    optional("delta", 31, "float", 1e-8, "Keeps AdaGrad, RMSProp, AdaDelta and Adam from dividing by zero."),
    optional("weight_decay", 12, "float", doc="Strength of the regularization."),
    optional("regularization_type", 29, "string", "L2", "What weight decay adds to the loss.", names="regularization"),
    optional("clip_gradients", 35, "float", -1.0, "Largest global L2 norm of the gradient; negative: no limit."),
    optional("solver_type", 30, "SolverParameter.SolverType", "SGD", "The rule, in old files.", deprecated="type"),
)
_NETC = (
    optional("warmup_iter", 1001, "int32", 0, "Iterations in which the rate grows linearly.", origin="netc"),
    optional("warmup_start_lr", 1002, "float", 0.0, "The rate that the warm-up starts from.", origin="netc"),
    optional("weight_decay_l1", 1004, "float", 0.0, "Strength of L1 in regularization_type L1L2.", origin="netc"),
    optional("clip_gradients_value", 1005, "float", -1.0, "Largest absolute value of a gradient.", origin="netc"),
    optional("early_stop", 1006, "EarlyStop", doc="Stop when a test output gets no better.", origin="netc"),
    optional("fit_iter", 1007, "int32", 0, "Batches that layers' statistics are of; 0: the data once.", origin="netc"),
    repeated(
        "learn", 1010, "string", "Patterns of the layers that learn; without, all do.", origin="netc", names="layer"
    ),
    repeated(
        "loss", 1011, "string", "Patterns of the losses that count; without, all do.", origin="netc", names="blob"
    ),
    repeated("turn", 1012, "Turn", "What learns from which loss, one turn after the other.", origin="netc"),
    repeated("stage", 1013, "SolverParameter", "Fields that are other for some iterations, in order.", origin="netc"),
    optional("sparsity", 1014, "float", 0.0, "Share of the weights that are zero.", origin="netc"),
    optional("sparsity_iter", 1015, "int32", 0, "Iterations in which it is reached; 0: at once.", origin="netc"),
    optional("sparsity_interval", 1016, "int32", 1, "Iterations between two steps on the way.", origin="netc"),
    optional("search", 1018, "SearchParameter", doc="Which values `netc search` tries.", origin="netc"),
    repeated(
        "sparse", 1017, "string", "Patterns of layers with sparse weights; without, all.", origin="netc", names="layer"
    ),
)
# The fork's own numbers, 41, 42 and 44, are BVLC's layer_wise_reduce and weights.
_SSD = (
    repeated("plateau_winsize", 43, "int32", "Iterations without a smaller loss (policy plateau).", origin=SSD),
    optional("eval_type", 1041, "string", "classification", "classification, or detection: test by mAP.", origin=SSD),
    optional(
        "ap_version", 1042, "string", "Integral", "How it is computed: 11point, MaxIntegral, Integral.", origin=SSD
    ),
    optional("show_per_class_result", 1044, "bool", False, "Report each class's average precision too.", origin=SSD),
)

_NVCAFFE = (
    optional("rampup_interval", 1060, "int32", 0, "Iterations in which the rate grows as a square.", origin=NVCAFFE),
    optional("rampup_lr", 1061, "float", 0.0, "The rate that it grows from.", origin=NVCAFFE),
    optional("min_lr", 1003, "float", 0.0, "The least rate, which poly and cosine end at.", origin=NVCAFFE),
)
_YOLO = (
    repeated("stagelr", 1050, "float", "The rate of each stage (policy multifixed).", origin=YOLO),
    repeated("stageiter", 1051, "int32", "The last iteration of each stage (policy multifixed).", origin=YOLO),
)

MESSAGES = (
    Message(
        "SolverParameter",
        _NETS + _RUN + _RATE + _UPDATE + _NETC + _SSD + _NVCAFFE + _YOLO,
        (
            Enum("SnapshotFormat", {"HDF5": 0, "BINARYPROTO": 1}, "File format of snapshots."),
            Enum("SolverMode", {"CPU": 0, "GPU": 1}, "Where Caffe computes."),
            Enum(
                "SolverType",
                {"SGD": 0, "NESTEROV": 1, "ADAGRAD": 2, "RMSPROP": 3, "ADADELTA": 4, "ADAM": 5},
                "The update rule, in old files.",
            ),
        ),
        doc="How to train a net.",
    ),
    Message(
        "SolverState",
        (
            optional("iter", 1, "int32", doc="Iterations done."),
            optional("learned_net", 2, "string", doc="Path of the weight file written with this state."),
            repeated("history", 3, "BlobProto", "The update rule's memory, parameter by parameter."),
            optional("current_step", 4, "int32", 0, "Steps of the learning rate done (policies multistep, plateau)."),
            optional("minimum_loss", 5, "float", 1e38, "The smallest smoothed loss (policy plateau).", origin=SSD),
            optional("iter_last_event", 6, "int32", 0, "When it was, or the rate fell (policy plateau).", origin=SSD),
            optional("training", 1001, "TrainingState", doc="What exact resume needs besides.", origin="netc"),
        ),
        doc="What training needs to go on from a snapshot, besides the weights.",
    ),
    Message(
        "EarlyStop",
        (
            optional(
                "output",
                1,
                "string",
                doc="Name of an output of the test nets (the first that has it).",
                origin="netc",
                names="blob",
            ),
            optional("patience", 2, "int32", 5, "Tests without a better value before training stops.", origin="netc"),
            optional("mode", 3, "EarlyStop.Mode", "MAX", "Whether larger or smaller is better.", origin="netc"),
            optional("min_delta", 4, "float", 0.0, "How much better a value must be to count.", origin="netc"),
            optional("restore", 5, "bool", False, "Go back to the weights of the best test at the end.", origin="netc"),
        ),
        (Enum("Mode", {"MAX": 0, "MIN": 1}, "Which values are better."),),
        doc="When to stop before max_iter.",
        origin="netc",
    ),
    Message(
        "Turn",
        (
            repeated(
                "learn",
                1,
                "string",
                "Patterns of layers, or of shared parameters; without: all.",
                origin="netc",
                names="layer",
            ),
            repeated(
                "loss", 2, "string", "Patterns of losses: blobs, or layers; without: all.", origin="netc", names="blob"
            ),
            optional("steps", 3, "int32", 1, "Batches and updates of the turn in each iteration.", origin="netc"),
        ),
        doc="A part of an iteration: its own batches, losses and update.",
        origin="netc",
    ),
    Message(
        "TrainingState",
        (
            optional("seed", 1, "int64", doc="Seed of every random number of the run.", origin="netc"),
            repeated("loss", 2, "double", "Losses of the last average_loss iterations.", packed=True, origin="netc"),
            repeated("net", 3, "TrainingNet", "The train net, then the test nets.", origin="netc"),
            optional("best", 4, "double", doc="Best value that early stopping has seen.", origin="netc"),
            optional("waited", 5, "int32", doc="Tests since the best value.", origin="netc"),
            optional("weights_crc", 6, "uint32", doc="Checksum of the weights written with this.", origin="netc"),
            optional("skipped", 7, "int32", doc="Updates left out in a row: their loss was not finite.", origin="netc"),
            optional("best_iteration", 9, "int64", doc="When early stopping saw its best value.", origin="netc"),
            optional("best_weights", 10, "string", doc="The file with the weights of then.", origin="netc"),
            optional("stage", 11, "int32", doc="The stage that runs, counted from 0.", origin="netc"),
            optional("stage_start", 12, "int64", doc="Iterations done when it began.", origin="netc"),
            repeated("mask", 13, "TrainingMask", "Which weights are kept at zero.", origin="netc"),
            optional("state_crc", 8, "uint32", doc="Checksum of everything else in the state.", origin="netc"),
        ),
        doc="Where a run is, beyond what Caffe keeps: with it a resumed run gives the same bits.",
        origin="netc",
    ),
    Message(
        "TrainingMask",
        (
            optional("param", 1, "string", doc="Name of the parameter.", origin="netc"),
            optional("bits", 2, "bytes", doc="A bit for each weight, least first: 0 is kept at zero.", origin="netc"),
        ),
        doc="Which weights of a parameter are in.",
        origin="netc",
    ),
    Message(
        "TrainingNet",
        (
            optional(
                "iteration", 1, "int64", doc="Forward passes done: the counter of all random draws.", origin="netc"
            ),
            repeated("source", 2, "TrainingSource", "Where the data sources are.", origin="netc"),
            repeated("buffer", 3, "TrainingBuffer", "Values that layers keep between iterations.", origin="netc"),
        ),
        doc="Where one net of a run is.",
        origin="netc",
    ),
    Message(
        "TrainingSource",
        (
            optional("layer", 1, "string", doc="Name of the data layer.", origin="netc"),
            optional("state", 2, "string", doc="What the source says of its place, as JSON.", origin="netc"),
        ),
        doc="The place in a data source.",
        origin="netc",
    ),
    Message(
        "TrainingBuffer",
        (
            optional("layer", 1, "string", doc="Name of the layer.", origin="netc"),
            optional("name", 2, "string", doc="Name of the buffer.", origin="netc"),
            optional("data", 3, "bytes", doc="Its values, little-endian, in C order.", origin="netc"),
        ),
        doc="Values that a layer keeps between iterations.",
        origin="netc",
    ),
)
