"""Backends: ways to run a module. The names are those of NVIDIA AITune."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from aitune.errors import AituneError, InvalidArgument, a_kind
from aitune.loaded import custom_ops, load_custom_ops
from aitune.torch.archive import EXTRA_NAME, Entry, GraphMeta, architecture_of
from aitune.torch.config import unknown_field
from aitune.torch.custom import compiler, every_operator
from aitune.torch.dataset import calls_of
from aitune.torch.engine import Engine, work_folder
from aitune.torch.export import Exported, IRType, export, naming_module
from aitune.torch.progress import improved_plan, tell
from aitune.torch.recording import GraphRecord, Sample, take_call
from aitune.torch.settings import (
    CompilationSettings,
    TorchTensorRTConfig,
    calibration_loader,
    changed_settings,
    compiler_settings,
    unknown_settings,
)
from aitune.torch.signature import Signature
from aitune.torch.structure import computed_numbers, rebuild
from aitune.torch.updates import Updates

if TYPE_CHECKING:
    from aitune import _compiler

__all__ = [
    "Backend",
    "BackendConfig",
    "DEFAULT_PICKLE_PROTOCOL",
    "IRType",
    "TorchEagerBackend",
    "TorchEagerBackendConfig",
    "TorchTensorRTAotBackend",
    "TorchTensorRTAotBackendConfig",
    "TorchTensorRTConfig",
]

_logger = logging.getLogger("aitune")

DEFAULT_PICKLE_PROTOCOL = 4
_IRS = ("dynamo", "ts", "fx")


@dataclass
class BackendConfig:
    """Base of the configurations of backends."""


@dataclass
class TorchTensorRTAotBackendConfig(BackendConfig):
    """How TorchTensorRTAotBackend compiles.

    Attributes:
        ir: how the model is exported: "dynamo" (torch.export), "ts" (torch.jit.script, or else trace), "fx"
            (torch.fx.symbolic_trace).
        compile_config: the settings: our CompilationSettings, Torch-TensorRT's, or a dict.
        pickle_protocol: protocol of the pickles inside the .ait, 2 to 5.

    Raises:
        InvalidArgument: a field has a wrong type or value.
    """

    ir: IRType = "dynamo"
    compile_config: Any = field(default_factory=CompilationSettings)
    pickle_protocol: int = DEFAULT_PICKLE_PROTOCOL

    def __post_init__(self) -> None:
        where = "TorchTensorRTAotBackendConfig"
        if self.ir not in _IRS:
            raise InvalidArgument(f"there is no ir {self.ir!r}", where, f"It is one of: {', '.join(_IRS)}")
        protocol = self.pickle_protocol
        if not isinstance(protocol, int) or isinstance(protocol, bool) or not 2 <= protocol <= 5:
            raise InvalidArgument(f"pickle_protocol is {protocol!r}", where, "It is 2 to 5; 4 is the default")
        compiler_settings(self.compile_config)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TorchTensorRTAotBackendConfig:
        """A configuration of plain data, as a YAML file gives it: compile_config may be a dict.

        Raises:
            InvalidArgument: a name that is no field, or a wrong type or value.
        """
        where, names = "TorchTensorRTAotBackendConfig.from_dict", [field.name for field in dataclasses.fields(cls)]
        if not isinstance(data, Mapping):
            raise InvalidArgument(f"{a_kind(data)} is no dict", where, f"Its fields are: {', '.join(names)}")
        for name in data:
            if name not in names:
                raise unknown_field(where, str(name), names)
        return cls(**data)


@dataclass
class TorchEagerBackendConfig(BackendConfig):
    """TorchEagerBackend has nothing to set."""


@dataclass
class BuildResult:
    """What a backend has made of a graph: how it is run, and what is known about it."""

    backend: str
    run: Callable[[list[torch.Tensor]], Any]
    engine: Engine | None = None  # what can be saved
    report: dict[str, Any] = field(default_factory=dict)
    milliseconds: float = 0  # of the first sample
    updates: Updates = ()  # caches that are arguments and results
    traced_sample: int | None = None  # the one that a trace is right for, whatever it is on others


class Backend(ABC):
    """A way to run a graph of a module."""

    @abstractmethod
    def build(
        self,
        module: torch.nn.Module,
        forward: Callable[..., Any],
        record: GraphRecord,
        name: str,
        *,
        dry_run: bool = False,
    ) -> BuildResult | str:
        """Makes the graph of `record` ready to run; a dry run gives its text instead. `forward` is the
        module's own, `name` that of the graph in messages and in the file."""

    @abstractmethod
    def describe(self) -> str:
        """One line: the backend and what its configuration changes."""

    def wants_dry_run(self) -> bool | str:
        """Whether its configuration asks for a dry run in place of tuning, or the path that its text is to go to."""
        return False


