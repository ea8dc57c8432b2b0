#include "crdt/bounded_counter.hpp"
#include "crdt/causal_types.hpp"
#include "crdt/extremes.hpp"
#include "crdt/g_set.hpp"
#include "crdt/lww.hpp"
#include "crdt/or_set.hpp"
#include "crdt/sequence.hpp"
#include "crdt/two_phase_set.hpp"
#include "tests/sim/crdt/value.hpp"

#include <array>

namespace neuroplex::sim {

namespace {

// For each type its state and a random change of it.

/// A change, or why there is none.
template <class State>
using crdt_change = expected<typename State::delta_type>;

/// Few elements, so that replicas meet at them.
std::uint64_t some_element(dice& chance) {
  return chance.below(24);
}

std::int64_t some_amount(dice& chance) {
  return static_cast<std::int64_t>(chance.between(1, 9));
}

/// Sets that have no more than these verbs.
template <class Set>
crdt_change<Set> change_set(Set& set, const crdt_writer& who) {
  auto element = some_element(who.chance);
  return who.chance.below(3) == 0 ? set.remove(who.id, element)
                                  : set.add(who.id, element);
}

struct or_sets {
  using state = crdt::or_set<std::uint64_t>;
  static constexpr std::string_view name = "or_set";

  static crdt_change<state> change(state& set, const crdt_writer& who) {
    return who.chance.below(40) == 0 ? set.clear(who.id) : change_set(set, who);
  }
};

struct remove_wins_sets {
  using state = crdt::remove_wins_set<std::uint64_t>;
  static constexpr std::string_view name = "remove_wins_set";

  static crdt_change<state> change(state& set, const crdt_writer& who) {
    return change_set(set, who);
  }
};

struct two_phase_sets {
  using state = crdt::two_phase_set<std::uint64_t>;
  static constexpr std::string_view name = "two_phase_set";

  static crdt_change<state> change(state& set, const crdt_writer& who) {
    return change_set(set, who);
  }
};

struct grow_sets {
  using state = crdt::g_set<std::uint64_t>;
  static constexpr std::string_view name = "g_set";

  static crdt_change<state> change(state& set, const crdt_writer& who) {
    return set.add(who.id, who.chance.next());
  }
};

struct grow_counters {
  using state = crdt::g_counter;
  static constexpr std::string_view name = "g_counter";

  static crdt_change<state> change(state& counter, const crdt_writer& who) {
    return counter.increment(who.id, some_amount(who.chance));
  }
};

struct two_way_counters {
  using state = crdt::pn_counter;
  static constexpr std::string_view name = "pn_counter";

  static crdt_change<state> change(state& counter, const crdt_writer& who) {
    auto amount = some_amount(who.chance);
    return who.chance.coin() ? counter.increment(who.id, amount)
                             : counter.decrement(who.id, amount);
  }
};

struct bounded_counters {
  using state = crdt::bounded_counter;
  static constexpr std::string_view name = "bounded_counter";

  static crdt_change<state> change(state& counter, const crdt_writer& who) {
    auto amount = some_amount(who.chance);
    auto other =
      crdt::replica_id{static_cast<std::uint32_t>(who.chance.between(1, 3)), 0};
    auto verb = who.chance.below(3);
    if (verb == 0 && other != who.id)
      return counter.transfer(who.id, other, amount);
    return verb == 1 ? counter.decrement(who.id, amount)
                     : counter.increment(who.id, amount);
  }
};

struct last_writers {
  using state = crdt::lww_register<std::uint64_t>;
  static constexpr std::string_view name = "lww_register";

  static crdt_change<state> change(state& value, const crdt_writer& who) {
    auto written = who.chance.next();
    auto delta = value.write(who.id, written, who.stamp.bits);
    // Whatever the clocks did, a write is later than all that was seen.
    if (delta && value.value() != written)
      return failure{errc::mismatch, "a write is older than what it replaces"};
    return delta;
  }
};

struct last_writer_sets {
  using state = crdt::lww_set<std::uint64_t>;
  static constexpr std::string_view name = "lww_set";

  static crdt_change<state> change(state& set, const crdt_writer& who) {
    auto element = some_element(who.chance);
    return who.chance.coin() ? set.add(who.id, element, who.stamp.bits)
                             : set.remove(who.id, element, who.stamp.bits);
  }
};

struct largest_values {
  using state = crdt::max_register<std::uint64_t>;
  static constexpr std::string_view name = "max_register";

