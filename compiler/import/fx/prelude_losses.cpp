// torch.nn.functional's losses, and the modules that call them.

#include "compiler/import/fx/prelude_text.h"

namespace aitune::fx {

const std::string_view kLossPrelude = R"py(
def reduction_number(reduction, reduce=None, size_average=None):
    if reduce is not None and not reduce:
        return 0
    if size_average is not None:
        return 1 if size_average else 2
    if reduction == 'none':
        return 0
    return 1 if reduction == 'mean' else 2

def weighted(losses, weight, number):
    losses = losses * weight
    if number == 0:
        return losses
    return aten.sum(losses) if number == 2 else aten.sum(losses) / aten.sum(weight)

def mse_loss(input, target, size_average=None, reduce=None, reduction='mean', weight=None):
    number = reduction_number(reduction, reduce, size_average)
    if weight is not None:
        return weighted(aten.mse_loss(input, target, 0), weight, number)
    return aten.mse_loss(input, target, number)

def l1_loss(input, target, size_average=None, reduce=None, reduction='mean', weight=None):
    number = reduction_number(reduction, reduce, size_average)
    if weight is not None:
        return weighted(aten.l1_loss(input, target, 0), weight, number)
    return aten.l1_loss(input, target, number)

def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction='mean', beta=1.0):
    if beta == 0.0:
        return l1_loss(input, target, size_average, reduce, reduction)
    return aten.smooth_l1_loss(input, target, reduction_number(reduction, reduce, size_average), beta)

def huber_loss(input, target, reduction='mean', delta=1.0, weight=None):
    number = reduction_number(reduction)
    if weight is not None:
        return reduced(aten.huber_loss(input, target, 0, delta) * weight, number)
    return aten.huber_loss(input, target, number, delta)

def kl_div(input, target, size_average=None, reduce=None, reduction='mean', log_target=False):
    if reduction == 'batchmean':
        return aten.kl_div(input, target, 2, log_target=log_target) / input.shape[0]
    return aten.kl_div(input, target, reduction_number(reduction, reduce, size_average), log_target=log_target)

def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction='mean'):
    return aten.binary_cross_entropy(input, target, weight, reduction_number(reduction, reduce, size_average))

def binary_cross_entropy_with_logits(input, target, weight=None, size_average=None, reduce=None, reduction='mean', pos_weight=None):
    return aten.binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction_number(reduction, reduce, size_average))

def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean'):
    return aten.nll_loss_nd(input, target, weight, reduction_number(reduction, reduce, size_average), ignore_index)

def cross_entropy(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean', label_smoothing=0.0):
    return aten.cross_entropy_loss(input, target, weight, reduction_number(reduction, reduce, size_average), ignore_index, label_smoothing)

def reduced(losses, number):
    return losses if number == 0 else aten.sum(losses) if number == 2 else aten.mean(losses)

def poisson_losses(input, target, log_input, full, eps):
    losses = aten.exp(input) - target * input if log_input else input - target * aten.log(input + eps)
    if full:
        stirling = target * aten.log(target) - target + 0.5 * aten.log(target * (2 * math.pi))
        losses = losses + aten.masked_fill(stirling, target <= 1, 0)
    return losses

def poisson_nll_loss(input, target, log_input=True, full=False, size_average=None, eps=1e-08, reduce=None, reduction='mean'):
    return reduced(poisson_losses(input, target, log_input, full, eps), reduction_number(reduction, reduce, size_average))

def torch_poisson_nll_loss(input, target, log_input, full, eps, reduction):
    return reduced(poisson_losses(input, target, log_input, full, eps), reduction)

def gaussian_nll_loss(input, target, var, full=False, eps=1e-06, reduction='mean'):
    if torch.is_tensor(var):
        if var.dim() < input.dim():
            var = aten.unsqueeze(var, -1)
    else:
        var = aten.full_like(input, var)
    var = aten.clamp(var, eps)
    losses = 0.5 * (aten.log(var) + (input - target) ** 2 / var)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced(losses, reduction_number(reduction))

def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-06, swap=False, size_average=None, reduce=None, reduction='mean'):
    return aten.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction_number(reduction, reduce, size_average))

def triplet_margin_with_distance_loss(anchor, positive, negative, distance_function=None, margin=1.0, swap=False, reduction='mean'):
    if distance_function is not None:
        raise 'a distance function of its own'
    return triplet_margin_loss(anchor, positive, negative, margin, swap=swap, reduction=reduction)

def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction='mean'):
    return aten.multi_margin_loss(input, target, p, margin, weight, reduction_number(reduction, reduce, size_average))

def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction='mean'):
    return aten.multilabel_margin_loss(input, target, reduction_number(reduction, reduce, size_average))

def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction='mean', zero_infinity=False):
    return aten.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction_number(reduction), zero_infinity)
)py";

const std::string_view kLossLayerPrelude = R"py(
def MSELoss(self, input, target):
    return mse_loss(input, target, reduction=self.reduction)

def L1Loss(self, input, target):
    return l1_loss(input, target, reduction=self.reduction)

def SmoothL1Loss(self, input, target):
    return smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)

def HuberLoss(self, input, target):
    return huber_loss(input, target, self.reduction, self.delta)

def KLDivLoss(self, input, target):
    return kl_div(input, target, reduction=self.reduction, log_target=self.log_target)

def BCELoss(self, input, target):
    return binary_cross_entropy(input, target, self.weight, reduction=self.reduction)

def BCEWithLogitsLoss(self, input, target):
    return binary_cross_entropy_with_logits(input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight)

def NLLLoss(self, input, target):
    return nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)

def CrossEntropyLoss(self, input, target):
    return cross_entropy(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction, label_smoothing=self.label_smoothing)

def PoissonNLLLoss(self, log_input, target):
    return poisson_nll_loss(log_input, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction)

def GaussianNLLLoss(self, input, target, var):
    return gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)

def TripletMarginLoss(self, anchor, positive, negative):
    return triplet_margin_loss(anchor, positive, negative, self.margin, self.p, self.eps, self.swap, reduction=self.reduction)

def MultiMarginLoss(self, input, target):
    return multi_margin_loss(input, target, self.p, self.margin, self.weight, reduction=self.reduction)

def MultiLabelMarginLoss(self, input, target):
    return multilabel_margin_loss(input, target, reduction=self.reduction)

def CTCLoss(self, log_probs, targets, input_lengths, target_lengths):
    return ctc_loss(log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity)
)py";

}  // namespace aitune::fx
