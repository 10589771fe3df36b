#pragma once
// The fixed prefix of a serialised plan: versions, and where its three sections lie. docs/artifact-format.md is the
// text.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace aitune {

inline constexpr std::array<char, 8> kPlanMagic = {'A', 'I', 'T', 'P', 'L', 'A', 'N', '\x1a'};
/// A reader refuses a newer major version; a newer minor one only adds what may be ignored.
inline constexpr std::uint16_t kPlanMajor = 1;
inline constexpr std::uint16_t kPlanMinor = 0;
/// Sections start at multiples of this, counted from the header.
inline constexpr std::size_t kPlanAlignment = 64;
/// section_hash covers pieces of this size one by one, so that several threads can share the work.
inline constexpr std::size_t kHashPiece = std::size_t{4} << 20;

struct PlanSection {
  std::uint64_t offset = 0;  ///< from the start of the header
  std::uint64_t size = 0;    ///< without padding
  std::uint64_t hash = 0;    ///< section_hash of the content
};

/// Little-endian, without holes. The reserved bytes are zero.
struct PlanHeader {
  std::array<char, 8> magic = kPlanMagic;
  std::uint16_t major = kPlanMajor, minor = kPlanMinor;
  std::uint32_t header_bytes = 0;  ///< sizeof(PlanHeader)
  PlanSection description, code, constants;
  std::uint64_t total_bytes = 0;  ///< the whole plan with its last section
  std::array<std::uint64_t, 2> reserved{};
  std::uint64_t header_hash = 0;  ///< xxh3 of the bytes before this field
};
static_assert(sizeof(PlanHeader) == 120);

/// XXH3-64 of the little-endian sequence of the XXH3-64 of every piece of kHashPiece bytes (the last one may be
/// shorter; no bytes, no pieces).
std::uint64_t section_hash(std::span<const std::byte> bytes);
/// The same from hashes of the pieces.
std::uint64_t combine_piece_hashes(std::span<const std::uint64_t> hashes);

/// The header at the front of `bytes` with every bound checked. Throws Corrupt, or Incompatible for a newer major
/// version.
PlanHeader read_plan_header(std::span<const std::byte> bytes, std::string_view where);

/// How many bytes at the front of the plan hold its header, description and code: all but the constants.
std::size_t plan_head_bytes(const PlanHeader& header);

}  // namespace aitune
