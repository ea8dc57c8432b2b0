// Flags and arguments whose mistakes are told in our words.
//
// Purpose: every flag of every subcommand is added here, so that all of them
// treat a value out of range, and a flag given twice, the same way.
//
// Threads: one. The variables a flag writes to must outlive the App.
//
// Failure behaviour: a refused value throws `refused` out of CLI11's parser;
// cli/command_line.cpp catches it. Nothing else throws it.
#pragma once

#include "cli/context.hpp"

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class Option;
} // namespace CLI

namespace neuroplex::cli {

/// A flag with a value that `take` accepts or answers what was expected
/// instead. `code` is used for a refusal.
using take_value = std::function<expected<void>(const std::string& text)>;
CLI::Option* add_flag(CLI::App& app, const std::string& name,
                      const std::string& doc, problem code, take_value take);

/// A flag with any text.
CLI::Option* add_text(CLI::App& app, const std::string& name,
                      std::string& target, const std::string& doc);

/// A flag with an integer from `least` to `most`.
CLI::Option* add_number(CLI::App& app, const std::string& name,
                        std::uint64_t& target, std::uint64_t least,
                        std::uint64_t most, const std::string& doc);

/// A flag with a size such as 64M, from `least` to `most` bytes.
CLI::Option* add_size(CLI::App& app, const std::string& name,
                      std::uint64_t& target, std::uint64_t least,
                      std::uint64_t most, const std::string& doc);

/// A flag with a duration such as 250ms or 2s, in milliseconds.
CLI::Option* add_duration(CLI::App& app, const std::string& name,
                          std::uint64_t& target_ms, std::uint64_t least_ms,
                          std::uint64_t most_ms, const std::string& doc);

/// A flag with one of a few words.
CLI::Option* add_word(CLI::App& app, const std::string& name,
                      std::string& target,
                      std::initializer_list<std::string_view> words,
                      const std::string& doc);
CLI::Option* add_word(CLI::App& app, const std::string& name,
                      std::string& target,
                      std::span<const std::string_view> words,
                      const std::string& doc);

/// A flag without a value.
CLI::Option* add_switch(CLI::App& app, const std::string& name, bool& target,
                        const std::string& doc);

/// An argument by position. Text is taken as it is; `required` ones are
/// complained about when they lack.
CLI::Option* add_argument(CLI::App& app, const std::string& name,
                          std::string& target, const std::string& doc,
                          bool required = true);

/// --output text|json.
void add_output(CLI::App& app, context& ctx);

/// A subcommand with --output, whose action is `run`.
CLI::App& add_subcommand(CLI::App& app, context& ctx, const std::string& name,
                         const std::string& doc, std::function<outcome()> run);

/// The same, where `run` gets what the flags of the subcommand put in `given`.
template <class Given>
CLI::App& add_subcommand(CLI::App& app, context& ctx,
                         const std::shared_ptr<Given>& given,
                         const std::string& name, const std::string& doc,
                         outcome (*run)(context&, const Given&)) {
  return add_subcommand(app, ctx, name, doc,
                        [&ctx, given, run] { return run(ctx, *given); });
}

/// What --help shows last.
void add_examples(CLI::App& app, std::initializer_list<std::string_view> lines);

} // namespace neuroplex::cli
