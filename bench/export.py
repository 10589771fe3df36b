"""Writes the benchmark's models: NAME.pt2, NAME.onnx (static shapes, fp32) and NAME_io.npz (inputs, and PyTorch's outputs).

  export.py FOLDER NAME...      existing files are kept
"""

import pathlib
import sys

import torch

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/models"))
import export_models  # noqa: E402

SEED = 0  # the same numbers for every peer and every run


def digits():
    return torch.export.load(ROOT / "examples/quickstart/digits.pt2").module()


def write(folder, name):
    pt2, onnx = folder / f"{name}.pt2", folder / f"{name}.onnx"
    if pt2.exists() and onnx.exists():
        return
    model = digits() if name == "digits" else export_models.make_model(name)
    inputs = export_models.make_inputs(name, 1, torch.Generator().manual_seed(SEED))
    with torch.no_grad():
        program = torch.export.export(model, tuple(inputs.values()), strict=False)
        export_models.write_io(folder / f"{name}_io.npz", program, model, inputs)
        torch.export.save(program, pt2)
        torch.onnx.export(program, (), onnx, dynamo=True, external_data=False, verbose=False)
    print(f"exported {name}", flush=True)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:]:
        write(folder, name)


if __name__ == "__main__":
    main()
