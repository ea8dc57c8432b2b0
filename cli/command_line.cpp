#include "cli/command_line.hpp"

#include "cli/help.hpp"
#include "cli/refused.hpp"
#include "cli/streams.hpp"
#include "config/document.hpp"
#include "config/nearest.hpp"

#include <csignal>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace neuroplex::cli {

namespace {

using config::quote;

// The innermost subcommand that the line named, or the app itself.
const CLI::App& named_command(const CLI::App& app) {
  auto* at = &app;
  while (!at->get_subcommands().empty())
    at = at->get_subcommands().front();
  return *at;
}

std::string full_name(const CLI::App& app) {
  auto* parent = app.get_parent();
  return parent == nullptr ? app.get_name()
                           : full_name(*parent) + " " + app.get_name();
}

// Names of the subcommands of `app`.
std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (auto* command : app.get_subcommands([](auto*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

std::vector<std::string> flag_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (auto* option : app.get_options())
    for (auto& name : option->get_lnames())
      names.push_back("--" + name);
  return names;
}

std::string join(const std::vector<std::string>& names) {
  std::string result;
  for (auto& name : names)
    result += (result.empty() ? "" : ", ") + name;
  return result;
}

std::string nearest_of(std::string_view word,
                       const std::vector<std::string>& names) {
  std::vector<std::string_view> views{names.begin(), names.end()};
  return std::string{config::nearest(word, views)};
}

diagnostic unknown_flag(const CLI::App& command, const std::string& given) {
  auto flag = given.substr(0, given.find('='));
  if (config::names_a_secret(flag))
    return {problem::secret_mode,
            config::escape(flag)
              + ": a secret on the command line: expected a flag that names a "
                "file of mode 0600, such as --resp-password-file"};
  auto near = nearest_of(flag, flag_names(command));
  return {problem::unknown_flag,
          quote(flag) + ": unknown flag of " + quote(full_name(command))
            + (near.empty() ? ": expected one that --help lists"
                            : ": did you mean " + near + "?")};
}

diagnostic unknown_command(const CLI::App& command, const std::string& word) {
  auto names = command_names(command);
  auto near = nearest_of(word, names);
  return {problem::use,
          quote(word) + ": unknown command: "
            + (near.empty() ? "expected one of " + join(names)
                            : "did you mean " + quote(near) + "?")};
}

// What the parser did not understand, told by the first word of it.
outcome unknown_word(const CLI::App& app) {
  auto& command = named_command(app);
  auto rest = app.remaining(true);
  for (auto& word : rest)
    if (word.size() > 1 && word.front() == '-' && word != "--")
      return unknown_flag(command, word);
  if (rest.empty())
    return std::nullopt;
  if (!command_names(command).empty())
    return unknown_command(command, rest.front());
  return diagnostic{problem::use, quote(rest.front())
                                    + ": one argument too many: expected "
                                    + usage_line(command).substr(7)};
}

diagnostic missing_command(const CLI::App& command) {
  return {problem::use, full_name(command) + ": no command: expected one of "
                          + join(command_names(command))};
}

// The parser's own complaints: a flag without its value, an argument that
// lacks.
diagnostic parser_problem(const CLI::App& app, const CLI::ParseError& error) {
  if (auto unknown = unknown_word(app))
    return *unknown;
  auto& command = named_command(app);
  std::string what = error.what();
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr)
    return {problem::use, what.substr(0, what.find(':'))
                            + ": no value: expected one after it"};
  for (auto* option : command.get_options())
    if (option->get_required() && option->count() == 0)
      return {problem::use, option->get_name() + ": missing: expected "
                              + usage_line(command).substr(7)};
  return {problem::use, full_name(command) + ": " + what + ": expected "
                          + usage_line(command).substr(7)};
}

int report(const diagnostic& what) {
  // One write, so that lines of several processes do not mix.
  auto line = what.to_string() + "\n";
  std::cerr << line << std::flush;
  return what.exit_status();
}

int finish(context& ctx, outcome result) {
  auto arrived = finish_output(ctx.out);
  if (!result && !arrived)
    result = failed(arrived.error());
  return result ? report(*result) : 0;
}

int parse_and_run(CLI::App& app, context& ctx, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const refused& error) {
    auto unknown = unknown_word(app);
    return report(unknown ? *unknown : error.why());
  } catch (const CLI::CallForHelp&) {
    ctx.out << app.help();
    return finish(ctx, std::nullopt);
  } catch (const CLI::CallForVersion&) {
    ctx.out << app.version() << '\n';
    return finish(ctx, std::nullopt);
  } catch (const CLI::ParseError& error) {
    return report(parser_problem(app, error));
  }
  if (ctx.action)
    return finish(ctx, ctx.action());
  auto& command = named_command(app);
  auto status = report(missing_command(command));
  std::cerr << usage_line(command) << "\nTry \"" << full_name(command)
            << " --help\".\n";
  return status;
}

std::string program_path(const char* given) {
  char path[4'096];
  auto length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length > 0 && static_cast<std::size_t>(length) < sizeof path)
    return {path, static_cast<std::size_t>(length)};
  return given == nullptr ? "neuroplex" : given;
}

} // namespace

int run(int argc, char** argv, std::span<const add_command> commands) {
  guard_standard_streams();
  std::ios::sync_with_stdio(false);
  try {
    context ctx{.out = std::cout,
                .terminal = detect_terminal(STDOUT_FILENO),
                .action = {},
                .program = program_path(argc > 0 ? argv[0] : nullptr)};
    CLI::App app{"A distributed memory runtime in which every component is an "
                 "actor.",
                 "neuroplex"};
    app.set_version_flag("--version", "neuroplex " NEUROPLEX_VERSION,
                         "Print the version and end");
    app.set_help_flag("--help,-h", "Print this help and end");
    app.formatter(std::make_shared<help_formatter>(
      ctx.terminal.columns < 100 ? ctx.terminal.columns : 100));
    app.footer("\"neuroplex COMMAND --help\" tells more and has examples.\n"
               "Exit status: 0 ok, 2 wrong use, 3 wrong configuration, 4 "
               "damaged data,\n5 refused, 6 out of a resource.");
    for (auto* add : commands)
      add(app, ctx);
    return parse_and_run(app, ctx, argc, argv);
  } catch (const std::bad_alloc&) {
    return report(diagnostic{
      failure{errc::no_space, "memory: none left: expected more of it"}});
  } catch (const std::exception& error) {
    return report(diagnostic{
      failure{errc::internal, std::string{"unexpected: "} + error.what()
                                + ": please report it"}});
  }
}

} // namespace neuroplex::cli
