// aitune._compiler: <aitune/aitune.hpp> for Python.

#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aitune/aitune.hpp"
#include "aitune/version.h"
#include "base/custom_ops.h"
#include "compiler/import/import.h"
#include "compiler/tuning/progress_state.h"
#include "python/bindings/arrays.h"
#include "python/bindings/custom_ops.h"
#include "python/bindings/python_errors.h"

namespace nb = nanobind;

namespace aitune::python {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

/// A tensor whose elements are Python's. It lets go of them under the GIL, whichever thread drops it last.
Tensor borrow_tensor(nb::handle object, const std::string& what) {
  Array array = take_array(object, what);
  const auto dtype = static_cast<DType>(array.dtype);
  auto* data = static_cast<std::byte*>(array.data);
  Shape shape = array.shape, strides = array.strides;
  const std::shared_ptr<Array> owner(new Array(std::move(array)), [](Array* kept) {
    const nb::gil_scoped_acquire gil;
    delete kept;
  });
  return {dtype, std::move(shape), std::move(strides), owner, data};
}

std::vector<NamedTensors> borrow_samples(const nb::sequence& samples) {
  std::vector<NamedTensors> calls;
  for (nb::handle sample : samples) {
    NamedTensors call;
    for (nb::handle pair : nb::borrow<nb::sequence>(sample)) {
      const auto named = nb::borrow<nb::sequence>(pair);
      std::string name = nb::cast<std::string>(named[0]);
      Tensor tensor = borrow_tensor(named[1], "sample " + std::to_string(calls.size()) + ", input '" + name + "'");
      call.emplace_back(std::move(name), std::move(tensor));
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

/// Hands what tuning reports to a Python function (kind, text, done, total). An exception of the function, and Ctrl-C,
/// end tuning, also where the compiler goes on after errors of a part.
class PythonProgress : public Progress {
 public:
  explicit PythonProgress(nb::callable report) : report_(std::move(report)) {}
  ~PythonProgress() override = default;
  void stage(std::string_view name) override {
    state_.stage(name);
    tell("stage", name, 0, 0);
  }
  void step(std::string_view what, std::size_t done, std::size_t total) override {
    state_.step(done, total);
    tell("step", what, done, total);
  }
  void ahead(double seconds) override { state_.ahead(seconds); }
  void block(std::string_view name, std::size_t index, std::size_t total) override { state_.block(name, index, total); }
  void measured(std::string_view plan, double milliseconds) override { state_.measured(plan, milliseconds); }
  void warn(std::string_view message) override { tell("warning", message, 0, 0); }
  /// Throws what has ended tuning, if anything has.
  void check() const {
    if (failed_) throw nb::python_error(*failed_);
  }

 private:
  void tell(const char* kind, std::string_view text, std::size_t done, std::size_t total) {
    const nb::gil_scoped_acquire gil;
    check();
    try {
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      const nb::object what =
          nb::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace"));
      report_(kind, what, done, total, state_.text());
    } catch (const nb::python_error& error) {
      failed_ = std::make_unique<nb::python_error>(error);
      throw;
    }
  }
  nb::callable report_;
  std::unique_ptr<nb::python_error> failed_;
  ProgressState state_;
};

/// Runs `work` without Python's lock, and throws what has ended it in Python, if anything has.
template <typename Work>
void with_progress(nb::callable progress, const Work& work) {
  PythonProgress report(std::move(progress));
  try {
    const nb::gil_scoped_release released;
    work(report);
  } catch (const Error&) {
    report.check();
    throw;
  }
  report.check();
}

using Texts = std::vector<std::pair<std::string, std::string>>;

/// Who is told of better plans: `tell` is called when one has been written to `path`.
struct Improved {
  nb::object tell;  // None: nobody
  std::string path;
  Texts extra;
};

/// A tuned module, which can be saved.
class Tuned {
 public:
  Tuned(const std::string& model, const std::string& name, const std::string& ir, const Settings& settings,
        const std::string& shapes_json, int pickle_protocol, const nb::sequence& samples, nb::callable progress,
        const nb::sequence& calibration, const Improved& improved) {
    TorchTensorRTAotBackendConfig config;
    config.ir = parse_ir(ir);
    for (const auto& [field, value] : settings) config.compile_config.set(field, value);
    if (!shapes_json.empty()) config.inputs = parse_inputs_json(shapes_json, "dynamic_shapes");
    config.pickle_protocol = pickle_protocol;
    tune_on(model, name, std::move(config), borrow_samples(samples), std::move(progress), borrow_samples(calibration),
            &improved);
  }
  /// The program inside of an .ait, tuned for this machine on the inputs that it was tuned on before.
  Tuned(const std::string& file, const std::string& name, nb::callable progress) {
    tune_on(file, name, {}, recorded_inputs(file), std::move(progress), {}, nullptr);
  }

  std::string report_json() const { return report_.to_json(); }
  std::optional<std::string> dryrun_text() const {
    return report_.dryrun ? std::optional(report_.dryrun->text()) : std::nullopt;
  }
  std::optional<std::string> dryrun_json() const {
    return report_.dryrun ? std::optional(report_.dryrun->to_json()) : std::nullopt;
  }

  void save_as(const std::string& path, const std::vector<std::pair<std::string, std::string>>& extra) const {
    const nb::gil_scoped_release released;
    save(*module_, path, ExtraFiles(extra.begin(), extra.end()));
  }

 private:
  void tune_on(const std::string& model, const std::string& name, TorchTensorRTAotBackendConfig config,
               const std::vector<NamedTensors>& calls, nb::callable progress, std::vector<NamedTensors> calibration,
               const Improved* improved) {
    with_progress(std::move(progress), [&](Progress& report) {
      TuneOptions how;
      how.progress = &report;
      how.calibration = std::move(calibration);
      if (improved != nullptr && !improved->tell.is_none())
        how.improved = [improved](const Module& better) {
          save(better, improved->path, ExtraFiles(improved->extra.begin(), improved->extra.end()));
          const nb::gil_scoped_acquire gil;
          improved->tell();
        };
      module_ = std::make_unique<Module>(model, name, OneBackendStrategy{TorchTensorRTAotBackend{std::move(config)}});
      report_ = tune(*module_, calls, how);
    });
  }

  std::unique_ptr<Module> module_;
  TuneReport report_;
};

void translate(const std::exception_ptr& thrown, void* /*payload*/) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    set_python_error(static_cast<int>(error.code()), error.what(), error.problem(), error.where(), error.fix());
  }
}

}  // namespace
}  // namespace aitune::python

