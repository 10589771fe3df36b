"""torch.autocast inside of a model: seen, and refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from aitune.errors import Unsupported

__all__ = ["computes_in_autocast", "program_has_autocast", "refuse_autocast"]


def refuse_autocast(name: str) -> Unsupported:
    """What is said of a model whose forward() switches it on."""
    return Unsupported(
        "torch.autocast is on inside of forward()",
        f"module '{name}'",
        "Take it out of the model, and let CompilationSettings have enable_autocast=True and "
        "autocast_low_precision_type=torch.bfloat16, or enabled_precisions with torch.bfloat16",
    )


def computes_in_autocast(module: torch.nn.Module, run: Callable[[], Any]) -> bool:
    """Whether it is on in any call of PyTorch while `run` calls the module."""
    if isinstance(module, torch.jit.ScriptModule):
        return "autocast" in str(getattr(module, "inlined_graph", ""))
    with _Watch() as watch:
        run()
    return watch.seen


class _Watch(TorchFunctionMode):
    seen = False

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.seen = self.seen or torch.is_autocast_enabled("cpu")
        return func(*args, **(kwargs or {}))


def program_has_autocast(program: torch.export.ExportedProgram) -> bool:
    """Whether it is on for the CPU in a part of the program: regions have device, dtype, and whether it is on there."""
    nodes = [
        node
        for part in program.graph_module.modules()
        if isinstance(part, torch.fx.GraphModule)
        for node in part.graph.nodes
    ]
    regions = [node.args for node in nodes if "autocast" in str(node.target) and len(node.args) > 2]
    return any(region[0] == "cpu" and region[2] is True for region in regions)
