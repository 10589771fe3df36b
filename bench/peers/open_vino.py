"""OpenVINO: latency hint, arrays shared both ways. Cold: the compiled blob from its cache folder."""

import openvino

from . import Loaded, path_of


def load(job):
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": job.threads,
                "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[job.precision]}
    if job.cold:
        settings["CACHE_DIR"] = str(path_of(job, f"-{job.precision}.openvino"))
    core = openvino.Core()
    model = core.compile_model(path_of(job, ".onnx"), "CPU", settings)
    request = model.create_infer_request()

    def call():
        results = request.infer(job.inputs, share_inputs=True, share_outputs=True)
        return [results[i] for i in range(len(model.outputs))]

    return Loaded(call, facts={"version": openvino.__version__})
