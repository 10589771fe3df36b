"""CompilationSettings: the fields of Torch-TensorRT's, with its defaults, and those of aitune."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from aitune.errors import InvalidArgument, a_kind
from aitune.torch.dataset import gives_calls

__all__ = [
    "CompilationSettings",
    "TorchTensorRTConfig",
    "calibration_loader",
    "changed_settings",
    "compiler_settings",
    "ignored_settings",
    "unknown_settings",
]

# Torch-TensorRT's places for its caches. Left as they are, aitune keeps its own in the user's cache folder.
_TENSORRT_CACHE = os.path.join(tempfile.gettempdir(), "torch_tensorrt_engine_cache")
_TENSORRT_TIMINGS = os.path.join(_TENSORRT_CACHE, "timing_cache.bin")


@dataclass
class CompilationSettings:
    """How a model is compiled. Names, meanings and defaults of the first part are those of
    ``torch_tensorrt.dynamo.CompilationSettings``, whose objects are taken in its place; docs/python.md says what each
    does on which engine, and tuning names those that an engine ignores.

    Raises:
        InvalidArgument: a field has a wrong type or is out of range.
    """

    workspace_size: int = 0
    min_block_size: int = 5
    torch_executed_ops: Collection[Any] = field(default_factory=set)
    pass_through_build_failures: bool = False
    max_aux_streams: int | None = None
    version_compatible: bool = False
    optimization_level: int | None = None
    truncate_double: bool = False
    use_complex_decomposition: bool = True
    use_fast_partitioner: bool = True
    enable_experimental_decompositions: bool = False
    device: Any = None
    require_full_compilation: bool = False
    disable_tf32: bool = False
    assume_dynamic_shape_support: bool = False
    sparse_weights: bool = False
    engine_capability: Any = "STANDARD"
    num_avg_timing_iters: int = 1
    dla_sram_size: int = 1048576
    dla_local_dram_size: int = 1073741824
    dla_global_dram_size: int = 536870912
    dryrun: bool | str = False
    hardware_compatible: bool = False
    timing_cache_path: str = _TENSORRT_TIMINGS
    lazy_engine_init: bool = False
    cache_built_engines: bool = False
    reuse_cached_engines: bool = False
    use_fp32_acc: bool = False
    refit_identical_engine_weights: bool = False
    strip_engine_weights: bool = False
    immutable_weights: bool = True
    enable_weight_streaming: bool = False
    enable_cross_compile_for_windows: bool = False
    tiling_optimization_level: str = "none"
    l2_limit_for_tiling: int = -1
    use_distributed_mode_trace: bool = False
    offload_module_to_cpu: bool = False
    enable_autocast: bool = False
    autocast_low_precision_type: Any = None
    autocast_excluded_nodes: Collection[str] = field(default_factory=set)
    autocast_excluded_ops: Collection[Any] = field(default_factory=set)
    autocast_max_output_threshold: float = 512
    autocast_max_depth_of_reduction: int | None = None
    autocast_calibration_dataloader: Any = None
    enable_resource_partitioning: bool = False
    cpu_memory_budget: int | None = None
    dynamically_allocate_resources: bool = False
    decompose_attention: bool = False
    disabled_constant_fold_exclusions: Collection[str] = field(default_factory=frozenset)
    attn_bias_is_causal: bool = True
    fallback_data_dependent_ops: bool = False
    # Of older versions of Torch-TensorRT.
    enabled_precisions: Collection[Any] = field(default_factory=lambda: {torch.float32})
    use_explicit_typing: bool = True
    # aitune's own.
    num_threads: int = 0
    engine: str = ""
    onednn: bool = True
    max_relative_error: float = 0
    portable: bool = True
    max_special_plans: int = 4
    special_plan_gain: float = 0.05
    max_data_dependent_size: int = 1 << 20
    custom_ops: Collection[str] = field(default_factory=list)
    engine_cache_dir: str = ""
    engine_cache_size: int = 5 << 30
    tune_budget_seconds: float = 0
    max_quantisation_error: float = 0.05

    def __new__(cls, *_values: Any, **settings: Any) -> CompilationSettings:
        """Raises InvalidArgument for what is no setting, which would be a TypeError of the dataclass."""
        for name in settings:
            if name not in cls.__dataclass_fields__:
                raise _no_setting(name)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        compiler_settings(self)

    def __setattr__(self, name: str, value: Any) -> None:
        """Raises InvalidArgument for what is no setting."""
        if name not in type(self).__dataclass_fields__:
            raise _no_setting(name)
        super().__setattr__(name, value)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> CompilationSettings:
        """The settings that a JSON or YAML file (.json, .yaml, .yml) names, and the defaults of the others.

        Raises:
            InvalidArgument: an unknown field, a wrong type or value, a field given twice.
            Corrupt: the file is neither JSON nor YAML.
        """
        from aitune import _compiler

        read = json.loads(_compiler.read_settings(os.fspath(path)))
        defaults = {row["field"]: json.loads(row["default"]) for row in _compiler.settings()}
        return cls(**{name: value for name, value in read.items() if value != defaults[name]})


TorchTensorRTConfig = CompilationSettings
"""The name that AITune has for it."""


def _no_setting(name: str) -> InvalidArgument:
    near = difflib.get_close_matches(name, _FIELDS, 3)
    fix = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(_FIELDS)}"
    return InvalidArgument(f"there is no setting '{name}'", "settings", fix)


def _refuse(name: str, value: Any, takes: str) -> InvalidArgument:
    problem = "it is None" if value is None else f"{value!r} is {a_kind(value)}"
    return InvalidArgument(problem, f"setting {name}", f"It takes: {takes}")


def _allowed(name: str) -> str:
    """What the compiler says that a setting takes: "integer 0 to 5"."""
    from aitune import _compiler

    return next(row["type"] for row in _compiler.settings() if row["field"] == name)


def _is(kind: tuple[type, ...], takes: str | None = None, optional: bool = False) -> Callable[[str, Any], str]:
    def check(name: str, value: Any) -> str:
        if optional and value is None:
            return ""
        wrong_bool = isinstance(value, bool) and bool not in kind
        if wrong_bool or not isinstance(value, kind):
            allowed = takes or _allowed(name)
            raise _refuse(name, value, allowed + (" or None" if optional and "none" not in allowed else ""))
        return str(value).lower() if isinstance(value, bool) else str(value)

    return check


_BOOL = _is((bool,), "True or False")
_INT = _is((int,))
_OPTIONAL_INT = _is((int,), optional=True)
_NUMBER = _is((int, float))
_STRING = _is((str,))


def _path(name: str, value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise _refuse(name, value, _allowed(name))
    return os.fspath(value)


def _collection(name: str, value: Any) -> str:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Collection):
        raise _refuse(name, value, f"a set or list: {_allowed(name)}")
    return _joined(name, [str(item) for item in value])


def _joined(name: str, items: Iterable[str]) -> str:
    """As the compiler reads a list, where commas separate."""
    for item in items:
        if "," in item:
            raise InvalidArgument(
                f"{item!r} has a comma, which separates items", f"setting {name}", "Give an item for each, without commas"
            )
    return ",".join(items)


def _patterns(name: str, value: Any) -> str:
    text = _collection(name, value)
    for item in value:
        if not isinstance(item, str):
            raise _refuse(name, item, f"a set or list: {_allowed(name)}")
    return text


def _operators(name: str, value: Any) -> str:
    """Names of operators: strings, or torch.ops.aten.gelu.default itself, or the packet torch.ops.aten.gelu."""
    _collection(name, value)
    for item in value:
        if not isinstance(item, (str, torch._ops.OperatorBase, torch._ops.OpOverloadPacket)):
            raise _refuse(name, item, "operators: aten.gelu.default as text, or torch.ops.aten.gelu.default itself")
    names = [item if isinstance(item, str) else str(item).removeprefix("<").rstrip(">") for item in value]
    return _joined(name, names)


def _paths(name: str, value: Any) -> str:
    _collection(name, value)
    return _joined(name, [_path(name, item) for item in value])


def precision_name(value: Any) -> str:
    """ "float16" for torch.float16, torch_tensorrt.dtype.f16 and "fp16"."""
    if isinstance(value, str):
        return value
    name = str(getattr(value, "name", value))
    return name.rpartition(".")[2]


def _precisions(name: str, value: Any) -> str:
    if isinstance(value, (torch.dtype, str)):
        raise _refuse(name, value, "a set of dtypes, such as {torch.float32, torch.bfloat16}")
    _collection(name, value)
    return ",".join(precision_name(item) for item in value)


def _dryrun(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (str, os.PathLike)):
        raise _refuse(name, value, "True, False or a path")
    return os.fspath(value)


def _precision(_name: str, value: Any) -> str:
    return "" if value is None else precision_name(value)


def _device(name: str, value: Any) -> str:
    """A device of PyTorch or its name, or Torch-TensorRT's Device."""
    if value is None or isinstance(value, torch.device) or hasattr(value, "device_type"):
        return _any(name, value)
    takes = "None, or a torch.device or its name, which is ignored but for \"cpu\""
    if not isinstance(value, str):
        raise _refuse(name, value, takes)
    try:
        return str(torch.device(value))
    except RuntimeError as error:
        raise InvalidArgument(f"there is no device {value!r}", f"setting {name}", f"It takes: {takes}") from error


