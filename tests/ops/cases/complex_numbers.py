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
