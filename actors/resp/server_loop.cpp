#include "actors/resp/server_loop.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace neuroplex::resp {

namespace {

constexpr int events_a_turn = 256;
constexpr std::int64_t check_interval_ms = 20;
constexpr std::int64_t accept_pause_ms = 1'000;

// Least and most bytes read at a time into a connection's own buffer.
constexpr std::size_t least_read_bytes = std::size_t{16} << 10;
constexpr std::size_t most_read_bytes = std::size_t{4} << 20;

// Connections below this are never closed for the sum of all buffers.
constexpr std::size_t harmless_bytes = std::size_t{64} << 10;

// Shared output area kept from turn to turn.
constexpr std::size_t kept_reply_bytes = std::size_t{1} << 20;

constexpr std::string_view too_many_clients =
  "-ERR max number of clients reached\r\n";

bool would_block(int code) {
  return code == EAGAIN || code == EWOULDBLOCK || code == EINTR;
}

} // namespace

server::loop::loop(memory::store& data, server_options options, remote* cluster)
  : options_{std::move(options)}, shared_{data, options_.service, cluster,
                                          this},
    max_query_bytes_{
      std::max(bounds::max_query_bytes,
               shared_.max_value_bytes() + 2 * bounds::max_line_bytes)},
    read_area_{std::make_unique_for_overwrite<char[]>(bounds::read_bytes)} {
  options_.service.password.clear();
  // Noted only: the session may be in the middle of something.
  shared_.reply_ready = [this](std::uint64_t id) { ready_.push_back(id); };
}

server::loop::~loop() = default;

expected<void> server::loop::open() {
  auto listener = listen_on(options_.address, options_.port);
  if (!listener)
    return listener.error();
  listener_ = std::move(*listener);
  epoll_ = descriptor{epoll_create1(EPOLL_CLOEXEC)};
  wake_ = descriptor{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  if (!epoll_.open() || !wake_.open())
    return failure{errc::io, "resp server: " + system_reason("epoll, eventfd")};
  epoll_event wake{EPOLLIN, {.ptr = &wake_}};
  epoll_event arrival{EPOLLIN, {.ptr = &listener_}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &wake) != 0
      || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener_.get(), &arrival) != 0)
    return failure{errc::io, "resp server: " + system_reason("epoll_ctl")};
  accepting_ = true;
  shared_.port = local_port(listener_.get());
  return {};
}

void server::loop::start_thread() {
  thread_ = std::thread{[this] { run(); }};
  static_cast<void>(pthread_setname_np(thread_.native_handle(), "resp-loop"));
}

void server::loop::ask_to_stop() noexcept {
  // Release: pairs with the loop's acquire load, though only the flag matters.
  stopping_.store(true, std::memory_order_release);
  static_cast<void>(eventfd_write(wake_.get(), 1));
}

void server::loop::join() noexcept {
  std::lock_guard guard{join_mutex_};
  if (thread_.joinable())
    thread_.join();
}

void server::loop::post(std::function<void()> task) {
  {
    std::lock_guard guard{tasks_mutex_};
    tasks_.push_back(std::move(task));
  }
  static_cast<void>(eventfd_write(wake_.get(), 1));
}

void server::loop::run_tasks() {
  eventfd_t drained = 0;
  static_cast<void>(eventfd_read(wake_.get(), &drained));
  std::vector<std::function<void()>> tasks;
  {
    std::lock_guard guard{tasks_mutex_};
    tasks.swap(tasks_);
  }
  for (auto& task : tasks)
    task();
}

void server::loop::run() {
  std::array<epoll_event, events_a_turn> events{};
  while (!stopping_.load(std::memory_order_acquire)) {
    auto count = wait(events.data(), events_a_turn);
    now_ms_ = shared_.now_ms();
    for (int i = 0; i < count; ++i) {
      auto* source = events[i].data.ptr;
      if (source == &wake_)
        run_tasks();
      else if (source == &listener_)
        accept_some();
      else
        on_event(*static_cast<connection*>(source), events[i].events);
    }
    serve_ready();
    check_deadlines();
    bury();
    if (shared_.cluster() != nullptr)
      shared_.cluster()->flush();
  }
  clients_.clear();
  listener_ = {};
}

// Connections of which a reply of another node has arrived. What they do next
// may complete further replies, which belong to the same turn.
void server::loop::serve_ready() {
  while (!ready_.empty()) {
    auto ids = std::exchange(ready_, {});
    for (auto id : ids) {
      auto found = clients_.find(id);
      if (found != clients_.end() && !found->second->closed)
        advance(*found->second);
    }
  }
}

int server::loop::wait(void* events, int capacity) {
  auto* list = static_cast<epoll_event*>(events);
  if (options_.spin_us != 0) {
    using clock = std::chrono::steady_clock;
    auto until = clock::now() + std::chrono::microseconds{options_.spin_us};
    do {
      auto count = epoll_wait(epoll_.get(), list, capacity, 0);
      if (count != 0)
        return count;
    } while (clock::now() < until);
  }
  return epoll_wait(epoll_.get(), list, capacity, wait_ms());
}

