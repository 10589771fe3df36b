#pragma once
// What the importer's tests and fuzz targets share: archives made of source text.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "format/tensor_files.h"

namespace aitune::torchscript {

/// An archive as torch.jit.save writes it, around the source of code/__torch__.py, which defines a class Net. The model
/// is a Net with the attributes training (False), n (3), word ("hi"), sizes ([1, 2, 3]), w (f32[2,2]: 1, 2, 3, 4) and
/// state (f32[2,2], zeros). CONSTANTS.c0 is a 0-dim i64 tensor, 7.
std::vector<std::byte> make_archive(std::string_view source);

/// The same with a data.pkl of one's own.
std::vector<std::byte> make_archive(std::string_view source, std::string_view data_pickle);

/// x: f32[rows,2], counting from 0.
NamedTensors sample_of(std::int64_t rows);

}  // namespace aitune::torchscript
