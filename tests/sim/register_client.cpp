#include "tests/sim/register_client.hpp"

#include <utility>

namespace neuroplex::sim {

register_client::register_client(kernel& world, history& told,
                                 const client_habits& habits)
  : world_{world}, dice_{world.stream("client", habits.number)}, told_{told},
    habits_{habits}, last_seen_(habits.keys) {
}

void register_client::begin() {
  active_ = true;
  think();
}

void register_client::think() {
  world_.after(dice_.between(nanoseconds{0}, habits_.longest_thought), [this] {
    if (!active_ || busy_)
      return;
    auto key = static_cast<std::uint32_t>(dice_.below(habits_.keys));
    auto what = dice_.below(10) < habits_.reads_of_ten ? verb::get
                : dice_.below(3) == 0                  ? verb::cas
                                                       : verb::put;
    ask(what, key, nullptr);
  });
}

void register_client::ask(verb what, std::uint32_t key,
                          std::function<void(bool)> done) {
  busy_ = true;
  done_ = std::move(done);
  command next;
  next.client = habits_.number;
  next.sequence = asked_.sequence + 1;
  next.what = what;
  next.key = key;
  if (what != verb::get)
    next.value = (std::uint64_t{habits_.number} + 1) * 1'000'000 + ++written_;
  if (what == verb::cas)
    next.expect = last_seen_[key];
  asked_ = next;
  operation begun;
  begun.what = what;
  begun.client = habits_.number;
  begun.key = key;
  begun.value = next.value;
  begun.expect = next.expect;
  begun.call = world_.now();
  entry_ = told_.begin(begun);
  send();
}

void register_client::finish(const reply& what) {
  busy_ = false;
  auto good = what.result == outcome::ok || what.result == outcome::mismatch;
  if (good)
    last_seen_[asked_.key] =
      what.result == outcome::ok && asked_.what != verb::get ? asked_.value
                                                             : what.value;
  told_.end(entry_, world_.now(), what.result, what.value);
  world_.note("client", habits_.number, static_cast<std::uint64_t>(what.result),
              what.value);
  if (auto done = std::exchange(done_, nullptr))
    done(good);
  if (active_ && !busy_)
    think();
}

} // namespace neuroplex::sim