int server::loop::wait_ms() const noexcept {
  if (timed_clients_ != 0)
    return check_interval_ms;
  return accepting_ ? -1 : static_cast<int>(accept_pause_ms);
}

// -- accepting ----------------------------------------------------------------

void server::loop::accept_some() {
  for (int i = 0; i < bounds::accepts_a_turn; ++i) {
    descriptor socket{
      accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (socket.open()) {
      admit(std::move(socket));
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS
        || errno == ENOMEM)
      pause_accepting();
    // Anything else concerns one connection that is gone already.
    if (errno != ECONNABORTED)
      return;
  }
}

void server::loop::admit(descriptor socket) {
  if (clients_.size() >= options_.service.max_clients) {
    shared_.counters.connections_refused.add();
    static_cast<void>(send(socket.get(), too_many_clients.data(),
                           too_many_clients.size(), MSG_NOSIGNAL));
    return;
  }
  prepare_connection(socket.get());
  client_identity identity{next_id_++, socket.get(), peer_address(socket.get()),
                           local_address(socket.get())};
  auto id = identity.id;
  auto client = std::make_unique<connection>(std::move(socket), shared_,
                                             std::move(identity));
  client->interest = EPOLLIN;
  client->progress_ms = now_ms_;
  epoll_event event{EPOLLIN, {.ptr = client.get()}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, client->socket.get(), &event) != 0)
    return;
  shared_.counters.connections_accepted.add();
  shared_.counters.connections_open.add();
  auto& kept = *clients_.emplace(id, std::move(client)).first->second;
  settle(kept);
}

// Without descriptors a level-triggered listener would report for ever, so it
// leaves the epoll until a connection has closed or some time has passed.
void server::loop::pause_accepting() {
  if (!accepting_)
    return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.get(), nullptr);
  accepting_ = false;
  accept_again_ms_ = now_ms_ + accept_pause_ms;
  shared_.counters.accept_pauses.add();
}

void server::loop::resume_accepting() {
  if (accepting_)
    return;
  epoll_event event{EPOLLIN, {.ptr = &listener_}};
  accepting_ =
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener_.get(), &event) == 0;
  accept_again_ms_ = now_ms_ + accept_pause_ms;
}

// -- one connection -----------------------------------------------------------

void server::loop::on_event(connection& client, std::uint32_t events) {
  if (client.closed)
    return;
  try {
    if ((events & EPOLLOUT) != 0) {
      send_output(client, client.output);
      if (!client.closed)
        advance(client);
    }
    if (!client.closed && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
      if (paused(client) && (events & (EPOLLHUP | EPOLLERR)) != 0)
        close(client); // both directions are gone: nobody takes the replies
      else if (!paused(client))
        read_from(client);
    }
  } catch (const std::bad_alloc&) {
    close(client);
  }
}

void server::loop::read_from(connection& client) {
  auto* into = read_area_.get();
  auto room = bounds::read_bytes;
  auto direct = client.input.empty();
  if (!direct) {
    auto wanted = std::clamp(client.talk.missing_bytes(), least_read_bytes,
                             most_read_bytes);
    // Half of what is there at most, so that a claimed length costs nothing
    // before its bytes have come.
    wanted = std::min(wanted, std::max(client.input.size(), least_read_bytes));
    into = client.input.prepare(wanted);
    room = client.input.room();
  }
  auto count = recv(client.socket.get(), into, room, 0);
  if (count < 0) {
    if (!would_block(errno))
      close(client);
    return;
  }
  if (count == 0) {
    client.ended = true;
    return settle(client);
  }
  auto bytes = static_cast<std::size_t>(count);
  shared_.counters.bytes_in.add(bytes);
  client.talk.touch(now_ms_);
  if (direct) {
    if (process(client, {into, bytes}))
      advance(client);
  } else {
    client.input.commit(bytes);
    advance(client);
  }
  if (!client.closed)
    settle(client);
}

// Goes on with what is there: replies of other nodes, input that had to wait.
void server::loop::advance(connection& client) {
  while (process(client, {})) {
  }
  if (!client.closed)
    settle(client);
}

// Executes `fresh` input, or else the connection's own. Answers whether another
// round could do more.
bool server::loop::process(connection& client, std::string_view fresh) {
  auto& output = client.output.empty() ? reply_area_ : client.output;
  client.talk.take_ready(output);
  auto input = fresh.empty() ? client.input.view() : fresh;
  auto used = client.talk.consume(input, output);
  if (fresh.empty()) {
    client.input.consume(used);
    client.input.shrink(bounds::kept_buffer_bytes);
  } else {
    client.input.append(fresh.substr(used));
  }
  if (client.talk.cut_off()) {
    shared_.counters.oversized_replies_closed.add();
    reply_area_.clear();
    close(client);
    return false;
  }
  auto had_output = !output.empty();
  send_output(client, output);
  return !client.closed && used != 0 && had_output && client.output.empty()
         && !client.input.empty();
}

