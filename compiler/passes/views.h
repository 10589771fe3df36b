#pragma once
// Views as functions: what one shows of the whole, and the whole after a write through it.

#include "compiler/passes/rewrite.h"

namespace aitune {

/// What output `output` of the view operator `view` shows if its operand holds `whole`. nullptr for operators that are
/// not known as views.
Value* show_through(Inserter& insert, const Node& view, std::size_t output, Value* whole);

/// `whole` with the part that the view shows replaced by `part`. nullptr where elements of the view share memory, or
/// the operator has no inverse.
Value* put_through(Inserter& insert, const Node& view, std::size_t output, Value* whole, Value* part);

}  // namespace aitune
