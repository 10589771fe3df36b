"""Caches that a module changes and returns, and those of fixed size, which are made to be changed."""

import copy
import json
import zipfile
from dataclasses import dataclass
from typing import Any

import pytest
import torch

import aitune
import aitune.torch as ait
from aitune.torch.archive import GraphMeta
from support import TOLERANCE, wrap
from test_caches import SMALL, gemma3, llama, mistral

transformers = pytest.importorskip("transformers")


def t5():
    """With a cache for the decoder and one for what it looks at."""
    return transformers.T5ForConditionalGeneration(
        transformers.T5Config(
            vocab_size=50, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0, pad_token_id=0
        )
    )


def in_place(model, cache, prompt, steps):
    """Logits of the prompt and of so many tokens after it, by one cache that is passed again and again."""
    torch.manual_seed(prompt)
    ids, logits = torch.randint(3, 50, (1, prompt)), []
    with torch.no_grad():
        for _ in range(steps + 1):
            out = model(ids, past_key_values=cache, use_cache=True)
            assert out.past_key_values is cache and out["past_key_values"] is cache
            logits.append(out.logits[:, -1:])
            ids = logits[-1].argmax(-1)
    return torch.cat(logits)


def dynamic(net):
    return transformers.DynamicCache(config=net.config)


def static(net, length=24):
    return transformers.StaticCache(config=net.config, max_cache_len=length)


def gpt2():
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=2, n_head=2, n_embd=32, **SMALL))


@pytest.mark.parametrize(("make", "cache"), [(llama, dynamic), (llama, static), (gpt2, static)])
def test_a_cache_that_is_passed_again_and_again(tmp_path, make, cache):
    torch.manual_seed(0)
    net = make().eval()
    plain = copy.deepcopy(net)
    model = wrap(net, min_block_size=1)
    ait.tune(lambda prompt: in_place(model, cache(net), prompt, 4), [3, 12])
    ait.save(model, tmp_path / "lm.ait")
    used = cache(plain)
    want = in_place(plain, used, 5, 9)
    for tuned in (model, ait.load(copy.deepcopy(plain), tmp_path / "lm.ait")):
        ours = cache(plain)
        torch.testing.assert_close(in_place(tuned, ours, 5, 9), want, **TOLERANCE)
        assert type(ours) is type(used) and int(ours.get_seq_length()) == 14
        for a, b in zip(ours.layers, used.layers, strict=True):
            torch.testing.assert_close(a.keys, b.keys, **TOLERANCE)
            torch.testing.assert_close(a.values, b.values, **TOLERANCE)


def test_a_file_without_an_original(tmp_path):
    torch.manual_seed(0)
    net = llama().eval()
    plain = copy.deepcopy(net)
    model = wrap(net, min_block_size=1)
    ait.tune(lambda prompt: in_place(model, static(net), prompt, 2), [3, 12])
    ait.save(model, tmp_path / "lm.ait")
    got = in_place(ait.load(tmp_path / "lm.ait"), static(plain), 4, 5)
    torch.testing.assert_close(got, in_place(plain, static(plain), 4, 5), **TOLERANCE)


@pytest.mark.parametrize(
    ("make", "prompts", "others"),
    [(llama, (4, 5, 9), (6, 8)), (lambda: gemma3(window=6), (7, 8, 10), (9, 7))],
    ids=["plain", "windows"],
)
def test_generating_with_a_static_cache(make, prompts, others):
    """generate() keeps its cache, and clears it for the next prompt: a new one and one that was used are two kinds, and
    so are an empty window and a new one."""
    torch.manual_seed(0)
    net = make().eval()
    plain = copy.deepcopy(net)
    wrap(net, min_block_size=1)
    options = {"max_length": 20, "do_sample": False, "pad_token_id": 2, "cache_implementation": "static"}
    options["disable_compile"] = True
    ait.tune(lambda ids: net.generate(ids, **options), [torch.randint(3, 50, (1, n)) for n in prompts])
    for size in others:
        ids = torch.randint(3, 50, (1, size))
        assert net.generate(ids, **options).tolist() == plain.generate(ids, **options).tolist()


def test_two_caches_in_one():
    torch.manual_seed(0)
    net = t5().eval()
    plain = copy.deepcopy(net)
    wrap(net, min_block_size=1)
    options = {"max_new_tokens": 5, "do_sample": False}
    ait.tune(lambda ids: net.generate(ids, **options), [torch.randint(3, 50, (1, n)) for n in (4, 9)])
    ids = torch.randint(3, 50, (1, 6))
    assert net.generate(ids, **options).tolist() == plain.generate(ids, **options).tolist()


@dataclass(frozen=True)
class Answer:
    y: torch.Tensor
    more: Any


