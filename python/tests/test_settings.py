"""CompilationSettings: Torch-TensorRT's fields and defaults, what is checked, and what is said of ignored ones."""

import copy
import dataclasses
import enum
import json
import logging
import pickle

import pytest
import torch
from support import strategy

import aitune
import aitune.torch as ait
from aitune.torch.settings import compiler_settings, ignored_settings

# torch_tensorrt 2.9 and newer, dynamo/_settings.py: fields in their order.
TENSORRT_FIELDS = """workspace_size min_block_size torch_executed_ops pass_through_build_failures max_aux_streams
    version_compatible optimization_level truncate_double use_complex_decomposition use_fast_partitioner
    enable_experimental_decompositions device require_full_compilation disable_tf32 assume_dynamic_shape_support
    sparse_weights engine_capability num_avg_timing_iters dla_sram_size dla_local_dram_size dla_global_dram_size dryrun
    hardware_compatible timing_cache_path lazy_engine_init cache_built_engines reuse_cached_engines use_fp32_acc
    refit_identical_engine_weights strip_engine_weights immutable_weights enable_weight_streaming
    enable_cross_compile_for_windows tiling_optimization_level l2_limit_for_tiling use_distributed_mode_trace
    offload_module_to_cpu enable_autocast autocast_low_precision_type autocast_excluded_nodes autocast_excluded_ops
    autocast_max_output_threshold autocast_max_depth_of_reduction autocast_calibration_dataloader
    enable_resource_partitioning cpu_memory_budget dynamically_allocate_resources decompose_attention
    disabled_constant_fold_exclusions attn_bias_is_causal fallback_data_dependent_ops""".split()


def test_every_field_of_torch_tensorrt_is_there():
    fields = [field.name for field in dataclasses.fields(ait.CompilationSettings)]
    assert fields[: len(TENSORRT_FIELDS)] == TENSORRT_FIELDS
    assert {"enabled_precisions", "use_explicit_typing"} < set(fields)


def test_every_field_of_the_compiler_is_there():
    from aitune import _compiler

    fields = {field.name for field in dataclasses.fields(ait.CompilationSettings)}
    assert {row["field"] for row in _compiler.settings()} == fields


def test_defaults_are_those_of_the_compiler():
    from aitune import _compiler

    settings = ait.CompilationSettings()
    others = {"enabled_precisions", "timing_cache_path", "optimization_level", "engine_capability"}  # as Torch-TensorRT
    for row in _compiler.settings():
        value = getattr(settings, row["field"])
        if row["field"] not in others:
            assert json.loads(row["default"]) == (sorted(value) if isinstance(value, (set, frozenset)) else value)


