"""TorchScript models that people use: silero-vad on recordings of speech, Resemblyzer's voice encoder, torchvision's detectors.

The files come out of PyPI packages (fetch_assets.py; `./dev test` runs it).
"""

import importlib
import os
import pathlib
import sys
import types
import warnings
import wave

import numpy as np
import pytest
import support
import torch
import torchvision
from torch import nn
from test_torchscript import save, tune_and_check

warnings.filterwarnings("ignore", category=FutureWarning)


def asset(name):
    """A file of fetch_assets.py; AITUNE_SILERO names silero_vad.jit itself."""
    if name == "silero_vad.jit" and os.environ.get("AITUNE_SILERO"):
        return pathlib.Path(os.environ["AITUNE_SILERO"])
    path = pathlib.Path(os.environ.get("AITUNE_ASSETS", support.ROOT / ".venv-torch/assets")) / name
    if not path.exists():
        pytest.skip(f"{path} is not there: python tests/torch/fetch_assets.py {path.parent} gets it")
    return path


def speech(rate):
    """Twelve seconds of a recording, as numbers from -1 to 1."""
    with wave.open(str(asset(f"speech_{rate}.wav"))) as file:
        assert file.getframerate() == rate and file.getnchannels() == 1 and file.getsampwidth() == 2
        samples = np.frombuffer(file.readframes(12 * rate), "<i2")
    return torch.from_numpy(samples.astype(np.float32) / 32768)