def _calls(name: str, value: Any) -> str:
    """Calls, which the compiler gets by themselves."""
    if value is not None and not gives_calls(value):
        raise _refuse(name, value, "calls of the model, as tune() takes them: a DataLoader, a list, a tensor, or None")
    return ""


def _any(_name: str, value: Any) -> str:
    return "" if value is None else str(value)


# How every field is checked and written for the compiler, which knows the rest: range, meaning, what ignores it.
_FIELDS: dict[str, Callable[[str, Any], str]] = {
    "workspace_size": _INT,
    "min_block_size": _INT,
    "torch_executed_ops": _operators,
    "pass_through_build_failures": _BOOL,
    "max_aux_streams": _OPTIONAL_INT,
    "version_compatible": _BOOL,
    "optimization_level": _OPTIONAL_INT,
    "truncate_double": _BOOL,
    "use_complex_decomposition": _BOOL,
    "use_fast_partitioner": _BOOL,
    "enable_experimental_decompositions": _BOOL,
    "device": _device,
    "require_full_compilation": _BOOL,
    "disable_tf32": _BOOL,
    "assume_dynamic_shape_support": _BOOL,
    "sparse_weights": _BOOL,
    "engine_capability": _any,
    "num_avg_timing_iters": _INT,
    "dla_sram_size": _INT,
    "dla_local_dram_size": _INT,
    "dla_global_dram_size": _INT,
    "dryrun": _dryrun,
    "hardware_compatible": _BOOL,
    "timing_cache_path": _path,
    "lazy_engine_init": _BOOL,
    "cache_built_engines": _BOOL,
    "reuse_cached_engines": _BOOL,
    "use_fp32_acc": _BOOL,
    "refit_identical_engine_weights": _BOOL,
    "strip_engine_weights": _BOOL,
    "immutable_weights": _BOOL,
    "enable_weight_streaming": _BOOL,
    "enable_cross_compile_for_windows": _BOOL,
    "tiling_optimization_level": _STRING,
    "l2_limit_for_tiling": _INT,
    "use_distributed_mode_trace": _BOOL,
    "offload_module_to_cpu": _BOOL,
    "enable_autocast": _BOOL,
    "autocast_low_precision_type": _precision,
    "autocast_excluded_nodes": _patterns,
    "autocast_excluded_ops": _operators,
    "autocast_max_output_threshold": _NUMBER,
    "autocast_max_depth_of_reduction": _OPTIONAL_INT,
    "autocast_calibration_dataloader": _calls,
    "enable_resource_partitioning": _BOOL,
    "cpu_memory_budget": _OPTIONAL_INT,
    "dynamically_allocate_resources": _BOOL,
    "decompose_attention": _BOOL,
    "disabled_constant_fold_exclusions": _operators,
    "attn_bias_is_causal": _BOOL,
    "fallback_data_dependent_ops": _BOOL,
    "enabled_precisions": _precisions,
    "use_explicit_typing": _BOOL,
    "num_threads": _INT,
    "engine": _STRING,
    "onednn": _BOOL,
    "max_relative_error": _NUMBER,
    "portable": _BOOL,
    "max_special_plans": _INT,
    "special_plan_gain": _NUMBER,
    "max_data_dependent_size": _INT,
    "custom_ops": _paths,
    "engine_cache_dir": _path,
    "engine_cache_size": _INT,
    "tune_budget_seconds": _NUMBER,
    "max_quantisation_error": _NUMBER,
}