def test_files(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("enabled_precisions: [fp32, bf16]\nnum_threads: 2\ntorch_executed_ops: [aten.relu.default]\nworkspace_size: 5\n")
    settings = ait.CompilationSettings.from_file(file)
    assert (settings.num_threads, settings.min_block_size, settings.workspace_size) == (2, 5, 5)
    assert set(settings.enabled_precisions) == {"fp32", "bf16"}
    assert dict(compiler_settings(settings))["torch_executed_ops"] == "aten.relu.default"
    file.write_text("num_threads: two")
    with pytest.raises(aitune.InvalidArgument, match="setting num_threads: \"two\" is a text"):
        ait.CompilationSettings.from_file(file)


def test_defaults_say_nothing():
    assert ignored_settings(ait.CompilationSettings()) == []
    texts = dict(compiler_settings(ait.CompilationSettings()))
    assert texts["min_block_size"] == "5" and texts["enabled_precisions"] == "float32"
    assert "timing_cache_path" not in texts and "optimization_level" not in texts


def test_what_reaches_the_compiler():
    settings = ait.CompilationSettings(
        enabled_precisions={torch.bfloat16},
        torch_executed_ops={"aten.gelu.default", torch.ops.aten.relu.default},
        optimization_level=2,
        dryrun="plan.txt",
        require_full_compilation=True,
        timing_cache_path="none",
        max_relative_error=0.125,
    )
    texts = dict(compiler_settings(settings))
    assert texts["enabled_precisions"] == "bfloat16"
    assert set(texts["torch_executed_ops"].split(",")) == {"aten.gelu.default", "aten.relu.default"}
    assert texts["optimization_level"] == "2" and texts["dryrun"] == "plan.txt"
    assert texts["require_full_compilation"] == "true" and texts["max_relative_error"] == "0.125"
    assert texts["timing_cache_path"] == "none"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("min_block_size", "5", "setting min_block_size: '5' is a str. It takes: integer 1 to 1048576"),
        ("min_block_size", True, "setting min_block_size: True is a bool"),
        ("min_block_size", 0, "setting min_block_size: '0' is not a number from 1"),
        ("optimization_level", 6, "setting optimization_level: '6' is not a number from 0 to 5"),
        ("optimization_level", "high", "It takes: integer 0 to 5 or None"),
        ("enabled_precisions", torch.float16, "It takes: a set of dtypes"),
        ("enabled_precisions", {torch.int16}, "'int16' is not a precision: fp32, bf16, fp16, int8"),
        ("enabled_precisions", set(), "at least one precision is needed"),
        ("torch_executed_ops", "aten.relu.default", "It takes: a set or list"),
        ("dryrun", 3, "It takes: True, False or a path"),
        ("engine", "tpu", "there is no engine 'tpu'"),
        ("workspace_size", 1.5, "setting workspace_size: 1.5 is a float"),
        ("truncate_double", 1, "setting truncate_double: 1 is an int. It takes: True or False"),
        ("max_relative_error", 2, "is not a number from 0 to 1"),
        ("min_block_size", None, "setting min_block_size: it is None. It takes: integer 1 to"),
        ("optimisation_level", 3, "there is no setting 'optimisation_level'. Did you mean optimization_level"),
        ("device", 3, "setting device: 3 is an int. It takes: None, or a torch.device"),
        ("device", "gpu?", "setting device: there is no device 'gpu?'"),
        ("torch_executed_ops", {3}, "setting torch_executed_ops: 3 is an int. It takes: operators: aten.gelu.default"),
        ("torch_executed_ops", [None], "setting torch_executed_ops: it is None"),
        ("autocast_excluded_ops", [len], "setting autocast_excluded_ops: <built-in function len> is a"),
        ("autocast_calibration_dataloader", 5, "setting autocast_calibration_dataloader: 5 is an int. It takes: calls of"),
        ("autocast_calibration_dataloader", "x", "setting autocast_calibration_dataloader: 'x' is a str. It takes: calls"),
        ("custom_ops", [3], "setting custom_ops: 3 is an int. It takes: list of shared libraries"),
        ("engine", 3, "setting engine: 3 is an int. It takes: cpu, reference or empty"),
        ("tiling_optimization_level", None, "It takes: none, fast, moderate, full"),
        ("autocast_excluded_nodes", ["a{1,3}"], "'a{1,3}' has a comma, which separates items"),
        ("autocast_excluded_nodes", [1], "setting autocast_excluded_nodes: 1 is an int. It takes: a set or list: list of regular"),
        ("torch_executed_ops", {"aten.relu": True}, "is a dict. It takes: a set or list"),
    ],
)
def test_wrong_values(field, value, message):
    with pytest.raises(aitune.InvalidArgument) as caught:
        ait.CompilationSettings(**{field: value})
    assert message in str(caught.value), str(caught.value)


def test_devices_are_taken_and_ignored():
    for device in ("cuda", "cuda:0", torch.device("cuda")):
        lines = ignored_settings(ait.CompilationSettings(device=device))
        assert len(lines) == 1 and lines[0].startswith("device is ignored by engine cpu: ")
    for device in (None, "cpu", torch.device("cpu")):
        assert ignored_settings(ait.CompilationSettings(device=device)) == []


def test_operators_by_themselves_or_by_name():
    for op in ("aten.gelu.default", "torch.ops.aten.gelu", torch.ops.aten.gelu, torch.ops.aten.gelu.default):
        assert "aten.gelu" in dict(compiler_settings(ait.CompilationSettings(torch_executed_ops={op})))["torch_executed_ops"]


class TrtDtype(enum.Enum):
    """As torch_tensorrt.dtype."""

    f16 = 1
    f32 = 2
    bf16 = 3


