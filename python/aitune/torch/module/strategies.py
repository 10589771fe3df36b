"""Which strategy tunes which graph of a module."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from aitune.errors import InvalidArgument, a_kind
from aitune.torch.module.sample_metadata import GraphSpec, SampleMetadata
from aitune.torch.signature import Signature
from aitune.torch.tune_strategy import OneBackendStrategy, TuneStrategy

__all__ = ["StrategyChoice"]

_logger = logging.getLogger("aitune")
_WHERE = "aitune.torch.Module"


class StrategyChoice:
    """One strategy for all graphs, one for each in the order in which their calls come, or one for each kind of call.

    Raises:
        InvalidArgument: both are given, or what is no strategy.
    """

    def __init__(
        self,
        strategy: TuneStrategy | None,
        strategies: Sequence[TuneStrategy] | Mapping[SampleMetadata, TuneStrategy] | None,
    ) -> None:
        if strategies is not None and not isinstance(strategies, (list, tuple, Mapping)):
            raise InvalidArgument(
                f"strategies is {a_kind(strategies)}",
                _WHERE,
                "Give a list, with one for each kind of call in the order in which they come, or a dict by their "
                "SampleMetadata; `strategy` is for all",
            )
        if strategy is not None and strategies:
            raise InvalidArgument("there are both strategy and strategies", _WHERE, "Give one of them")
        self._list = [] if isinstance(strategies, Mapping) else list(strategies or ())
        self._by_metadata = dict(strategies) if isinstance(strategies, Mapping) else {}
        for key in self._by_metadata:
            if not isinstance(key, SampleMetadata):
                raise InvalidArgument(
                    f"a key of strategies is {a_kind(key)}",
                    _WHERE,
                    "Give aitune.torch.module.sample_metadata.SampleMetadata.from_inputs({'x': …}), or the input_spec "
                    "of one of model.graph_specs",
                )
        for given in [strategy, *self._list, *self._by_metadata.values()]:
            if given is not None and not isinstance(given, TuneStrategy):
                raise InvalidArgument(f"the strategy is {a_kind(given)}", _WHERE, "Give a TuneStrategy")
        every = [*self._list, *self._by_metadata.values()]
        self._one = strategy or (None if every else OneBackendStrategy())

    def all(self) -> list[TuneStrategy]:
        """Every strategy that may be asked for."""
        return [self._one] if self._one else [*self._list, *self._by_metadata.values()]

    def of(self, graphs: Sequence[GraphSpec], signature: Signature, module: str) -> list[TuneStrategy]:
        """The strategy of each graph. Raises InvalidArgument, naming all graphs that have none."""
        where = f"module '{module}'"
        if self._one is not None:
            return [self._one] * len(graphs)
        if self._list:
            if len(self._list) < len(graphs):
                raise InvalidArgument(
                    f"there are {len(self._list)} strategies for {len(graphs)} graphs",
                    where,
                    "Give one for each kind of call, or `strategy` for all",
                )
            return self._list[: len(graphs)]
        defaults = signature.defaults()
        # What is said in more detail goes first.
        keys = sorted(self._by_metadata, key=lambda key: not key.strict)
        chosen = [next((key for key in keys if key.covers(spec.input_spec, defaults)), None) for spec in graphs]
        missing = [str(spec) for spec, key in zip(graphs, chosen, strict=True) if key is None]
        if missing:
            raise InvalidArgument(
                f"strategies has none for {'; '.join(missing)}",
                where,
                "Give one for each kind of call, or `strategy` for all",
            )
        for key in keys:
            if not any(key is used for used in chosen):
                _logger.warning("%s: no call was as one of strategies says: %s", module, key.describe())
        return [self._by_metadata[key] for key in chosen if key is not None]
