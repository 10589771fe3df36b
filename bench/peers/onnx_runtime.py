"""ONNX Runtime: all graph optimisations, its own thread pool. Cold: the optimised model that an earlier run saved."""

import onnxruntime

from . import Loaded, path_of


def load(job):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = job.threads, 1
    options.log_severity_level = 3
    saved = path_of(job, ".optimised.onnx")
    if job.cold and saved.exists():
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        source = saved
    else:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.optimized_model_filepath = str(saved)
        source = path_of(job, ".onnx")
    session = onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    feeds = {i.name: array for i, array in zip(session.get_inputs(), job.inputs, strict=True)}
    return Loaded(lambda: session.run(None, feeds), facts={"version": onnxruntime.__version__})
