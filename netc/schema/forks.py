"""Fields, layer types and enum values that exist only in forks of Caffe, and whose they are.

For diagnostics that name the fork. What netc itself can do is declared as a field (with its `origin`) or has a layer
file, and does not stand here.
"""

from __future__ import annotations

SSD = "SSD (weiliu89/caffe)"
FAST_RCNN = "Fast R-CNN (rbgirshick/caffe-fast-rcnn)"
RFCN = "R-FCN (daijifeng001/caffe-rfcn)"
SEGNET = "SegNet (alexgkendall/caffe-segnet)"
DEEPLAB = "DeepLab (cdmh/deeplab-public)"
PSPNET = "PSPNet (hszhao/PSPNet)"
NVCAFFE = "NVCaffe (NVIDIA/caffe)"
INTEL = "Intel's Caffe (intel/caffe)"
JACINTO = "Caffe-Jacinto (tidsp/caffe-jacinto)"
YOLO = "MobileNet-YOLO (eric612/MobileNet-YOLO)"
GREENTEA = "Greentea (naibaf7/caffe)"
YJXIONG = "yjxiong/caffe"
NORMFACE = "NormFace (happynear/caffe-windows)"
LSTM = "caffe-lstm (junhyukoh/caffe-lstm)"
CRFRNN = "CRF-RNN (torrvision/crfasrnn)"
DEEPDETECT = "DeepDetect's Caffe (jolibrain/caffe)"
FCN = "FCN (longjon/caffe, branch future)"
DEPTHWISE = "DepthwiseConvolution (yonghenglh6/DepthwiseConvolution)"
CENTER_LOSS = "Center loss (ydwen/caffe-face)"
SPHEREFACE = "SphereFace (wy1iu/sphereface)"
DIGITS = "NVIDIA DIGITS' plug-ins (NVIDIA/DIGITS)"
C3D = "C3D (facebook/C3D)"
FLOWNET = "FlowNet (lmb-freiburg/flownet2)"
RISTRETTO = "Ristretto (pmgysel/caffe)"
DEFORMABLE = "Deformable convolution (unsky/Deformable-ConvNets-caffe)"
OPENVINO = "OpenVINO's Caffe (openvinotoolkit/training_toolbox_caffe)"
OPENPOSE = "OpenPose (CMU-Perceptual-Computing-Lab/caffe)"

