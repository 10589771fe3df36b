"""Samples out of whatever they come in: datasets, loaders, lists, generators, or one sample alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch

from aitune.errors import AituneError, InvalidArgument, a_kind
from aitune.torch.config import is_count

__all__ = ["Call", "DataLoaderFactory", "calls_of", "check_batch_sizes", "gives_calls", "run_sample"]

Call = "tuple[tuple[Any, ...], dict[str, Any]]"


class DataLoaderFactory:
    """Makes loaders of a dataset whose samples have no batch dimension.

    Args:
        dataset: a sequence or a torch.utils.data.Dataset.
        collate_fn: makes a batch of samples; stacks tensors and gathers strings if left out.
        num_workers: processes of the loader.
    """

    def __init__(self, dataset: Any, collate_fn: Callable[[list[Any]], Any] | None = None, num_workers: int = 0) -> None:
        self.dataset = dataset
        self.collate_fn = collate_fn or collate
        self.num_workers = num_workers

    def create_dataloader(self, batch_size: int) -> Iterable[Any]:
        """Batches of `batch_size` samples. A dataset with fewer is gone through more than once."""
        count = len(self.dataset)
        if count == 0:
            raise _empty()
        dataset = self.dataset
        if count < batch_size:
            dataset = [self.dataset[i % count] for i in range(batch_size)]
        return torch.utils.data.DataLoader(
            dataset, batch_size=batch_size, collate_fn=self.collate_fn, drop_last=True, num_workers=self.num_workers
        )


def collate(samples: list[Any]) -> Any:
    """Stacks tensors, arrays and numbers, gathers everything else in lists, inside of dicts and tuples."""
    first = samples[0]
    if isinstance(first, Mapping):
        return {key: collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (list, tuple)):
        if len(first) == 2 and isinstance(first[1], Mapping):  # (args, kwargs)
            return collate([list(s[0]) for s in samples]), collate([s[1] for s in samples])
        return [collate([sample[i] for sample in samples]) for i in range(len(first))]
    if isinstance(first, torch.Tensor):
        return torch.stack(samples)
    if type(first).__module__ == "numpy":
        return torch.stack([torch.as_tensor(sample) for sample in samples])
    return list(samples)


def _empty() -> InvalidArgument:
    return InvalidArgument(
        "the dataset is empty", "tune", "Give at least one sample, representative of production"
    )


def _as_call(sample: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(args, kwargs) of one sample: a dict is keyword arguments, a list or tuple positional ones."""
    if isinstance(sample, Mapping):
        return (), dict(sample)
    if isinstance(sample, (list, tuple)) and not hasattr(sample, "_fields"):
        if len(sample) == 2 and isinstance(sample[0], (list, tuple)) and isinstance(sample[1], Mapping):
            return tuple(sample[0]), dict(sample[1])
        return tuple(sample), {}
    return (sample,), {}


def _is_one_sample(dataset: Any) -> bool:
    if isinstance(dataset, (torch.Tensor, str)) or isinstance(dataset, Mapping):
        return True
    if isinstance(dataset, tuple):
        if len(dataset) == 2 and isinstance(dataset[0], (list, tuple)) and isinstance(dataset[1], Mapping):
            return True
        return bool(dataset) and not any(isinstance(item, (list, tuple, Mapping)) for item in dataset)
    return False


def gives_calls(dataset: Any) -> bool:
    """Whether calls_of() can make something of it. Text is a sample, but no model takes that alone."""
    if isinstance(dataset, (str, bytes)):
        return False
    is_sequence = hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
    return isinstance(dataset, DataLoaderFactory) or hasattr(dataset, "__iter__") or is_sequence


