"""Strategies by the kind of call: SampleMetadata."""

import pytest
import torch

import aitune
import aitune.torch as ait
from aitune.torch.module.sample_metadata import SampleMetadata
from support import strategy

EAGER = ait.OneBackendStrategy(ait.TorchEagerBackend())


def of(strict=False, **inputs):
    return SampleMetadata.from_inputs(inputs, strict=strict)


class Either(torch.nn.Module):
    def forward(self, x, double=False, more=None):
        x = x * 2 if double else x + 1
        return x if more is None else x + more["a"]


def backends(strategies, samples):
    """Of each graph, in the order in which their calls came: whether it is compiled."""
    model = ait.Module(Either(), "either", strategies=strategies)
    ait.tune(model, samples)
    return [result.engine is not None for result in model._tuned.values()]


def test_what_is_equal():
    x, y = torch.ones(1, 4), torch.ones(7, 2)
    assert of(x=x) == of(x=y) and hash(of(x=x)) == hash(of(x=y))
    assert of(x=x) != of(x=torch.ones(4)) and of(x=x) != of(y=x) and of(x=x) != of(x=x, z=x)
    assert of(x=x, n=1) == of(x=x, n=2)
    assert of(True, x=x, n=1) != of(True, x=x, n=2)
    assert of(True, x=x, n=1) != of(True, x=x, n=True)
    assert hash(of(True, x=x, n=[1, "a"])) == hash(of(True, x=y, n=[1, "a"]))
    assert of(x=x) != "x"


def test_what_is_shown():
    metadata = of(True, x=torch.ones(2, 3), options={"mask": torch.ones(2, dtype=torch.bool), "kind": ["a", float("inf")]})
    assert str(metadata) == (
        "<SampleMetadata (x: float32[2, 3], options.mask: bool[2], options.kind[0]='a', options.kind[1]=inf)>"
    )
    assert [spec.dtype for spec in metadata.tensor_specs] == [torch.float32, torch.bool]
    with pytest.raises(aitune.InvalidArgument, match="inputs is a Tensor.*by their names"):
        SampleMetadata.from_inputs(torch.ones(2))


def test_a_strategy_for_each_kind_of_call():
    flat, matrix = torch.ones(2), torch.ones(2, 3)
    by_rank = {of(x=matrix): strategy(), of(x=flat): EAGER}
    assert backends(by_rank, [flat, matrix]) == [False, True]
    twice = ((flat,), {"double": True})
    # Strict ones go first, and a default is the same as nothing.
    by_value = {of(x=flat): EAGER, of(True, x=flat, double=True): strategy()}
    assert backends(by_value, [flat, twice]) == [False, True]
    by_default = {of(True, x=flat, double=False): strategy(), of(x=flat): EAGER}
    assert backends(by_default, [twice, flat]) == [False, True]
    nested = {of(x=flat, more={"a": flat}): strategy(), of(x=flat): EAGER}
    assert backends(nested, [flat, {"x": flat, "more": {"a": flat}}]) == [False, True]


def test_keys_are_those_of_recorded_graphs():
    recorded = ait.Module(Either(), "either", strategy=EAGER)
    recorded.enable_recording()
    for size in (2, 5):
        recorded(torch.ones(size))
    recorded(torch.ones(3, 3), double=True)
    first, second = recorded.graph_specs
    assert str(first) == "either.0: x: float32[dim0]" and str(second) == "either.1: x: float32[3, 3], double=True"
    (spec,) = first.input_spec.tensor_specs
    assert (spec.min_shape, spec.max_shape) == ((2,), (5,))
    choice = {second.input_spec: strategy(), first.input_spec: EAGER}
    assert backends(choice, [torch.ones(2), ((torch.ones(2, 2),), {"double": True})]) == [False, True]


def test_a_kind_of_call_without_a_strategy(caplog):
    flat, matrix = torch.ones(2), torch.ones(2, 3)
    with pytest.raises(aitune.InvalidArgument, match=r"strategies has none for either.1: x: float32\[2, 3\]"):
        backends({of(x=flat): EAGER}, [flat, matrix])
    backends({of(x=flat): EAGER, of(x=matrix): EAGER}, [flat])
    assert "either: no call was as one of strategies says: x: float32[2, 3]" in caplog.text


def test_wrong_strategies():
    for given, message in (
        ({"x": EAGER}, "a key of strategies is a str.*SampleMetadata"),
        ({of(x=torch.ones(1)): 3}, "the strategy is an int"),
        (EAGER, "strategies is a OneBackendStrategy.*Give a list"),
    ):
        with pytest.raises(aitune.InvalidArgument, match=message):
            ait.Module(Either(), "either", strategies=given)
    with pytest.raises(aitune.InvalidArgument, match="there are both strategy and strategies"):
        ait.Module(Either(), "either", strategy=EAGER, strategies=[EAGER])
