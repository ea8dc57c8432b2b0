// Connections between nodes of one host that can be cut.
//
// Purpose: who has no right to change the network can part a node from the
// others all the same, if its connections go through here: cut, those that are
// there end, and new ones end at once; mended, they are let through.
//
// Ownership and threads: owns listeners, connections, and a thread that moves
// their bytes. `cut` and `mend` may be called by any thread, and wait for that
// one. What it holds of a connection is bounded: it reads on when the other end
// has taken all.
//
// Invariants: listens on 127.0.0.1 and connects to 127.0.0.1 only; after `cut`
// not one byte passes until `mend`.
//
// Failure behaviour: `start` answers `io` when the system has no sockets left.
// A connection whose target is not there ends.
#pragma once

#include "actors/tunnel/sockets.hpp"

#include <array>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace neuroplex::cli {

class cuttable_links {
public:
  /// One listener for each of `target_ports`.
  static expected<std::unique_ptr<cuttable_links>>
  start(const std::vector<std::uint16_t>& target_ports);

  cuttable_links(const cuttable_links&) = delete;
  cuttable_links& operator=(const cuttable_links&) = delete;
  ~cuttable_links();

  /// The port that leads to the target of this index.
  [[nodiscard]] std::uint16_t port_to(std::size_t target_index) const;

  /// Ends all connections, and takes none until `mend`.
  void cut();
  void mend();

private:
  enum class wish : std::uint8_t { pass, cut, end };

  struct way_in {
    tunnel::socket_handle listener;
    std::uint16_t target_port = 0;
  };

  struct end_of_link {
    tunnel::socket_handle socket;
    std::string waiting; ///< to be written to it
  };

  using link_between = std::array<end_of_link, 2>;

  cuttable_links(std::vector<way_in> ways, tunnel::socket_handle bell);

  static bool move_bytes(end_of_link& from, end_of_link& to, short readable,
                         short writable);
  void ask_for(wish what);
  wish grant();
  void run();
  void accept_from(const way_in& way, bool let_through);

  std::vector<way_in> ways_;
  std::list<link_between> links_; // the thread's
  tunnel::socket_handle bell_;

  std::mutex mutex_; // for the two that follow
  wish wished_ = wish::pass;
  wish granted_ = wish::pass;
  std::condition_variable granted_changed_;
  std::thread thread_;
};

} // namespace neuroplex::cli
