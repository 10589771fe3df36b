"""Normalisation and recurrent networks."""
from golden_lib import *


@cases("layer_norm")
def layer_norm(name):
    yield C(R(2, 3, 8), [8], R(8), R(8))
    yield C(R(2, 3, 4), [3, 4], R(3, 4), None, 1e-3)
    yield C(R(2, 3, 8), [8])
    yield C(R(8, 2).t(), [8], R(8), R(8))
    yield C(R(2, 8) + 100, [8])
    for dtype in [bf16, f16, f64]:
        yield C(R(2, 8, dtype=dtype), [8], R(8, dtype=dtype), R(8, dtype=dtype))
    yield C(R(2, 8, dtype=bf16), [8], R(8), R(8))
    yield C(R(0, 8), [8])


@cases("native_layer_norm")
def native_layer_norm(name):
    yield C(R(2, 3, 8), [8], R(8), R(8), 1e-5)
    yield C(R(2, 3, 4), [3, 4], None, None, 1e-3)
    yield C(R(2, 8, dtype=bf16), [8], R(8), R(8), 1e-5)
    yield C(R(2, 8, dtype=bf16), [8], R(8, dtype=bf16), R(8, dtype=bf16), 1e-5)


@cases("rms_norm")
def rms_norm(name):
    yield C(R(2, 3, 8), [8], R(8), 1e-5)
    yield C(R(2, 3, 4), [3, 4])
    yield C(R(2, 8, dtype=bf16), [8], R(8, dtype=bf16), 1e-6)
    yield C(R(2, 8, dtype=f64), [8])


@cases("_fused_rms_norm")
def fused_rms_norm(name):
    yield C(R(2, 3, 8), [8], R(8), 1e-5)
    yield C(R(2, 8), [8], None, 1e-6)


def batch_norm_args(shape, dtype=f32, stats=f32):
    c = shape[1]
    return R(*shape, dtype=dtype), R(c, dtype=stats), R(c, dtype=stats), R(c, dtype=stats), U(c, dtype=stats)


@cases("batch_norm")
def batch_norm(name):
    yield C(*batch_norm_args((2, 3, 4, 5)), False, 0.1, 1e-5, True)
    yield C(*batch_norm_args((4, 3)), False, 0.1, 1e-3, True)
    yield C(*batch_norm_args((2, 3, 4, 5), bf16), False, 0.1, 1e-5, True)
    yield C(*batch_norm_args((2, 3, 6), f64, f64), False, 0.1, 1e-5, True)
    x, _, _, mean, var = batch_norm_args((2, 3, 4, 5))
    yield C(x, None, None, mean, var, False, 0.1, 1e-5, True)
    yield C(x.permute(0, 1, 3, 2), None, None, mean, var, False, 0.1, 1e-5, True)
    yield C(x, R(3), R(3), None, None, True, 0.1, 1e-5, True)


@cases("native_batch_norm _native_batch_norm_legit")
def native_batch_norm(name):
    yield C(*batch_norm_args((2, 3, 4, 5)), False, 0.1, 1e-5)
    yield C(*batch_norm_args((2, 3, 4, 5), bf16), False, 0.1, 1e-5)
    yield C(*batch_norm_args((2, 3, 4, 5)), True, 0.1, 1e-5)


@cases("_native_batch_norm_legit.no_stats")
def batch_norm_no_stats(name):
    yield C(R(2, 3, 4), R(3), R(3), True, 0.1, 1e-5)


@cases("_native_batch_norm_legit_no_training")
def batch_norm_no_training(name):
    yield C(*batch_norm_args((2, 3, 4, 5)), 0.1, 1e-5)
    yield C(*batch_norm_args((2, 3)), 0.1, 1e-5)
    yield C(*batch_norm_args((2, 3, 4), bf16), 0.1, 1e-5)


@cases("instance_norm")
def instance_norm(name):
    yield C(R(2, 3, 4, 5), R(3), R(3), None, None, True, 0.1, 1e-5, True)
    yield C(R(2, 3, 7), None, None, None, None, True, 0.1, 1e-5, True)
    yield C(*batch_norm_args((2, 3, 4)), False, 0.1, 1e-5, True)


@cases("group_norm")
def group_norm(name):
    yield C(R(2, 6, 4, 5), 3, R(6), R(6))
    yield C(R(2, 6), 2)
    yield C(R(2, 4, 3, dtype=bf16), 2, R(4, dtype=bf16), R(4, dtype=bf16), 1e-3)


@cases("native_group_norm")
def native_group_norm(name):
    yield C(R(2, 6, 4, 5), R(6), R(6), 2, 6, 20, 3, 1e-5)
    yield C(R(2, 6, 4), None, None, 2, 6, 4, 2, 1e-5)
    yield C(R(2, 4, 3, dtype=bf16), R(4, dtype=bf16), R(4, dtype=bf16), 2, 4, 3, 2, 1e-5)


def recurrent(gates, states, projection=None, **options):
    """One call: (input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)."""
    layers, directions = options.get("layers", 1), 2 if options.get("bidirectional") else 1
    inputs, hidden, batch, steps = 5, 4, options.get("batch", 2), options.get("steps", 6)
    width, dtype = projection or hidden, options.get("dtype", f32)
    make = lambda *shape: R(*shape, dtype=dtype, scale=0.5)
    params = []
    for layer in range(layers):
        for _ in range(directions):
            params += [make(gates * hidden, inputs if layer == 0 else width * directions), make(gates * hidden, width)]
            if options.get("biases", True):
                params += [make(gates * hidden), make(gates * hidden)]
            if projection:
                params.append(make(projection, hidden))
    state = [make(layers * directions, batch, width if i == 0 else hidden) for i in range(states)]
    shape = (batch, steps, inputs) if options.get("batch_first") else (steps, batch, inputs)
    return C(make(*shape), state if states == 2 else state[0], params, options.get("biases", True), layers, 0.0, False,
             directions == 2, bool(options.get("batch_first")))


RECURRENT = [{}, {"batch_first": True}, {"layers": 2}, {"bidirectional": True, "layers": 2, "batch_first": True}, {"biases": False},
             {"batch": 1, "steps": 1}, {"dtype": f64}]


@cases("lstm.input")
def lstm(name):
    for options in RECURRENT:
        yield recurrent(4, 2, **options)
    yield recurrent(4, 2, projection=3, layers=2)


@cases("gru.input")
def gru(name):
    for options in RECURRENT:
        yield recurrent(3, 1, **options)


@cases("rnn_tanh.input rnn_relu.input")
def rnn(name):
    for options in RECURRENT:
        yield recurrent(1, 1, **options)
