#include "consensus/pbft/durable.hpp"

#include "consensus/pbft/codec.hpp"
#include "consensus/pbft/limits.hpp"
#include "consensus/wire.hpp"

#include <algorithm>

namespace neuroplex::pbft {

namespace {

struct folder {
  durable_state& state;

  void operator()(const view_record& what) const {
    state.view = what;
  }

  void operator()(const accepted_record& what) const {
    state.executed = std::max(state.executed, what.what.sequence);
    auto& slot = state.slots[what.what.sequence];
    note_pre_prepared(slot.pre_prepared, what.what);
    slot.batches[what.what.of] = what.requests;
    std::erase_if(slot.batches, [&](const auto& one) {
      auto held = [&](const claim& by) { return by.of == one.first; };
      return std::none_of(slot.pre_prepared.begin(), slot.pre_prepared.end(),
                          held)
             && !(slot.prepared && held(*slot.prepared));
    });
  }

  void operator()(const prepared_record& what) const {
    state.slots[what.what.sequence].prepared = what.what;
  }

  void operator()(const executed_record& what) const {
    state.executed = std::max(state.executed, what.sequence);
  }

  void operator()(const checkpoint_record& what) const {
    state.checkpoints[what.sequence] = what.pieces;
  }

  void operator()(const stable_record& what) const {
    state.stable = what.proof;
    state.slots.erase(state.slots.begin(),
                      state.slots.upper_bound(what.proof.sequence));
    state.checkpoints.erase(state.checkpoints.begin(),
                            state.checkpoints.lower_bound(what.proof.sequence));
  }
};

void put_claim(wire_writer& out, std::string& bytes, const claim& what) {
  out.put(what.sequence);
  out.put(what.view);
  bytes.append(reinterpret_cast<const char*>(what.of.bytes.data()),
               what.of.bytes.size());
}

claim take_claim(wire_reader& in) {
  claim what;
  what.sequence = in.take<std::uint64_t>();
  what.view = in.take<std::uint64_t>();
  what.of = take_raw<digest>(in);
  return what;
}

struct record_writer {
  wire_writer& out;
  std::string& bytes;

  void operator()(const view_record& what) const {
    out.put(what.view);
    out.put_bool(what.active);
    out.put_bytes(what.new_view.view());
  }

  void operator()(const accepted_record& what) const {
    put_claim(out, bytes, what.what);
    out.put_bytes(what.requests.view());
  }

  void operator()(const prepared_record& what) const {
    put_claim(out, bytes, what.what);
  }

  void operator()(const checkpoint_record& what) const {
    out.put(what.sequence);
    out.put(static_cast<std::uint32_t>(what.pieces.size()));
    for (const auto& one : what.pieces)
      out.put_bytes(one.view());
  }

  void operator()(const stable_record& what) const {
    out.put_bytes(encode_proof(what.proof).view());
  }

  void operator()(const executed_record& what) const {
    out.put(what.sequence);
  }
};

record take_record(std::uint8_t kind, wire_reader& in, const slice& whole) {
  switch (kind) {
    case 0: {
      view_record what;
      what.view = in.take<std::uint64_t>();
      what.active = in.take_bool();
      what.new_view = whole.part(in.take_bytes(limits::max_message_bytes));
      return what;
    }
    case 1: {
      accepted_record what;
      what.what = take_claim(in);
      what.requests = whole.part(in.take_bytes(limits::max_message_bytes));
      return what;
    }
    case 2:
      return prepared_record{take_claim(in)};
    case 3: {
      checkpoint_record what;
      what.sequence = in.take<std::uint64_t>();
      auto count = in.take<std::uint32_t>();
      if (count > limits::max_pieces || count > in.left() / 4)
        in.fail();
      for (std::size_t i = 0; i < count && !in.failed(); ++i)
        what.pieces.push_back(
          whole.part(in.take_bytes(limits::max_piece_bytes)));
      return what;
    }
    case 5:
      return executed_record{in.take<std::uint64_t>()};
    default: {
      stable_record what;
      auto proof =
        decode_proof(whole.part(in.take_bytes(limits::max_message_bytes)));
      if (kind != 4 || !proof)
        in.fail();
      else
        what.proof = *std::move(proof);
      return what;
    }
  }
}

} // namespace

void note_pre_prepared(std::vector<claim>& claims, const claim& what) {
  for (auto& one : claims) {
    if (one.of == what.of) {
      one.view = std::max(one.view, what.view);
      return;
    }
  }
  claims.push_back(what);
  if (claims.size() > limits::max_digests_per_sequence)
    claims.erase(std::min_element(
      claims.begin(), claims.end(),
      [](const claim& x, const claim& y) { return x.view < y.view; }));
}

void durable_state::apply(const record& what) {
  std::visit(folder{*this}, what);
}

std::vector<record> records_of(const durable_state& state) {
  std::vector<record> all;
  all.emplace_back(state.view);
  all.emplace_back(stable_record{state.stable});
  for (const auto& [sequence, pieces] : state.checkpoints)
    all.emplace_back(checkpoint_record{sequence, pieces});
  for (const auto& [sequence, slot] : state.slots) {
    // Of the prepared batch first: its digest may be among those given up.
    if (slot.prepared) {
      auto batch = slot.batches.find(slot.prepared->of);
      if (batch != slot.batches.end())
        all.emplace_back(accepted_record{*slot.prepared, batch->second});
      all.emplace_back(prepared_record{*slot.prepared});
    }
    for (const auto& one : slot.pre_prepared) {
      auto batch = slot.batches.find(one.of);
      if (batch != slot.batches.end())
        all.emplace_back(accepted_record{one, batch->second});
    }
  }
  all.emplace_back(executed_record{state.executed});
  return all;
}

void encode_record(const record& what, std::string& out) {
  wire_writer writer{out};
  writer.put(wire_version);
  writer.put(static_cast<std::uint8_t>(what.index()));
  std::visit(record_writer{writer, out}, what);
}

expected<record> decode_record(const slice& bytes) {
  wire_reader in{bytes.view()};
  auto version = in.take<std::uint8_t>();
  if (!in.failed() && version != wire_version)
    return failure{errc::version,
                   "pbft: a record of version " + std::to_string(version)
                     + ", this node reads " + std::to_string(wire_version)};
  auto kind = in.take<std::uint8_t>();
  auto what = take_record(kind, in, bytes);
  if (!in.complete())
    return failure{errc::protocol, "pbft: not a record of a replica"};
  return what;
}

} // namespace neuroplex::pbft
