#pragma once
// What PyTorch defines in Python, in our own words and in the same language: modules and functions as sources.

#include <string_view>

#include "compiler/import/fx/syntax.h"

namespace aitune::fx {

/// Forwards of the classes of torch.nn, by the class's name.
const Function* module_forward(std::string_view class_name);
/// torch and torch.nn.functional, by the last part of the name; functions of other packages by their whole name with
/// dots as underscores.
const Function* library_function(std::string_view name);
/// Methods of tensors that are no operators of the same name.
const Function* tensor_method(std::string_view name);

/// All names, for the tests.
const Functions& module_forwards();
const Functions& library_functions();
const Functions& tensor_methods();

}  // namespace aitune::fx
