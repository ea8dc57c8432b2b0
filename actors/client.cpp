#include "actors/client.hpp"

#include "actors/batch_pump.hpp"
#include "actors/client_broker.hpp"
#include "actors/client_scan.hpp"
#include "actors/node.hpp"
#include "actors/node_access.hpp"

#include <caf/scoped_actor.hpp>

#include <atomic>
#include <chrono>
#include <random>
#include <utility>

namespace neuroplex::actors {

namespace {

std::uint64_t random_client_number() {
  std::random_device device;
  std::uint64_t number = 0;
  while (number == 0)
    number = std::uint64_t{device()} << 32 | device();
  return number;
}

expected<void> in_range(const char* field, std::uint64_t value,
                        std::uint64_t least, std::uint64_t most) {
  if (value >= least && value <= most)
    return {};
  return failure{errc::config, std::string{"client."} + field + ": "
                                 + std::to_string(value) + ": expected "
                                 + std::to_string(least) + " to "
                                 + std::to_string(most)};
}

// A node that refuses a message for its size says why in words.
failure failure_of(const reply& answer) {
  if (answer.status == errc::value_size && !answer.value.empty())
    return {answer.status, answer.value};
  return failure{answer.status};
}

expected<void> done(const reply& answer) {
  if (answer.status != errc::ok)
    return failure_of(answer);
  return {};
}

} // namespace

expected<void> client_options::validate() const {
  for (const auto& checked :
       {in_range("connect_timeout_ms", connect_timeout_ms, 1, 600'000),
        in_range("request_timeout_ms", request_timeout_ms, 1, 600'000),
        in_range("window", window, 1, 1'000'000),
        in_range("batch_keys", batch_keys, 1, limits::max_batch_items),
        in_range("heartbeat_ms", heartbeat_ms, 10, 60'000),
        in_range("connection_timeout_ms", connection_timeout_ms, 20, 600'000),
        in_range("reconnect_ms", reconnect_ms, 1, 60'000)})
    if (!checked)
      return checked;
  return {};
}

class client::implementation {
public:
  // Reaches a node over the network, with an actor system of its own.
  explicit implementation(const client_options& options)
    : options_{options},
      config_{std::make_unique<system_config>(system_settings{
        .worker_threads = 1,
        .heartbeat = milliseconds{options.heartbeat_ms},
        .connection_timeout = milliseconds{options.connection_timeout_ms}})},
      own_system_{std::make_unique<caf::actor_system>(*config_)},
      system_{own_system_.get()} {
    broker_ =
      spawn_client_broker(*system_, link_,
                          {.local = {},
                           .host = options.host,
                           .port = options.port,
                           .reconnect_ms = options.reconnect_ms,
                           .connect_timeout_ms = options.connect_timeout_ms});
  }

  implementation(const node_access& here, const client_options& options)
    : options_{options}, system_{&here.system} {
    broker_ = spawn_client_broker(*system_, link_,
                                  {.local = here.handle,
                                   .host = {},
                                   .port = 0,
                                   .reconnect_ms = 0,
                                   .connect_timeout_ms = 0});
  }

  implementation(const implementation&) = delete;
  implementation& operator=(const implementation&) = delete;

  ~implementation() {
    // The broker fails what is under way as it ends. When its node is gone, so
    // is the broker, and perhaps the actor system.
    std::unique_lock guard{link_->mutex};
    if (link_->closed)
      return;
    guard.unlock();
    kill(broker_);
    guard.lock();
    link_->changed.wait(guard, [this] { return link_->closed; });
  }

  expected<void> await_connection() {
    std::unique_lock guard{link_->mutex};
    link_->changed.wait_for(guard, milliseconds{options_.connect_timeout_ms},
                            [this] { return link_->settled; });
    if (link_->connected)
      return {};
    return link_->problem;
  }

  [[nodiscard]] bool connected() const noexcept {
    return link_->connected;
  }

  const client_options& options() const noexcept {
    return options_;
  }

  caf::actor_system& system() noexcept {
    return *system_;
  }

  void post(client_job job) {
    auto first = false;
    {
      std::lock_guard guard{link_->mutex};
      if (!link_->closed) {
        first = link_->jobs.empty();
        link_->jobs.push_back(std::move(job));
        job = nullptr;
      }
    }
    if (job)
      return job(nullptr);
    if (first)
      tell_anonymously(broker_, pulse_atom_v);
  }

  void fill(request_header& header) {
    header.id.client = number_;
    header.id.sequence = next_sequence_.fetch_add(1, std::memory_order_relaxed);
    header.deadline_ms = unix_ms() + options_.request_timeout_ms;
    header.epoch = 0;
    header.forwarded = false;
  }

  /// Sends a message with a header; `done` runs once.
  template <class Answer, class Atom, class Message>
  void send(Atom atom, Message what, bool effect,
            std::function<void(Answer)> done) {
    // Relaxed: a count, not a lock.
    if (in_flight_.fetch_add(1, std::memory_order_relaxed) >= options_.window) {
      in_flight_.fetch_sub(1, std::memory_order_relaxed);
      Answer busy;
      busy.status = errc::busy;
      return done(std::move(busy));
    }
    fill(what.header);
    auto landed = [this, done = std::move(done)](Answer answer) {
      in_flight_.fetch_sub(1, std::memory_order_relaxed);
      done(std::move(answer));
    };
    auto patience = milliseconds{options_.request_timeout_ms};
    post([atom, what = std::move(what), effect, landed,
          patience](client_broker_state* broker) mutable {
      if (broker != nullptr)
        return broker->send<Answer>(patience, effect, landed, atom,
                                    std::move(what));
      Answer closed;
      closed.status = errc::closed;
      landed(std::move(closed));
    });
  }

  template <class Answer, class Atom, class Message>
  Answer send_and_wait(Atom atom, Message what, bool effect) {
    auto promise = std::make_shared<std::promise<Answer>>();
    auto future = promise->get_future();
    send<Answer>(atom, std::move(what), effect, [promise](Answer answer) {
      promise->set_value(std::move(answer));
    });
    return future.get();
  }

  reply operate_agreement(const std::string& wish, std::uint32_t node,
                          std::uint64_t group) {
    return ask_node<reply>(true, member_atom_v, wish, node, group);
  }

  /// Asks the node itself, and waits for the answer.
  template <class Answer, class... Parts>
  Answer ask_node(bool effect, const Parts&... parts) {
    auto promise = std::make_shared<std::promise<Answer>>();
    auto future = promise->get_future();
    auto deliver = [promise](Answer answer) {
      promise->set_value(std::move(answer));
    };
    auto patience = milliseconds{options_.request_timeout_ms};
    post([deliver, patience, effect, parts...](client_broker_state* broker) {
      if (broker != nullptr)
        return broker->send<Answer>(patience, effect, deliver, parts...);
      Answer closed;
      closed.status = errc::closed;
      deliver(std::move(closed));
    });
    return future.get();
  }

  node_report stats() {
    return ask_node<node_report>(false, stats_atom_v);
  }

private:
  client_options options_;
  std::uint64_t number_ = random_client_number();
  std::atomic<std::uint64_t> next_sequence_{1};
  std::atomic<std::uint64_t> in_flight_{0};
  std::shared_ptr<client_link> link_ = std::make_shared<client_link>();
  std::unique_ptr<system_config> config_;
  std::unique_ptr<caf::actor_system> own_system_;
  caf::actor_system* system_ = nullptr;
  client_broker_actor broker_;
};

client::client(std::shared_ptr<implementation> inside)
  : inside_{std::move(inside)} {
}

client::client(client&&) noexcept = default;
client& client::operator=(client&&) noexcept = default;
client::~client() = default;

expected<client> client::connect(const client_options& options) {
  if (auto valid = options.validate(); !valid)
    return valid.error();
  auto inside = std::make_shared<implementation>(options);
  if (auto reached = inside->await_connection(); !reached)
    return reached.error();
  return client{std::move(inside)};
}

expected<client> client::attach(node& here, const client_options& options) {
  return attach({.system = here.system(), .handle = here.handle()}, options);
}

expected<client> client::attach(const node_access& here,
                                const client_options& options) {
  if (auto valid = options.validate(); !valid)
    return valid.error();
  auto inside = std::make_shared<implementation>(here, options);
  if (auto reached = inside->await_connection(); !reached)
    return reached.error();
  return client{std::move(inside)};
}

bool client::connected() const noexcept {
  return inside_->connected();
}

// -- one key ------------------------------------------------------------------

reply client::apply(request what) {
  auto effect = changes(what.op);
  return inside_->send_and_wait<reply>(apply_atom_v, std::move(what), effect);
}

namespace {

request make_request(operation op, std::string_view space,
                     std::string_view key) {
  request what;
  what.op = op;
  what.space = space;
  what.key = key;
  return what;
}

request make_write(operation op, std::string_view space, std::string_view key,
                   std::string_view value, const memory::set_options& options) {
  auto what = make_request(op, space, key);
  what.value = value;
  what.ttl_ms = options.ttl_ms;
  what.keep_ttl = options.keep_ttl;
  return what;
}

} // namespace

expected<std::string> client::get(std::string_view space,
                                  std::string_view key) {
  auto answer = apply(make_request(operation::get, space, key));
  if (answer.status != errc::ok)
    return failure_of(answer);
  return std::move(answer.value);
}

expected<void> client::set(std::string_view space, std::string_view key,
                           std::string_view value,
                           const memory::set_options& options) {
  return done(apply(make_write(operation::set, space, key, value, options)));
}

expected<void> client::set_if_absent(std::string_view space,
                                     std::string_view key,
                                     std::string_view value,
                                     const memory::set_options& options) {
  return done(
    apply(make_write(operation::set_if_absent, space, key, value, options)));
}

expected<void> client::compare_and_swap(std::string_view space,
                                        std::string_view key,
                                        std::string_view expected_value,
                                        std::string_view desired,
                                        std::string* actual,
                                        const memory::set_options& options) {
  auto what =
    make_write(operation::compare_and_swap, space, key, desired, options);
  what.expected = expected_value;
  auto answer = apply(std::move(what));
  if (actual != nullptr && answer.status == errc::mismatch)
    *actual = answer.value;
  return done(answer);
}

expected<std::int64_t> client::increment(std::string_view space,
                                         std::string_view key,
                                         std::int64_t delta) {
  auto what = make_request(operation::increment, space, key);
  what.delta = delta;
  auto answer = apply(std::move(what));
  if (answer.status != errc::ok)
    return answer.status;
  return answer.number;
}

expected<void> client::erase(std::string_view space, std::string_view key) {
  return done(apply(make_request(operation::erase, space, key)));
}

// -- many keys ----------------------------------------------------------------

namespace {

errc overall(errc sum, errc item) {
  return sum == errc::ok && item != errc::not_found ? item : sum;
}

} // namespace

errc client::get_many(std::string_view space,
                      std::span<memory::get_request> keys) {
  auto submit_batch = [this](batch_request what,
                             std::function<void(batch_reply)> next) {
    submit(std::move(what), std::move(next));
  };
  pump_batches(
    space, operation::get, keys.size(), inside_->options().batch_keys,
    submit_batch, [&](std::size_t i) { return keys[i].key.size(); },
    [&](std::size_t i) {
      return batch_item{std::string{keys[i].key}, {}, 0};
    },
    [&](std::size_t i, batch_answer& answer) {
      keys[i].status = answer.status;
      keys[i].value = std::move(answer.value);
    });
  auto sum = errc::ok;
  for (auto& one : keys) {
    // Its value did not fit beside those of the others.
    if (one.status == errc::busy) {
      auto answer = apply(make_request(operation::get, space, one.key));
      one.status = answer.status;
      one.value = std::move(answer.value);
    }
    sum = overall(sum, one.status);
  }
  return sum;
}

errc client::set_many(std::string_view space,
                      std::span<memory::set_request> entries) {
  auto submit_batch = [this](batch_request what,
                             std::function<void(batch_reply)> next) {
    submit(std::move(what), std::move(next));
  };
  pump_batches(
    space, operation::set, entries.size(), inside_->options().batch_keys,
    submit_batch,
    [&](std::size_t i) {
      return entries[i].key.size() + entries[i].value.size();
    },
    [&](std::size_t i) {
      return batch_item{std::string{entries[i].key},
                        std::string{entries[i].value},
                        entries[i].options.ttl_ms};
    },
    [&](std::size_t i, const batch_answer& answer) {
      entries[i].status = answer.status;
    });
  auto sum = errc::ok;
  for (const auto& one : entries)
    sum = overall(sum, one.status);
  return sum;
}

scan_page client::read_page(scan_request what) {
  return inside_->send_and_wait<scan_page>(scan_atom_v, std::move(what), false);
}

expected<scan_outcome>
client::scan(std::string_view space, const scan_options& options,
             const std::function<void(const scanned_entry&)>& visit) {
  scan_request what;
  what.space = space;
  what.entries = options.page_entries;
  what.with_values = options.with_values;
  inside_->fill(what.header);
  if (auto code = check(what); code != errc::ok)
    return code;
  if (options.credit == 0 || options.credit > limits::max_scan_credit)
    return errc::bad_argument;
  scan_reader reader{inside_->system(),
                     [this](client_job job) { inside_->post(std::move(job)); }};
  auto patience = milliseconds{inside_->options().request_timeout_ms};
  if (auto opened = reader.open(what, options.credit, patience); !opened)
    return opened.error();
  scan_outcome outcome;
  for (;;) {
    auto page = reader.next(patience);
    if (!page)
      return page.error();
    if (page->status != errc::ok)
      outcome.unread_members.push_back(page->member);
    for (auto& entry : page->entries) {
      if (entry.value_omitted) {
        auto fetched = get(space, entry.key);
        if (fetched.code() == errc::not_found)
          continue;
        if (!fetched)
          return fetched.error();
        entry.value = std::move(*fetched);
        entry.value_omitted = false;
      }
      ++outcome.entries;
      visit(entry);
    }
    if (page->done)
      return outcome;
  }
}

namespace {

space_request make_space_request(space_operation op, std::string_view space) {
  space_request what;
  what.op = op;
  what.space = space;
  return what;
}

expected<std::uint64_t> number_of(const reply& answer) {
  if (answer.status != errc::ok)
    return answer.status;
  return static_cast<std::uint64_t>(answer.number);
}

} // namespace

expected<std::uint64_t> client::count(std::string_view space) {
  return number_of(inside_->send_and_wait<reply>(
    space_atom_v, make_space_request(space_operation::count, space), false));
}

expected<std::uint64_t> client::clear(std::string_view space) {
  return number_of(inside_->send_and_wait<reply>(
    space_atom_v, make_space_request(space_operation::clear, space), true));
}

expected<void> client::drop(std::string_view space) {
  return done(inside_->send_and_wait<reply>(
    space_atom_v, make_space_request(space_operation::drop, space), true));
}

// -- asynchronous -------------------------------------------------------------

void client::submit(request what, std::function<void(reply)> done) {
  auto effect = changes(what.op);
  inside_->send<reply>(apply_atom_v, std::move(what), effect, std::move(done));
}

void client::submit(batch_request what, std::function<void(batch_reply)> done) {
  auto effect = changes(what.op);
  inside_->send<batch_reply>(batch_atom_v, std::move(what), effect,
                             std::move(done));
}

std::future<reply> client::submit(request what) {
  auto promise = std::make_shared<std::promise<reply>>();
  auto future = promise->get_future();
  submit(std::move(what),
         [promise](reply answer) { promise->set_value(std::move(answer)); });
  return future;
}

expected<void> client::operate_agreement(const std::string& wish,
                                         std::uint32_t node,
                                         std::uint64_t group) {
  auto answer = inside_->operate_agreement(wish, node, group);
  if (answer.status == errc::ok)
    return {};
  return answer.value.empty() ? failure{answer.status}
                              : failure{answer.status, answer.value};
}

expected<replica_verdict> client::verify_replicas(const std::string& space) {
  auto answer = inside_->ask_node<replica_verdict>(false, verify_atom_v, space);
  if (answer.status != errc::ok)
    return answer.status;
  return answer;
}

expected<std::uint64_t> client::resolve_replicas(const std::string& space) {
  auto answer = inside_->ask_node<reply>(true, resolve_atom_v, space);
  if (answer.status != errc::ok)
    return answer.value.empty() ? failure{answer.status}
                                : failure{answer.status, answer.value};
  return static_cast<std::uint64_t>(answer.number);
}

expected<watch_reply> client::watch(std::string_view space,
                                    std::string_view prefix, watch_mark after) {
  watch_request what;
  what.space = space;
  what.prefix = prefix;
  what.after = std::move(after);
  auto answer =
    inside_->send_and_wait<watch_reply>(watch_atom_v, std::move(what), false);
  if (answer.status != errc::ok)
    return answer.status;
  return answer;
}

lesson_receipt client::learn(concept_service::lesson what, lesson_wait until) {
  auto receipt = inside_->send_and_wait<lesson_receipt>(
    learn_atom_v, lesson_request{{}, until, std::move(what)}, true);
  if (receipt.status != errc::ok && receipt.problem.empty())
    receipt.problem = describe(receipt.status);
  return receipt;
}

concept_service::answer client::ask(concept_service::question what) {
  auto answer = inside_->send_and_wait<concept_service::answer>(
    ask_atom_v, question_request{{}, std::move(what)}, false);
  if (answer.status != errc::ok && answer.problem.empty())
    answer.problem = describe(answer.status);
  return answer;
}

expected<node_report> client::stats() {
  auto answer = inside_->stats();
  // A failed node still reports; every other code means that nothing came.
  if (answer.status != errc::ok && answer.status != errc::internal)
    return answer.status;
  return answer;
}

} // namespace neuroplex::actors