class TorchTensorRTAotBackend(Backend):
    """Compiles ahead of time with every engine that the machine has; the file that comes of it needs no PyTorch."""

    def __init__(self, config: TorchTensorRTAotBackendConfig | None = None) -> None:
        if config is not None and not isinstance(config, TorchTensorRTAotBackendConfig):
            raise InvalidArgument(
                f"the configuration is {a_kind(config)}",
                "TorchTensorRTAotBackend",
                "Give a TorchTensorRTAotBackendConfig",
            )
        self.config = config or TorchTensorRTAotBackendConfig()

    def describe(self) -> str:
        changed = [f"ir={self.config.ir}", *changed_settings(self.config.compile_config)]
        if self.config.pickle_protocol != DEFAULT_PICKLE_PROTOCOL:
            changed.append(f"pickle_protocol={self.config.pickle_protocol}")
        return f"TorchTensorRTAotBackend({', '.join(changed)})"

    def wants_dry_run(self) -> bool | str:
        value = dict(compiler_settings(self.config.compile_config)).get("dryrun", "false")
        return value == "true" if value in ("true", "false", "") else value

    def build(
        self,
        module: torch.nn.Module,
        forward: Callable[..., Any],
        record: GraphRecord,
        name: str,
        *,
        dry_run: bool = False,
    ) -> BuildResult | str:
        settings = dict(compiler_settings(self.config.compile_config))
        for library in filter(None, settings.get("custom_ops", "").split(",")):
            load_custom_ops(library)
        for library in custom_ops:
            compiler().load_custom_ops(library)
        if dry_run:
            settings["dryrun"] = "true"
        for line in unknown_settings(self.config.compile_config):
            _logger.warning("%s: %s", name, line)
        _logger.info("%s: exporting with ir=%s", name, self.config.ir)
        if _returns_numbers(module, self.config.ir):
            record = dataclasses.replace(record, output=computed_numbers(record.output))
        with _kept_on_success() as folder:
            exported = export(module, forward, record, self.config.ir, folder, name)
            for line in exported.warnings:
                _logger.warning("%s: %s", name, line)
            signature = Signature(forward, name)
            architecture = architecture_of(module, signature)
            owner = record.owner or name
            meta = GraphMeta(owner, record.path, signature, record.key, record.output, architecture, record.updates)
            calibration = self._calibration(meta, name)
            with every_operator(), naming_module(exported.path, name):
                tuned = self._tune(exported, record, settings, meta, calibration, name)
            text = tuned.dryrun_text()
            if text is not None:
                shutil.rmtree(folder)
                return text
            file = saved = folder / f"{exported.path.stem}.ait"
            tuned.save(str(file), _extra_files(meta))
            report = json.loads(tuned.report_json())
            report["warnings"] = [*report.get("warnings", ()), *exported.warnings]
            del tuned  # and the weights that it holds
            if settings.get("strip_engine_weights") == "true":
                # The file cannot run: this process runs what comes of it with its weights.
                file = folder / "running.ait"
                with every_operator(), naming_module(exported.path, name):
                    compiler().refit(str(saved), str(exported.path), str(file), tell(name))
            exported.path.unlink()
            engine = Engine(file, Entry(meta), owns_folder=True, saved=saved)
            engine.keep_state_in(module)
        latency = report.get("latency_ms", 0)
        return BuildResult(self.describe(), engine.run, engine, report, latency, traced_sample=exported.traced_sample)

    def _calibration(self, meta: GraphMeta, name: str) -> list[list[torch.Tensor]]:
        """The calls of autocast's own samples that this graph answers."""
        loader = calibration_loader(self.config.compile_config)
        if loader is None:
            return []
        found = []
        try:
            for where, args, kwargs in calls_of(loader, None, None):
                key, tensors = take_call(meta.signature.normalise(args, kwargs), where)
                if key == meta.key:
                    found.append([tensor.detach() for tensor in tensors])
        except AituneError as error:
            where = f"setting autocast_calibration_dataloader: {error.where}"
            raise type(error)(error.problem, where, error.fix) from error
        if not found:
            _logger.warning("%s: autocast_calibration_dataloader has no call of this kind: the samples are used", name)
        return found

    def _tune(
        self,
        exported: Exported,
        record: GraphRecord,
        settings: dict[str, str],
        meta: GraphMeta,
        calibration: list[list[torch.Tensor]],
        name: str,
    ) -> _compiler.Tuned:
        ranges = record.shapes.ranges()
        if exported.ir == "dynamo":
            # torch.export knows the ranges; what remains to say is which sizes are preferred.
            ranges = {index: row for index, row in ranges.items() if "opt_shape" in row}
        ranges = {exported.names[int(index)]: row for index, row in ranges.items()}
        interim = exported.path.parent / "interim.ait"

        def call(tensors: list[torch.Tensor]) -> list[tuple[str, torch.Tensor]]:
            return [*zip(exported.names, tensors, strict=True), *exported.constants]

        return compiler().Tuned(
            model=str(exported.path),
            name=name,
            ir=exported.ir,
            settings=list(settings.items()),
            shapes_json=json.dumps(ranges) if ranges else "",
            pickle_protocol=self.config.pickle_protocol,
            samples=[call(sample.tensors) for sample in _samples_for(settings, record)],
            calibration=[call(tensors) for tensors in calibration],
            progress=tell(name),
            improved=improved_plan(name, interim),
            improved_path=str(interim),
            improved_extra=_extra_files(meta),
        )


