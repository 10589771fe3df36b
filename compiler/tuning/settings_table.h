#pragma once
// The only list of settings. Command line, files, help, documents and Python follow from it.

#include <span>
#include <string_view>

#include <nlohmann/json.hpp>

#include "compiler/tuning/settings.h"

namespace aitune {

/// What a value of a field may be in JSON.
enum class SettingKind { boolean, integer, number, text, list, boolean_or_text };

/// One field: what it is called and means, how it is read from text and shown.
struct SettingField {
  std::string_view name;
  SettingKind kind;
  std::string_view type;  ///< the allowed values, in words
  std::string_view meaning;
  void (*set)(CompilationSettings&, std::string_view);  ///< throws InvalidArgument without a place
  nlohmann::ordered_json (*get)(const CompilationSettings&);
  void (*reset)(CompilationSettings&) = nullptr;  ///< "none" and null stand for the default, and this sets it
  std::string_view ignored_by_cpu = {}, ignored_by_reference = {}, always = {}, shown_by = {};
  bool of_the_run = false;  ///< it says how tuning goes about it, not what the file is: no file records it

  template <auto member>
  constexpr SettingField or_none() const {
    SettingField f = *this;
    f.reset = [](CompilationSettings& s) { s.*member = CompilationSettings().*member; };
    return f;
  }
  constexpr SettingField ignored(std::string_view why) const {
    SettingField f = *this;
    f.ignored_by_cpu = f.ignored_by_reference = why;
    return f;
  }
  /// What the setting asks for is what both engines do anyway.
  constexpr SettingField done_always(std::string_view what) const {
    SettingField f = *this;
    f.always = what;
    return f;
  }
  constexpr SettingField ignored_by_reference_for(std::string_view why) const {
    SettingField f = *this;
    f.ignored_by_reference = why;
    return f;
  }
  constexpr SettingField not_recorded() const {
    SettingField f = *this;
    f.of_the_run = true;
    return f;
  }
  constexpr SettingField shown(std::string_view test) const {
    SettingField f = *this;
    f.shown_by = test;
    return f;
  }
};

std::span<const SettingField> setting_fields();
/// Null if there is none.
const SettingField* find_setting(std::string_view name);

/// Throws InvalidArgument with the list of all settings.
[[noreturn]] void refuse_unknown_setting(std::string_view name, std::string_view where);

}  // namespace aitune