def calibration_loader(settings: Any) -> Any:
    """autocast_calibration_dataloader, where autocast asks for it; None otherwise."""
    values = _values(settings)
    return values.get("autocast_calibration_dataloader") if values.get("enable_autocast") else None


def _values(settings: Any) -> dict[str, Any]:
    """The fields that an object has: our own class, Torch-TensorRT's, or a dict."""
    if isinstance(settings, Mapping):
        unknown = [name for name in settings if name not in _FIELDS]
        if unknown:
            raise _no_setting(str(unknown[0]))
        return dict(settings)
    found = {name: getattr(settings, name) for name in _FIELDS if hasattr(settings, name)}
    if not found:
        raise InvalidArgument(
            f"{a_kind(settings)} has no field of CompilationSettings",
            "compile_config",
            "It takes an aitune.torch.CompilationSettings, a torch_tensorrt.dynamo.CompilationSettings or a dict",
        )
    return found


def compiler_settings(settings: Any) -> list[tuple[str, str]]:
    """Name and text of every setting that somebody has chosen or that an engine honours, checked. Raises
    InvalidArgument naming a wrong one."""
    from aitune import _compiler

    honoured = {row["field"] for row in _compiler.settings() if not row["ignored_by_cpu"]}
    texts: list[tuple[str, str]] = []
    for name, value in _values(settings).items():
        text = _FIELDS[name](name, value)
        if name == "autocast_calibration_dataloader":
            continue
        if text == "" and value is None:
            continue
        if name not in honoured and value == _default(settings, name):
            continue
        if name == "timing_cache_path" and value == _TENSORRT_TIMINGS:
            continue  # nobody has chosen it
        _compiler.check_setting(name, text)
        texts.append((name, text))
    return texts


