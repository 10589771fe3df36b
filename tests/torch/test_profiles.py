"""Shapes that the user gives, and special plans: what is in the file, which plan runs, what is refused."""

import concurrent.futures
import ctypes
import json
import os
import sys

import numpy as np
import pytest
import support
import torch
from torch import nn

sys.path.insert(0, str(support.ROOT))
os.environ.setdefault("AITUNE_RUNTIME", str(support.BIN.parent / "runtime/libaitune_runtime.so"))
from bench.peers import aitune_runtime  # noqa: E402

# Every special plan that is right: what is faster here is not these tests' business.
KEEP = ["--set", "max_special_plans=4", "--set", "special_plan_gain=-1"]


class Encoder(nn.Module):
    """BERT as transformers has it, small, on ids and a mask."""

    def __init__(self):
        super().__init__()
        from transformers import BertConfig, BertModel
        self.bert = BertModel(BertConfig(vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                                         intermediate_size=64, max_position_embeddings=64, attn_implementation="sdpa"))

    def forward(self, ids, mask):
        return self.bert(input_ids=ids, attention_mask=mask).last_hidden_state


class Images(nn.Module):
    """Convolutions and a pool, so that height and width may move."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                                      nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU())
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.features(x).mean([2, 3]))


def words(batch, length, generator):
    ids = torch.randint(0, 100, (batch, length), generator=generator)
    mask = (torch.arange(length)[None, :] < torch.randint(1, length + 1, (batch, 1), generator=generator)).long()
    return {"ids": ids, "mask": mask}


def images(batch, height, width, generator):
    return {"x": torch.rand(batch, 3, height, width, generator=generator)}


def run_and_check(folder, file, model, calls, name):
    """Runs the calls, compares them with PyTorch, and returns the plan that ran each."""
    inputs = [support.write_inputs(folder / f"{name}{i}.npz", call) for i, call in enumerate(calls)]
    done = support.must("run", file, *[w for path in inputs for w in ("-i", path)], "-o", folder / "out.npz", "--json")
    for i, call in enumerate(calls):
        out = folder / (f"out.{i}.npz" if len(calls) > 1 else "out.npz")
        with torch.no_grad():
            want = support.tensors_of(model(*[t.clone() for t in call.values()]))
        support.check_same(support.read_outputs(out), want, support.FP32_BOUND, f"{name}, call {i}")
    return [sample["plan"] for sample in done.json()["samples"]]


def plans_in(file):
    """(the general plan's entry, from sizes to the special plans' entries)."""
    plans = support.must("inspect", file, "--json").json()["plans"]
    general = [p for p in plans if "special_of" not in p]
    assert len(general) == 1
    special = {}
    for plan in plans:
        if "special_of" in plan:
            assert plan["special_of"] == general[0]["entry"]
            assert all(r["min"] == r["max"] for r in plan["symbols"].values())
            special[tuple(r["min"] for r in plan["symbols"].values())] = plan["entry"]
    return general[0], special


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The encoder exported with a batch and a length that move, and tuned for less than that."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(7)
    model = Encoder().eval()
    batch, length = torch.export.Dim("batch", min=1, max=16), torch.export.Dim("length", min=4, max=64)
    dims = {0: batch, 1: length}
    support.export(model, words(3, 12, generator), folder / "model.pt2", {"ids": dims, "mask": dims})
    sample = support.write_inputs(folder / "in.npz", words(2, 16, generator))
    shapes = ["--shapes", "ids=1..4..8x8..16..32", "--shapes", "mask=1..4..8x8..16..32"]
    support.must("tune", folder / "model.pt2", "-i", sample, "-o", folder / "model.ait", *support.FAST, *KEEP, *shapes)
    return folder, model


def test_general_and_special_plans_of_an_exported_encoder(encoder, tmp_path, generator):
    folder, model = encoder
    general, special = plans_in(folder / "model.ait")
    assert sorted((r["min"], r["max"]) for r in general["symbols"].values()) == [(1, 8), (8, 32)]
    assert sorted(sorted(sizes) for sizes in special) == [[2, 16], [4, 16]]  # the sample's shape, and the opt shape
    sizes = [(1, 8), (4, 16), (8, 32), (5, 11), (2, 16), (1, 32), (8, 8)]  # min, opt, max, between, the sample's
    used = run_and_check(tmp_path, folder / "model.ait", model, [words(*s, generator) for s in sizes], "encoder")
    by_sizes = {tuple(sorted(s)): entry for s, entry in special.items()}
    assert used == [by_sizes.get(tuple(sorted(s)), general["entry"]) for s in sizes]


def test_every_plan_is_verified(encoder):
    folder, _ = encoder
    checked = support.must("verify", folder / "model.ait", "--json").json()["plans"]
    general, special = plans_in(folder / "model.ait")
    assert [c["entry"] for c in checked][0] == general["entry"] and len(checked) == 1 + len(special)
    assert checked[0]["samples"] == 2 and all(c["samples"] == 1 for c in checked[1:])


def test_sizes_outside_are_refused_with_the_range(encoder, tmp_path, generator):
    folder, _ = encoder
    for batch, length, wanted in ((9, 16, "in [1,8]"), (4, 33, "in [8,32]"), (4, 7, "in [8,32]")):
        bad = support.write_inputs(tmp_path / "bad.npz", words(batch, length, generator))
        result = support.aitune("run", folder / "model.ait", "-i", bad)
        assert result.status == 1 and wanted in result.err and "out of range" in result.err, str(result)


def test_ranges_beyond_the_program_are_refused_with_both(encoder, tmp_path):
    folder, _ = encoder
    for shapes, parts in (("ids=1..17x8..16", ("[1, 17]", "[1, 16]")), ("ids=1..4x2..16", ("[2, 16]", "[4, 64]")),
                          ("ids=1x8:4x100", ("[8, 100]", "[4, 64]")), ("ids=1x8", ("in.npz", "range")),
                          ("nothing=1x8", ("nothing", "ids")), ("ids=1x8x2", ("3 dimensions",)),
                          ("ids=4..1x8", ("no range",)), ("ids=axb", ("'a' is not a size",))):
        result = support.aitune("tune", folder / "model.pt2", "-i", folder / "in.npz", "-o", tmp_path / "m.ait", "--shapes", shapes)
        assert result.status == 1 and not (tmp_path / "m.ait").exists(), str(result)
        if shapes != "ids=1x8":
            assert all(part in result.err for part in parts), str(result)


def test_a_file_of_shapes_says_the_same(encoder, tmp_path):
    folder, _ = encoder
    rows = {"min_shape": [1, 8], "opt_shape": [4, 16], "max_shape": [8, 32]}
    (tmp_path / "shapes.json").write_text(json.dumps({"ids": rows, "mask": [[1, 4, 8], [8, 16, 32]]}))
    tuned = support.must("tune", folder / "model.pt2", "-i", folder / "in.npz", "-o", tmp_path / "m.ait", *support.FAST, *KEEP,
                         "--shapes", tmp_path / "shapes.json", "--json").json()
    general, special = plans_in(tmp_path / "m.ait")
    want_general, want_special = plans_in(folder / "model.ait")
    assert general["symbols"] == want_general["symbols"] and special.keys() == want_special.keys()
    assert [s["preferred"] for s in tuned["special_plans"]] == [True, False] and all(s["kept"] for s in tuned["special_plans"])


def test_tuning_the_file_again_keeps_its_shapes(encoder, tmp_path):
    folder, _ = encoder
    support.must("tune", folder / "model.ait", "-o", tmp_path / "again.ait", *support.FAST, *KEEP)
    assert plans_in(tmp_path / "again.ait")[0]["symbols"] == plans_in(folder / "model.ait")[0]["symbols"]


def test_the_program_inside_keeps_its_own_ranges(encoder, generator):
    folder, model = encoder
    program = torch.export.load(folder / "model.ait")
    call = words(16, 40, generator)
    with torch.no_grad():
        assert torch.allclose(program.module()(**call), model(**call), atol=1e-5)


def test_weights_are_stored_once(encoder, tmp_path):
    folder, _ = encoder
    support.must("tune", folder / "model.pt2", "-i", folder / "in.npz", "-o", tmp_path / "one.ait", *support.FAST,
                 "--set", "max_special_plans=0", "--shapes", "ids=1..4..8x8..16..32", "--shapes", "mask=1..4..8x8..16..32")
    plans = support.must("inspect", folder / "model.ait", "--json").json()
    sizes = {entry["name"]: entry["size"] for entry in plans["entries"]}
    alone = support.must("inspect", tmp_path / "one.ait", "--json").json()
    constants = alone["entries"]
    alone_size = next(e["size"] for e in constants if e["name"].endswith(".plan"))
    alone_constants = alone_size - alone["plans"][0]["head_bytes"]
    general, special = plans_in(folder / "model.ait")
    shared_constants = sizes[general["entry"]] - general["head_bytes"]
    assert shared_constants < 2 * alone_constants  # three plans; tiles of other shapes may want other packings
    for entry in special.values():
        row = next(p for p in plans["plans"] if p["entry"] == entry)
        assert sizes[entry] - row["head_bytes"] < 64  # nothing but code and description


def test_many_threads_with_other_shapes_on_one_module(encoder, generator):
    folder, model = encoder
    runtime = aitune_runtime.Runtime()
    module = runtime.load(folder / "model.ait", 2)
    shapes = [(1, 8), (4, 16), (8, 32), (2, 16), (3, 9), (5, 31), (7, 12), (6, 20)]
    calls = []
    for shape in shapes:
        call = words(*shape, generator)
        with torch.no_grad():
            calls.append(([np.ascontiguousarray(t.numpy()) for t in call.values()], model(*call.values()).numpy()))

    def caller(first):
        worst = 0.0
        for i in range(40):
            arrays, want = calls[(first + i) % len(calls)]
            inputs = aitune_runtime.describe(arrays)
            results = runtime.outputs(module, inputs)
            outputs = aitune_runtime.describe(results)
            runtime.check(runtime.library.aitune_run(module, inputs, ctypes.c_size_t(len(inputs)), outputs,
                                                     ctypes.c_size_t(len(outputs))))
            worst = max(worst, support.relative_error(results[0], want))
        return worst

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert max(pool.map(caller, range(8))) <= support.FP32_BOUND
    runtime.library.aitune_free(module)


def save(model, sample, form, path):
    if form == "fx":
        torch.save(torch.fx.symbolic_trace(model), path)
    elif form == "ts":
        torch.jit.save(torch.jit.script(model), path)
    else:
        dims = {0: torch.export.Dim("n", min=1, max=64), 2: torch.export.Dim("h", min=8, max=256), 3: torch.export.Dim("w", min=8, max=256)}
        support.export(model, sample, path, {"x": dims})


@pytest.mark.parametrize("form", ["dynamo", "ts", "fx"])
def test_images_of_every_size_from_one_sample(form, tmp_path, generator):
    """One sample and a range: height and width are independent, in all three forms."""
    model = Images().eval()
    path = tmp_path / ("model.pt2" if form == "dynamo" else "model.pt")
    save(model, images(2, 20, 28, generator), form, path)
    sample = support.write_inputs(tmp_path / "in.npz", images(2, 32, 32, generator))
    support.must("tune", path, "-i", sample, "-o", tmp_path / "model.ait", *support.FAST, *KEEP,
                 "--shapes", "x=1x3x16x16:4x3x24x40:8x3x48x64")
    sizes = [(1, 16, 16), (4, 24, 40), (8, 48, 64), (3, 17, 50), (2, 32, 32), (4, 40, 24)]
    used = run_and_check(tmp_path, tmp_path / "model.ait", model, [images(*s, generator) for s in sizes], form)
    general, special = plans_in(tmp_path / "model.ait")
    assert len(special) == 2
    assert [u != general["entry"] for u in used] == [False, True, False, False, True, False]
    bad = support.write_inputs(tmp_path / "bad.npz", images(2, 49, 32, generator))
    result = support.aitune("run", tmp_path / "model.ait", "-i", bad)
    assert result.status == 1 and "in [16,48]" in result.err, str(result)
    support.must("verify", tmp_path / "model.ait")


@pytest.mark.parametrize("form", ["ts", "fx"])
def test_samples_outside_of_the_given_range_are_refused(form, tmp_path, generator):
    model = Images().eval()
    save(model, None, form, tmp_path / "model.pt")
    sample = support.write_inputs(tmp_path / "in.npz", images(2, 32, 32, generator))
    result = support.aitune("tune", tmp_path / "model.pt", "-i", sample, "-o", tmp_path / "m.ait", "--shapes", "x=4..8x3x32x32")
    assert result.status == 1 and "[4, 8]" in result.err and "sample 0" in result.err, str(result)


def test_a_size_without_choice_is_a_constant(tmp_path, generator):
    model = Images().eval()
    save(model, images(2, 20, 28, generator), "dynamo", tmp_path / "model.pt2")
    sample = support.write_inputs(tmp_path / "in.npz", images(2, 32, 32, generator))
    support.must("tune", tmp_path / "model.pt2", "-i", sample, "-o", tmp_path / "m.ait", *support.FAST, "--shapes", "x=2x3x32x32")
    general, special = plans_in(tmp_path / "m.ait")
    assert general["symbols"] == {} and not special
    run_and_check(tmp_path, tmp_path / "m.ait", model, [images(2, 32, 32, generator)], "fixed")


def test_common_shapes_of_the_samples_get_plans(tmp_path, generator):
    """Without any range given: three samples of one shape, one of another, as TorchScript."""
    model = Images().eval()
    save(model, None, "ts", tmp_path / "model.pt")
    samples = [images(b, 24, 24, generator) for b in (4, 4, 1, 4)]
    files = [support.write_inputs(tmp_path / f"in{i}.npz", s) for i, s in enumerate(samples)]
    given = [w for f in files for w in ("-i", f)]
    support.must("tune", tmp_path / "model.pt", *given, "-o", tmp_path / "m.ait", *support.FAST, *KEEP, "--set", "max_special_plans=1")
    _, special = plans_in(tmp_path / "m.ait")
    assert list(special) == [(4,)]
    run_and_check(tmp_path, tmp_path / "m.ait", model, [images(b, 24, 24, generator) for b in (1, 2, 4)], "common")


def test_special_plans_of_sizes_that_are_multiples(tmp_path, generator):
    """An image whose sides are multiples of 8: the symbols are not the sizes."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AvgPool2d(8)).eval()
    side = torch.export.Dim("side", min=4, max=12)
    draw = lambda n: {"input": torch.randn(1, 3, 8 * n, 8 * n, generator=generator)}  # noqa: E731
    support.export(model, list(draw(5).values()), tmp_path / "model.pt2", ({2: 8 * side, 3: 8 * side},))
    sample = support.write_inputs(tmp_path / "in.npz", draw(8))
    support.must("tune", tmp_path / "model.pt2", "-i", sample, "-o", tmp_path / "m.ait", *support.FAST, *KEEP)
    _, special = plans_in(tmp_path / "m.ait")
    assert special
    run_and_check(tmp_path, tmp_path / "m.ait", model, [draw(8), draw(4), draw(12)], "multiples")


