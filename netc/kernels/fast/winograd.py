"""Winograd convolution F(4x4, 3x3): 3 x 3 kernels of stride 1 with 36 multiply-adds for 16 tops instead of 144.

Forward is A^T [(G g G^T) * (B^T d B)] A over tiles of 4 x 4 tops and their 6 x 6 bottoms; the data gradient is the same
with the kernel turned round, the weight gradient is the adjoint G^T [sum (B^T d B) * (A dy A^T)] G. (A. Lavin, S. Gray,
Fast Algorithms for Convolutional Neural Networks, 2015.)
"""
