"""The rest of the catalogue: detection, video and flow networks, timm, diffusers, audio, and decoder steps whose cache comes
in and goes out. Entries whose package is missing are left out (torchaudio's Conformer: see conformer())."""

import importlib.util
import os

import torch
from catalogue import SMALL, TEXT, TOKENS, WORDS, First, Named, entry, images, padded_tokens, tokens

PAST = 7


class Outputs(torch.nn.Module):
    """A network that answers with a dictionary, as a tuple of tensors in its order."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return tuple(self.inner(x).values())


def torchvision_model(module, name, **options):
    import torchvision.models

    return getattr(getattr(torchvision.models, module), name)(weights=None, **options)


@entry("deeplabv3_mobilenet_v3_large", images(224))
def _deeplab():
    return Outputs(torchvision_model("segmentation", "deeplabv3_mobilenet_v3_large", weights_backbone=None))


@entry("fcn_resnet50", images(224))
def _fcn():
    return Outputs(torchvision_model("segmentation", "fcn_resnet50", weights_backbone=None))


@entry("lraspp_mobilenet_v3_large", images(224))
def _lraspp():
    return Outputs(torchvision_model("segmentation", "lraspp_mobilenet_v3_large", weights_backbone=None))


def clips(batch, generator):
    return {"x": torch.randn(batch, 3, 8, 112, 112, generator=generator)}


for _name in ("r3d_18", "mc3_18", "r2plus1d_18"):
    entry(_name, clips)(lambda name=_name: torchvision_model("video", name))


def image_pairs(batch, generator):
    return {name: torch.rand(batch, 3, 128, 136, generator=generator) * 2 - 1 for name in ("image1", "image2")}


class LastFlow(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, image1, image2):
        return self.inner(image1, image2, num_flow_updates=3)[-1]


@entry("raft_small", image_pairs, dynamic=False)  # torch.export fixes its batch
def _raft():
    return LastFlow(torchvision_model("optical_flow", "raft_small"))


@entry("resnet50_fpn", images(224))
def _resnet50_fpn():
    """The backbone of torchvision's keypointrcnn_resnet50_fpn."""
    return Outputs(torchvision_model("detection", "keypointrcnn_resnet50_fpn", weights_backbone=None).backbone)


def timm_model(name, size=224, **options):
    def make():
        import timm

        return timm.create_model(name, pretrained=False, **options)

    if importlib.util.find_spec("timm"):
        entry(name, images(size))(make)


timm_model("mixer_b16_224")
timm_model("convmixer_768_32")
timm_model("eva02_tiny_patch14_224")
timm_model("fastvit_t8", 256)
timm_model("efficientformer_l1")


@entry("deberta_v2", padded_tokens)
def _deberta():
    from transformers import DebertaV2Config, DebertaV2Model

    return Named(DebertaV2Model(DebertaV2Config(**TEXT, relative_attention=True, position_buckets=16, pos_att_type=["c2p", "p2c"],
                                                norm_rel_ebd="layer_norm", share_att_key=True, conv_kernel_size=3)))


class Wav2Vec2(First):
    def forward(self, x):
        return self.inner(x, return_dict=False)[0]


def speech(batch, generator):
    return {"x": torch.randn(batch, 4000, generator=generator)}


@entry("wav2vec2", speech)
def _wav2vec2():
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    return Wav2Vec2(Wav2Vec2Model(Wav2Vec2Config(**SMALL, vocab_size=32, conv_dim=(32,) * 7, num_conv_pos_embeddings=16,
                                                 num_conv_pos_embedding_groups=4)))