def test_a_dry_run_builds_nothing_and_says_what_would_be(encoder, tmp_path):
    folder, _ = encoder
    words_of = ["tune", folder / "model.pt2", "-i", folder / "in.npz", "--set", "torch_executed_ops=aten.tanh.default"]
    text = support.must(*words_of, f"--dryrun={tmp_path / 'report.txt'}", cwd=tmp_path).out
    assert (tmp_path / "report.txt").read_text() == text and os.listdir(tmp_path) == ["report.txt"]
    for part in ("Dry run", "block0 on cpu", "Estimated memory", "aten.linear"):
        assert part in text, text
    report = support.must(*words_of, "--dryrun", "--json").json()
    assert report["nodes"] >= report["compiled_nodes"] > 0
    assert sum(b["nodes"] for b in report["blocks"]) == report["nodes"]
    assert report["memory"]["weights"] > 100 * 32 * 4 and report["memory"]["runs"][-1]["sizes"]
    assert support.must(*words_of, "--set", "dryrun=true", "--json").json() == report | {"settings": report["settings"]}
    result = support.aitune("tune", folder / "model.pt2", "-i", folder / "in.npz")
    assert result.status == 1 and "--output" in result.err, str(result)


def test_partition_settings_decide_what_is_compiled(encoder, tmp_path):
    folder, _ = encoder

    def report(*settings):
        flags = [w for s in settings for w in ("--set", s)]
        return support.aitune("tune", folder / "model.pt2", "-i", folder / "in.npz", "--dryrun", "--json", *flags,
                              "--shapes", "ids=2x16", "--shapes", "mask=2x16")

    whole = report("require_full_compilation=true", "min_block_size=1000").json()
    assert whole["nodes"] == whole["compiled_nodes"] and len(whole["blocks"]) == 1
    assert report("min_block_size=1000").json()["compiled_nodes"] == 0
    cut = report("min_block_size=1", "torch_executed_ops=torch.ops.aten.linear.default").json()
    fallen = {f["op"]: f for f in cut["fallbacks"]}
    assert list(fallen) == ["aten.linear.default"] and "torch_executed_ops" in fallen["aten.linear.default"]["reason"]
    assert cut["nodes"] - cut["compiled_nodes"] == fallen["aten.linear.default"]["count"]
    refused = report("require_full_compilation=true", "torch_executed_ops=aten.linear")
    assert refused.status == 1 and "aten.linear.default" in refused.json()["error"]["message"]
    warned = report("torch_executed_ops=aten.celu").json()
    assert any("aten.celu" in w for w in warned["warnings"])
