"""Every operator of the list on the inputs of PyTorch's OpInfo database: plain, not contiguous, with NaN and infinities.

By default two calls of an overload and dtype; AITUNE_SLOW=1 takes all samples and all dtypes. AITUNE_OPS=a,b runs the OpInfos whose
names contain one of these. Each engine is one test, since PyTorch takes minutes to make the calls.
"""
import collections
import os
import re

import pytest

import opinfo

# What PyTorch leaves open, or answers in another way than its documentation: (operator, source or text) -> reason.
EXPECTED = [
    (r"aten\.(sort|topk|kthvalue|mode|median|nanmedian|max|min)\b.*", r"\bresult 1\b",
     "positions of equal elements are not determined; their values are"),
    (r"aten\.(argsort|argmax|argmin)\b.*", r"", "the same"),
    (r"aten\.as_strided\w*\.default", r" strided", "memory that is not row-major: such programs are refused"),
    (r"aten\.(_fft|fft_|stft).*", r" strange", "how far NaN and infinities reach depends on the algorithm"),
    (r"aten\._?adaptive_avg_pool\dd\.default", r" strange.*compiled", "uneven windows are a product with a matrix of means"),
    (r"aten\.(convolution|conv_transpose\dd)\.\w+", r" strange", "a sum with infinities of both signs is NaN or not by its order"),
    (r"aten\.(_?scaled_dot_product\w*|gelu_?)\.default", r" strange", "NaN where masked or infinite, by how PyTorch vectorises"),
    (r"aten\.conv\dd\.padding", r" strange", "the same"),
    (r"aten\.(i0_?|lerp_?|bilinear|var_mean|std_mean|grid_sampler_\dd|bucketize|searchsorted)\.\w+", r" strange",
     "NaN or infinity from infinities and NaN, by the order of operations and by how PyTorch vectorises"),
    (r"aten\.special_zeta\.\w+", r" strange", "PyTorch gives NaN for the limit 0 at infinity"),
    (r"aten\.polygamma_?\.default", r"( strange|is inf, PyTorch gives)", "PyTorch gives NaN at infinity, and large numbers in place of poles"),
    (r"aten\.special_(bessel_[jy][01]|airy_ai)\.default", r" f64 ", "PyTorch's are wrong by up to 3e-6, says mpmath"),
    (r"aten\.div_?\.Tensor_mode", r" bf16 ", "the quotient is rounded to bf16 before it is cut, where PyTorch does not vectorise"),
    (r"aten\._embedding_bag_forward_only\.default", r"", "whether the second result lists the bags depends on how operands lie in memory"),
    (r"aten\.binary_cross_entropy_with_logits\.default", r" strange", "infinity less infinity is NaN or not by the order of the terms"),
    (r"aten\.binary_cross_entropy_with_logits\.default", r" b?f16 ", "PyTorch rounds every step to 16 bits, aitune the result alone"),
    (r"aten\._unsafe_masked_index_put_accumulate\.default", r" b?f16 ", "PyTorch rounds after every addition"),
    (r"aten\.(gradient|diff|triplet_margin_loss)\.\w+", r" b?f16 .*compiled", "PyTorch rounds every step to 16 bits, the CPU engine the result alone"),
    (r"aten\.fractional_max_pool\dd\.default", r" strange", "samples that are no numbers put no window anywhere"),
    (r"aten\.addbmm_\.default", r"broadcast to more", "PyTorch lets the tensor that is written to grow"),
    (r"aten\._?linalg_eigh\.default", r"\bresult 1\b", "signs and phases of eigenvectors are open"),
    (r"aten\.(_?linalg_)?svd\.default", r"\bresult [02]\b", "those of singular vectors, and what spans the rest of the space"),
    (r"aten\.linalg_eig(vals)?\.default", r"", "the order of eigenvalues is open; test_linalg.py holds what does not depend on it"),
    (r"aten\._linalg_(det|slogdet)\.default", r" strided", "whether the factors are those of the transpose depends on the layout"),
    (r"aten\.(linalg_)?matrix_exp\.default", r" b?f16 ", "PyTorch's sums of 16 bits begin with what was in memory"),
    (r"aten\.linalg_pinv\.atol_rtol_tensor", r" c(64|128) ", "a lazy conjugate inside it is lost under the mode that records"),
    (r"aten\.linalg_lstsq\.default", r" c(64|128) .*\"gels[sd]\"", "PyTorch's residuals are sums of complex squares there"),
    (r"aten\.(linalg_cholesky_ex|cholesky_inverse|linalg_ldl_factor_ex|geqrf|ormqr|linalg_householder_product|linalg_multi_dot|linalg_lu\w*)\.default",
     r" strange", "how far NaN and infinities reach depends on the order of operations"),
    (r"aten\.grid_sampler\w*\.default", r" b?f16 ", "the nearest of two as near depends on roundings in 16 bits"),
    (r"aten\.grid_sampler_3d\.default", r"bicubic sampling is for images", "PyTorch lets it through, and takes the nearest"),
    (r"aten\.as_strided\.default", r"as_strided_partial_views", "views that reach beyond the tensor, into memory of another"),
    (r"aten\._?upsample_bi(linear|cubic)2d\w*\.\w+", r" u8 ", "PyTorch computes images of bytes in integers, and is off by one"),
    (r"aten\.(upsample_trilinear3d|conv_transpose3d|convolution|addr|histc)\.\w+", r" b?f16 ", "PyTorch rounds every step to 16 bits"),
    (r"aten\.div_?\.Tensor_mode", r" f16 ", "the quotient is rounded to f16 before it is cut, where PyTorch does not vectorise"),
    (r"aten\.(_cdist_forward|_upsample_bilinear2d_aa|conv2d|(native_)?group_norm|native_layer_norm|mode|unique_dim)\.\w+", r" strange",
     "how far NaN and infinities reach depends on the order of operations; NaN are not ordered"),
    (r"aten\.cov\.default", r" (f64|c128) ", "PyTorch rounds the product of both weights to float32"),
    (r"aten\.eq\.Scalar", r" u8 .*,-1\]", "PyTorch wraps a number that the type does not hold"),
    (r"aten\.gather\.default", r"indices must be i64 or i32, not u8", "positions without elements may have any type in PyTorch"),
]


def expected(name, source, text):
    return any(re.fullmatch(op, name) and re.search(what, f"{source} {text}") for op, what, _ in EXPECTED)


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    names = [n for n in os.environ.get("AITUNE_OPS", "").split(",") if n]
    recorder = opinfo.record(names, every=os.environ.get("AITUNE_SLOW") == "1")
    folder = tmp_path_factory.mktemp("opinfo")
    opinfo.write(recorder, folder)
    return folder, len(recorder.calls), not names


@pytest.mark.parametrize("engine", ["reference", "cpu"])
def test_opinfo(calls, engine):
    folder, count, whole = calls
    results = opinfo.replay(folder, engine)
    assert len(results) == count, "a call ended the replay"
    counts = collections.Counter(status for status, *_ in results)
    print(engine, dict(counts))
    bad = [f"{status} {name} [{source}]: {text[:400]}" for status, name, source, text in results
           if status in ("wrong", "refused") and not expected(name, source, text)]
    assert not bad, f"{len(bad)} of {count} calls:\n" + "\n".join(bad[:100])
    if whole:
        assert counts["ok"] > 0.9 * count, counts
