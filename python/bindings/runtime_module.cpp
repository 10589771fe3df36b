// aitune._runtime: <aitune/runtime.h> for Python, with arrays of any kind. Whose memory the results are is for the
// caller to say, so that this module needs neither NumPy nor torch.

#include <aitune/runtime.h>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "python/bindings/arrays.h"
#include "python/bindings/custom_ops.h"
#include "python/bindings/python_errors.h"

namespace nb = nanobind;

namespace aitune::python {
namespace {

void check(aitune_status status) {
  if (status != AITUNE_OK) throw_python_error(status, aitune_last_error());
}

/// Calls the C interface while other threads run Python.
template <typename Call>
void check_without_gil(const Call& call) {
  aitune_status status = AITUNE_OK;
  {
    const nb::gil_scoped_release released;
    status = call();
  }
  check(status);
}

/// A path as os.fsencode gives it.
std::string path_of(const nb::bytes& path) {
  std::string text(path.c_str(), path.size());
  if (text.find('\0') != std::string::npos) throw_python_error(AITUNE_INVALID_ARGUMENT, "a path has a zero byte in it");
  return text;
}

struct TensorInfo {
  std::string name;
  int dtype = 0;
  std::vector<std::int64_t> min_shape, max_shape;
};

TensorInfo copy_info(const aitune_tensor_info& info) {
  const auto rank = static_cast<std::size_t>(info.rank);
  return {info.name, info.dtype, {info.min_shape, info.min_shape + rank}, {info.max_shape, info.max_shape + rank}};
}

/// An input that the model writes to.
struct StateInfo {
  std::size_t input = 0, output = 0;
  nb::object buffer, first_value;  // None for an argument of forward()
};

aitune_tensor raw(const Array& array) {
  return {static_cast<aitune_dtype>(array.dtype), static_cast<std::int32_t>(array.shape.size()), array.shape.data(),
          array.strides.data(), array.data};
}

class LoadedModule {
 public:
  /// From a file.
  LoadedModule(const nb::bytes& path, int num_threads, bool verify_checksums, const std::string& module,
               const std::string& precision, std::uint64_t weight_budget) {
    const std::string file = path_of(path);
    const auto options = make_options(num_threads, verify_checksums, module, precision, weight_budget);
    aitune_module* loaded = nullptr;
    check_without_gil([&] { return aitune_load(file.c_str(), &options, &loaded); });
    adopt(loaded);
  }
  /// From an .ait in memory, which is kept alive.
  LoadedModule(nb::ndarray<nb::ro> bytes, int num_threads, bool verify_checksums, const std::string& module,
               const std::string& precision, std::uint64_t weight_budget)
      : bytes_(std::move(bytes)) {
    const auto options = make_options(num_threads, verify_checksums, module, precision, weight_budget);
    aitune_module* loaded = nullptr;
    check_without_gil([&] { return aitune_load_from_memory(bytes_.data(), bytes_.nbytes(), &options, &loaded); });
    adopt(loaded);
  }

  const std::vector<TensorInfo>& inputs() const { return inputs_; }
  const std::vector<TensorInfo>& outputs() const { return outputs_; }
  /// The first values are copies.
  std::vector<StateInfo> states() const {
    std::vector<StateInfo> states;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      aitune_state_info info;
      check(aitune_input_state(module_.get(), i, &info));
      if (info.is_written == 0) continue;
      StateInfo state{i, info.output, nb::none(), nb::none()};
      if (info.buffer != nullptr) {
        state.buffer = nb::str(info.buffer);
        state.first_value = nb::bytes(info.first_value, info.bytes);
      }
      states.push_back(std::move(state));
    }
    return states;
  }

  /// Runs the model on `inputs`. `allocate(index, shape)` gives the memory of each output, for the largest shape that
  /// it may have. Returns that memory and the shapes that the outputs have.
  nb::tuple run(const nb::sequence& inputs, const nb::callable& allocate) const {
    std::vector<Array> arrays;
    std::vector<aitune_tensor> raw_inputs;
    const std::size_t count = nb::len(inputs);
    arrays.reserve(count + outputs_.size());
    for (std::size_t i = 0; i < count; ++i) {
      arrays.push_back(take_array(inputs[i], name_of("input", inputs_, i)));
      raw_inputs.push_back(raw(arrays.back()));
    }
    auto shapes = output_shapes(raw_inputs);
    nb::list results;
    std::vector<aitune_tensor> raw_outputs;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      nb::object memory = allocate(i, as_tuple(shapes[i]));
      arrays.push_back(take_output(memory, name_of("output", outputs_, i)));
      raw_outputs.push_back(raw(arrays.back()));
      results.append(std::move(memory));
    }
    std::vector<std::int64_t*> raw_shapes;
    for (auto& shape : shapes) raw_shapes.push_back(shape.data());
    check_without_gil([&] {
      return aitune_run_shapes(module_.get(), raw_inputs.data(), raw_inputs.size(), raw_outputs.data(),
                               raw_outputs.size(), raw_shapes.data());
    });
    nb::list final_shapes;
    for (const auto& shape : shapes) final_shapes.append(as_tuple(shape));
    return nb::make_tuple(std::move(results), std::move(final_shapes));
  }