class Fills(torch.nn.Module):
    """Changes a cache and returns it somewhere, or not."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x, caches):
        keys, _ = caches["own"].update(x, x, 0)
        return self.answer(keys.sum(-1), caches["own"])


@pytest.mark.parametrize(
    "answer",
    [
        lambda y, cache: (y, [cache]),
        lambda y, cache: {"y": y, "cache": cache},
        lambda y, cache: Answer(y, {"a": (1, cache)}),
    ],
)
def test_wherever_it_is_in_the_result(answer):
    def own(result):
        for part in (lambda r: r[1][0], lambda r: r["cache"], lambda r: r.more["a"][1]):
            try:
                return part(result)
            except (KeyError, TypeError, AttributeError):
                continue

    model = wrap(Fills(answer), min_block_size=1)
    old, x = transformers.DynamicCache(), torch.randn(1, 2, 3, 4)
    old.update(x, x, 0)
    ait.tune(model, [{"x": x, "caches": {"own": copy.deepcopy(old)}}])
    cache = copy.deepcopy(old)
    result = model(x, {"own": cache})
    assert own(result) is cache and torch.equal(cache.layers[0].keys, torch.cat([x, x], -2))


def test_a_change_that_nobody_would_see():
    model = wrap(Fills(lambda y, cache: y), min_block_size=1)
    x, cache = torch.randn(1, 2, 3, 4), transformers.DynamicCache()
    cache.update(x, x, 0)
    with pytest.raises(aitune.Unsupported, match="changes a cache that it was given, and does not return it"):
        ait.tune(model, [{"x": x, "caches": {"own": cache}}])


def test_a_copy_is_another_one():
    model = wrap(Fills(lambda y, cache: (y, copy.copy(cache))), min_block_size=1)
    x, cache = torch.randn(1, 2, 3, 4), transformers.DynamicCache()
    with pytest.raises(aitune.Unsupported, match="changes a cache that it was given"):
        ait.tune(model, [{"x": x, "caches": {"own": cache}}])


@pytest.mark.parametrize("make", [mistral, gemma3])
@pytest.mark.parametrize(("prompts", "graphs"), [((2, 4), 4), ((9, 12), 2)])
def test_windows_of_fixed_size(tmp_path, make, prompts, graphs):
    """The prompt, tokens while the window has room, the one that takes the last place of it, and those after."""
    torch.manual_seed(0)
    net = make(window=7).eval()
    plain = copy.deepcopy(net)
    model = wrap(net, min_block_size=1)
    ait.tune(lambda prompt: in_place(model, static(net), prompt, 8), list(prompts))
    assert len(model.reports) == graphs
    ait.save(model, tmp_path / "lm.ait")
    prompt = prompts[0] + 1
    used = static(plain)
    want = in_place(plain, used, prompt, 10)
    for tuned in (model, ait.load(copy.deepcopy(plain), tmp_path / "lm.ait")):
        ours = static(plain)
        torch.testing.assert_close(in_place(tuned, ours, prompt, 10), want, **TOLERANCE)
        assert type(ours) is type(used) and int(ours.get_seq_length()) == prompt + 10
        for a, b in zip(ours.layers, used.layers, strict=True):
            assert type(a) is type(b) and int(a.cumulative_length) == int(b.cumulative_length)
            torch.testing.assert_close(a.keys, b.keys, **TOLERANCE)
            torch.testing.assert_close(a.values, b.values, **TOLERANCE)


def test_a_window_of_fixed_size_needs_torch_export():
    torch.manual_seed(0)
    net = mistral(window=6).eval()
    model = wrap(net, "ts", min_block_size=1)
    with pytest.raises(aitune.Unsupported, match="a window of a cache has seen for a constant. Use ir='dynamo'"):
        ait.tune(lambda prompt: in_place(model, static(net), prompt, 2), [9, 12])


def test_damaged_files(tmp_path):
    torch.manual_seed(0)
    net = llama().eval()
    model = wrap(net, min_block_size=1)
    ait.tune(lambda prompt: in_place(model, dynamic(net), prompt, 0), [3])
    ait.save(model, tmp_path / "lm.ait")
    with zipfile.ZipFile(tmp_path / "lm.ait") as archive:
        data = json.loads(archive.read("model/extra/aitune/python.json"))
    assert data["updates"] == [[["past_key_values"], ["past_key_values"]]]
    assert GraphMeta.from_json(data, "here").updates == ((("past_key_values",), ("past_key_values",)),)
    for updates in ({}, [1], [[["a"]]], [[["logits"], ["input_ids"]]], [[["past_key_values"], [["x"]]]], [[[], []]], [[3, 4]]):
        with pytest.raises(aitune.Corrupt, match="here: (the places of caches|there is no cache)"):
            GraphMeta.from_json({**data, "updates": updates}, "here")
