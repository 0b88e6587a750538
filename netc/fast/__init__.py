"""Compiled steps on blocked blobs. One file here serves one family of layer types: its kernels, how they are launched,
and when; `machine` is beneath, `program` strings the launches of a net together.
"""
