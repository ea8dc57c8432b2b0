#include "actors/byzantine/store_replica.hpp"

#include "actors/byzantine/parties.hpp"
#include "consensus/wire.hpp"

#include <algorithm>
#include <functional>
#include <optional>

namespace neuroplex::byzantine {

namespace {

// Of a state, so that one that is large travels and is checked in parts.
constexpr std::size_t piece_bytes = std::size_t{1} << 20;

struct operation_content {
  std::int64_t time_ms = 0;
  std::vector<std::string_view> batches{};
};

std::optional<operation_content> decode_operation(std::string_view bytes) {
  wire_reader in{bytes};
  operation_content what;
  what.time_ms = static_cast<std::int64_t>(in.take<std::uint64_t>());
  auto count = in.take<std::uint32_t>();
  if (count > in.left() / 4)
    return std::nullopt;
  for (std::uint32_t i = 0; i < count && !in.failed(); ++i)
    what.batches.push_back(
      in.take_bytes(store_machine::limits::max_batch_bytes));
  if (!in.complete())
    return std::nullopt;
  return what;
}

// Gathers answers up to the longest that all of them may be.
class answer_writer {
public:
  void add(errc code, std::string_view bytes) {
    if (bytes_.size() + bytes.size() > max_answer_bytes) {
      code = errc::value_size;
      bytes = {};
    }
    wire_writer out{bytes_};
    out.put(static_cast<std::uint8_t>(code));
    out.put_bytes(bytes);
    ++count_;
  }