def check_batch_sizes(batch_sizes: Any, max_batches: Any) -> None:
    """Raises InvalidArgument for what are no batch sizes, or no number of batches."""
    if batch_sizes is not None:
        if isinstance(batch_sizes, (str, bytes)) or not isinstance(batch_sizes, Collection) or not len(batch_sizes):
            raise InvalidArgument(
                f"batch_sizes is {batch_sizes!r}", "tune", "Give a list of integers from 1 on, or None for calls as they are"
            )
        for size in batch_sizes:
            if not is_count(size):
                raise InvalidArgument(f"a batch size is {size!r}", "tune", "Give integers from 1 on")
    if max_batches is not None and not is_count(max_batches):
        raise InvalidArgument(
            f"max_num_batches_per_batch_size is {max_batches!r}", "tune", "Give an integer from 1 on, or None for all"
        )


def calls_of(
    dataset: Any, batch_sizes: Sequence[int] | None, max_batches: int | None
) -> Iterator[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """Name, positional and keyword arguments of each call.

    Without `batch_sizes` every sample is a call as it is; with them, samples have no batch dimension, and batches of
    each size are made of them. Raises InvalidArgument if there is none, or for what cannot be iterated.
    """
    if batch_sizes is not None or isinstance(dataset, DataLoaderFactory):
        yield from _batched(dataset, [1, 2] if batch_sizes is None else batch_sizes, max_batches)
        return
    samples: Iterable[Any]
    if _is_one_sample(dataset):
        samples = [dataset]
    elif hasattr(dataset, "__iter__"):
        samples = dataset
    elif hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        samples = (dataset[i] for i in range(len(dataset)))
    else:
        raise InvalidArgument(
            f"{a_kind(dataset)} gives no samples",
            "tune",
            "Give a tensor, a dict, a list, a torch.utils.data.Dataset or DataLoader, or any other iterable",
        )
    count = 0
    for index, sample in _numbered(samples, max_batches, "sample {}"):
        count += 1
        yield (f"sample {index}", *_as_call(sample))
    if count == 0:
        raise _empty()


def run_sample(function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Calls the function with one of calls_of(). Raises an error that names the sample for whatever goes wrong."""
    where = f"{name} of the dataset"
    try:
        return function(*args, **kwargs)
    except AituneError as error:
        raise type(error)(error.problem, f"{where}: {error.where}", error.fix) from error
    except Exception as error:
        raise InvalidArgument(
            f"the model fails on it: {type(error).__name__}: {error}",
            where,
            "Leave that sample out, or give it in the form that the model takes",
        ) from error


def _in_a_line(error: Exception) -> str:
    """Type and message. What comes from a worker of a DataLoader has its whole traceback in the message, the original
    error last."""
    text = str(error)
    if "Original Traceback (most recent call last)" in text:
        return text.strip().splitlines()[-1]
    return f"{type(error).__name__}: {text}"


def _numbered(samples: Iterable[Any], at_most: int | None, name: str) -> Iterator[tuple[int, Any]]:
    """The first samples, with their numbers. Raises InvalidArgument for what the dataset raises."""
    index = 0
    try:
        for index, sample in enumerate(itertools.islice(samples, at_most)):
            yield index, sample
            index += 1
    except AituneError:
        raise
    except Exception as error:
        raise InvalidArgument(
            f"the dataset raises {_in_a_line(error)}",
            f"{name.format(index)} of the dataset",
            "Mend the dataset, or leave that sample out",
        ) from error


def _batched(
    dataset: Any, batch_sizes: Sequence[int], max_batches: int | None
) -> Iterator[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    factory = dataset
    if not isinstance(dataset, DataLoaderFactory):
        if isinstance(dataset, torch.Tensor) or _is_one_sample(dataset):
            dataset = [dataset]
        if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
            raise InvalidArgument(
                f"batches of several sizes cannot be made of {a_kind(dataset)}",
                "tune",
                "Give a list or a torch.utils.data.Dataset of samples without a batch dimension, or no batch_sizes",
            )
        factory = DataLoaderFactory(dataset)
    for size in batch_sizes:
        loader = itertools.chain.from_iterable(map(factory.create_dataloader, [size]))
        for index, batch in _numbered(loader, max_batches, f"batch {{}} of {size} samples"):
            yield (f"batch {index} of {size} samples", *_as_call(batch))