# fork -> message -> names of fields
_FIELDS: dict[str, dict[str, str]] = {
    SSD: {
        "NetParameter": "item",
    },
    RFCN: {
        "LayerParameter": "box_annotator_ohem_param roi_align_param",
        "LossParameter": "pre_fixed_normalizer",
    },
    DEEPLAB: {
        "V1LayerParameter": "interp_param mat_read_param mat_write_param padding_param seg_accuracy_param strict_dim "
        "softmaxloss_param densecrf_param",
        "LayerParameter": "mat_read_param mat_write_param seg_accuracy_param densecrf_param dense_crf_param "
        "domain_transform_param unique_label_param image_seg_data_param",
        "ImageDataParameter": "has_label label_type ignore_label",
    },
    PSPNET: {
        "LayerParameter": "seg_accuracy_param mat_read_param mat_write_param",
        "BNParameter": "var_eps moving_average decay axis",
        "DataParameter": "shuffle",
        "ImageDataParameter": "label_type ignore_label is_rsdata rs_channels is_modis_bin modis_channles "
        "modis_channel_list modis_class_num",
        "InterpParameter": "interp_type",
        "TransformationParameter": "rand_resize rand_rotate gaussian_blur rand_aspect_ratio label_scalefactor "
        "label_offset rotate90n",
    },
    NVCAFFE: {
        "LayerParameter": "detectnet_groundtruth_param detectnet_augmentation_param",
        "SolverParameter": "larc larc_policy larc_eta larc_turbo local_lr local_lr_ratio local_lr_auto local_gw_ratio "
        "weight_decay_policy max_weight_decay weight_decay_power clip_gradients_mode momentum_policy max_momentum "
        "momentum_power",
        "TransformationParameter": "img_rand_resize_lower img_rand_resize_upper resize_to_square "
        "rand_resize_ratio_lower rand_resize_ratio_upper vertical_stretch_lower vertical_stretch_upper "
        "horizontal_stretch_lower "
        "horizontal_stretch_upper interpolation_algo_up interpolation_algo_down allow_upscale random_seed",
        "DataParameter": "shuffle",
    },
    INTEL: {
        "NetParameter": "bn_stats_batch_size",
        "LayerParameter": "quantization_param eval_detection_param spatial_dropout_param continuation_indicator_param",
        "BatchNormParameter": "filler bias_term use_weight_bias stats_batch_size relu",
        "ConvolutionParameter": "relu negative_slope fusion_type sum_type",
        "DataParameter": "shuffle",
        "SolverParameter": "disabled_update local_lr_auto larc",
        "LossParameter": "pre_fixed_normalizer",
        "TransformationParameter": "random_aspect_ratio_param random_resize_param pad flow",
    },
    JACINTO: {
        "NetParameter": "quantize net_quantization_param",
        "LayerParameter": "image_label_data_param quantization_param",
        "SolverParameter": "sparse_mode sparsity_itr_increment_bfr_applying sparsity_start_factor "
        "sparsity_start_iter sparsity_step_factor sparsity_step_iter sparsity_target sparsity_threshold_maxratio "
        "sparsity_threshold_value_max",
    },
    YOLO: {
        "LayerParameter": "region_loss_param reorg_param segmentation_evaluate_param yolo_detection_output_param "
        "yolo_seg_param yolov3_detection_output_param yolov3_param lane_data_param assisted_excitation_param",
        "TransformationParameter": "geometry_param",
        "AnnotatedDataParameter": "iters_label_map_file",
    },
    GREENTEA: {
        "NetParameter": "process train",
        "LayerParameter": "affinity_param mergecrop_param malis_param buffer",
        "ConvolutionParameter": "fuse_type eltwise_param",
    },
    YJXIONG: {
        "LayerParameter": "seg_data_param roi_param",
        "DataParameter": "shuffle",
        "TransformationParameter": "fix_crop is_flow max_distort multi_scale scale_ratios stride upper_shift "
        "upper_size upper_height upper_width",
        "VideoDataParameter": "grayscale",
    },
    NORMFACE: {
        "LayerParameter": "general_contrastive_loss_param general_triplet_loss_param inner_distance_param "
        "label_specific_rescale_param normalize_param flip_param",
        "AccuracyParameter": "min_is_better",
        "InnerProductParameter": "normalize",
        "ParameterParameter": "blob_filler",
        "ScaleParameter": "min_value max_value",
        "SoftmaxParameter": "normalize_type",
    },
    LSTM: {"LayerParameter": "lstm_param"},
    CRFRNN: {
        "LayerParameter": "multi_stage_meanfield_param",
        "V1LayerParameter": "multi_stage_meanfield_param",
    },
    DEEPDETECT: {
        "LayerParameter": "continuation_indicator_param ctc_loss_param labelsequence_accuracy_param "
        "sparse_data_param memory_sparse_data_param",
    },
    SPHEREFACE: {"LayerParameter": "margin_inner_product_param"},
    DEFORMABLE: {"LayerParameter": "deformable_convolution_param"},
    FLOWNET: {
        "LayerParameter": "coeff_schedule_param augmentation_param correlation_param l1_loss_param writer_param "
        "reader_param mean_param resample_param downsample_param lpq_loss_param flow_warp_param",
        "DataParameter": "preselection preselection_label range_start range_end rand_permute rand_permute_seed "
        "slice_point encoding permute_every_iter block_size",
    },
    C3D: {
        "ConvolutionParameter": "kernel_depth temporal_stride temporal_pad",
        "PoolingParameter": "kernel_depth temporal_stride",
    },
    OPENPOSE: {
        "LayerParameter": "op_transform_param cpm_transform_param nms_param imresize_param",
        "ConvolutionParameter": "binary",
    },
    RISTRETTO: {"LayerParameter": "quantization_param"},
}


def _owners(tables: dict[str, dict[str, str]]) -> dict[tuple[str, str], str]:
    """(message, name) -> the forks that have it, one after the other."""
    found: dict[tuple[str, str], list[str]] = {}
    for fork, messages in tables.items():
        for message, names in messages.items():
            for name in names.split():
                found.setdefault((message, name), []).append(fork)
    return {key: " or ".join(forks) for key, forks in found.items()}


FORK_FIELDS: dict[tuple[str, str], str] = _owners(_FIELDS)
"""(message, name of a field) -> whose it is."""

# What to write instead of a fork's field, where BVLC Caffe or netc has the same thing.
REPLACEMENTS: dict[tuple[str, str], str] = {
    (
        "LayerParameter",
        "lstm_param",
    ): 'BVLC Caffe has a layer `type: "LSTM"` with `recurrent_param`; it reads time first',
    ("ParameterParameter", "blob_filler"): "take it out: weights that are loaded replace it",
}

