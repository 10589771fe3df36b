#include "tools/cli_docs.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "compiler/tuning/settings.h"

namespace aitune::tools {
namespace {

struct OptionText {
  std::vector<std::string> names;  ///< "-o", "--output"
  std::string about, rest;         ///< one line, and what follows it
  bool takes_value = false;
  bool is_setting = false;  ///< its values are settings: key=value
};

struct PositionalText {
  std::string name, about;
  bool required = false;
};

struct CommandText {
  std::string name, about;
  std::vector<OptionText> options;
  std::vector<PositionalText> positionals;
  std::vector<std::string> parts;  ///< subcommands of its own; the options are those of all of them
};

OptionText option_text(const CLI::Option& option) {
  OptionText text;
  for (const std::string& name : option.get_snames()) text.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) text.names.push_back("--" + name);
  const std::string& about = option.get_description();
  const auto end = about.find('\n');
  text.about = about.substr(0, end);
  if (end != std::string::npos) text.rest = about.substr(end + 1);
  text.takes_value = option.get_items_expected_max() > 0;
  text.is_setting = std::ranges::find(text.names, "--set") != text.names.end();
  return text;
}

/// All but the hidden ones.
CommandText command_text(const CLI::App& command) {
  CommandText text{command.get_name(), command.get_description(), {}, {}};
  for (const CLI::Option* option : command.get_options([](const CLI::Option* o) { return !o->get_group().empty(); }))
    if (option->nonpositional())
      text.options.push_back(option_text(*option));
    else
      text.positionals.push_back({option->get_name(true), option->get_description(), option->get_required()});
  return text;
}

/// A command, with what its subcommands take.
CommandText with_parts(const CLI::App& command) {
  CommandText text = command_text(command);
  for (const CLI::App* part : command.get_subcommands([](const CLI::App*) { return true; })) {
    text.parts.push_back(part->get_name());
    for (OptionText& option : command_text(*part).options)
      if (std::ranges::find(text.options, option.names, &OptionText::names) == text.options.end())
        text.options.push_back(std::move(option));
  }
  if (!text.parts.empty()) text.positionals.push_back({fmt::format("{}", fmt::join(text.parts, "|")), "", true});
  return text;
}

std::vector<CommandText> commands_of(const CLI::App& app) {
  std::vector<CommandText> commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    commands.push_back(with_parts(*command));
  return commands;
}

std::vector<std::string> names_of(const std::vector<OptionText>& options) {
  std::vector<std::string> names;
  for (const OptionText& option : options) names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}

std::vector<std::string> settings() {
  std::vector<std::string> keys;
  for (const auto& help : setting_help()) keys.push_back(fmt::format("{}=", help.field));
  return keys;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

/// Inside of single quotes, in a shell.
std::string quoted(const std::string& text) { return "'" + replaced(text, "'", "'\\''") + "'"; }

/// Plain text in man(7).
std::string roff(std::string text) {
  text = replaced(replaced(std::move(text), "\\", "\\e"), "-", "\\-");
  text = replaced(std::move(text), "\n", "\n.br\n");
  if (text.starts_with('.') || text.starts_with('\'')) text.insert(0, "\\&");
  return replaced(std::move(text), "\n'", "\n\\&'");
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

void append_options(std::string& page, const std::vector<OptionText>& options) {
  for (const OptionText& option : options) {
    std::vector<std::string> bold;
    for (const std::string& name : option.names) bold.push_back("\\fB" + roff(name) + "\\fR");
    page += fmt::format(".TP\n{}{}\n{}\n", fmt::join(bold, ", "), option.takes_value ? " \\fIVALUE\\fR" : "",
                        roff(option.about));
    if (!option.rest.empty()) page += ".RS\n.PP\n" + roff(option.rest) + "\n.RE\n";
  }
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  const auto commands = commands_of(app);
  const CommandText top = command_text(app);
  std::vector<std::string> first;
  std::string options, values, parts;
  for (const CommandText& command : commands) {
    first.push_back(command.name);
    if (!command.parts.empty())
      parts += fmt::format("    {}) [[ $current == -* ]] || COMPREPLY=($(compgen -W '{}' -- \"$current\")) ;;\n",
                           command.name, fmt::join(command.parts, " "));
    options += fmt::format("    {}) options='{}' ;;\n", command.name, fmt::join(names_of(command.options), " "));
    for (const OptionText& option : command.options) {
      if (!option.takes_value) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : option.names) patterns.push_back(command.name + "," + name);
      values += option.is_setting ? fmt::format(
                                        "    {}) COMPREPLY=($(compgen -W '{}' -- \"$current\")); compopt -o nospace "
                                        "2>/dev/null; return ;;\n",
                                        fmt::join(patterns, "|"), fmt::join(settings(), " "))
                                  : fmt::format("    {}) return ;;\n", fmt::join(patterns, "|"));
    }
  }
  const auto own = names_of(top.options);
  first.insert(first.end(), own.begin(), own.end());
  return fmt::format(R"(# Completion of aitune for bash. Made by the build from the definitions of the command line.
_aitune() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command='' options='' word
  COMPREPLY=()
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case $word in -*) ;; *) command=$word; break ;; esac
  done
  if [[ -z $command ]]; then
    COMPREPLY=($(compgen -W '{}' -- "$current"))
    return
  fi
  # What an option wants as its value is a file, or completes to nothing.
  case $command,$previous in
{}  esac
  case $command in
{}  esac
  [[ $current == -* ]] || return
  case $command in
{}  esac
  COMPREPLY=($(compgen -W "$options" -- "$current"))
}}
complete -o default -F _aitune aitune
)",
                     fmt::join(first, " "), values, parts, options);
}

