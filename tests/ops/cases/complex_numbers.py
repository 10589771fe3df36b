"""Complex numbers and Fourier transforms."""
import torch

from golden_lib import *


@cases("view_as_real real imag conj _conj conj_physical angle resolve_conj resolve_neg abs neg sgn square exp reciprocal "
       "sqrt clone permute_copy")
def complex_unary(name):
    if name == "permute_copy":
        yield C(R(2, 3, dtype=c64), [1, 0])
        return
    yield C(R(3, 4, dtype=c64))
    yield C(R(4, 3, dtype=c128).t())
    yield C(R(dtype=c64))


@cases("real conj conj_physical _conj angle")
def real_as_complex(name):
    yield C(R(3, 4))
    yield C(strange())
    yield C(R(3, dtype=i64))


@cases("view_as_complex")
def view_as_complex(name):
    yield C(R(3, 4, 2))
    yield C(R(5, 2, dtype=f64))


@cases("complex polar")
def complex_parts(name):
    yield C(R(3, 4), R(4))
    yield C(R(3, dtype=f64), R(3, dtype=f64))


@cases("add.Tensor sub.Tensor mul.Tensor div.Tensor")
def complex_arithmetic(name):
    yield C(R(3, 4, dtype=c64), R(4, dtype=c64))
    yield C(R(3, 4, dtype=c64), R(3, 1))
    yield C(R(3, dtype=c128), R(3, dtype=c64))


@cases("mul.Scalar add.Scalar")
def complex_scalar(name):
    yield C(R(3, 4, dtype=c64), 1.5)


@cases("where.self")
def complex_where(name):
    yield C(R(4, dtype=b8), R(3, 4, dtype=c64), R(4, dtype=c64))


@cases("_fft_c2c")
def fft_c2c(name):
    for n in [8, 6, 7, 1]:
        yield C(R(2, n, dtype=c64), [1], 0, True)
    yield C(R(4, 6, dtype=c128), [0, 1], 2, False)
    yield C(R(3, 4, 5, dtype=c64), [0, 2], 1, True)


@cases("_fft_r2c")
def fft_r2c(name):
    yield C(R(2, 8), [1], 0, True)
    yield C(R(3, 7), [-1], 2, False)
    yield C(R(4, 6, dtype=f64), [0, 1], 1, True)


@cases("_fft_c2r")
def fft_c2r(name):
    yield C(R(2, 5, dtype=c64), [1], 2, 8)
    yield C(R(2, 5, dtype=c64), [1], 0, 9)
    yield C(R(4, 4, dtype=c128), [0, 1], 1, 6)


@cases("fft_fft fft_ifft fft_rfft fft_irfft fft_hfft fft_ihfft")
def fft_one(name):
    real = name in ("fft_rfft", "fft_ihfft")
    make = lambda *s, dtype=c64: R(*s, dtype={c64: f32, c128: f64}[dtype] if real else dtype)
    yield C(make(3, 8))
    yield C(make(6, 3), 5, 0, "ortho")
    yield C(make(9, dtype=c128), 12, -1, "forward")
    if not real:
        yield C(R(3, 6), 6)


@cases("fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2 fft_fftn fft_ifftn fft_rfftn fft_irfftn")
def fft_several(name):
    make = lambda *s: R(*s, dtype=f32 if "rfft" in name and "irfft" not in name else c64)
    yield C(make(2, 4, 6))
    yield C(make(4, 5), [6, 3], [0, 1], "ortho")


@cases("fft_fftshift fft_ifftshift")
def fft_shift(name):
    yield C(R(5, 4))
    yield C(R(5, 4), [0])


@cases("fft_fftfreq fft_rfftfreq")
def fft_freq(name):
    yield C(6)
    yield C(7, 0.5)
    yield C(5, dtype=f64)


@cases("stft")
def stft(name):
    yield C(R(40), 8, 4, 8, torch.hann_window(8), False, True, True)
    yield C(R(2, 33), 16, return_complex=True)
    yield C(R(40, dtype=f64), 8, 3, 6, None, True, False, True)


@cases("stft.center")
def stft_center(name):
    yield C(R(2, 40), 8, 4, 8, torch.hann_window(8), return_complex=True)
    yield C(R(40), 8, 4, center=True, pad_mode="constant", return_complex=True)


@cases("istft")
def istft(name):
    yield C(R(2, 9, 6, dtype=c64), 16, 4, 16, torch.hann_window(16))
    yield C(R(9, 7, dtype=c64), 16, 5, 12, torch.hamming_window(12), normalized=True, length=30)
    yield C(R(9, 4, dtype=c64), 16, 6, length=40)
    yield C(R(8, 5, dtype=c128), 8, 2, 8, None, False, False, False)


@cases("sigmoid silu tanh exp2 expm1 log log2 log10 log1p rsqrt sin cos tan asin acos atan sinh cosh asinh acosh atanh sinc "
       "isnan isinf isfinite logical_not nan_to_num sigmoid_ tanh_ log1p_ expm1_ rsqrt_")
