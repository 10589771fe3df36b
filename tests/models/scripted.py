"""Scripted models that people use, for docs/list_models.py: a file of torch.jit.save, inputs, and PyTorch's answers.

What is downloaded or made of them is in tests/torch/test_real_scripts.py, which compares them box by box and step by step.
"""

import pathlib
from collections.abc import Callable
from dataclasses import dataclass

import test_real_scripts as real
import torch
import torchvision


@dataclass
class Scripted:
    """How a model is tuned and compared."""

    path: pathlib.Path
    draw: Callable[[torch.Generator], dict[str, torch.Tensor]]  # inputs by the file's names
    answer: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor] | list[torch.Tensor]]  # what is compared
    settings: list[str]


# Two boxes whose scores are the same to the last digits may change places: the scores are compared, which stay in order.
_DETECTOR = ["--set", "max_relative_error=0.9"]


def _detector(name: str, folder: pathlib.Path, size: tuple[int, int], **options) -> Scripted:
    model = real.detector(name, **options)
    torch.jit.save(torch.jit.script(model), folder / "model.pt")
    return Scripted(
        folder / "model.pt",
        lambda generator: {"images.0": torch.rand(3, *size, generator=generator)},
        lambda inputs: {"scores": model([inputs["images.0"]])[0]["scores"]},
        _DETECTOR,
    )


def _silero(folder: pathlib.Path) -> Scripted:
    path = real.asset("silero_vad.jit")
    model = torch.jit.load(path)
    sound = real.speech(16000)

    def draw(generator: torch.Generator) -> dict[str, torch.Tensor]:
        at = int(torch.randint(len(sound) - 512, (1,), generator=generator))
        return {
            "x": sound[None, at : at + 512],
            "sr": torch.tensor(16000),
            "_last_sr": torch.tensor(16000),
            "_last_batch_size": torch.tensor(1),
            "_state": torch.zeros(2, 1, 128),
            "_context": torch.zeros(1, 64),
        }

    def answer(inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        model.reset_states()
        return [model(inputs["x"], 16000)]

    return Scripted(path, draw, answer, [])


def _voice_encoder(folder: pathlib.Path) -> Scripted:
    model = real.voice_encoder()
    torch.jit.save(torch.jit.script(model), folder / "model.pt")
    return Scripted(
        folder / "model.pt",
        lambda generator: {"0": torch.rand(1, 160, 40, generator=generator)},
        lambda inputs: [model(inputs["0"])],
        [],
    )


def _clips(folder: pathlib.Path) -> Scripted:
    torch.manual_seed(3)
    model = torchvision.models.video.mvit_v2_s(weights=None).eval()
    torch.jit.save(torch.jit.script(model), folder / "model.pt")
    return Scripted(
        folder / "model.pt",
        lambda generator: {"0": torch.rand(1, 3, 16, 224, 224, generator=generator)},
        lambda inputs: [model(inputs["0"])],
        [],
    )


SCRIPTED: dict[str, Callable[[pathlib.Path], Scripted]] = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": lambda folder: _detector(
        "fasterrcnn_mobilenet_v3_large_320_fpn", folder, (240, 320)
    ),
    "keypointrcnn_resnet50_fpn": lambda folder: _detector(
        "keypointrcnn_resnet50_fpn", folder, (96, 120), min_size=96, max_size=128, box_detections_per_img=4,
        rpn_pre_nms_top_n_test=60, rpn_post_nms_top_n_test=30,
    ),
    "ssdlite320_mobilenet_v3_large": lambda folder: _detector(
        "ssdlite320_mobilenet_v3_large", folder, (240, 320), topk_candidates=50, detections_per_img=20
    ),
    "silero_vad": _silero,
    "resemblyzer_voice_encoder": _voice_encoder,
    "mvit_v2_s": _clips,
}