@dataclasses.dataclass
class TrtSettings:
    """Some fields of Torch-TensorRT's class, in another version: one that is new, and one with another default."""

    enabled_precisions: set = dataclasses.field(default_factory=lambda: {TrtDtype.f32})
    min_block_size: int = 5
    optimization_level: int | None = None
    use_complex_decomposition: bool = False
    device: object = dataclasses.field(default_factory=lambda: "cuda:0")
    sparse_weights: bool = False
    of_the_future: int = 1


def test_an_object_of_another_class():
    settings = TrtSettings(enabled_precisions={TrtDtype.f16, TrtDtype.bf16}, sparse_weights=True, of_the_future=2)
    texts = dict(compiler_settings(settings))
    assert set(texts["enabled_precisions"].split(",")) == {"f16", "bf16"} and texts["min_block_size"] == "5"
    lines = ignored_settings(settings)
    assert len(lines) == 2
    assert lines[0].startswith("sparse_weights is ignored by engine cpu: ")
    assert lines[1] == "of_the_future is ignored: this version of aitune does not know it"
    assert ignored_settings(TrtSettings()) == []


def test_ignored_settings_are_said_once_when_tuning(caplog):
    settings = ait.CompilationSettings(
        enable_resource_partitioning=True, sparse_weights=True, optimization_level=0, enabled_precisions={torch.float16}
    )
    config = ait.TorchTensorRTAotBackendConfig(compile_config=settings)
    model = ait.Module(
        torch.nn.Linear(2, 2).eval(), "net", strategy=ait.OneBackendStrategy(ait.TorchTensorRTAotBackend(config))
    )
    with caplog.at_level(logging.WARNING, "aitune"):
        ait.tune(model, torch.ones(1, 2))
    said = [record.getMessage() for record in caplog.records]
    for field in ("enable_resource_partitioning is ignored by engine cpu", "sparse_weights is ignored by engine cpu", "fp16"):
        assert sum(field in line for line in said) == 1, said


def test_autocast_looks_at_its_own_samples():
    """autocast_calibration_dataloader: numbers that are too large there stay in fp32, and its calls of other kinds do not
    matter."""

    def report(**settings):
        config = ait.TorchTensorRTAotBackendConfig(
            compile_config=ait.CompilationSettings(
                enable_autocast=True,
                autocast_low_precision_type=torch.bfloat16,
                autocast_max_output_threshold=1e4,
                optimization_level=0,
                num_threads=2,
                min_block_size=1,
                **settings,
            )
        )
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64)).eval()
        model = ait.Module(net, "net", strategy=ait.OneBackendStrategy(ait.TorchTensorRTAotBackend(config)))
        ait.tune(model, torch.randn(16, 64))
        return model.reports[0]

    if any("AVX512_BF16" in line for line in report()["warnings"]):
        pytest.skip("no AVX512_BF16 here")
    assert report()["bf16_share"] == 1
    assert report(autocast_excluded_nodes={"^2$"})["bf16_share"] == pytest.approx(0.5)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(1e6 * torch.randn(32, 64)), batch_size=16)
    assert report(autocast_calibration_dataloader=loader)["bf16_share"] == 0
    assert report(autocast_calibration_dataloader=[torch.randint(5, (16, 64))])["bf16_share"] == 1
    with pytest.raises(aitune.InvalidArgument, match="calibration sample 0 of autocast"):
        report(autocast_calibration_dataloader=[torch.randn(2, 64)])


def test_wrong_samples_of_autocast_are_told_from_the_others():
    samples = [{"wrong": torch.randn(2, 64)}]
    model = ait.Module(
        torch.nn.Linear(64, 64).eval(), "net", strategy=strategy(enable_autocast=True, autocast_calibration_dataloader=samples)
    )
    with pytest.raises(aitune.InvalidArgument, match="setting autocast_calibration_dataloader: .*the call does not fit forward"):
        ait.tune(model, torch.randn(16, 64))


def test_a_configuration_of_plain_data():
    make = ait.TorchTensorRTAotBackendConfig.from_dict
    config = make({"ir": "ts", "compile_config": {"optimization_level": 0, "min_block_size": 2}})
    described = ait.TorchTensorRTAotBackend(config).describe()
    assert described == "TorchTensorRTAotBackend(ir=ts, optimization_level=0, min_block_size=2)"
    assert make({}) == ait.TorchTensorRTAotBackendConfig()
    for data, message in (
        ({"irs": "ts"}, "from_dict: there is no field 'irs'. Did you mean ir"),
        ({"compile_config": {"min_block": 2}}, "there is no setting 'min_block'"),
        ([1], "a list is no dict"),
    ):
        with pytest.raises(aitune.InvalidArgument, match=message):
            make(data)


