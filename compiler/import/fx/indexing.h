#pragma once
// x[...] and x[...] = y.

#include "compiler/import/fx/interpreter.h"

namespace aitune::fx {

PyValue get_item(Interpreter& interpreter, const PyValue& base, const PyValue& index);
void set_item(Interpreter& interpreter, const PyValue& base, const PyValue& index, const PyValue& value);

}  // namespace aitune::fx
