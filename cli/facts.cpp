#include "cli/facts.hpp"

#include "cli/terminal/units.hpp"

namespace neuroplex::cli {

namespace {

constexpr std::size_t name_columns = 16;

} // namespace

fact_list::fact_list(context& ctx, std::string_view title) : ctx_{ctx} {
  ctx.out << styled(ctx.terminal, text_style::bold, title) << '\n';
}

void fact_list::add(std::string_view name, std::string_view value) {
  auto gap = name.size() < name_columns ? name_columns - name.size() : 1;
  ctx_.out << "  " << name << std::string(gap, ' ') << value << '\n';
}

std::string percent_of(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0)
    return "0 %";
  return human_number(100.0 * static_cast<double>(part)
                      / static_cast<double>(whole))
         + " %";
}

} // namespace neuroplex::cli
