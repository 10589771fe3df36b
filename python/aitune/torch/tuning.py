"""tune: from samples to tuned modules."""

from __future__ import annotations

import contextlib
import logging
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from aitune.errors import InvalidArgument, a_kind, in_words
from aitune.torch.config import aitune_cache_dir, check_device_name, config
from aitune.torch.dataset import calls_of, check_batch_sizes, run_sample
from aitune.torch.export import evaluating
from aitune.torch.files import check_writable, replacing
from aitune.torch.module import Module, ModuleState, all_modules, find_modules, original_forwards
from aitune.torch.progress import improving, others_silent, showing
from aitune.torch.reporting import reporting
from aitune.torch.thread_flag import ThreadFlag
from aitune.torch.turns import own_turn

__all__ = ["tune", "tune_recorded"]

_logger = logging.getLogger("aitune")
_MAX_NAMES = 8
_MANY_CALLS = 512


def tune(
    func: Callable[..., Any],
    dataset: Any = None,
    batch_sizes: Sequence[int] | None = None,
    max_num_batches_per_batch_size: int | None = None,
    device: str | torch.device | None = None,
    dry_run: bool = False,
    disable_external_logging: bool = False,
    clear_cache: bool = False,
    ignore_failing_modules: bool = False,
    release_weights: bool = False,
    improved: Callable[[str, Path], None] | None = None,
) -> str | None:
    """Tunes the Modules that `func` calls when it is run on the samples of `dataset`. Where another thread tunes, it waits
    for its turn. An error or Ctrl-C leaves the Module that was being tuned as it was; those before it stay tuned.

    Args:
        func: a Module, a pipeline that holds Modules, or a function that calls them.
        dataset: samples: a tensor, a dict of keyword arguments or a tuple of positional ones is one; a DataLoader, a
            Dataset, a list or any other iterable gives several. None: the calls that were recorded before.
        batch_sizes: samples have no batch dimension, and calls with batches of each of these sizes are made of them.
            None: every sample is a call as it is.
        max_num_batches_per_batch_size: how many calls are made at most (of each batch size). None: the dataset is read to
            its end, which it must have.
        device: "cpu", or None for where the modules are.
        dry_run: nothing is built; returns, and logs, how each module would be cut and what would fall back. The same is
            done with modules whose settings say `dryrun`, which may be a path to write to, too.
        disable_external_logging: other loggers than aitune's are silent meanwhile.
        clear_cache: the timings of earlier tunings in the user's cache are removed before.
        ignore_failing_modules: a module that cannot be tuned stays as it is, with a warning, instead of an error.
        release_weights: the weights of the original modules leave memory once they are tuned, as with
            config.device_after_tuning = "meta". Those that PyTorch still runs with stay, with a warning.
        improved: called with the name of a graph and the path of an ``.ait`` whenever a better plan has been found for
            it, the first time after seconds. The file may be loaded or copied; it is there until `improved` returns.
            What it raises ends tuning.

    Raises:
        InvalidArgument: no sample, a sample that fails, a tensor on another device, no Module that is called; tuning
            inside of torch.autocast, or of another tuning in the same thread.
        Unsupported: a model that cannot be exported or compiled.
        ValidationError: no plan gives the reference's outputs.
    """
    check_device_name(device, "tune")
    check_batch_sizes(batch_sizes, max_num_batches_per_batch_size)
    _check_autocast()
    _check_outermost()
    if clear_cache:
        (aitune_cache_dir() / "timings.json").unlink(missing_ok=True)
    raised: list[BaseException] = []  # by `improved`
    noting = _noting(improved, raised)
    silence = others_silent() if disable_external_logging else contextlib.nullcontext()
    with own_turn(), _tuning_here.raised(), silence, showing(), improving(noting), reporting() as report:
        candidates = _candidates(func, dataset)
        met = _record(func, dataset, candidates, batch_sizes, max_num_batches_per_batch_size)
        dry = [module for module in met if dry_run or module._wants_dry_run()]
        text = _dry_run(dry) if dry else None
        release = release_weights or config.device_after_tuning == "meta"
        finished: list[Module] = []  # whose weights are still there
        for module in met:
            if module in dry:
                continue
            try:
                _logger.info("%s: tuning with %s", module.name, module.strategy.describe())
                with report.module(module):
                    module._tune()
            except Exception as error:
                if not ignore_failing_modules or raised:
                    raise
                _logger.warning("%s stays as it is: %s", module.name, in_words(error))
                continue
            if release:
                finished.append(module)
                finished = [done for done in finished if done._release_weights()]
        _say_what_stays(finished)
    return text


_tuning_here = ThreadFlag()


def _check_outermost() -> None:
    if _tuning_here.is_raised:
        raise InvalidArgument(
            "it is called inside of another tuning, where modules answer by their own code and nothing is recorded",
            "tune",
            "Call it before or after the other: not from a backend, a strategy, `improved`, or the model's own code",
        )


def _say_what_stays(modules: Sequence[Module]) -> None:
    """A line for each module whose weights cannot leave memory."""
    for module in modules:
        _logger.warning("%s: the weights of the original stay in memory: %s", module.name, module._needs_weights())


def _noting(
    improved: Callable[[str, Path], None] | None, raised: list[BaseException]
) -> Callable[[str, Path], None] | None:
    """The same function, which puts what it raises into the list, too."""
    if improved is None:
        return None

    def call(name: str, path: Path) -> None:
        try:
            improved(name, path)
        except BaseException as error:
            raised.append(error)
            raise

    return call


