#pragma once
// What this core can do at most.

namespace aitune::bench {

/// f32 operations a second (2 for a multiply-add) of one core that does nothing but independent multiply-adds with the
/// widest vectors it has.
double measure_peak_flops();

}  // namespace aitune::bench
