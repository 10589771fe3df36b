#pragma once
// The sources of the prelude, by subject.

#include <string_view>

namespace aitune::fx {

extern const std::string_view kActivationPrelude;     ///< torch.nn.functional: activations, dropout
extern const std::string_view kFunctionalPrelude;     ///< torch.nn.functional: the rest
extern const std::string_view kLibraryPrelude;        ///< torch itself, and other packages
extern const std::string_view kLinearAlgebraPrelude;  ///< torch.linalg
extern const std::string_view kTensorPrelude;         ///< methods of tensors
extern const std::string_view kLayerPrelude;          ///< forwards of torch.nn's simple modules
extern const std::string_view kRecurrentPrelude;      ///< LSTM, GRU, RNN and their cells
extern const std::string_view kLossPrelude;           ///< torch.nn.functional: losses
extern const std::string_view kLossLayerPrelude;      ///< their modules
extern const std::string_view kTransformerPrelude;    ///< MultiheadAttention and what is made of it
extern const std::string_view kTorchvisionPrelude;    ///< forwards of torchvision.ops' modules
extern const std::string_view kTorchvisionFunctions;  ///< its functions that tracing keeps whole

}  // namespace aitune::fx
