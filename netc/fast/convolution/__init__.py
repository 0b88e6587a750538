"""Convolution and Deconvolution on blocked blobs: by the tile, each channel by itself, or by Winograd."""
