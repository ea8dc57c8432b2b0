#include "cli/backup_view.hpp"

#include "cli/facts.hpp"
#include "cli/terminal/units.hpp"
#include "config/diagnostic.hpp"

#include <array>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

namespace neuroplex::cli {

namespace {

using json = nlohmann::ordered_json;

// A moment as people write it, in UTC.
std::string moment_text(std::int64_t unix_ms) {
  constexpr std::int64_t ms_a_second = 1'000;
  auto seconds = static_cast<std::time_t>(unix_ms / ms_a_second);
  std::tm parts{};
  std::array<char, 32> text{};
  if (gmtime_r(&seconds, &parts) == nullptr
      || std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC",
                       &parts)
           == 0)
    return std::to_string(unix_ms) + " ms after 1970";
  return text.data();
}

json restore_json(const memory::restore_report& r) {
  return {{"intact", r.intact()},
          {"base_generation", r.base_generation},
          {"generation", r.generation},
          {"lost_generations", r.lost_generations},
          {"entries", r.entries},
          {"bytes", r.bytes},
          {"expired", r.expired},
          {"corrupt", r.corrupt},
          {"lost", r.lost},
          {"damaged_frames", r.damaged_frames},
          {"file_bytes", r.file_bytes},
          {"ignored_bytes", r.ignored_bytes},
          {"made_at_ms", r.made_at_ms},
          {"took_ns", r.took_ns}};
}

} // namespace

json generation_json(const memory::backup_report& r) {
  return {{"generation", r.generation},
          {"base", r.base},
          {"written", r.written},
          {"entries", r.entries},
          {"kept", r.kept},
          {"corrupt", r.corrupt},
          {"bytes", r.bytes},
          {"regions", r.regions},
          {"took_ns", r.took_ns}};
}

std::string generation_text(const memory::backup_report& r) {
  auto name = "generation " + std::to_string(r.generation);
  if (!r.written)
    return name + " is as new as the segment: nothing was written";
  auto text = name + ": " + human_entries(r.entries) + " of "
              + (r.base ? std::string{"the whole segment"}
                        : human_count(r.regions, "region", "regions"))
              + ", " + human_bytes(r.bytes);
  if (r.corrupt != 0)
    text +=
      ", " + human_entries(r.corrupt) + " damaged in the segment and left out";
  return text;
}

void show_restore(context& ctx, const std::string& directory,
                  const std::string& path, const memory::restore_report& r) {
  if (ctx.output == output_format::json) {
    json object{{"directory", directory}};
    if (!path.empty())
      object["path"] = path;
    object.update(restore_json(r));
    ctx.out << object.dump(2) << '\n';
    return;
  }
  fact_list facts{ctx, "backup " + config::quote(directory, 256)};
  facts.add("generation", std::to_string(r.generation) + ", made "
                            + moment_text(r.made_at_ms));
  if (!path.empty())
    facts.add("restored to", config::escape(path));
  facts.add("entries", human_count(r.entries) + " of " + human_bytes(r.bytes)
                         + ", " + human_count(r.expired)
                         + " expired and left out");
  facts.add("files", human_bytes(r.file_bytes) + " read, "
                       + human_bytes(r.ignored_bytes)
                       + " of an unfinished generation ignored");
  facts.add("damage", r.intact() ? "none" : damage_text(r));
}

std::string damage_text(const memory::restore_report& r) {
  return human_entries(r.corrupt) + " damaged, " + human_count(r.lost)
         + " lost, "
         + human_count(r.damaged_frames, "damaged piece", "damaged pieces")
         + ", " + human_count(r.lost_generations, "generation", "generations")
         + " lost";
}

void show_check(context& ctx, const std::string& path,
                const memory::check_report& r) {
  if (ctx.output == output_format::json) {
    ctx.out << json{{"path", path},
                    {"clean", r.clean},
                    {"power_lost", r.power_lost},
                    {"rebuilt", r.rebuilt},
                    {"entries", r.entries},
                    {"bytes", r.bytes},
                    {"corrupt", r.corrupt},
                    {"astray", r.astray},
                    {"expired", r.expired},
                    {"recovered_threads", r.recovered_threads}}
                 .dump(2)
            << '\n';
    return;
  }
  fact_list facts{ctx, "segment " + config::quote(path, 256)};
  facts.add("left properly", r.clean ? "yes" : "no");
  facts.add("power was lost", r.power_lost ? "yes" : "no");
  facts.add("rebuilt", r.rebuilt ? "yes" : "no");
  facts.add("kept", human_entries(r.entries) + " of " + human_bytes(r.bytes));
  facts.add("dropped", human_count(r.corrupt) + " damaged, "
                         + human_count(r.astray) + " astray, "
                         + human_count(r.expired) + " expired");
  facts.add("cleaned up after",
            human_count(r.recovered_threads, "thread", "threads"));
}

} // namespace neuroplex::cli
