"""
Triton kernels of a whole frame on CUDA: fixed shapes, nothing waits for the host.

Every module needs Triton; import one only where there is a CUDA device. The launchers may be
captured in a CUDA graph once every kernel has run: the first call compiles it.
"""