// Sends what the socket takes and keeps the rest in the connection.
void server::loop::send_output(connection& client, byte_buffer& output) {
  while (!output.empty()) {
    auto count = send(client.socket.get(), output.view().data(), output.size(),
                      MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EINTR)
        continue;
      if (!would_block(errno))
        close(client);
      break;
    }
    auto bytes = static_cast<std::size_t>(count);
    shared_.counters.bytes_out.add(bytes);
    client.progress_ms = now_ms_;
    output.consume(bytes);
  }
  if (&output == &client.output) {
    output.shrink(bounds::kept_buffer_bytes);
    return;
  }
  if (!output.empty() && !client.closed)
    client.output.swap(output);
  output.clear();
  output.shrink(kept_reply_bytes);
}

bool server::loop::paused(const connection& client) const noexcept {
  return client.ended || client.talk.closing()
         || client.talk.waits_for_replies() || client.talk.resume_at_ms() != 0
         || client.output.size() > options_.service.max_output_bytes;
}

// After any change: closes what is finished, counts its memory, and asks epoll
// for the events that can move it on.
void server::loop::settle(connection& client) {
  auto finished = client.talk.closing()
                  || (client.ended && !client.talk.has_pending()
                      && client.talk.resume_at_ms() == 0);
  if (finished && client.output.empty())
    return close(client);
  account(client);
  if (client.closed)
    return;
  std::uint32_t interest = paused(client) ? 0U : EPOLLIN;
  if (!client.output.empty())
    interest |= EPOLLOUT;
  if (interest != client.interest) {
    client.interest = interest;
    epoll_event event{interest, {.ptr = &client}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, client.socket.get(), &event);
  }
  auto timed = client.talk.resume_at_ms() != 0 || !client.output.empty()
               || options_.service.idle_timeout_ms != 0;
  if (timed != client.timed) {
    client.timed = timed;
    timed_clients_ += timed ? 1 : -1;
  }
}

void server::loop::account(connection& client) {
  auto bytes =
    client.input.size() + client.output.size() + client.talk.held_bytes();
  buffered_bytes_ += bytes - client.counted_bytes;
  client.counted_bytes = bytes;
  if (client.input.size() > max_query_bytes_
      || (buffered_bytes_ > options_.max_buffered_bytes
          && bytes > harmless_bytes)) {
    shared_.counters.oversized_queries_closed.add();
    close(client);
  }
}

void server::loop::close(connection& client) {
  if (client.closed)
    return;
  client.closed = true;
  dead_.push_back(client.talk.identity().id);
}

// Connections are freed at the end of a turn, since events of this turn may
// still point to them.
void server::loop::bury() {
  if (dead_.empty())
    return;
  for (auto id : dead_) {
    auto found = clients_.find(id);
    auto& client = *found->second;
    buffered_bytes_ -= client.counted_bytes;
    timed_clients_ -= client.timed ? 1 : 0;
    clients_.erase(found);
    shared_.counters.connections_open.subtract(1);
  }
  dead_.clear();
  resume_accepting();
}

// -- deadlines ----------------------------------------------------------------

void server::loop::check_deadlines() {
  if (!accepting_ && now_ms_ >= accept_again_ms_)
    resume_accepting();
  if (timed_clients_ == 0 || now_ms_ < next_check_ms_)
    return;
  next_check_ms_ = now_ms_ + check_interval_ms;
  for (auto& [id, client] : clients_) {
    if (!client->timed || client->closed)
      continue;
    if (over_deadline(*client, now_ms_))
      close(*client);
    else if (client->talk.resume_at_ms() != 0
             && client->talk.resume_at_ms() <= now_ms_)
      advance(*client);
  }
}

bool server::loop::over_deadline(connection& client, std::int64_t now_ms) {
  const auto& options = options_.service;
  // Too much output, or commands that wait behind it.
  auto clogged = client.output.size() > options.max_output_bytes
                 || (!client.output.empty() && !client.input.empty());
  if (clogged && now_ms - client.progress_ms >= options.output_stall_ms) {
    shared_.counters.slow_readers_closed.add();
    return true;
  }
  if (options.idle_timeout_ms != 0 && client.talk.resume_at_ms() == 0
      && now_ms - std::max(client.talk.last_command_ms(), client.progress_ms)
           >= options.idle_timeout_ms) {
    shared_.counters.idle_closed.add();
    return true;
  }
  return false;
}

// -- what CLIENT shows and does -----------------------------------------------

void server::loop::list(std::string& lines) const {
  std::vector<const connection*> ordered;
  for (const auto& [id, client] : clients_)
    if (!client->closed)
      ordered.push_back(client.get());
  std::sort(ordered.begin(), ordered.end(),
            [](const connection* a, const connection* b) {
              return a->talk.identity().id < b->talk.identity().id;
            });
  for (const auto* client : ordered)
    lines += client->talk.describe() + "\n";
}

std::size_t server::loop::kill(std::uint64_t id, std::string_view address,
                               std::uint64_t except) {
  std::size_t killed = 0;
  for (auto& [number, client] : clients_) {
    const auto& identity = client->talk.identity();
    if (client->closed || number == except || (id != 0 && number != id)
        || (!address.empty() && identity.peer_address != address))
      continue;
    close(*client);
    ++killed;
  }
  return killed;
}

} // namespace neuroplex::resp
