// One client's conversation: bytes in, replies out, no sockets.
//
// Purpose: the protocol core of the gateway. It parses commands, checks who may
// run them, executes local ones on the store at once, hands those of other
// nodes to `remote`, and keeps every reply at its place in the order of the
// commands.
//
// Ownership: refers to a service that outlives it. Threads: none; a session
// belongs to the server's loop thread.
//
// Invariants:
//  1. Replies leave in the order of their commands, whoever made them.
//  2. At most bounds::max_pending_replies replies are outstanding; then parsing
//     stops until one arrives.
//  3. After `closing` no further command is executed.
//
// Failure behaviour: what the protocol does not allow is answered and the
// session closes; a reply beyond the limit cuts it off.
#pragma once

#include "actors/resp/command.hpp"
#include "actors/resp/parser.hpp"
#include "actors/resp/service.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace neuroplex::resp {

/// What CLIENT tells about a connection that the session cannot know.
struct client_identity {
  std::uint64_t id = 1;
  int descriptor = -1;
  std::string peer_address;  ///< "127.0.0.1:40000"
  std::string local_address; ///< "127.0.0.1:6379"
};

class session {
public:
  enum class reply_mode : std::uint8_t { on, off, skip_next };

  session(service& shared, client_identity identity);

  session(const session&) = delete;
  session& operator=(const session&) = delete;

  /// Executes the whole commands at the front of `input` and appends their
  /// replies; answers how many bytes were used. Stops early when the session
  /// closes, waits, or has too much output. Call again with the rest (and more)
  /// when there is more input or the reason to stop is gone.
  std::size_t consume(std::string_view input, byte_buffer& output);

  /// Moves replies that other nodes have answered, as far as they are next.
  void take_ready(byte_buffer& output);

  /// No command will be executed any more; send the output, then close. True
  /// only when no reply is outstanding.
  [[nodiscard]] bool closing() const noexcept {
    return closing_ && pending_.empty();
  }

  /// Replies of other nodes are outstanding.
  [[nodiscard]] bool has_pending() const noexcept {
    return !pending_.empty();
  }

  /// The output grew beyond its limit: drop it and close at once.
  [[nodiscard]] bool cut_off() const noexcept {
    return cut_off_;
  }

  /// Outstanding replies forbid more commands for now.
  [[nodiscard]] bool waits_for_replies() const noexcept {
    return pending_.size() >= bounds::max_pending_replies;
  }

  /// When the next command may run (after failed AUTHs); 0 for now.
  [[nodiscard]] std::int64_t resume_at_ms() const noexcept {
    return resume_at_ms_;
  }

  /// After `consume`: bytes missing of a bulk string that has begun, 0 when not
  /// known.
  [[nodiscard]] std::size_t missing_bytes() const noexcept {
    return parser_.missing_bytes();
  }

  /// Bytes of replies kept behind outstanding ones.
  [[nodiscard]] std::size_t held_bytes() const noexcept {
    return *held_;
  }

  /// Notes that the client has sent something.
  void touch(std::int64_t now_ms) noexcept;

  [[nodiscard]] std::int64_t last_command_ms() const noexcept {
    return last_command_ms_;
  }

  /// One line as in CLIENT LIST.
  [[nodiscard]] std::string describe() const;

  /// Executes one command as if authenticated and answers its reply; for
  /// threads that have a service of their own.
  static std::string execute_once(service& shared, std::uint32_t database,
                                  std::uint8_t protocol, arguments command);

  // -- for command handlers
  // ----------------------------------------------------

  [[nodiscard]] const client_identity& identity() const noexcept {
    return identity_;
  }

  void cut_off_now() noexcept {
    cut_off_ = true;
  }

  void close_after_replies() noexcept {
    closing_ = true;
  }

  /// Checks a password; counts failures. False when it is wrong.
  bool authenticate(std::string_view user, std::string_view password);

  /// Back to the state of a new connection.
  void reset();

  /// What MULTI has gathered since; nothing outside of a transaction.
  struct transaction {
    owner_id owner = owner_id::here; ///< of all its keys, once there is one
    bool broken = false;             ///< something was refused: no EXEC
    std::size_t bytes = 0;
    std::vector<std::vector<std::string>> commands{};
  };

  std::optional<transaction> gathered;

  /// Sends a transaction to the owner of its keys; the reply comes later.
  void submit(transaction what);

  std::uint8_t protocol = 2;
  std::uint32_t database = 0;
  memory::namespace_id space = memory::namespace_id::default_namespace;
  bool authenticated = false;
  reply_mode replies = reply_mode::on;
  std::string name;
  std::string library_name;
  std::string library_version;

private:
  struct pending_reply {
    bool ready = false;
    bool muted = false; ///< CLIENT REPLY was off when the command ran
    std::string bytes;  ///< the outstanding reply
    std::string tail;   ///< local replies behind it
  };

  struct gathering;

  void execute(arguments args, byte_buffer& output);
  void run(arguments args, byte_buffer& target);
  void run_local(const command_row& row, arguments args, writer& reply);
  bool admitted(const command_row* row, arguments args, writer& reply);
  bool must_wait_for_auth(arguments args);

  // session_routing.cpp
  void gather(const command_row& row, arguments args, writer& reply);
  static bool is_everywhere(const command_row& row) noexcept;
  bool routed_elsewhere(const command_row& row, arguments args, writer& reply);
  bool sent_everywhere(const command_row& row, arguments args);
  bool sent_scan(arguments args, const std::vector<owner_id>& others);
  void send_split(const command_row& row, arguments args);
  void submit_part(owner_id owner, std::vector<std::string> command,
                   const std::shared_ptr<gathering>& whole, std::size_t part);
  std::shared_ptr<gathering> new_gathering(merge_rule rule, std::size_t parts);
  std::string run_part(arguments args);
  void keep_detour();

  service& shared_;
  client_identity identity_;
  parser parser_;
  std::deque<std::shared_ptr<pending_reply>> pending_;
  byte_buffer detour_; // replies of local commands behind outstanding ones
  std::shared_ptr<std::size_t> held_; // bytes in pending_, shared with parts
  std::int64_t created_ms_;
  std::int64_t last_command_ms_;
  std::int64_t resume_at_ms_ = 0;
  std::string_view last_command_ = "NULL";
  bool auth_waited_ = false; // the AUTH at the front has served its delay
  bool closing_ = false;
  bool cut_off_ = false;
};

} // namespace neuroplex::resp
