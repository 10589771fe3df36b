"""Programs as older versions of PyTorch write them: some declare results wrongly, and so what follows from these."""

import pytest
import support
import torch
from torch import nn


class LastStates(nn.Module):
    """2.8 to 2.11: the states have a dimension more."""

    def __init__(self, both):
        super().__init__()
        self.layer = nn.LSTM(12, 16, batch_first=True, bidirectional=both)

    def forward(self, x):
        y, (h, c) = self.layer(x)
        return y, h.transpose(0, 1).flatten(1), torch.cat([c[0], c[-1]], -1)

    def declared(self, value):
        value["sizes"].insert(1, {"as_int": 1})


class StatesOfABranch(LastStates):
    """What a branch is given, and makes of it, is declared wrongly as well."""

    def __init__(self):
        super().__init__(False)

    def forward(self, x):
        y, (h, _) = self.layer(x)
        return y, torch.cond(y.sum() > 0, lambda h: (h.tanh() * 2,), lambda h: (h - 1,), (h,))[0]


class Counts(nn.Module):
    """2.11: they have the dtype of the elements."""

    def forward(self, x):
        values, places, counts = torch.unique(x.round(), return_inverse=True, return_counts=True)
        return values, places * 2, counts

    def declared(self, value):
        value["dtype"] = 7  # float32


class Quotients(nn.Module):
    """2.6, where sizes move: those of integers are integers."""

    def forward(self, x):
        n = (x * 10).long()
        return n / 3, (n / (n * n + 1)).sum(1)

    def declared(self, value):
        value["dtype"] = 5  # int64


WRONG = {"one way": (LastStates(False), "getitem_1"), "two ways": (LastStates(True), "getitem_1"), "branch": (StatesOfABranch(), "getitem_1"), "unique": (Counts(), "getitem_1"),
         "quotients": (Quotients(), "div")}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_declarations(name, tmp_path, generator):
    model, first = WRONG[name]
    draw = lambda: torch.randn(3, 9, 12, generator=generator)  # noqa: E731
    x = draw()
    program = support.export(model, [x], tmp_path / "model.pt2")
    made = [node.name for node in program.graph.nodes if node.op == "call_function"]

    def misdeclared(exported):
        graph = exported["graph_module"]["graph"]
        for result in made[made.index(first):]:
            if result in graph["tensor_values"]:
                model.declared(graph["tensor_values"][result])
        for argument in (argument for node in graph["nodes"] for argument in node["inputs"]):
            for value in argument["arg"].get("as_graph", {"graph": {"tensor_values": {}}})["graph"]["tensor_values"].values():
                model.declared(value)

    support.edit_program(tmp_path / "model.pt2", tmp_path / "old.pt2", misdeclared)
    support.must("tune", tmp_path / "old.pt2", "-i", support.write_inputs(tmp_path / "x.npz", [x]), "-o", tmp_path / "old.ait",
                 *support.FAST)
    fresh = draw()
    support.must("run", tmp_path / "old.ait", "-i", support.write_inputs(tmp_path / "x.npz", [fresh]), "-o", tmp_path / "y.npz")
    with torch.no_grad():
        support.check_same(support.read_outputs(tmp_path / "y.npz"), support.tensors_of(model(fresh)), support.FP32_BOUND, name)


def test_training_as_torch_2_5_exports_it(tmp_path):
    x = torch.randn(3, 4)
    support.export(nn.BatchNorm1d(4), [x], tmp_path / "model.pt2")

    def renamed(exported):
        for node in exported["graph_module"]["graph"]["nodes"]:
            node["target"] = node["target"].replace("batch_norm.default", "_native_batch_norm_legit_functional.default")

    support.edit_program(tmp_path / "model.pt2", tmp_path / "old.pt2", renamed)
    refused = support.aitune("tune", tmp_path / "old.pt2", "-i", support.write_inputs(tmp_path / "x.npz", [x]), "-o", tmp_path / "m.ait")
    assert refused.status == 1 and "model.eval()" in refused.err
