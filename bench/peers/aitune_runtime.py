"""aitune: libaitune_runtime through its C interface (include/aitune/runtime.h)."""

import ctypes
import os
import pathlib

import numpy as np

from . import Loaded, path_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = os.environ.get("AITUNE_RUNTIME", ROOT / "build/release/runtime/libaitune_runtime.so")
DTYPES = [np.uint8, np.int8, np.int16, np.int32, np.int64, np.float16, np.float32, np.float64, np.complex64, np.complex128, np.bool_]


class Tensor(ctypes.Structure):
    _fields_ = [("dtype", ctypes.c_int), ("rank", ctypes.c_int32), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("data", ctypes.c_void_p)]


class TensorInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("dtype", ctypes.c_int), ("rank", ctypes.c_int32),
                ("min_shape", ctypes.POINTER(ctypes.c_int64)), ("max_shape", ctypes.POINTER(ctypes.c_int64))]


class LoadOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("num_threads", ctypes.c_int32), ("skip_checksums", ctypes.c_int32),
                ("module", ctypes.c_char_p), ("precision", ctypes.c_char_p)]


class Runtime:
    """The few functions of the library that a benchmark needs. Errors become RuntimeError."""

    def __init__(self):
        self.library = ctypes.CDLL(str(LIBRARY))
        self.library.aitune_last_error.restype = ctypes.c_char_p
        self.library.aitune_output_count.restype = ctypes.c_size_t

    def check(self, status):
        if status != 0:
            raise RuntimeError(self.library.aitune_last_error().decode())

    def load(self, path, threads):
        options = LoadOptions(struct_size=ctypes.sizeof(LoadOptions), num_threads=threads)
        module = ctypes.c_void_p()
        self.check(self.library.aitune_load(os.fsencode(path), ctypes.byref(options), ctypes.byref(module)))
        return module

    def outputs(self, module, inputs):
        arrays = []
        for i in range(self.library.aitune_output_count(module)):
            info = TensorInfo()
            self.check(self.library.aitune_output_info(module, ctypes.c_size_t(i), ctypes.byref(info)))
            shape = (ctypes.c_int64 * info.rank)()
            self.check(self.library.aitune_output_shape(module, inputs, ctypes.c_size_t(len(inputs)), ctypes.c_size_t(i), shape))
            arrays.append(np.empty(tuple(shape), DTYPES[info.dtype]))
        return arrays


def describe(arrays):
    """The arrays as the C interface wants them. They have to outlive the result."""
    tensors = (Tensor * len(arrays))()
    for tensor, array in zip(tensors, arrays, strict=True):
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        tensor.dtype, tensor.rank, tensor.shape, tensor.data = DTYPES.index(array.dtype.type), array.ndim, shape, array.ctypes.data
    return tensors


def load(job):
    runtime = Runtime()
    module = runtime.load(path_of(job, f"-{job.precision}.ait"), job.threads)
    arrays = [np.ascontiguousarray(array) for array in job.inputs]
    inputs = describe(arrays)
    results = runtime.outputs(module, inputs)
    outputs = describe(results)
    run, counts = runtime.library.aitune_run, (ctypes.c_size_t(len(inputs)), ctypes.c_size_t(len(outputs)))

    def call():
        if run(module, inputs, counts[0], outputs, counts[1]) != 0:
            runtime.check(1)
        return results

    return Loaded(call, facts={"kept": arrays})
