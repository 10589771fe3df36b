"""More models that users bring, with random weights: torchvision's classifiers at full size, transformers at small ones.

MODELS maps a name to an Entry. What is drawn at random: weights with seed 0, inputs from the generator given.
"""

import dataclasses
from collections.abc import Callable

import torch

TOKENS, WORDS = 24, 500


@dataclasses.dataclass
class Entry:
    """`inputs(batch, generator)` draws named inputs; the first dimension of each is the batch."""

    model: Callable
    inputs: Callable
    dynamic: bool = True


MODELS: dict[str, Entry] = {}


def images(size, channels=3):
    return lambda batch, g: {"x": torch.randn(batch, channels, size, size, generator=g)}


def tokens(batch, g):
    return {"input_ids": torch.randint(3, WORDS, (batch, TOKENS), generator=g)}


def padded_tokens(batch, g):
    """Token numbers and the mask of those that count."""
    lengths = torch.randint(4, TOKENS + 1, (batch, 1), generator=g)
    mask = (torch.arange(TOKENS) < lengths).long()
    return tokens(batch, g) | {"attention_mask": mask}


class First(torch.nn.Module):
    """A model of transformers as a function of tensors, with its first result alone."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x, return_dict=False)[0]


class Named(First):
    """The same, for models that take other arguments between these."""

    def forward(self, input_ids, attention_mask):
        return self.inner(input_ids=input_ids, attention_mask=attention_mask, return_dict=False)[0]


def entry(name, inputs, dynamic=True):
    def register(make):
        MODELS[name] = Entry(make, inputs, dynamic)
        return make

    return register


def vision(name, size=224, **options):
    def make():
        import torchvision.models

        return getattr(torchvision.models, name)(weights=None, **options)

    MODELS[name] = Entry(make, images(size))


for _name in ["alexnet", "vgg11", "squeezenet1_1", "shufflenet_v2_x1_0", "mnasnet1_0", "regnet_y_400mf", "regnet_x_400mf", "swin_t",
              "swin_v2_t", "maxvit_t", "efficientnet_v2_s", "resnext50_32x4d", "wide_resnet50_2"]:
    vision(_name)
vision("googlenet", init_weights=False, aux_logits=False, transform_input=True)
vision("inception_v3", 299, init_weights=False, aux_logits=False, transform_input=True)


@entry("vit_b_32", images(224))
def _vit_b_32():
    import torchvision.models

    return torchvision.models.vit_b_32(weights=None)


SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
TEXT = SMALL | {"vocab_size": WORDS, "max_position_embeddings": 64}


@entry("distilbert", padded_tokens)
def _distilbert():
    from transformers import DistilBertConfig, DistilBertModel

    return Named(DistilBertModel(DistilBertConfig(vocab_size=WORDS, dim=64, n_layers=2, n_heads=4, hidden_dim=128,
                                                  max_position_embeddings=64)))


@entry("roberta", padded_tokens)
def _roberta():
    from transformers import RobertaConfig, RobertaModel

    return Named(RobertaModel(RobertaConfig(**TEXT), add_pooling_layer=False))


@entry("albert", padded_tokens)
def _albert():
    from transformers import AlbertConfig, AlbertModel

    return Named(AlbertModel(AlbertConfig(**TEXT, embedding_size=32), add_pooling_layer=False))


@entry("electra", padded_tokens)
def _electra():
    from transformers import ElectraConfig, ElectraModel

    return Named(ElectraModel(ElectraConfig(**TEXT, embedding_size=32)))


@entry("t5_encoder", padded_tokens)
def _t5_encoder():
    from transformers import T5Config, T5EncoderModel

    return Named(T5EncoderModel(T5Config(vocab_size=WORDS, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4)))


@entry("clip_text", padded_tokens)
def _clip_text():
    from transformers import CLIPTextConfig, CLIPTextModel

    return Named(CLIPTextModel(CLIPTextConfig(**TEXT, eos_token_id=2)))


@entry("clip_vision", images(64))
def _clip_vision():
    from transformers import CLIPVisionConfig, CLIPVisionModel

    return First(CLIPVisionModel(CLIPVisionConfig(**SMALL, image_size=64, patch_size=16)))


@entry("vit", images(64))
def _vit():
    from transformers import ViTConfig, ViTModel

    return First(ViTModel(ViTConfig(**SMALL, image_size=64, patch_size=16), add_pooling_layer=False))


@entry("deit", images(64))
def _deit():
    from transformers import DeiTConfig, DeiTModel

    return First(DeiTModel(DeiTConfig(**SMALL, image_size=64, patch_size=16), add_pooling_layer=False))


@entry("segformer", images(64))
def _segformer():
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(hidden_sizes=[16, 32, 64, 96], depths=[1, 1, 1, 1], decoder_hidden_size=64)
    return First(SegformerForSemanticSegmentation(config))


def decoder(config, model, inputs=padded_tokens):
    """A decoder without its cache."""
    import transformers

    settings = getattr(transformers, config)(**TEXT, use_cache=False, num_key_value_heads=2)
    return Named(getattr(transformers, model)(settings))


entry("llama", padded_tokens)(lambda: decoder("LlamaConfig", "LlamaForCausalLM"))
entry("qwen2", padded_tokens)(lambda: decoder("Qwen2Config", "Qwen2Model"))


@entry("opt", padded_tokens)
def _opt():
    from transformers import OPTConfig, OPTModel

    return Named(OPTModel(OPTConfig(vocab_size=WORDS, hidden_size=64, num_hidden_layers=2, ffn_dim=128, num_attention_heads=4,
                                    max_position_embeddings=64, word_embed_proj_dim=64, use_cache=False)))


@entry("bloom", padded_tokens)
def _bloom():
    from transformers import BloomConfig, BloomModel

    return Named(BloomModel(BloomConfig(vocab_size=WORDS, hidden_size=64, n_layer=2, n_head=4, use_cache=False)))


import catalogue_more  # noqa: E402, F401  it registers the rest


def liven(model):
    """Redraws what initialisation leaves at zero, or scales by nearly nothing: it would hide what comes before it."""
    with torch.no_grad():
        for parameter in model.parameters():
            largest = parameter.abs().max() if parameter.numel() else 1
            if largest == 0:  # heads, biases, positions
                torch.nn.init.normal_(parameter, std=0.02)
            elif largest < 1e-3:  # layer scales
                torch.nn.init.constant_(parameter, 0.1)
    return model


def make_model(name):
    torch.manual_seed(0)
    return liven(MODELS[name].model()).eval()
