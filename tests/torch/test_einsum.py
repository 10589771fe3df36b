"""einsum in all its spellings, compiled and compared with PyTorch."""

import pytest
import support
import torch
from torch import nn

EQUATIONS = {
    "ibnd,jbnd->bnij": [(4, 2, 3, 5), (6, 2, 3, 5)],
    "ijbn->bnij": [(4, 5, 2, 3)],
    "ij->j": [(4, 5)],
    "bij,bk->bk": [(2, 3, 4), (2, 5)],
    "...i,oi->...o": [(2, 3, 4), (5, 4)],
    "b...d,b...d->b...": [(2, 3, 4, 5), (2, 3, 4, 5)],
    "ij,jk": [(3, 4), (4, 5)],
    "ba": [(3, 4)],
    "...ij,...jk": [(2, 3, 4), (2, 4, 5)],
    "bij,jk,ki->bk": [(2, 3, 4), (4, 5), (5, 3)],
    "i,i->": [(7,), (7,)],
    "i,j->ij": [(3,), (4,)],
    "bthd,bshd,bsd->bthd": [(2, 3, 4, 5), (2, 6, 4, 5), (2, 6, 5)],
}


class Einsum(nn.Module):
    def __init__(self, equation):
        super().__init__()
        self.equation = equation

    def forward(self, *operands):
        return torch.einsum(self.equation, *operands) + 1


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(equation, tmp_path, generator):
    draw = lambda: [torch.randn(shape, generator=generator) for shape in EQUATIONS[equation]]  # noqa: E731
    support.check_compiled(Einsum(equation), draw(), [draw()], tmp_path, settings=["--set", "min_block_size=1"])