  static crdt_change<state> change(state& value, const crdt_writer& who) {
    return value.write(who.id, who.chance.next());
  }
};

struct smallest_values {
  using state = crdt::min_register<std::uint64_t>;
  static constexpr std::string_view name = "min_register";

  static crdt_change<state> change(state& value, const crdt_writer& who) {
    return value.write(who.id, who.chance.next());
  }
};

struct registers {
  using state = crdt::mv_register<std::uint64_t>;
  static constexpr std::string_view name = "mv_register";

  static crdt_change<state> change(state& value, const crdt_writer& who) {
    return value.write(who.id, who.chance.next());
  }
};

struct flags {
  using state = crdt::enable_wins_flag;
  static constexpr std::string_view name = "enable_wins_flag";

  static crdt_change<state> change(state& flag, const crdt_writer& who) {
    return who.chance.coin() ? flag.enable(who.id) : flag.disable(who.id);
  }
};

struct maps_of_sets {
  using state =
    crdt::or_map<std::uint64_t, crdt::add_wins_store<std::uint64_t>>;
  static constexpr std::string_view name = "or_map";

  static crdt_change<state> change(state& map, const crdt_writer& who) {
    auto key = who.chance.below(5);
    if (who.chance.below(6) == 0)
      return map.erase(who.id, key);
    auto element = some_element(who.chance);
    auto removes = who.chance.below(3) == 0;
    return map.apply(who.id, key, [&](const auto& set, const auto& how) {
      return removes ? set.remove(how, element) : set.add(how, element);
    });
  }
};

struct texts {
  using state = crdt::sequence<std::uint64_t>;
  static constexpr std::string_view name = "sequence";

  static crdt_change<state> change(state& text, const crdt_writer& who) {
    auto place = who.chance.below(text.size() + 1);
    if (place < text.size() && who.chance.below(3) == 0)
      return text.remove(who.id, place);
    return text.insert(who.id, place, who.chance.next());
  }
};

template <class State>
constexpr bool moves_shares = requires(const State& state,
                                       crdt::replica_id id) {
  state.without(id, id);
};

template <class State>
constexpr bool forgets_replicas_of =
  moves_shares<State> || requires(const State& state, crdt::replica_id id) {
  state.without(id);
};

template <class State>
expected<State> without(const State& state, const crdt_retirement& what) {
  if constexpr (moves_shares<State>)
    return state.without(what.gone, what.into);
  else if constexpr (forgets_replicas_of<State>)
    return state.without(what.gone);
  else
    return state;
}

template <class Subject>
class value_of final : public crdt_value {
public:
  using state_type = typename Subject::state;
  using sync_type = crdt::delta_synchronizer<state_type>;
  using message_type = typename sync_type::message_type;

  [[nodiscard]] std::string encode() const override {
    return state_.encode();
  }

  [[nodiscard]] expected<void> restore(const std::string& bytes) override {
    return take(state_type::decode(bytes));
  }

  [[nodiscard]] bool equals(const crdt_value& other) const override {
    return state_ == static_cast<const value_of&>(other).state_;
  }

  [[nodiscard]] expected<std::string> change(const crdt_writer& who) override {
    auto delta = Subject::change(state_, who);
    if (!delta)
      return delta.error();
    auto bytes = delta->encode();
    sync_.record(*std::move(delta));
    return bytes;
  }

  [[nodiscard]] expected<void> forget(const crdt_retirement& what) override {
    return take(without(state_, what));
  }

  [[nodiscard]] std::optional<crdt::hybrid_timestamp>
  timestamp() const override {
    if constexpr (requires { state_.timestamp(); })
      return crdt::hybrid_timestamp{state_.timestamp()};
    else
      return std::nullopt;
  }

  void begin_synchronizing(std::uint64_t recorded) override {
    sync_ = sync_type{recorded, 16};
  }

  void add_peer(crdt::replica_id peer) override {
    sync_.add_peer(peer);
  }

  void remove_peer(crdt::replica_id peer) override {
    sync_.remove_peer(peer);
  }

  [[nodiscard]] std::optional<crdt_packet>
  message_for(crdt::replica_id peer) const override {
    return packet_of(sync_.message_for(peer));
  }

  [[nodiscard]] crdt_packet ask() const override {
    return *packet_of(sync_.ask());
  }

