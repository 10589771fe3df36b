"""The runtimes that are compared. Each module has load(job) -> Loaded; PEERS lists them.

A peer is loaded the way its makers recommend for low latency on a CPU, and timed from NumPy arrays to NumPy arrays
(PyTorch: tensors), with the outputs left where the peer puts them.
"""

import dataclasses
import pathlib
from collections.abc import Callable

PEERS = {
    "aitune": "aitune_runtime",
    "aitune fp32": "aitune_fp32",
    "onnxruntime": "onnx_runtime",
    "openvino": "open_vino",
    "torch.compile": "torch_compile",
    "eager": "torch_eager",
}
# Which peers take part in which precision.
PRECISIONS = {
    "fp32": ["aitune", "onnxruntime", "openvino", "torch.compile", "eager"],
    "bf16": ["aitune", "aitune fp32", "openvino", "torch.compile", "eager"],
}


@dataclasses.dataclass
class Job:
    folder: pathlib.Path  # with NAME.pt2, NAME.onnx, NAME_io.npz and NAME-PRECISION.ait
    name: str
    precision: str
    threads: int
    inputs: list  # NumPy arrays in call order
    cold: bool = False  # load what was saved in an optimised form, as production would


@dataclasses.dataclass
class Loaded:
    call: Callable[[], list]  # runs once; returns the outputs in the peer's own form
    to_numpy: Callable[[list], list] = lambda outputs: outputs
    facts: dict = dataclasses.field(default_factory=dict)


def path_of(job, ending):
    return job.folder / f"{job.name}{ending}"