# Singular fields that a fork takes several times: whose form it is, and what to write for BVLC Caffe.
FORK_REPEATED: dict[tuple[str, str], tuple[str, str]] = {
    ("PoolingParameter", "kernel_size"): (GREENTEA, "for two sizes write `kernel_h` and `kernel_w`"),
    ("PoolingParameter", "stride"): (GREENTEA, "for two strides write `stride_h` and `stride_w`"),
    ("PoolingParameter", "pad"): (GREENTEA, "for two pads write `pad_h` and `pad_w`"),
    ("TransformationParameter", "resize_param"): (YOLO, "keep one"),
}

# fork -> layer types
_TYPES: dict[str, str] = {
    RFCN: "BoxAnnotatorOHEM SmoothL1LossOHEM SoftmaxWithLossOHEM ROIAlign",
    DEEPLAB: "ImageSegData MatRead MatWrite SegAccuracy DenseCRF UniqueLabel DomainTransform",
    NVCAFFE: "DetectNetTransformation",
    INTEL: "EvalDetection SpatialDropout MnActivation",
    JACINTO: "ImageLabelData IOUAccuracy",
    YOLO: "AssistedExcitation LaneData RegionLoss Reorg SegmentationEvaluate YoloDetectionOutput YoloSeg Yolov3 "
    "Yolov3DetectionOutput YoloLoss",
    GREENTEA: "Affinity ConnectedComponent MalisLoss MergeCrop DataRandTransform",
    YJXIONG: "Gather SegData",
    NORMFACE: "Flip GeneralContrastiveLoss GeneralTripletLoss InnerDistance LabelSpecificRescale",
    LSTM: "Lstm",
    CRFRNN: "MultiStageMeanfield",
    DEEPDETECT: "ContinuationIndicator CtcLoss LabelsequenceAccuracy SparseData",
    SPHEREFACE: "MarginInnerProduct",
    DEFORMABLE: "DeformableConvolution",
    FLOWNET: "Correlation Correlation1D FlowWarp Resample L1LossLayer ChannelNorm DataAugmentation FlowAugmentation "
    "GenerateAugmentationParameters BlackAugmentation Downsample LpqLoss Mean Accum FLOReader FLOWriter ImgReader "
    "ImgWriter CustomData",
    C3D: "Convolution3D Pooling3D VolumeData",
    OPENPOSE: "Nms ImResize CPMData OPData",
    OPENVINO: "CTCDecoder GRN PowerFile RegionYolo ReorgYolo SpatialTransformer PSROIAssembling ChannelPermutation",
    RISTRETTO: "ConvolutionRistretto FcRistretto DeconvolutionRistretto LRNRistretto",
}

FORK_TYPES: dict[str, str] = {name: fork for fork, names in _TYPES.items() for name in names.split()}
"""Layer type -> whose it is."""

_CROP = (
    "Caffe's own layer crops, too, but is told where: write every `layers` as `layer`, this one with "
    '`type: "Crop" crop_param { axis: 2 offset: ... }`'
)
VALUE_REPLACEMENTS: dict[tuple[str, str], str] = {
    ("V1LayerParameter.LayerType", "CROP"): _CROP,
    ("V1LayerParameter.LayerType", "INTERP"): 'write every `layers` as `layer`, this one with `type: "Interp"`',
}
"""Values of forks -> what to write instead."""

FORK_VALUES: dict[tuple[str, str], str] = {
    ("V1LayerParameter.LayerType", "CROP"): FCN,
    ("V1LayerParameter.LayerType", "IMAGE_SEG_DATA"): DEEPLAB,
    ("V1LayerParameter.LayerType", "INTERP"): DEEPLAB,
    ("V1LayerParameter.LayerType", "MAT_READ"): DEEPLAB,
    ("V1LayerParameter.LayerType", "MAT_WRITE"): DEEPLAB,
    ("V1LayerParameter.LayerType", "PADDING"): DEEPLAB,
    ("V1LayerParameter.LayerType", "SEG_ACCURACY"): DEEPLAB,
    ("V1LayerParameter.LayerType", "DENSECRF"): DEEPLAB,
    ("V1LayerParameter.LayerType", "MULTI_STAGE_MEANFIELD"): CRFRNN,
    ("V1LayerParameter.LayerType", "CONVOLUTION3D"): C3D,
    ("V1LayerParameter.LayerType", "POOLING3D"): C3D,
    ("LossParameter.NormalizationMode", "PRE_FIXED"): f"{RFCN} or {INTEL}",
    ("LossParameter.NormalizationMode", "NONE_VALID"): SSD,
    ("EltwiseParameter.EltwiseOp", "STOCHASTIC_SUM"): YJXIONG,
}
"""(enum, name of a value) -> whose it is."""