@pytest.mark.parametrize("rate,size,context", [(16000, 512, 64), (8000, 256, 32)])
def test_silero_streams_speech(rate, size, context, tmp_path, generator):
    """The rate is a constant; the state that the module keeps comes in and goes out."""
    path = asset("silero_vad.jit")
    model = torch.jit.load(path)
    fixed = {"sr": torch.tensor(rate), "_last_sr": torch.tensor(rate), "_last_batch_size": torch.tensor(1)}
    state = {"_state": torch.zeros(2, 1, 128), "_context": torch.zeros(1, context)}
    sound = speech(rate)
    chunks = sound[: len(sound) // size * size].reshape(-1, 1, size)
    with torch.no_grad():
        model.reset_states()
        probabilities = torch.cat([model(chunk, rate) for chunk in chunks]).flatten()
    assert probabilities.max() > 0.9 and probabilities.min() < 0.1  # there is speech in it, and silence

    support.write_inputs(tmp_path / "in.npz", {"x": chunks[0], **fixed, **state})
    support.must("tune", path, "-i", tmp_path / "in.npz", "-o", tmp_path / "model.ait", *support.FAST)
    # From some moment on: eager's state there is where we start.
    first = int(torch.randint(len(chunks) - 12, (1,), generator=generator))
    model.reset_states()
    with torch.no_grad():
        for chunk in chunks[:first]:
            model(chunk, rate)
    if first > 0:
        state = {"_state": model._state.clone(), "_context": model._context.clone()}
    for i, chunk in enumerate(chunks[first : first + 12]):
        support.write_inputs(tmp_path / "in.npz", {"x": chunk, **state})
        support.must("run", tmp_path / "model.ait", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
        with np.load(tmp_path / "out.npz") as out:
            state = {name: torch.from_numpy(out[name]) for name in ("_state", "_context")}
            got = [out[name] for name in out.files if name not in state]
        with torch.no_grad():
            want = model(chunk, rate)
        support.check_same(got, [want], support.FP32_BOUND, f"{rate} Hz, chunk {first + i}")


def test_silero_says_how_its_state_comes_in(tmp_path):
    support.write_inputs(tmp_path / "in.npz", {"x": torch.zeros(1, 512), "sr": torch.tensor(16000)})
    result = support.aitune("tune", asset("silero_vad.jit"), "-i", tmp_path / "in.npz", "-o", tmp_path / "model.ait")
    assert result.status != 0 and "Give '_context' in the samples" in result.err


def voice_encoder():
    """Resemblyzer's network with its trained weights. What its package imports for audio is not needed."""
    folder = asset("resemblyzer/voice_encoder.py").parent
    package = types.ModuleType("resemblyzer")
    package.__path__ = [str(folder)]
    package.audio = types.ModuleType("resemblyzer.audio")
    sys.modules.update({"resemblyzer": package, "resemblyzer.audio": package.audio})
    return importlib.import_module("resemblyzer.voice_encoder").VoiceEncoder("cpu", verbose=False).eval()


def test_voice_encoder(tmp_path, generator):
    model = voice_encoder()
    samples = [[torch.rand(batch, 160, 40, generator=generator)] for batch in (1, 4, 2)]
    save(model, samples[0], "scripted", tmp_path / "model.pt")
    tune_and_check(tmp_path, model, samples, support.FP32_BOUND, "VoiceEncoder", tuning=2)


def detector(name, **options):
    """Random weights, scaled layer by layer to outputs of variance 1: as they come, all features are nearly the same, and
    rounding would decide which boxes are found."""
    torch.manual_seed(5)
    model = torchvision.models.detection.__dict__[name](weights=None, weights_backbone=None, **options).eval()

    def scale(layer, _, output):
        spread = 3 if isinstance(layer, nn.Linear) and layer.out_features == 91 else 1
        factor = spread / float(output.std().clamp(min=1e-6))
        layer.weight.mul_(factor)
        if layer.bias is not None:
            layer.bias.mul_(factor)
        return output * factor

    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    hooks = [layer.register_forward_hook(scale) for layer in layers]
    with torch.no_grad():
        for layer in layers:
            layer.weight.requires_grad_(False)
        model([torch.rand(3, 240, 320)])
    for hook in hooks:
        hook.remove()
    return model


def same_detections(got, want, where, threshold=0.0, limit=100):
    """The same boxes with the same labels, whichever comes first where scores are the same to the last digits. A network of
    random layers carries roundings far: scores to 1e-3, boxes to a twentieth of a pixel. What lies that near to the
    threshold, or to the last score of a list that was cut at its limit, may be found by one of the two alone; and so may
    two others, as two boxes may overlap just as much as is allowed."""
    got, want = ({name: np.asarray(tensor) for name, tensor in found.items()} for found in (got, want))
    assert got["labels"].dtype == want["labels"].dtype
    assert len(got["boxes"]) <= limit and np.all(got["scores"] > threshold) and np.all(np.diff(got["scores"]) <= 0), where
    for found, other, who in ((want, got, "aitune"), (got, want, "PyTorch")):
        scores = found["scores"]
        cut = max(threshold, scores[-1]) if len(scores) == limit else threshold
        missing = []
        for i in np.flatnonzero(scores > cut + 1e-3):
            same = (other["labels"] == found["labels"][i]) & (np.abs(other["boxes"] - found["boxes"][i]).max(1) < 5e-2)
            if not np.any(same & (np.abs(other["scores"] - scores[i]) < 1e-3)):
                missing.append((int(i), float(scores[i])))
        assert len(missing) <= 2, f"{where}: {who} does not find these of {len(scores)} boxes (number, score): {missing}"


# How many boxes are left decides which way torchvision suppresses those that overlap: class by class, or all at once.
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9999])
def test_faster_rcnn(threshold, tmp_path, generator):
    model = detector("fasterrcnn_mobilenet_v3_large_320_fpn", box_score_thresh=threshold)
    with torch.no_grad():
        torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    images = [torch.rand(3, 240, 320, generator=generator) for _ in range(3)]
    images[1] *= 0.1
    files = [support.write_inputs(tmp_path / f"in{i}.npz", {"images_0": image}) for i, image in enumerate(images)]
    sample = support.write_inputs(tmp_path / "sample.npz", {"images.0": images[0]})
    # Two scores that are the same to the last digits may change places: the boxes are compared below.
    support.must("tune", tmp_path / "model.pt", "-i", sample, "-o", tmp_path / "model.ait", *support.FAST,
                 "--set", "max_relative_error=0.9")
    support.must("run", tmp_path / "model.ait", *[w for file in files for w in ("-i", file)], "-o", tmp_path / "out.npz")
    for i, image in enumerate(images):
        with torch.no_grad():
            want = model([image])[0]
        with np.load(tmp_path / f"out.{i}.npz") as out:
            same_detections({name: out[name] for name in out.files}, want, f"image {i}", threshold)


