"""Tuning modules of PyTorch: the interface of NVIDIA AITune."""

from __future__ import annotations

from aitune.torch import backend, tune_strategy
from aitune.torch.backend import (
    DEFAULT_PICKLE_PROTOCOL,
    TorchEagerBackend,
    TorchEagerBackendConfig,
    TorchTensorRTAotBackend,
    TorchTensorRTAotBackendConfig,
)
from aitune.torch.checkpoint import LocalTorchStorage
from aitune.torch.config import aitune_cache_dir, config
from aitune.torch.dataset import DataLoaderFactory
from aitune.torch.dynamic_shapes import BatchDim, DynamicDim
from aitune.torch.inspecting import InspectedModulesInfo, ModuleInfo, inspect, wrap
from aitune.torch.jit.config import config as jit_config
from aitune.torch.jit.patched_module import PatchedModule
from aitune.torch.jit.patcher import patch_for_jit_tuning
from aitune.torch.module import Module, ModuleState
from aitune.torch.performance import PerformanceProfile, profile
from aitune.torch.rebuilding import refit, repeat
from aitune.torch.reporting import snapshot_tuning_data
from aitune.torch.saving import LoadedModule, load, save
from aitune.torch.settings import CompilationSettings
from aitune.torch.tune_strategy import (
    FirstWinsStrategy,
    LatencyBudgetStrategy,
    MaxThroughputStrategy,
    MinLatencyStrategy,
    OneBackendStrategy,
    TuneStrategy,
)
from aitune.torch.tuning import tune

__all__ = [
    "BatchDim",
    "CompilationSettings",
    "DEFAULT_PICKLE_PROTOCOL",
    "DataLoaderFactory",
    "DynamicDim",
    "FirstWinsStrategy",
    "InspectedModulesInfo",
    "LatencyBudgetStrategy",
    "LoadedModule",
    "LocalTorchStorage",
    "MaxThroughputStrategy",
    "MinLatencyStrategy",
    "Module",
    "ModuleInfo",
    "ModuleState",
    "OneBackendStrategy",
    "PatchedModule",
    "PerformanceProfile",
    "TorchEagerBackend",
    "TorchEagerBackendConfig",
    "TorchTensorRTAotBackend",
    "TorchTensorRTAotBackendConfig",
    "TuneStrategy",
    "aitune_cache_dir",
    "backend",
    "config",
    "inspect",
    "jit_config",
    "load",
    "patch_for_jit_tuning",
    "profile",
    "refit",
    "repeat",
    "save",
    "snapshot_tuning_data",
    "tune",
    "tune_strategy",
    "wrap",
]
