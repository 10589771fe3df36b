#pragma once
// What a program needs and aitune does not have, gathered over the whole program so that one message tells all.

#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/import/dynamo/json.h"

namespace aitune::dynamo {

/// Kinds of problems, each with how often it occurs and where in the user's model.
class Problems {
 public:
  /// Looks for operators, functions and regions that are not known, in regions too.
  void survey(const JsonView& graph);
  /// A known operator, called in a way that is not supported.
  void add_call(const JsonView& node, std::string_view op, std::string_view problem, std::string_view fix);

  bool empty() const { return kinds_.empty(); }
  /// Throws one Unsupported with all of them, the most frequent first; `graph` is where the program lies in the file.
  [[noreturn]] void refuse(const JsonView& graph) const;

 private:
  struct Place {
    std::string line;  // "model.py:7 in forward: return f(x) [block.0]"
    std::size_t count = 0;
  };
  struct Kind {
    std::string text;
    std::size_t count = 0;
    std::vector<Place> places;  // distinct ones, the first few
    std::size_t elsewhere = 0;  // calls at other places
  };
  void add(std::string text, const JsonView& node, std::string_view fix);

  std::vector<Kind> kinds_;
  std::vector<std::string> fixes_;
};

}  // namespace aitune::dynamo
