#include "compiler/import/fx/prelude_text.h"

namespace aitune::fx {

const std::string_view kTensorPrelude = R"py(
def float(self):
    return self.to(torch.float32)

def double(self):
    return self.to(torch.float64)

def half(self):
    return self.to(torch.float16)

def bfloat16(self):
    return self.to(torch.bfloat16)

def cfloat(self):
    return self.to(torch.complex64)

def cdouble(self):
    return self.to(torch.complex128)

def int(self):
    return self.to(torch.int32)

def long(self):
    return self.to(torch.int64)

def short(self):
    return self.to(torch.int16)

def bool(self):
    return self.to(torch.bool)

def where(self, condition, other):
    return aten.where(condition, self, other)

def norm(self, p='fro', dim=None, keepdim=False, dtype=None):
    if p == 'nuc':
        return aten.nuclear_norm(self, keepdim) if dim is None else aten.nuclear_norm(self, dim, keepdim)
    return aten.linalg_vector_norm(self, 2.0 if p is None or p == 'fro' else p, dim, keepdim, dtype=dtype)

def split(self, split_size, dim=0):
    return aten.split(self, split_size, dim)

def new_tensor(self, data, dtype=None, device=None, requires_grad=False):
    return torch.tensor(data, dtype=self.dtype if dtype is None else dtype)

def new_full(self, size, fill_value, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    if isinstance(fill_value, complex):
        return aten.new_ones(self, size, dtype=dtype) * fill_value
    return aten.new_full(self, size, fill_value, dtype=dtype)

def nonzero(self, as_tuple=False):
    return torch.nonzero(self, as_tuple=as_tuple)

def unique_consecutive(self, return_inverse=False, return_counts=False, dim=None):
    return torch.unique_consecutive(self, return_inverse, return_counts, dim)

def moveaxis(self, source, destination):
    return aten.movedim(self, source, destination)

def ravel(self):
    return aten.reshape(self, [-1])

def concatenate(self, dim=0):
    return aten.cat(self, dim)

def absolute(self):
    return aten.abs(self)

def negative(self):
    return aten.neg(self)

def fix(self):
    return aten.trunc(self)

def arcsin(self):
    return aten.asin(self)

def arccos(self):
    return aten.acos(self)

def arctan(self):
    return aten.atan(self)

def arctan2(self, other):
    return aten.atan2(self, other)

def arcsinh(self):
    return aten.asinh(self)

def arccosh(self):
    return aten.acosh(self)

def arctanh(self):
    return aten.atanh(self)

def expit(self):
    return aten.sigmoid(self)

def special_expit(self):
    return aten.sigmoid(self)

def special_erf(self):
    return aten.erf(self)

def special_log1p(self):
    return aten.log1p(self)

def polygamma(self, n):
    return aten.polygamma(n, self)

def greater_equal(self, other):
    return self >= other

def less_equal(self, other):
    return self <= other

def greater(self, other):
    return self > other

def less(self, other):
    return self < other

def not_equal(self, other):
    return self != other

def multiply(self, other):
    return self * other

def subtract(self, other, alpha=1):
    return aten.sub(self, other, alpha=alpha)

def divide(self, other, rounding_mode=None):
    if rounding_mode is None:
        return self / other
    return aten.div(self, other, rounding_mode=rounding_mode)

def true_divide(self, other):
    return self / other

def row_stack(self):
    return aten.vstack(self)

def inner(self, other):
    return aten.sum(self * other, [-1]) if self.dim() < 2 and other.dim() < 2 else aten.matmul(self, aten.transpose(other, -2, -1))

def square_(self):
    return aten.mul_(self, self)

)py";

}  // namespace aitune::fx