def _check_autocast() -> None:
    if torch.is_autocast_enabled("cpu"):
        raise InvalidArgument(
            "torch.autocast is on",
            "tune",
            "Tune outside of it, and let CompilationSettings have enable_autocast=True, or enabled_precisions with "
            "torch.bfloat16 or torch.float16",
        )


def _candidates(func: Any, dataset: Any) -> list[Module]:
    """Which modules to look at: all that there are, since any may be called; or those that hold recorded calls."""
    if dataset is None:
        return find_modules(func)
    if not callable(func):
        raise InvalidArgument(
            f"{a_kind(func)} cannot be called", "tune", "Give a Module, a pipeline or a function"
        )
    return all_modules()


@contextlib.contextmanager
def _recording(modules: Sequence[Module]) -> Iterator[None]:
    """Modules that are not tuned record; all are what they were afterwards."""
    states = [(module, module.state) for module in modules]
    for module, state in states:
        if state is not ModuleState.TUNED:
            module.clear_recording()
            module.enable_recording()
    try:
        yield
    finally:
        for module, state in states:
            module.__dict__["_state"] = state


def _record(
    func: Callable[..., Any],
    dataset: Any,
    modules: Sequence[Module],
    batch_sizes: Sequence[int] | None,
    max_batches: int | None,
) -> list[Module]:
    if not modules:
        raise _not_wrapped(func)
    if dataset is not None:
        with _recording(modules), torch.no_grad():
            for index, (name, args, kwargs) in enumerate(calls_of(dataset, batch_sizes, max_batches), 1):
                run_sample(func, name, args, kwargs)
                if index >= _MANY_CALLS and index & (index - 1) == 0:
                    _say_how_many(index, modules)
    met = [m for m in modules if m.state is not ModuleState.TUNED and m.recording.graphs]
    if not met:
        raise _nothing_recorded(func, dataset, modules)
    for module in met:
        if nan := module.recording.first_nan:
            call, path = nan
            _logger.warning(
                "%s: output '%s' has NaN in PyTorch itself on sample %d: tuning cannot tell there whether results are "
                "right. Leave such samples out if they are not meant",
                module.name, path, call,
            )
    return met


def _say_how_many(calls: int, modules: Sequence[Module]) -> None:
    """A line for a dataset that is large, and perhaps endless: its end is waited for, since any call may be of a new size."""
    kept = sum(len(record.samples) for module in modules for record in module.recording.graphs.values())
    _logger.warning(
        "%d calls were made of the dataset so far, of which %d are kept. Those that follow matter only if they show other "
        "sizes or kinds of calls: max_num_batches_per_batch_size ends a dataset that has no end", calls, kept
    )


def _not_wrapped(func: Any) -> InvalidArgument:
    problem = f"{a_kind(func)} is no aitune.torch.Module, and holds none"
    if isinstance(func, types.FunctionType):  # which may call any
        problem = "there is no module to tune"
    return InvalidArgument(problem, "tune", "Wrap the modules first: model = aitune.torch.Module(model, 'my-model')")


def _nothing_recorded(func: Any, dataset: Any, modules: Sequence[Module]) -> InvalidArgument:
    """Why there is nothing to tune on."""
    held = find_modules(func)
    if tuned := [module for module in held if module.state is ModuleState.TUNED]:
        return InvalidArgument(
            f"module '{tuned[0].name}' is tuned already", "tune", "Use enable_recording(force=True) to tune it again"
        )
    if not held and isinstance(func, torch.nn.Module):
        return _not_wrapped(func)
    names = sorted({f"'{module.name}'" for module in held or modules})  # functions may call any
    listed = ", ".join(names[:_MAX_NAMES]) + (f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else "")
    if dataset is None:
        return InvalidArgument(
            f"there are no samples, and no calls were recorded: {listed}",
            "tune",
            "Give samples, or call enable_recording() of the Module, run it, and tune then",
        )
    return InvalidArgument(f"none of the modules was called: {listed}", "tune", "Give a function that calls them")


def _dry_run(modules: Sequence[Module]) -> str:
    """The texts of all graphs and backends: logged, and written where a backend's `dryrun` names a file."""
    texts: list[str] = []
    files: dict[str, list[str]] = {}
    for module in modules:
        for job, strategy in module._graphs():
            for backend in strategy.backends():
                if isinstance(path := backend.wants_dry_run(), str):
                    check_writable(Path(path))
                with original_forwards(), evaluating(job.module), torch.no_grad():
                    text = backend.build(job.module, job.forward, job.record, job.name, dry_run=True)
                texts.append(f"module '{job.name}', {backend.describe()}\n{text}")
                _logger.info("%s", texts[-1])
                if isinstance(path, str):
                    files.setdefault(path, []).append(texts[-1])
    for path, parts in files.items():
        with replacing(Path(path)) as file:
            file.write("\n".join(parts).encode())
    return "\n".join(texts)


def tune_recorded(module: Module, dry_run: bool = False) -> None:
    """Tunes one module on the calls that it has recorded, or logs how it would be cut. Raises as tune() does."""
    _check_autocast()
    with own_turn(), _tuning_here.raised(), showing(), reporting() as report:
        if dry_run:
            _dry_run([module])
            return
        with report.module(module):
            module._tune()
        if config.device_after_tuning == "meta" and module._release_weights():
            _say_what_stays([module])
