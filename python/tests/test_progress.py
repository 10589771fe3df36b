"""The line that shows what tuning is doing, in terminals and in notebooks."""

import io
import logging
import sys

import pytest
import torch
from support import FAST

import aitune.torch as ait
from aitune.torch.progress import showing, tell


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_one_line_that_is_rewritten(monkeypatch, caplog):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with showing():
        report = tell("net")
        report("stage", "tune fp32", 0, 0)
        report("step", "conv1", 3, 20, " block 1 of 2")  # too soon to be shown
        report("warning", "mind this", 0, 0)
        report("stage", "validate fp32", 0, 0)
    lines = terminal.getvalue().split("\r\033[K")
    assert "net: tune fp32" in lines[1] and lines[2] == "", "the line goes before a warning comes"
    assert "net: validate fp32" in lines[3] and lines[4] == "", "and at the end"
    assert len(lines) == 5 and "\n" not in terminal.getvalue()
    assert "mind this" in caplog.text


def test_the_line_is_as_wide_as_the_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with showing():
        for columns in (40, 200, 0, 1):
            monkeypatch.setenv("COLUMNS", str(columns))
            tell("net")("stage", "x" * 300, 0, 0)
    lines = terminal.getvalue().split("\r\033[K")[1:-1]
    assert [len(line) for line in lines[:2]] == [39, 199] and len(lines) == 4
    assert 1 <= len(lines[2]) < 300 and len(lines[3]) == 1


def test_tuning_shows_itself(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    config = ait.TorchTensorRTAotBackendConfig(compile_config=FAST)
    model = ait.Module(torch.nn.Linear(4, 4), "net", strategy=ait.OneBackendStrategy(ait.TorchTensorRTAotBackend(config)))
    ait.tune(model, torch.randn(2, 4))
    assert "net: lower" in terminal.getvalue() and terminal.getvalue().endswith("\r\033[K")


def test_nothing_is_shown_elsewhere(monkeypatch, caplog):
    plain = io.StringIO()
    monkeypatch.setattr(sys, "stderr", plain)
    with showing():
        tell("net")("stage", "lower", 0, 0)
    assert plain.getvalue() == ""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with caplog.at_level(logging.INFO, logger="aitune"), showing():
        tell("net")("stage", "lower", 0, 0)
    assert terminal.getvalue() == "", "the logger says it"


def test_a_notebook_gets_one_output_that_is_updated():
    interactive = pytest.importorskip("IPython.core.interactiveshell")
    from IPython.utils.capture import capture_output

    shell = interactive.InteractiveShell.instance()
    shell.kernel = object()  # as in a notebook
    try:
        with capture_output() as captured:
            with showing():
                report = tell("net")
                report("stage", "tune fp32", 0, 0)
                report("stage", "validate fp32", 0, 0, ", best so far fp32, 3.31 ms, about 4 s left")
    finally:
        interactive.InteractiveShell.clear_instance()
    shown = captured.outputs
    assert [o.data["text/plain"].partition("] ")[2] for o in shown] == [
        "net: tune fp32 ",
        "net: validate fp32, best so far fp32, 3.31 ms, about 4 s left ",
        "",
    ]
    assert [o.update for o in shown] == [False, True, True]
    assert len({o.transient["display_id"] for o in shown}) == 1