def complex_functions(name):
    yield C(R(3, 4, dtype=c64))
    yield C(R(4, 3, dtype=c128).t())
    yield C(R(dtype=c64))
    if name in ("isnan", "isinf", "isfinite", "logical_not", "nan_to_num"):
        yield C(torch.complex(strange(), strange().roll(1)))
    if name in ("expm1", "log1p"):
        yield C(R(5, dtype=c128) * 1e-9)


@cases("sum any all any.dim all.dim count_nonzero prod prod.dim_int linalg_vector_norm norm.Scalar linalg_norm cumsum cumprod mean "
       "var.correction std.correction var_mean.correction")
def complex_reductions(name):
    z = torch.where(R(3, 4, dtype=b8), R(3, 4, dtype=c64), torch.zeros((), dtype=c64))
    along = [1] if name.endswith(("dim", "dim_int")) or name.startswith("cum") else []
    yield C(z, *along)
    yield C(R(4, 3, dtype=c128).t(), *along)
    if name == "linalg_vector_norm":
        for order in (1, 0, INF, -INF, 3.5):
            yield C(R(3, 4, dtype=c64), order, [0])
    if name == "linalg_norm":
        yield C(R(3, 4, dtype=c64), 1)


@cases("eq.Tensor ne.Tensor eq.Scalar ne.Scalar logical_and logical_or logical_xor isclose")
def complex_comparisons(name):
    z = R(3, 4, dtype=c64)
    if name.endswith("Scalar"):
        yield C(torch.tensor([1.5, 2 + 1j, 1.5 + 0j, 1.5 + 1e-3j]), 1.5)
        yield C(z, 1)
        return
    yield C(z, torch.where(R(3, 4, dtype=b8), z, R(3, 4, dtype=c64)))
    yield C(z, R(4, dtype=c64))
    yield C(torch.tensor([0j, 1j, 1, 0]), torch.tensor([0.0, 0.0, 1.0, 1.0]))


@cases("masked_fill.Scalar masked_fill.Tensor lerp.Scalar lerp.Tensor addcmul addcdiv")
def complex_three(name):
    z = R(3, 4, dtype=c64)
    if name.startswith("masked_fill"):
        yield C(z, R(3, 4, dtype=b8), torch.tensor(1 - 2j) if name.endswith("Tensor") else 2.5)
    elif name.startswith("lerp"):
        yield C(z, R(4, dtype=c64), torch.tensor(0.3 + 0.9j).expand(4) if name.endswith("Tensor") else 0.25)
        yield C(z, R(3, 4, dtype=c64), R(3, 4, dtype=c64) if name.endswith("Tensor") else 0.75)
    else:
        yield C(z, R(4, dtype=c64), U(3, 4).to(c64), value=0.5)
        yield C(R(3, dtype=c128), R(3, dtype=c128), R(3, dtype=c128) + 4)


@cases("linear addmm baddbmm addbmm addmv outer mv")
def complex_products(name):
    z = lambda *s: R(*s, dtype=c64)
    if name == "linear":
        yield C(z(2, 3, 4), z(5, 4), z(5))
        yield C(R(3, 4, dtype=c128), R(5, 4, dtype=c128))
        return
    shapes = {"addmm": [(5,), (3, 4), (4, 5)], "baddbmm": [(2, 3, 5), (2, 3, 4), (2, 4, 5)],
              "addbmm": [(3, 5), (2, 3, 4), (2, 4, 5)], "addmv": [(3,), (3, 4), (4,)], "outer": [(3,), (4,)],
              "mv": [(3, 4), (4,)]}[name]
    yield C(*[z(*s) for s in shapes])
    if name.startswith(("add", "badd")):
        yield C(*[z(*s) for s in shapes], beta=0.5, alpha=2)
        yield C(*[z(*s) for s in shapes], beta=0)


@cases("conv1d conv2d conv_transpose2d.input convolution")
def complex_convolutions(name):
    z = lambda *s: R(*s, dtype=c64)
    if name == "conv1d":
        yield C(z(2, 3, 9), z(4, 3, 3), z(4), [2], [1])
    elif name == "conv2d":
        yield C(z(2, 4, 6, 7), z(6, 2, 3, 2), z(6), [1, 2], [1, 0], [1, 1], 2)
        yield C(z(1, 2, 5, 5), z(3, 2, 3, 3))
    elif name == "convolution":
        yield C(z(2, 3, 6, 5), z(4, 3, 3, 3), z(4), [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
    else:
        yield C(z(1, 2, 4, 4), z(2, 3, 3, 3), z(3), [2, 2])


@cases("tril triu scatter_add index_add eye eye.m trace diff")
def complex_movement(name):
    z = R(4, 5, dtype=c64)
    if name in ("tril", "triu"):
        yield C(z)
        yield C(R(2, 3, 3, dtype=c128).mT, 1)
    elif name == "scatter_add":
        yield C(z, 1, I(5, 4, 3), R(4, 3, dtype=c64))
    elif name == "index_add":
        yield C(z, 0, I(4, 6), R(6, 5, dtype=c64), alpha=2)
    elif name.startswith("eye"):
        yield C(*([3, 4] if name == "eye.m" else [3]), dtype=c64)
    else:
        yield C(z)
