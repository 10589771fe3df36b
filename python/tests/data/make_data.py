"""Makes the files of this folder, in which it is run, with the package itself. Plans name source lines by path, and
those of this script shall have no folders, so it is run as

    PYTHONPATH=…/build/release/python python -c "exec(compile(open('make_data.py').read(), 'make_data.py', 'exec'))"
"""

import pathlib

import torch

import aitune.torch as ait

HERE = pathlib.Path.cwd()


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(12, dtype=torch.float32).reshape(4, 3) / 10)

    def forward(self, x):
        y = torch.relu(x @ self.weight - 1)
        return y, (y > 0).sum()


class Doubled(torch.nn.Module):
    def forward(self, x):
        return x * 2


def make(model, samples, name, **options):
    # The reference engine's plans run on every machine.
    settings = ait.CompilationSettings(engine="reference", num_threads=2, max_special_plans=0, portable=False)
    backend = ait.TorchTensorRTAotBackend(ait.TorchTensorRTAotBackendConfig(compile_config=settings))
    module = ait.Module(model, name, strategy=ait.OneBackendStrategy(backend), **options)
    ait.tune(module, samples)
    ait.save(module, HERE / f"{name}.ait")


make(Small(), [torch.rand(2, 4)], "small", dynamic_shapes={"x": (ait.BatchDim("batch", 1, 8), 4)})
make(Doubled(), [torch.rand(2, 3, dtype=torch.bfloat16)], "bf16")