def test_samples_of_autocast_are_no_text(tmp_path):
    (tmp_path / "s.yaml").write_text("enable_autocast: true\nautocast_calibration_dataloader: x\n")
    with pytest.raises(aitune.InvalidArgument, match="'x' is text, which is no calls of a model.*calls of the model in Python"):
        ait.CompilationSettings.from_file(tmp_path / "s.yaml")
    (tmp_path / "s.yaml").write_text("enable_autocast: true\nautocast_calibration_dataloader: null\n")
    assert ait.CompilationSettings.from_file(tmp_path / "s.yaml").autocast_calibration_dataloader is None


def test_int8_looks_at_every_sample():
    """A model whose first samples are small is measured on the large ones, too."""
    data = [torch.randn(8, 64) * (1 if i < 2 else 20) for i in range(6)]

    def report(**settings):
        net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64)).eval()
        model = ait.Module(net, "net", strategy=strategy(**settings))
        ait.tune(model, data)
        return model.reports[0]

    assert report()["samples"] == 2
    assert report(enabled_precisions={torch.int8, torch.float32})["samples"] == 6
    assert report(enable_autocast=True)["samples"] == 6


def test_settings_do_something():
    """A sample of those that are honoured: what they change shows in the dry run and in the report."""

    def report(**settings):
        config = ait.TorchTensorRTAotBackendConfig(compile_config={"num_threads": 2, **settings})
        net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.GELU(), torch.nn.Linear(8, 8)).eval()
        model = ait.Module(net, "net", strategy=ait.OneBackendStrategy(ait.TorchTensorRTAotBackend(config)))
        ait.tune(model, torch.randn(2, 8))
        return model.reports[0]

    assert report(min_block_size=1)["compiled_share"] == 1
    assert report(min_block_size=1, torch_executed_ops={"aten.gelu.default"})["compiled_share"] < 1
    with pytest.raises(aitune.AituneError, match="require_full_compilation"):
        report(require_full_compilation=True, torch_executed_ops={"aten.gelu.default"})


def test_a_misspelt_field_is_no_attribute():
    settings = ait.CompilationSettings()
    with pytest.raises(aitune.InvalidArgument, match="no setting 'optimisation_level'. Did you mean optimization_l"):
        settings.optimisation_level = 2
    with pytest.raises(aitune.InvalidArgument, match="no setting 'num_thread'. Did you mean num_threads"):
        compiler_settings({"num_thread": 2})
    with pytest.raises(aitune.InvalidArgument, match="no setting 'zzz'. There are: workspace_size"):
        settings.zzz = 2
    settings.optimization_level = 2
    assert copy.deepcopy(settings) == settings == pickle.loads(pickle.dumps(settings))
    assert dict(compiler_settings(settings))["optimization_level"] == "2"


def test_fields_of_autocast_need_it(caplog):
    for settings, lines in (
        ({"autocast_excluded_nodes": {"a"}, "autocast_low_precision_type": torch.bfloat16}, 1),
        (ait.CompilationSettings(autocast_max_depth_of_reduction=3), 1),
        ({"autocast_excluded_nodes": {"a"}, "enable_autocast": True}, 0),
        (ait.CompilationSettings(autocast_calibration_dataloader=[torch.ones(1)]), 1),
        (ait.CompilationSettings(), 0),
    ):
        assert len([line for line in ignored_settings(settings) if "enable_autocast is off" in line]) == lines
    settings = {"autocast_excluded_nodes": {"a"}, "optimization_level": 0}
    config = ait.TorchTensorRTAotBackendConfig(compile_config=settings)
    model = ait.Module(torch.nn.ReLU(), "net", strategy=ait.OneBackendStrategy(ait.TorchTensorRTAotBackend(config)))
    ait.tune(model, torch.randn(2))
    said = [record.getMessage() for record in caplog.records if record.name == "aitune"]
    assert said == ["net: autocast_excluded_nodes is ignored: enable_autocast is off"]
