#include "consensus/hybrid/codec.hpp"

#include "consensus/hybrid/limits.hpp"
#include "consensus/pbft/codec.hpp"
#include "consensus/wire.hpp"

#include <concepts>

namespace neuroplex::hybrid {

namespace {

/// X is T, const when it is written and not when it is read: so each format is
/// told once.
template <class X, class T>
concept is = std::same_as<std::remove_const_t<X>, T>;

class field_writer {
public:
  explicit field_writer(std::string& bytes) : bytes_{bytes}, out_{bytes} {
  }

  void operator()(std::uint64_t value) {
    out_.put(value);
  }

  void operator()(bool value) {
    out_.put_bool(value);
  }

  void operator()(const slice& value) {
    out_.put_bytes(value.view());
  }

  void operator()(const digest& value) {
    put_raw(bytes_, value);
  }

  void operator()(const signature& value) {
    put_raw(bytes_, value);
  }

  template <class Kind>
  void choice(Kind value, std::uint8_t /*count*/) {
    out_.put(static_cast<std::uint8_t>(value));
  }

  template <class T>
  void maybe(const std::optional<T>& value) {
    out_.put_bool(value.has_value());
    if (value)
      fields(*this, *value);
  }

  template <class T>
  void list(const std::vector<T>& values, std::size_t /*max*/) {
    out_.put(static_cast<std::uint32_t>(values.size()));
    for (const auto& one : values)
      fields(*this, one);
  }

  void rest(std::string_view value) {
    bytes_ += value;
  }

private:
  std::string& bytes_;
  wire_writer out_;
};

class field_reader {
public:
  explicit field_reader(const slice& whole) : whole_{whole}, in_{whole.view()} {
  }

  void operator()(std::uint64_t& value) {
    value = in_.take<std::uint64_t>();
  }

  void operator()(bool& value) {
    value = in_.take_bool();
  }

  void operator()(slice& value) {
    value = whole_.part(in_.take_bytes(limits::max_part_bytes));
  }

  void operator()(digest& value) {
    value = take_raw<digest>(in_);
  }

  void operator()(signature& value) {
    value = take_raw<signature>(in_);
  }

  template <class Kind>
  void choice(Kind& value, std::uint8_t count) {
    auto number = in_.take<std::uint8_t>();
    if (number >= count)
      in_.fail();
    else
      value = static_cast<Kind>(number);
  }

  template <class T>
  void maybe(std::optional<T>& value) {
    if (in_.take_bool())
      fields(*this, value.emplace());
  }

  template <class T>
  void list(std::vector<T>& values, std::size_t max) {
    auto count = in_.take<std::uint32_t>();
    if (count > max || count > in_.left())
      in_.fail();
    for (std::size_t i = 0; i < count && !in_.failed(); ++i)
      fields(*this, values.emplace_back());
  }

  /// All that is left.
  [[nodiscard]] slice rest() {
    return whole_.part(in_.take_exactly(in_.left()));
  }