def test_faster_rcnn_on_images_of_any_size(tmp_path, generator):
    """The scale of an image is computed from its size, and what the network sees from that; one plan for all sizes. torchvision's
    scripted form rounds the scale to float32, which its eager form does not: the scripted one is what must be met."""
    model = detector("fasterrcnn_mobilenet_v3_large_320_fpn", box_score_thresh=0.5)
    with torch.no_grad():
        scripted = torch.jit.script(model)
        torch.jit.save(scripted, tmp_path / "model.pt")
    images = [torch.rand(3, *size, generator=generator) for size in [(200, 320), (260, 300), (231, 307), (260, 320)]]
    words = []
    for i, image in enumerate(images[:2]):
        words += ["-i", support.write_inputs(tmp_path / f"sample{i}.npz", {"images.0": image})]
    support.must("tune", tmp_path / "model.pt", *words, "-o", tmp_path / "model.ait", *support.FAST,
                 "--set", "max_relative_error=0.9", "--set", "max_data_dependent_size=2000")
    for i, image in enumerate(images):
        support.write_inputs(tmp_path / "in.npz", {"images.0": image})
        support.must("run", tmp_path / "model.ait", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
        with torch.no_grad():
            want = scripted([image])[1][0]
        with np.load(tmp_path / "out.npz") as out:
            same_detections({name: out[name] for name in out.files}, want, f"image {i}", threshold=0.5)


@pytest.mark.slow
def test_keypoint_rcnn(tmp_path, generator):
    """Whole, with the maps that are resized to every box. Small images and few boxes: what takes time is the network."""
    model = detector("keypointrcnn_resnet50_fpn", min_size=96, max_size=128, box_detections_per_img=4,
                     rpn_pre_nms_top_n_test=60, rpn_post_nms_top_n_test=30)
    with torch.no_grad():
        torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    image = torch.rand(3, 96, 120, generator=generator)
    file = support.write_inputs(tmp_path / "in.npz", {"images.0": image})
    support.must("tune", tmp_path / "model.pt", "-i", file, "-o", tmp_path / "model.ait", *support.FAST,
                 "--set", "max_relative_error=0.9", "--set", "optimization_level=0")
    given = support.write_inputs(tmp_path / "x.npz", {"images_0": image})
    support.must("run", tmp_path / "model.ait", "-i", given, "-o", tmp_path / "out.npz")
    with torch.no_grad():
        want = model([image])[0]
    with np.load(tmp_path / "out.npz") as out:
        got = {name: out[name] for name in out.files}
    same_detections(got, want, "keypoints", limit=4)
    assert got["keypoints"].shape == want["keypoints"].shape and got["keypoints_scores"].shape == want["keypoints_scores"].shape
    # The largest element of a map of noise may be another one; most are the same to a pixel.
    assert np.mean(np.abs(got["keypoints"] - want["keypoints"].numpy()).max(-1) < 1) > 0.7


@pytest.mark.slow
def test_ssdlite(tmp_path, generator):
    model = detector("ssdlite320_mobilenet_v3_large", topk_candidates=50, detections_per_img=20)
    with torch.no_grad():
        torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    image = torch.rand(3, 240, 320, generator=generator)
    file = support.write_inputs(tmp_path / "in.npz", {"images.0": image})
    support.must("tune", tmp_path / "model.pt", "-i", file, "-o", tmp_path / "model.ait", *support.FAST,
                 "--set", "max_relative_error=0.9")
    given = support.write_inputs(tmp_path / "x.npz", {"images_0": image})
    support.must("run", tmp_path / "model.ait", "-i", given, "-o", tmp_path / "out.npz")
    with torch.no_grad():
        want = model([image])[0]
    with np.load(tmp_path / "out.npz") as out:
        same_detections({name: out[name] for name in out.files}, want, "ssdlite", limit=20)


@pytest.mark.slow
def test_video_transformer(tmp_path, generator):
    """Exported, because its blocks are written for that; beside the detectors, because it takes as long."""
    torch.manual_seed(0)
    model = torchvision.models.video.mvit_v2_s(weights=None).eval()
    clip = torch.randn(1, 3, 16, 224, 224, generator=generator)
    support.export(model, [clip], tmp_path / "model.pt2")
    file = support.write_inputs(tmp_path / "in.npz", [clip])
    support.must("tune", tmp_path / "model.pt2", "-i", file, "-o", tmp_path / "model.ait", *support.FAST)
    support.must("run", tmp_path / "model.ait", "-i", file, "-o", tmp_path / "out.npz")
    with torch.no_grad():
        support.check_same(support.read_outputs(tmp_path / "out.npz"), [model(clip)], support.FP32_BOUND, "mvit_v2_s")