  [[nodiscard]] expected<std::optional<crdt_packet>>
  receive(crdt::replica_id sender, const crdt_packet& packet) override {
    message_type message{
      packet.kind, packet.first, packet.last, {}, packet.digest};
    if (packet.delta) {
      auto delta = state_type::delta_type::decode(*packet.delta);
      if (!delta)
        return delta.error();
      message.delta = *std::move(delta);
    }
    auto answer = sync_.receive(sender, message, state_);
    if (!answer)
      return answer.error();
    return packet_of(*std::move(answer));
  }

  [[nodiscard]] std::size_t buffered() const override {
    return sync_.buffered();
  }

  [[nodiscard]] std::uint64_t recorded() const override {
    return sync_.recorded();
  }

private:
  [[nodiscard]] expected<void> take(expected<state_type> state) {
    if (!state)
      return state.error();
    state_ = *std::move(state);
    return {};
  }

  [[nodiscard]] static std::optional<crdt_packet>
  packet_of(std::optional<message_type> message) {
    if (!message)
      return std::nullopt;
    crdt_packet packet{message->kind,
                       message->first,
                       message->last,
                       {},
                       std::move(message->digest)};
    if (message->delta)
      packet.delta = message->delta->encode();
    return packet;
  }

  state_type state_;
  sync_type sync_;
};

/// The final state must hold all that was acknowledged and nothing that nobody
/// did. Both are joins of deltas, so that the type need not be known.
template <class State>
class ledger_of final : public crdt_ledger {
public:
  [[nodiscard]] bool make(const std::string& delta) override {
    return bool{made_.merge(*State::delta_type::decode(delta))};
  }

  void acknowledge(const std::string& delta) override {
    NEUROPLEX_ENSURE(acknowledged_.merge(*State::delta_type::decode(delta)));
  }

  void forgotten(const crdt_retirement& what,
                 const std::string& held) override {
    auto state = *State::decode(held);
    auto merged = acknowledged_.merge(state);
    NEUROPLEX_ENSURE(merged && made_.merge(state));
    // A dot that is known to be dead does no harm; a share would count twice.
    if constexpr (moves_shares<State>) {
      acknowledged_ = *without(acknowledged_, what);
      made_ = *without(made_, what);
    }
  }

  [[nodiscard]] std::string judge(const std::string& bytes) const override {
    const auto state = *State::decode(bytes);
    auto with_all = state;
    if (!with_all.merge(acknowledged_) || with_all.value() != state.value())
      return "an acknowledged change is lost, or undone";
    auto everything = made_;
    if (!everything.merge(state) || everything.value() != made_.value())
      return "a replica has what nobody did";
    return {};
  }

  [[nodiscard]] bool
  is_covered(const std::string& bytes,
             const std::vector<std::string>& others) const override {
    State all;
    for (const auto& other : others)
      if (!all.merge(*State::decode(other)))
        return false;
    auto before = all;
    return all.merge(*State::decode(bytes)) && all == before;
  }

  [[nodiscard]] bool forgets_replicas() const override {
    return forgets_replicas_of<State>;
  }

  [[nodiscard]] std::optional<std::uint64_t>
  held_of(const std::string& bytes, crdt::replica_id gone) const override {
    if constexpr (forgets_replicas_of<State>)
      if (auto held = State::decode(bytes)->held_of(gone))
        return *held;
    return std::nullopt;
  }

private:
  State acknowledged_; ///< to clients
  State made_;         ///< acknowledged or not
};

template <class Subject>
constexpr crdt_subject subject_of() {
  return {Subject::name,
          []() -> std::unique_ptr<crdt_value> {
            return std::make_unique<value_of<Subject>>();
          },
          []() -> std::unique_ptr<crdt_ledger> {
            return std::make_unique<ledger_of<typename Subject::state>>();
          }};
}

constexpr std::array all_subjects{
  subject_of<or_sets>(),
  subject_of<remove_wins_sets>(),
  subject_of<two_phase_sets>(),
  subject_of<grow_sets>(),
  subject_of<grow_counters>(),
  subject_of<two_way_counters>(),
  subject_of<bounded_counters>(),
  subject_of<last_writers>(),
  subject_of<last_writer_sets>(),
  subject_of<largest_values>(),
  subject_of<smallest_values>(),
  subject_of<registers>(),
  subject_of<flags>(),
  subject_of<maps_of_sets>(),
  subject_of<texts>(),
};

} // namespace

std::span<const crdt_subject> crdt_subjects() {
  return all_subjects;
}

} // namespace neuroplex::sim