@entry("mamba", tokens)
def _mamba():
    from transformers import MambaConfig, MambaModel

    class Tokens(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = MambaModel(MambaConfig(vocab_size=WORDS, hidden_size=32, num_hidden_layers=2, state_size=8, use_cache=False))

        def forward(self, input_ids):
            return self.inner(input_ids, return_dict=False)[0]

    return Tokens()


def spectrum(batch, generator):
    return {"x": torch.randn(batch, 80, 60, generator=generator)}


def whisper():
    from transformers import WhisperConfig, WhisperModel

    return WhisperModel(WhisperConfig(vocab_size=WORDS, d_model=64, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
                                      decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128, max_source_positions=30,
                                      max_target_positions=40, pad_token_id=0, bos_token_id=1, eos_token_id=2,
                                      decoder_start_token_id=1))


@entry("whisper_encoder", spectrum)
def _whisper_encoder():
    return First(whisper().encoder)


def cache_of(pairs):
    """transformers' cache around keys and values that come as inputs."""
    from transformers import DynamicCache

    cache = DynamicCache()
    for layer, (keys, values) in enumerate(pairs):
        cache.update(keys, values, layer)
    return cache


def cache_tensors(cache):
    return tuple(t for layer in cache.layers for t in (layer.keys, layer.values))


def step_inputs(batch, generator, heads=4, width=16):
    """A token, and keys and values of PAST tokens for two layers."""
    named = {"input_ids": torch.randint(3, WORDS, (batch, 1), generator=generator)}
    for layer in range(2):
        for kind in ("k", "v"):
            named[f"{kind}{layer}"] = torch.randn(batch, heads, PAST, width, generator=generator)
    return named


def grouped_step_inputs(batch, generator):
    return step_inputs(batch, generator, heads=2)


class Step(torch.nn.Module):
    """One step of a decoder: hidden state or logits, and the longer cache."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, input_ids, k0, v0, k1, v1):
        cache = cache_of([(k0, v0), (k1, v1)])
        places = torch.arange(PAST, PAST + 1)[None]
        out = self.inner(input_ids=input_ids, past_key_values=cache, position_ids=places, use_cache=True, return_dict=False)
        return (out[0], *cache_tensors(cache))


@entry("llama_step", grouped_step_inputs)
def _llama_step():
    from transformers import LlamaConfig, LlamaForCausalLM

    return Step(LlamaForCausalLM(LlamaConfig(**TEXT, num_key_value_heads=2)))


class StepWithEncoder(torch.nn.Module):
    """The same for a decoder that also looks at what an encoder said."""

    def __init__(self, inner, names):
        super().__init__()
        self.inner = inner
        self.names = names

    def forward(self, input_ids, k0, v0, k1, v1, encoded):
        from transformers import DynamicCache, EncoderDecoderCache

        cache = EncoderDecoderCache(cache_of([(k0, v0), (k1, v1)]), DynamicCache())
        out = self.inner(input_ids=input_ids, past_key_values=cache, encoder_hidden_states=encoded, use_cache=True, return_dict=False)
        return (out[0], *cache_tensors(cache.self_attention_cache))


def encoded_step_inputs(batch, generator):
    return step_inputs(batch, generator) | {"encoded": torch.randn(batch, 30, 64, generator=generator)}


@entry("whisper_decoder_step", encoded_step_inputs)
def _whisper_decoder():
    return StepWithEncoder(whisper().decoder, ())


@entry("t5_decoder_step", encoded_step_inputs)
def _t5_decoder():
    from transformers import T5Config, T5Model

    config = T5Config(vocab_size=WORDS, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4)
    return StepWithEncoder(T5Model(config).decoder, ())


class UNet(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x, timestep, text):
        return self.inner(x, timestep, text, return_dict=False)[0]


def noisy(batch, generator):
    return {"x": torch.randn(batch, 4, 16, 16, generator=generator), "timestep": torch.randint(0, 1000, (batch,), generator=generator),
            "text": torch.randn(batch, TOKENS, 32, generator=generator)}


class Reconstruction(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner.decode(self.inner.encode(x).latent_dist.mode()).sample


if importlib.util.find_spec("diffusers"):

    @entry("unet2d_condition", noisy)
    def _unet():
        from diffusers import UNet2DConditionModel

        return UNet(UNet2DConditionModel(sample_size=16, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=32,
                                         attention_head_dim=8, norm_num_groups=8, in_channels=4, out_channels=4,
                                         down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                                         up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")))

    @entry("autoencoder_kl", images(32))
    def _autoencoder():
        from diffusers import AutoencoderKL

        return Reconstruction(AutoencoderKL(block_out_channels=(32, 64), norm_num_groups=8, latent_channels=4,
                                            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2))


def frames(batch, generator):
    return {"x": torch.randn(batch, 50, 32, generator=generator), "lengths": torch.randint(20, 51, (batch,), generator=generator)}


def conformer():
    """torchaudio's module of that name. The package insists on PyTorch's own version and CUDA, but this file of it is plain
    PyTorch: AITUNE_CONFORMER names it (torchaudio/models/conformer.py in the wheel)."""
    spec = importlib.util.spec_from_file_location("torchaudio_conformer", os.environ["AITUNE_CONFORMER"])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Conformer(input_dim=32, num_heads=4, ffn_dim=64, num_layers=2, depthwise_conv_kernel_size=7)


class FullLength(torch.nn.Module):
    """The Conformer on sequences that are all as long as the batch."""

    def __init__(self, inner):
        super().__init__()
        self.layers = inner.conformer_layers

    def forward(self, x, lengths):
        mask = torch.arange(x.shape[1])[None] >= lengths[:, None]
        x = x.transpose(0, 1)
        for layer in self.layers:
            x = layer(x, mask)
        return x.transpose(0, 1)


if "AITUNE_CONFORMER" in os.environ:
    entry("conformer", frames)(lambda: FullLength(conformer()))