  [[nodiscard]] wire_reader& in() noexcept {
    return in_;
  }

private:
  const slice& whole_;
  wire_reader in_;
};

template <class Io, is<node_id> X>
void fields(Io& io, X& what) {
  io(what);
}

template <class Io, is<signature> X>
void fields(Io& io, X& what) {
  io(what);
}

template <class Io, is<epoch_info> X>
void fields(Io& io, X& what) {
  io(what.epoch);
  io.choice(what.how, 2);
  io(what.leader);
}

template <class Io, is<head> X>
void fields(Io& io, X& what) {
  io(what.index);
  io(what.chain);
}

template <class Io, is<entry> X>
void fields(Io& io, X& what) {
  io(what.term);
  io(what.index);
  io.choice(what.kind, raft::entry_kind_count);
  io(what.data);
}

template <class Io, is<raft::hard_state> X>
void fields(Io& io, X& what) {
  io(what.term);
  io(what.vote);
  io(what.commit);
}

template <class Io, is<raft_message> X>
void fields(Io& io, X& what) {
  io(what.epoch);
  io(what.encoded);
  io.maybe(what.by_leader);
}

void fields(field_writer& io, const ask& what) {
  io(pbft::encode_batch({what.what}));
}

void fields(field_reader& io, ask& what) {
  slice bytes;
  io(bytes);
  auto read = pbft::decode_batch(bytes);
  if (!read || (*read)->size() != 1)
    io.in().fail();
  else
    what.what = (*read)->front();
}

template <class Io, is<answer> X>
void fields(Io& io, X& what) {
  fields(io, what.where);
  io(what.number);
  io(what.done);
  io(what.result);
}

template <class Io, is<standing> X>
void fields(Io& io, X& what) {
  fields(io, what.where);
  io(what.root);
  io(what.begun);
  fields(io, what.accepted);
  io(what.by_leader);
}

template <class Io, is<doubt> X>
void fields(Io& io, X& what) {
  io(what.replica);
  io(what.epoch);
  io(what.by);
}

template <class Io, is<stop> X>
void fields(Io& io, X& what) {
  io(what.replica);
  io(what.epoch);
  fields(io, what.last);
  io(what.by_leader);
  io(what.by);
}

template <class Io, is<holding> X>
void fields(Io& io, X& what) {
  io(what.replica);
  io(what.epoch);
  fields(io, what.what);
  io(what.by);
}

template <class Io, is<entries_wanted> X>
void fields(Io& io, X& what) {
  io(what.epoch);
  fields(io, what.last);
}

template <class Io, is<entries_sent> X>
void fields(Io& io, X& what) {
  io(what.epoch);
  fields(io, what.last);
  io(what.before);
  io.list(what.entries, limits::max_entries);
}

template <class Io, is<command> X>
void fields(Io& io, X& what) {
  io(what.number);
  io(what.what);
}

template <class Io, is<close_order> X>
void fields(Io& io, X& what) {
  io(what.epoch);
  io.list(what.stops, limits::max_words);
  io.list(what.holdings, limits::max_words);
}

template <class Io, is<open_vote> X>
void fields(Io& io, X& what) {
  io(what.epoch);
  io(what.willing);
  io.list(what.leaders, limits::max_words);
}

template <class Io, is<result> X>
void fields(Io& io, X& what) {
  io.choice(what.kind, 3);
  fields(io, what.where);
  io(what.bytes);
}

void fields(field_writer& io, const pbft::record& what) {
  std::string bytes;
  pbft::encode_record(what, bytes);
  io.rest(bytes);
}

void fields(field_reader& io, pbft::record& what) {
  auto read = pbft::decode_record(io.rest());
  if (!read)
    io.in().fail();
  else
    what = *std::move(read);
}

template <class Io, is<began_record> X>
void fields(Io& io, X& what) {
  io(what.epoch);
  io(what.start);
}

template <class Io, is<raft_record> X>
void fields(Io& io, X& what) {
  io(what.epoch);
  io.maybe(what.hard);
  io.list(what.entries, limits::max_epoch_entries);
}

template <class Io, is<head_record> X>
void fields(Io& io, X& what) {
  io(what.epoch);
  fields(io, what.what);
  io(what.by_leader);
}

template <class Io, is<branch_record> X>
void fields(Io& io, X& what) {
  io(what.epoch);
  io(what.after);
  io.list(what.entries, limits::max_epoch_entries);
}

template <class Io, is<stopped_record> X>
void fields(Io& io, X& what) {
  io(what.epoch);
}

template <class Io, is<closed_record> X>
void fields(Io& io, X& what) {
  io(what.epoch);
  io(what.sequence);
}

failure not_one(const char* what) {
  return {errc::protocol, std::string{"hybrid: not "} + what};
}

slice owned(std::string bytes) {
  auto owner = std::make_shared<const std::string>(std::move(bytes));
  const auto* data = owner->data();
  auto size = owner->size();
  return {std::move(owner), data, size};
}

template <class Variant>
void put_choice(field_writer& io, const Variant& what) {
  std::visit([&io](const auto& one) { fields(io, one); }, what);
}

/// Makes the alternative of that number and reads it.
template <std::size_t I = 0, class Variant>
void take_choice(field_reader& io, std::size_t kind, Variant& what) {
  if constexpr (I < std::variant_size_v<Variant>) {
    if (kind == I)
      fields(io, what.template emplace<I>());
    else
      take_choice<I + 1>(io, kind, what);
  } else {
    io.in().fail();
  }
}

/// Without a head: the kind, then the fields.
template <class Variant>
slice encode_choice(const Variant& what) {
  std::string bytes{static_cast<char>(what.index())};
  field_writer io{bytes};
  put_choice(io, what);
  return owned(std::move(bytes));
}

template <class Variant>
expected<Variant> decode_choice(const slice& bytes, const char* name) {
  field_reader io{bytes};
  Variant what;
  take_choice(io, io.in().take<std::uint8_t>(), what);
  if (!io.in().complete())
    return not_one(name);
  return what;
}

std::string statement(char kind, group_id group) {
  std::string bytes{"neuroplex hybrid "};
  bytes.push_back(kind);
  wire_writer{bytes}.put(group);
  return bytes;
}

template <class... Fields>
std::string statement(char kind, group_id group, const Fields&... what) {
  auto bytes = statement(kind, group);
  field_writer io{bytes};
  (fields(io, what), ...);
  return bytes;
}

} // namespace

slice encode_message(const message& what) {
  std::string bytes;
  wire_writer out{bytes};
  out.put(wire_version);
  out.put(static_cast<std::uint8_t>(what.body.index()));
  out.put(std::uint16_t{0});
  out.put(what.group);
  out.put(what.from);
  field_writer io{bytes};
  put_choice(io, what.body);
  return owned(std::move(bytes));
}

expected<message> decode_message(const slice& bytes) {
  if (bytes.size() > pbft::limits::max_message_bytes)
    return failure{errc::protocol, "hybrid: a message above the limit"};
  field_reader io{bytes};
  auto version = io.in().take<std::uint8_t>();
  if (!io.in().failed() && version != wire_version)
    return failure{errc::version,
                   "hybrid: a message of version " + std::to_string(version)
                     + ", this node speaks " + std::to_string(wire_version)};
  auto kind = io.in().take<std::uint8_t>();
  message what;
  if (io.in().take<std::uint16_t>() != 0)
    return not_one("a message");
  io(what.group);
  io(what.from);
  take_choice(io, kind, what.body);
  if (!io.in().complete())
    return not_one("a message");
  return what;
}

slice encode_order(const order& what) {
  return encode_choice(what);
}

expected<order> decode_order(const slice& bytes) {
  return decode_choice<order>(bytes, "an order");
}

slice encode_result(const result& what) {
  std::string bytes;
  field_writer io{bytes};
  fields(io, what);
  return owned(std::move(bytes));
}

expected<result> decode_result(const slice& bytes) {
  field_reader io{bytes};
  result what;
  fields(io, what);
  if (!io.in().complete())
    return not_one("a result");
  return what;
}

void encode_record(const record& what, std::string& out) {
  wire_writer head{out};
  head.put(wire_version);
  head.put(static_cast<std::uint8_t>(what.index()));
  field_writer io{out};
  put_choice(io, what);
}

expected<record> decode_record(const slice& bytes) {
  field_reader io{bytes};
  auto version = io.in().take<std::uint8_t>();
  if (!io.in().failed() && version != wire_version)
    return failure{errc::version,
                   "hybrid: a record of version " + std::to_string(version)
                     + ", this node reads " + std::to_string(wire_version)};
  record what;
  take_choice(io, io.in().take<std::uint8_t>(), what);
  if (!io.in().complete())
    return not_one("a record");
  return what;
}

std::string begun_statement(group_id group, const epoch_info& where,
                            const digest& root) {
  auto bytes = statement('b', group, where);
  put_raw(bytes, root);
  return bytes;
}

std::string head_statement(group_id group, epoch_number epoch,
                           const head& what) {
  return statement('h', group, epoch, what);
}

std::string doubt_statement(group_id group, const doubt& what) {
  return statement('d', group, what.replica, what.epoch);
}

std::string stop_statement(group_id group, const stop& what) {
  return statement('s', group, what.replica, what.epoch, what.last);
}

std::string holding_statement(group_id group, const holding& what) {
  return statement('o', group, what.replica, what.epoch, what.what);
}

std::string link_bytes(const digest& before, const entry& next) {
  std::string bytes;
  put_raw(bytes, before);
  field_writer io{bytes};
  fields(io, next);
  return bytes;
}

} // namespace neuroplex::hybrid