def _returns_numbers(module: torch.nn.Module, ir: IRType) -> bool:
    """Whether numbers in the result are outputs of the exported model, whatever they depend on."""
    return ir == "fx" or (ir == "ts" and isinstance(module, torch.jit.ScriptModule))


def _samples_for(settings: dict[str, str], record: GraphRecord) -> list[Sample]:
    """All that are kept where the compiler looks at the values; a few of different shapes otherwise."""
    precisions = settings.get("enabled_precisions", "").split(",")
    if "int8" in precisions or "i8" in precisions or settings.get("enable_autocast") == "true":
        return record.samples
    return [record.samples[index] for index in record.of_different_shapes()]


class TorchEagerBackend(Backend):
    """PyTorch itself: the module as it is."""

    def __init__(self, config: TorchEagerBackendConfig | None = None) -> None:
        self.config = config or TorchEagerBackendConfig()

    def describe(self) -> str:
        return "TorchEagerBackend()"

    def build(
        self,
        module: torch.nn.Module,
        forward: Callable[..., Any],
        record: GraphRecord,
        name: str,
        *,
        dry_run: bool = False,
    ) -> BuildResult | str:
        if dry_run:
            return f"{name}: runs in PyTorch\n"
        signature = Signature(forward, name)
        structure = record.key.structure

        def run(tensors: list[torch.Tensor]) -> Any:
            args, kwargs = signature.call_form(rebuild(structure, iter(tensors)))
            with torch.no_grad():
                return forward(*args, **kwargs)

        return BuildResult(self.describe(), run)


def compile_again(path: Path, entry: Entry) -> Engine:
    """Compiles the program inside of an .ait again, for this machine, on the samples in the file. Raises Incompatible
    if the program is not in it."""
    with _kept_on_success() as folder:
        source, made = folder / "source", folder / f"{path.stem}.ait"
        with open(path, "rb") as file, open(source, "wb") as part:
            file.seek(entry.offset)
            part.write(file.read(-1 if entry.size is None else entry.size))
        name = entry.meta.name if entry.meta is not None else path.stem
        tuned = compiler().Tuned.again(str(source), name, tell(name))
        tuned.save(str(made), [] if entry.meta is None else _extra_files(entry.meta))
        source.unlink()
        return Engine(made, Entry(entry.meta), owns_folder=True)


@contextlib.contextmanager
def _kept_on_success() -> Iterator[Path]:
    """A new work folder, which goes if what is done in it fails."""
    folder = work_folder() / uuid.uuid4().hex
    folder.mkdir()
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _extra_files(meta: GraphMeta) -> list[tuple[str, str]]:
    return [(EXTRA_NAME, json.dumps(meta.to_json(), separators=(",", ":")))]
