"""Options and variables that are wrong, or that change nothing: options_test.py BIN_FOLDER DIGITS.pt2"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from support import write_images

BIN, MODEL = sys.argv[1:]


def aitune(*words, status=0, **variables):
    environment = {**os.environ, **variables}
    done = subprocess.run([f"{BIN}/aitune", *map(str, words)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return done


def refused(*words, saying, **variables):
    """The command is refused in one line that says all of this, and nothing else."""
    error = aitune(*words, status=1, **variables).stderr
    assert error.count("\n") == 1, (words, error)
    for part in saying:
        assert part in error, (words, part, error)


def test_numbers(ait, tune):
    for words, option, allowed in (
        (["run", ait, "--threads=-1"], "--threads", "'-1' is no integer from 0 to 1024"),
        (["run", ait, "--threads", "two"], "--threads", "'two' is no integer"),
        (["run", ait, "--weight-budget=-5"], "--weight-budget", "'-5' is no number of bytes"),
        (["bench", ait, "--weight-budget", "5PB"], "--weight-budget", "KB, MB, GB or TB"),
        (["bench", ait, "--seconds", "nan"], "--seconds", "no number from 0.01 to 3600"),
        (["bench", ait, "--cold=-1"], "--cold", "integer from 0 to 1000"),
        (["report", ait, "--seconds", "0"], "--seconds", "no number from 0.01 to 3600"),
        (["compare", ait, ait, "--tolerance", "nan"], "--tolerance", "no number above 0"),
        (["cache", "prune", "--size=-5"], "--size", "'-5' is no number of bytes"),
        ([*tune, "--strategy", "first-wins", "--min-speedup", "-3"], "--min-speedup", "no number from 0 on"),
        ([*tune, "--strategy", "latency-budget", "--latency-budget", "0"], "--latency-budget", "no number above 0"),
        ([*tune, "--pickle-protocol", "6"], "--pickle-protocol", "integer from 2 to 5"),
        ([*tune, "--budget", "-1s"], "--budget", "60s, 5m, 1h"),
    ):
        refused(*words, saying=[option, allowed])


def test_variables(ait):
    for variables, allowed in (
        ({"AITUNE_MEMORY": "abc"}, "'abc' is no number of bytes"),
        ({"AITUNE_MEMORY": "-5"}, "'-5' is no number of bytes"),
        ({"AITUNE_CPU": "fast"}, "x86_64, avx2, avx512"),
        ({"AITUNE_LOG": "loud"}, "trace"),
    ):
        (name,) = variables
        for words in (["run", ait], ["cache", "list"]):
            refused(*words, saying=[name, allowed], **variables)
    aitune("run", ait, AITUNE_MEMORY="", AITUNE_CPU="", AITUNE_LOG="")


def test_options_without_effect(ait, tune):
    for words, saying in (
        (["--latency-budget", "5"], ["--latency-budget", "--strategy latency-budget"]),
        (["--strategy", "latency-budget"], ["--latency-budget", "a number above 0"]),
        (["--min-speedup", "5"], ["--min-speedup", "one-backend", "first-wins"]),
        (["--strategy", "first-wins", "--decisions", ait], ["--strategy", "the log says what is built"]),
        (["--budget", "5s", "--decisions", ait], ["--budget", "the log says what is built"]),
        (["--precision", ""], ["--precision", "it is empty"]),
        (["--decisions", ""], ["--decisions", "it is empty"]),
        (["--dryrun", "--report", "r.html"], ["--report", "--dryrun=FILE"]),
    ):
        refused(*tune, *words, saying=saying)


def test_settings_without_effect(ait, tune, folder):
    """Each brings one line, and is in the report."""
    sets = ["autocast_low_precision_type=bf16", "autocast_excluded_ops=aten.relu.default", "max_quantisation_error=0.1"]
    done = aitune(*tune, "--json", *(word for pair in sets for word in ("--set", pair)))
    autocast = "autocast_low_precision_type, autocast_excluded_ops are ignored: enable_autocast is off"
    for line in (autocast, "max_quantisation_error is ignored: enabled_precisions has no int8"):
        assert done.stderr.count(line) == 1, done.stderr
        assert line in json.loads(done.stdout)["warnings"], done.stdout
    done = aitune(*tune, "--set", "enable_autocast=true", "--precision", "fp32,int8")
    assert "enabled_precisions is ignored: enable_autocast" in done.stderr, done.stderr
    (folder / "s.yaml").write_text("autocast_excluded_nodes: [fc]\n")
    done = aitune(*tune, "--settings", folder / "s.yaml", "--dryrun")
    assert "autocast_excluded_nodes is ignored: enable_autocast is off" in done.stderr, done.stderr
    aitune(*tune, "--dryrun", "--set", f"dryrun={folder / 'plan.txt'}")
    assert "Dry run" in (folder / "plan.txt").read_text()
    done = aitune(*tune, "--decisions", ait, "--set", f"timing_cache_path={folder / 't.json'}")
    assert "timing_cache_path is ignored: what is built comes from the decision log" in done.stderr, done.stderr
    cached = [*tune, "--set", "reuse_cached_engines=true", "--set", "cache_built_engines=true", "--set",
              f"engine_cache_dir={folder / 'engines'}", "--set", "sparse_weights=true"]
    for _ in ("searched", "from the cache"):
        assert aitune(*cached).stderr.count("sparse_weights is ignored") == 1


def test_paths(ait, tune, folder):
    """What cannot be written, or would be lost, is refused before the long work begins."""
    thesis = folder / "thesis.txt"
    thesis.write_text("a year's work")
    for words in (["tune", *tune[1:-1], f"timing_cache_path={thesis}"], ["cache", "prune", "--timing-cache-path", thesis]):
        refused(*words, saying=["timing", "thesis.txt' is no timing cache, and would be lost"])
    assert thesis.read_text() == "a year's work"
    for words, name in (
        (["--set", f"timing_cache_path={folder}"], "timing_cache_path"),
        (["--set", f"engine_cache_dir={thesis}"], "engine_cache_dir"),
    ):
        refused(*tune, *words, saying=[name])
    image = folder / "in.npy"
    before = image.read_bytes()
    for words in (
        [image if word == folder / "out.ait" else word for word in tune],
        ["run", ait, "-i", image, "-o", image],
        ["run", ait, "-i", f"image={image}", "-o", image],
        ["extract", ait, "-o", ait],
        ["refit", ait, thesis, "-o", thesis],
    ):
        refused(*words, saying=["the output would replace"])
    assert image.read_bytes() == before and thesis.read_text() == "a year's work"
    quiet, missing = [word for word in tune if word != "-q"], folder / "missing"
    (folder / "r.html").mkdir()
    for words in (
        [*quiet, f"--dryrun={missing / 'd.txt'}"],
        [*quiet, f"--dryrun={folder}"],
        [*quiet, "--report", missing / "r.html"],
        [*quiet, "--report", folder / "r.html"],
        ["report", ait, "-o", missing / "r.html"],
        ["refit", ait, MODEL, "-o", folder],
    ):
        refused(*words, saying=[str(folder)])  # in one line: no stage has begun


def test(folder):
    write_images(folder / "in.npy")
    ait = folder / "digits.ait"
    tune = ["tune", MODEL, "-i", folder / "in.npy", "-o", folder / "out.ait", "--name", "digits", "-q", "--set",
            "optimization_level=0", "--set", "timing_cache_path=none"]
    aitune(*[ait if word == folder / "out.ait" else word for word in tune])
    test_numbers(ait, tune)
    test_variables(ait)
    test_options_without_effect(ait, tune)
    test_settings_without_effect(ait, tune, folder)
    test_paths(ait, tune, folder)


with tempfile.TemporaryDirectory() as name:
    os.environ["AITUNE_CACHE_DIR"] = f"{name}/cache"
    test(pathlib.Path(name))
