"""transformers' caches as arguments and results of Modules."""

import copy

import pytest
import torch

import aitune
import aitune.torch as ait
from aitune.torch.structure import Structure, flatten, rebuild
from support import TOLERANCE, wrap

transformers = pytest.importorskip("transformers")
SMALL = {"vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2}
LLAMA = SMALL | {
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def gpt2():
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=2, n_head=2, n_embd=32, **SMALL))


def llama():
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**LLAMA))


def mistral(window=64):
    return transformers.MistralForCausalLM(transformers.MistralConfig(sliding_window=window, **LLAMA))


def gemma3(window=64):
    """Layers with a window and without."""
    kinds = {"sliding_window": window, "layer_types": ["sliding_attention", "full_attention"]}
    return transformers.Gemma3ForCausalLM(transformers.Gemma3TextConfig(head_dim=8, **kinds, **LLAMA))


def mamba():
    return transformers.MambaForCausalLM(
        transformers.MambaConfig(hidden_size=32, num_hidden_layers=2, state_size=8, pad_token_id=0, **SMALL)
    )


def decode(model, prompt, steps):
    """Logits of the prompt and of so many tokens after it, and the cache."""
    torch.manual_seed(prompt)
    ids = torch.randint(3, 50, (1, prompt))
    logits = []
    with torch.no_grad():
        out = model(ids, past_key_values=transformers.DynamicCache(config=model.config), use_cache=True)
        for _ in range(steps):
            logits.append(out.logits[:, -1:])
            out = model(logits[-1].argmax(-1), past_key_values=out.past_key_values, use_cache=True)
    return torch.cat([*logits, out.logits[:, -1:]]), out.past_key_values


@pytest.mark.parametrize("make", [gpt2, llama, mistral, gemma3])
def test_decoding_step_by_step(tmp_path, make):
    torch.manual_seed(0)
    net = make().eval()
    plain = copy.deepcopy(net)
    model = wrap(net, min_block_size=1)
    ait.tune(lambda prompt: decode(model, prompt, 4), [3, 12])
    ait.save(model, tmp_path / "lm.ait")
    want, want_cache = decode(plain, 5, 9)
    for tuned in (model, ait.load(copy.deepcopy(plain), tmp_path / "lm.ait")):
        got, cache = decode(tuned, 5, 9)
        torch.testing.assert_close(got, want, **TOLERANCE)
        assert type(cache) is transformers.DynamicCache and cache.get_seq_length() == 14
        for ours, theirs in zip(cache.layers, want_cache.layers, strict=True):
            torch.testing.assert_close(ours.keys, theirs.keys, **TOLERANCE)
            torch.testing.assert_close(ours.values, theirs.values, **TOLERANCE)


@pytest.mark.parametrize(("make", "lengths"), [(llama, (4, 9)), (mistral, (4, 9)), (mamba, (7,))])
def test_generate(make, lengths):
    """Mamba's scan is a loop in Python, which fixes the length of the prompt."""
    torch.manual_seed(0)
    net = make().eval()
    plain = copy.deepcopy(net)
    model = wrap(net, min_block_size=1)
    options = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 2}
    ait.tune(lambda ids: net.generate(ids, **options), [torch.randint(3, 50, (1, n)) for n in lengths])
    assert model.state is ait.ModuleState.TUNED
    ids = torch.randint(3, 50, (1, 7))
    assert net.generate(ids, **options).tolist() == plain.generate(ids, **options).tolist()


def test_what_a_cache_is_made_of():
    cache = transformers.DynamicCache()
    cache.update(torch.rand(1, 2, 3, 4), torch.rand(1, 2, 3, 4), 0)
    both = transformers.EncoderDecoderCache(cache, transformers.DynamicCache())
    both.is_updated[0] = True
    structure, tensors = flatten({"cache": both})
    assert list(structure.paths()) == [
        f"cache.self_attention_cache.layers[0][{i}]" for i in range(2)
    ]
    again = rebuild(Structure.from_json(structure.to_json(), "here"), iter(tensors))["cache"]
    assert type(again) is transformers.EncoderDecoderCache and again.is_updated == {0: True}
    assert torch.equal(again.self_attention_cache.layers[0].keys, cache.layers[0].keys)
    assert again.get_seq_length() == 3


@pytest.mark.parametrize("make", [mistral, gemma3])
@pytest.mark.parametrize(("prompts", "graphs"), [((2, 3), 4), ((9, 12), 2)])
def test_windows_that_fill_up(tmp_path, make, prompts, graphs):
    """While they do, and when they are full, which are kinds of calls of their own. What a full window has seen is a
    tensor, since no size of one says it."""
    torch.manual_seed(0)
    net = make(window=6).eval()
    plain = copy.deepcopy(net)
    model = wrap(net, min_block_size=1)
    ait.tune(lambda prompt: decode(model, prompt, 6), list(prompts))
    assert len(model.reports) == graphs
    ait.save(model, tmp_path / "lm.ait")
    want, want_cache = decode(plain, prompts[1], 6)
    for tuned in (model, ait.load(copy.deepcopy(plain), tmp_path / "lm.ait")):
        got, cache = decode(tuned, prompts[1], 6)
        torch.testing.assert_close(got, want, **TOLERANCE)
        assert cache.get_seq_length() == want_cache.get_seq_length() == prompts[1] + 6
        for ours, theirs in zip(cache.layers, want_cache.layers, strict=True):
            torch.testing.assert_close(ours.keys, theirs.keys, **TOLERANCE)


def test_generating_beyond_a_window():
    torch.manual_seed(0)
    net = mistral(window=6).eval()
    plain = copy.deepcopy(net)
    wrap(net, min_block_size=1)
    options = {"max_new_tokens": 9, "do_sample": False, "pad_token_id": 2}
    ait.tune(lambda ids: net.generate(ids, **options), [torch.randint(3, 50, (1, n)) for n in (7, 9)])
    ids = torch.randint(3, 50, (1, 8))
    assert net.generate(ids, **options).tolist() == plain.generate(ids, **options).tolist()


def test_a_full_window_needs_torch_export():
    torch.manual_seed(0)
    model = wrap(mistral(window=6).eval(), "ts", min_block_size=1)
    with pytest.raises(aitune.Unsupported, match="a window of a cache has seen for a constant. Use ir='dynamo'"):
        ait.tune(lambda prompt: decode(model, prompt, 2), [9, 12])


def test_layers_of_other_kinds_are_refused_by_name():
    cache = transformers.StaticCache(config=mistral().config, max_cache_len=8)
    cache.offloading = True
    with pytest.raises(aitune.Unsupported, match="StaticCache cannot be taken apart"):
        flatten(cache, "past_key_values")