def _default(settings: Any, name: str) -> Any:
    """A field's default: that of the object's own class, which may be of another version."""
    kind = settings if dataclasses.is_dataclass(settings) else CompilationSettings
    declared = next(candidate for candidate in dataclasses.fields(kind) if candidate.name == name)
    if declared.default is not dataclasses.MISSING:
        return declared.default
    if name == "device":  # Torch-TensorRT's default is the GPU of the machine
        return getattr(settings, name)
    return declared.default_factory() if declared.default_factory is not dataclasses.MISSING else None


def changed_settings(settings: Any) -> list[str]:
    """ "optimization_level=0" and the like, for each field that differs from its default."""
    found = []
    for name, value in _values(settings).items():
        text, default = _short(name, value), _short(name, _default(settings, name))
        if text != default:
            found.append(f"{name}={text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + '…'}")
    return found


_MAX_SHOWN = 40


def _short(name: str, value: Any) -> str:
    """A value in a few letters, the same for equal sets."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if name == "autocast_calibration_dataloader":
        return type(value).__name__
    text = _FIELDS[name](name, value)
    is_collection = isinstance(value, Collection) and not isinstance(value, str)
    return "+".join(sorted(text.split(","))) if is_collection else text


def unknown_settings(settings: Any) -> list[str]:
    """Lines for what the compiler never sees: a field of an object of another class that differs from its default and
    that aitune lacks, and autocast's samples where autocast is off."""
    lines = [
        f"{other.name} is ignored: this version of aitune does not know it"
        for other in (dataclasses.fields(settings) if dataclasses.is_dataclass(settings) else ())
        if other.name not in _FIELDS and getattr(settings, other.name) != _default(settings, other.name)
    ]
    values = _values(settings)
    if values.get("autocast_calibration_dataloader") is not None and not values.get("enable_autocast"):
        lines.append("autocast_calibration_dataloader is ignored: enable_autocast is off")
    return lines


def ignored_settings(settings: Any, engine: str = "cpu") -> list[str]:
    """Lines for the settings that differ from their default and have no effect: what tuning says."""
    from aitune import _compiler

    return [*_compiler.ignored_settings(compiler_settings(settings), engine), *unknown_settings(settings)]