NB_MODULE(_compiler, m) {
  using aitune::python::Tuned;
  m.doc() = "libaitune for Python: what aitune.torch tunes with.";
  nb::register_exception_translator(aitune::python::translate);
  nb::class_<Tuned>(m, "Tuned", "A tuned module.")
      .def(
          "__init__",
          [](Tuned* self, const std::string& model, const std::string& name, const std::string& ir,
             const aitune::python::Settings& settings, const std::string& shapes_json, int pickle_protocol,
             const nb::sequence& samples, nb::callable progress, const nb::sequence& calibration, nb::object improved,
             const std::string& improved_path, const aitune::python::Texts& improved_extra) {
            new (self) Tuned(model, name, ir, settings, shapes_json, pickle_protocol, samples, std::move(progress),
                             calibration, {std::move(improved), improved_path, improved_extra});
          },
          nb::arg("model"), nb::arg("name"), nb::arg("ir"), nb::arg("settings"), nb::arg("shapes_json"),
          nb::arg("pickle_protocol"), nb::arg("samples"), nb::arg("progress"), nb::arg("calibration") = nb::list(),
          nb::arg("improved") = nb::none(), nb::arg("improved_path") = "",
          nb::arg("improved_extra") = aitune::python::Texts())
      .def_static(
          "again",
          [](const std::string& file, const std::string& name, nb::callable progress) {
            return std::make_unique<Tuned>(file, name, std::move(progress));
          },
          nb::arg("file"), nb::arg("name"), nb::arg("progress"))
      .def("report_json", &Tuned::report_json)
      .def("dryrun_text", &Tuned::dryrun_text)
      .def("dryrun_json", &Tuned::dryrun_json)
      .def("save", &Tuned::save_as, nb::arg("path"), nb::arg("extra"));
  m.def("version", [] { return std::string(aitune::kVersion); });
  m.def("load_custom_ops", [](const std::string& path) { aitune::load_custom_ops(path); });
  m.def("model_inputs", [](const std::string& path, const std::string& ir) {
    std::vector<std::pair<std::string, std::optional<std::size_t>>> inputs;
    for (auto& input : aitune::model_inputs(path, aitune::parse_ir(ir)))
      inputs.emplace_back(std::move(input.name), input.rank);
    return inputs;
  });
  m.def(
      "refit",
      [](const std::string& file, const std::string& model, const std::string& output, nb::callable progress) {
        aitune::python::with_progress(std::move(progress),
                                      [&](aitune::Progress& report) { aitune::refit(file, model, output, &report); });
      },
      nb::arg("file"), nb::arg("model"), nb::arg("output"), nb::arg("progress"));
  m.def(
      "repeat",
      [](const std::string& decisions, const std::string& model, const std::string& output,
         const std::optional<nb::sequence>& samples, nb::callable progress) {
        const auto calls = samples ? aitune::python::borrow_samples(*samples) : aitune::recorded_inputs(decisions);
        aitune::python::with_progress(std::move(progress), [&](aitune::Progress& report) {
          aitune::repeat(decisions, model, calls, output, &report);
        });
      },
      nb::arg("decisions"), nb::arg("model"), nb::arg("output"), nb::arg("samples").none(), nb::arg("progress"));
  m.def("check_setting",
        [](const std::string& field, const std::string& value) { aitune::CompilationSettings().set(field, value); });
  m.def("settings", [] {
    std::vector<std::map<std::string, std::string>> rows;
    for (const auto& help : aitune::setting_help())
      rows.push_back({{"field", std::string(help.field)},
                      {"type", std::string(help.type)},
                      {"meaning", std::string(help.meaning)},
                      {"default", help.default_value},
                      {"ignored_by_cpu", std::string(help.ignored_by_cpu)},
                      {"ignored_by_reference", std::string(help.ignored_by_reference)}});
    return rows;
  });
  aitune::python::add_custom_ops(m);
  m.def("read_settings",
        [](const std::string& path) { return aitune::CompilationSettings::from_file(path).to_json(); });
  m.def("ignored_settings", [](const aitune::python::Settings& settings, const std::string& engine) {
    aitune::CompilationSettings all;
    for (const auto& [field, value] : settings) all.set(field, value);
    return aitune::ignored_settings(all, engine);
  });
}