std::string zsh_completion(const CLI::App& app) {
  const auto escaped = [](std::string text) {
    for (const char* c : {"\\", "[", "]", ":"}) text = replaced(std::move(text), c, std::string("\\") + c);
    return text;
  };
  std::string list, cases;
  for (const CommandText& command : commands_of(app)) {
    list += fmt::format("    {}\n", quoted(command.name + ":" + escaped(command.about)));
    cases += fmt::format("    {})\n      _arguments", command.name);
    for (const OptionText& option : command.options) {
      const std::string value = !option.takes_value ? ""
                                : option.is_setting ? fmt::format(":setting:({})", fmt::join(settings(), " "))
                                                    : ":value:_files";
      for (const std::string& name : option.names)
        cases += " \\\n        " + quoted(fmt::format("*{}[{}]{}", name, escaped(option.about), value));
    }
    for (std::size_t i = 0; i < command.positionals.size(); ++i)
      cases += " \\\n        " +
               quoted(fmt::format(
                   "{}:{}:{}", i + 1, escaped(command.positionals[i].name),
                   command.parts.empty() ? std::string("_files") : fmt::format("({})", fmt::join(command.parts, " "))));
    cases += "\n      ;;\n";
  }
  return fmt::format(R"(#compdef aitune
# Completion of aitune for zsh. Made by the build from the definitions of the command line.
_aitune() {{
  local -a commands
  commands=(
{}  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{}  esac
}}
_aitune "$@"
)",
                     list, cases);
}

std::string fish_completion(const CLI::App& app) {
  std::string text =
      "# Completion of aitune for fish. Made by the build from the definitions of the command line.\n"
      "complete -c aitune -n __fish_use_subcommand -s h -l help -d 'Print the help'\n"
      "complete -c aitune -n __fish_use_subcommand -l version -d 'Print the version'\n";
  for (const CommandText& command : commands_of(app)) {
    text += fmt::format("complete -c aitune -f -n __fish_use_subcommand -a {} -d {}\n", command.name,
                        quoted(command.about));
    if (!command.parts.empty())
      text += fmt::format(
          "complete -c aitune -f -n '__fish_seen_subcommand_from {0}; and not __fish_seen_subcommand_from {1}' -a "
          "'{1}'\n",
          command.name, fmt::join(command.parts, " "));
    for (const OptionText& option : command.options) {
      text += fmt::format("complete -c aitune -n '__fish_seen_subcommand_from {}'", command.name);
      for (const std::string& name : option.names)
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (option.is_setting)
        text += fmt::format(" -x -a '{}'", fmt::join(settings(), " "));
      else if (option.takes_value)
        text += " -r";
      text += " -d " + quoted(option.about) + "\n";
    }
  }
  return text;
}

std::string manual_page(const CLI::App& app, const std::string& version) {
  const auto commands = commands_of(app);
  std::string page = fmt::format(
      ".\\\" Made by the build from the definitions of the command line.\n"
      ".TH AITUNE 1 \"\" \"aitune {}\" \"User Commands\"\n.SH NAME\naitune \\- ahead\\-of\\-time compiler for PyTorch "
      "models\n"
      ".SH SYNOPSIS\n",
      version);
  for (std::size_t i = 0; i < commands.size(); ++i) {
    page += fmt::format("{}\\fBaitune {}\\fR", i == 0 ? "" : ".br\n", roff(commands[i].name));
    for (const PositionalText& p : commands[i].positionals) page += fmt::format(" \\fI{}\\fR", roff(upper(p.name)));
    page += " [\\fIOPTION\\fR ...]\n";
  }
  page += ".SH DESCRIPTION\n" + roff(app.get_description()) + "\n.SH OPTIONS\n";
  append_options(page, command_text(app).options);
  page += ".SH COMMANDS\n";
  for (const CommandText& command : commands) {
    page += fmt::format(".SS aitune {}\n{}.\n", roff(command.name), roff(command.about));
    for (const PositionalText& p : command.positionals)
      page += fmt::format(".TP\n\\fI{}\\fR\n{}\n", roff(upper(p.name)), roff(p.about));
    append_options(page, command.options);
  }
  page +=
      ".SH EXIT STATUS\n.TP\n0\nWhat was asked for was done.\n.TP\n1\nSomething given is wrong, or not supported.\n"
      ".TP\n2\nThis machine cannot do it, or results are wrong or differ.\n.TP\n3\nA bug of aitune.\n"
      ".PP\n\\fBaitune diff\\fR: 0 for the same, 1 for a difference, 2 for trouble. \\fBaitune tune\\fR, ended by a "
      "signal: 128 and the "
      "signal's number; the file then has the best so far.\n"
      ".SH ENVIRONMENT\n.TP\n\\fBAITUNE_CACHE_DIR\\fR\nWhere measured times are kept.\n";
  return page;
}

}  // namespace aitune::tools