  [[nodiscard]] slice take() {
    std::string whole;
    wire_writer{whole}.put(count_);
    whole += bytes_;
    return slice::copy_of(whole);
  }

private:
  std::string bytes_;
  std::uint32_t count_ = 0;
};

store_machine::machine_options machine_of(bool is_copy) {
  store_machine::machine_options result;
  result.fixed_spaces = true;
  if (is_copy)
    result.suffix = copy_suffix;
  return result;
}

expected<void> empty_copy(memory::store& store,
                          const std::vector<std::string>& spaces) {
  std::vector<std::string> names;
  names.reserve(spaces.size());
  for (const auto& one : spaces)
    names.push_back(one + std::string{copy_suffix});
  return store_machine::machine::empty(store, names);
}

} // namespace

std::string encode_operation(std::int64_t time_ms,
                             const std::vector<std::string_view>& batches) {
  std::string bytes;
  wire_writer out{bytes};
  out.put(static_cast<std::uint64_t>(time_ms));
  out.put(static_cast<std::uint32_t>(batches.size()));
  for (auto one : batches)
    out.put_bytes(one);
  return bytes;
}

std::vector<wish_answer> decode_answers(std::string_view bytes) {
  wire_reader in{bytes};
  std::vector<wish_answer> answers;
  auto count = in.take<std::uint32_t>();
  if (count > in.left() / 5)
    return {};
  for (std::uint32_t i = 0; i < count && !in.failed(); ++i) {
    auto code = in.take<std::uint8_t>();
    auto result = in.take_bytes(max_answer_bytes);
    if (code >= errc_count)
      in.fail();
    answers.push_back({static_cast<errc>(code), std::string{result}});
  }
  return in.complete() ? answers : std::vector<wish_answer>{};
}

store_replica::store_replica(memory::store& store, const options& settings,
                             std::shared_ptr<board> shared, bool is_copy)
  : store_{store}, options_{settings}, board_{std::move(shared)},
    is_copy_{is_copy}, machine_{store, machine_of(is_copy)} {
}

expected<std::unique_ptr<store_replica>>
store_replica::make(memory::store& store, const options& settings,
                    std::shared_ptr<board> shared) {
  std::unique_ptr<store_replica> result{
    new store_replica(store, settings, std::move(shared), false)};
  if (auto emptied = empty_copy(store, settings.spaces); !emptied)
    return emptied.error();
  if (auto begun = result->machine_.begin(settings.spaces); !begun)
    return begun.error();
  return result;
}

store_replica::~store_replica() {
  if (!is_copy_)
    return;
  if (board_->copy == this)
    board_->copy = nullptr;
  if (auto emptied = empty_copy(store_, options_.spaces); !emptied)
    give_up(emptied.error());
}

void store_replica::give_up(const failure& why) const {
  if (board_->trouble.empty())
    board_->trouble = why.message();
}

std::int64_t store_replica::agreed_time() const {
  if (clocks_.size() <= options_.faults)
    return 0;
  std::vector<std::int64_t> times;
  times.reserve(clocks_.size());
  for (const auto& [node, time] : clocks_)
    times.push_back(time);
  std::sort(times.begin(), times.end(), std::greater<>{});
  return times[options_.faults];
}

slice store_replica::execute(hybrid::node_id client, std::string_view what) {
  answer_writer answers;
  auto asked = decode_operation(what);
  if (!asked) {
    answers.add(errc::protocol, {});
    return answers.take();
  }
  auto& clock = clocks_[node_of(client)];
  clock = std::max(clock, asked->time_ms);
  auto time_ms = agreed_time();
  // Time passes also where nothing is wished for.
  if (asked->batches.empty())
    if (auto passed =
          machine_.apply_once(time_ms, store_machine::encode_batch({}));
        !passed)
      give_up(passed.error());
  for (auto batch : asked->batches) {
    auto done = machine_.apply_once(time_ms, batch);
    if (!done) {
      give_up(done.error());
      break;
    }
    answers.add(errc::ok, *done);
  }
  return answers.take();
}

slice store_replica::read(std::string_view what) const {
  answer_writer answers;
  auto asked = decode_operation(what);
  if (!asked) {
    answers.add(errc::protocol, {});
    return answers.take();
  }
  for (auto batch : asked->batches) {
    auto operations = store_machine::decode_batch(batch);
    auto done =
      operations
        ? machine_.read(*operations)
        : expected<std::vector<store_machine::result>>{operations.error()};
    if (done)
      answers.add(errc::ok, store_machine::encode_answer(*done));
    else
      answers.add(done.code(), {});
  }
  return answers.take();
}

std::unique_ptr<hybrid::state_machine> store_replica::copy() const {
  std::unique_ptr<store_replica> result{
    new store_replica(store_, options_, board_, true)};
  auto saved = machine_.save();
  auto begun = saved ? result->machine_.begin(options_.spaces)
                     : expected<void>{saved.error()};
  if (begun)
    begun = result->machine_.restore(*saved);
  if (!begun)
    give_up(begun.error());
  result->clocks_ = clocks_;
  board_->copy = result.get();
  return result;
}

std::vector<slice> store_replica::pieces() const {
  std::string head;
  wire_writer out{head};
  out.put(static_cast<std::uint32_t>(clocks_.size()));
  for (const auto& [node, time] : clocks_) {
    out.put(node);
    out.put(static_cast<std::uint64_t>(time));
  }
  std::vector<slice> result{slice::copy_of(head)};
  auto saved = machine_.save();
  if (!saved) {
    give_up(saved.error());
    return result;
  }
  auto whole = std::make_shared<const std::string>(std::move(*saved));
  for (std::size_t at = 0; at < whole->size(); at += piece_bytes)
    result.emplace_back(whole, whole->data() + at,
                        std::min(piece_bytes, whole->size() - at));
  return result;
}

bool store_replica::load(std::span<const slice> pieces) {
  if (pieces.size() < 2)
    return false;
  wire_reader in{pieces.front().view()};
  std::map<hybrid::node_id, std::int64_t> clocks;
  auto count = in.take<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && !in.failed(); ++i) {
    auto node = in.take<std::uint64_t>();
    clocks[node] = static_cast<std::int64_t>(in.take<std::uint64_t>());
  }
  if (!in.complete())
    return false;
  std::string state;
  for (const auto& one : pieces.subspan(1))
    state += one.view();
  auto restored = machine_.restore(state);
  if (restored.code() == errc::corrupt)
    return false;
  if (!restored)
    give_up(restored.error());
  clocks_ = std::move(clocks);
  return true;
}

} // namespace neuroplex::byzantine