 private:
  static nb::tuple as_tuple(const std::vector<std::int64_t>& shape) {
    nb::list list;
    for (const std::int64_t size : shape) list.append(size);
    return nb::tuple(list);
  }

  static std::string name_of(const char* kind, const std::vector<TensorInfo>& tensors, std::size_t index) {
    std::string text = std::string(kind) + " " + std::to_string(index);
    if (index < tensors.size()) text += " '" + tensors[index].name + "'";
    return text;
  }

  static aitune_load_options make_options(int num_threads, bool verify_checksums, const std::string& module,
                                          const std::string& precision, std::uint64_t weight_budget) {
    aitune_load_options options{};
    options.weight_budget = weight_budget;
    options.struct_size = sizeof options;
    options.num_threads = num_threads;
    options.skip_checksums = verify_checksums ? 0 : 1;
    options.module = module.empty() ? nullptr : module.c_str();
    options.precision = precision.empty() ? nullptr : precision.c_str();
    return options;
  }

  void adopt(aitune_module* module) {
    module_.reset(module);
    aitune_tensor_info info;
    for (std::size_t i = 0; i < aitune_input_count(module); ++i) {
      check(aitune_input_info(module, i, &info));
      inputs_.push_back(copy_info(info));
    }
    for (std::size_t i = 0; i < aitune_output_count(module); ++i) {
      check(aitune_output_info(module, i, &info));
      outputs_.push_back(copy_info(info));
    }
  }

  std::vector<std::vector<std::int64_t>> output_shapes(const std::vector<aitune_tensor>& inputs) const {
    std::vector<std::vector<std::int64_t>> shapes;
    for (const TensorInfo& output : outputs_) shapes.emplace_back(output.min_shape.size());
    check_without_gil([&] {
      aitune_status status = AITUNE_OK;
      for (std::size_t i = 0; i < shapes.size() && status == AITUNE_OK; ++i)
        status = aitune_output_shape(module_.get(), inputs.data(), inputs.size(), i, shapes[i].data());
      return status;
    });
    return shapes;
  }

  struct Free {
    void operator()(aitune_module* module) const { aitune_free(module); }
  };
  nb::ndarray<nb::ro> bytes_;
  std::unique_ptr<aitune_module, Free> module_;
  std::vector<TensorInfo> inputs_, outputs_;
};

}  // namespace
}  // namespace aitune::python

using aitune::python::LoadedModule;
using aitune::python::StateInfo;
using aitune::python::TensorInfo;

NB_MODULE(_runtime, m) {
  m.doc() = "libaitune_runtime for Python: what aitune.load stands on.";
  nb::class_<TensorInfo>(m, "TensorInfo", "Name, dtype and sizes of an input or output.")
      .def_ro("name", &TensorInfo::name)
      .def_ro("dtype_number", &TensorInfo::dtype)
      .def_prop_ro("dtype", [](const TensorInfo& info) { return aitune::python::dtype_long_name(info.dtype); })
      .def_ro("min_shape", &TensorInfo::min_shape)
      .def_ro("max_shape", &TensorInfo::max_shape);
  nb::class_<StateInfo>(m, "StateInfo", "An input that the model writes to.")
      .def_ro("input", &StateInfo::input)
      .def_ro("output", &StateInfo::output)
      .def_ro("buffer", &StateInfo::buffer)
      .def_ro("first_value", &StateInfo::first_value);
  nb::class_<LoadedModule>(m, "LoadedModule", "A loaded .ait. Many threads may run it at once.")
      .def(nb::init<const nb::bytes&, int, bool, const std::string&, const std::string&, std::uint64_t>(),
           nb::arg("path"), nb::arg("num_threads"), nb::arg("verify_checksums"), nb::arg("module"),
           nb::arg("precision"), nb::arg("weight_budget"))
      .def_static("from_memory",
                  [](nb::ndarray<nb::ro> bytes, int num_threads, bool verify_checksums, const std::string& module,
                     const std::string& precision, std::uint64_t weight_budget) {
                    return std::make_unique<LoadedModule>(std::move(bytes), num_threads, verify_checksums, module,
                                                          precision, weight_budget);
                  })
      .def_prop_ro("inputs", &LoadedModule::inputs)
      .def_prop_ro("outputs", &LoadedModule::outputs)
      .def_prop_ro("states", &LoadedModule::states)
      .def("run", &LoadedModule::run, nb::arg("inputs"), nb::arg("allocate"));
  m.attr("BFLOAT16") = static_cast<int>(AITUNE_BF16);
  m.def("version", [] { return std::string(aitune_version()); });
  m.def("load_custom_ops", [](const nb::bytes& path) {
    const std::string file = aitune::python::path_of(path);
    aitune::python::check_without_gil([&] { return aitune_load_custom_ops(file.c_str()); });
  });
  m.def("verify_file", [](const nb::bytes& path) {
    const std::string file = aitune::python::path_of(path);
    aitune::python::check_without_gil([&] { return aitune_verify_file(file.c_str()); });
  });
  m.def("dtype_names", [] {
    std::vector<std::string> names;
    for (int dtype = 0; dtype <= AITUNE_BF16; ++dtype) names.emplace_back(aitune::python::dtype_long_name(dtype));
    return names;
  });
  aitune::python::add_custom_ops(m);
}
