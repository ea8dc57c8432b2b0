#include "tests/sim/network.hpp"

#include <algorithm>
#include <utility>

namespace neuroplex::sim {

network::network(kernel& world, const plan& faults)
  : world_{world}, faults_{faults}, dice_{world.stream("network")} {
}

network::end_point network::add(std::function<void(delivery)> accept) {
  accepts_.push_back(std::move(accept));
  links_.emplace_back();
  for (auto& row : links_) {
    row.resize(accepts_.size());
  }
  return static_cast<end_point>(accepts_.size() - 1);
}

network::link& network::between(end_point from, end_point to) noexcept {
  return links_[from][to];
}

void network::send(end_point from, end_point to, delivery arrive) {
  ++counts_.sent;
  if (between(from, to).cut) {
    ++counts_.blocked;
    return;
  }
  if (dice_.chance_ppm(faults_.loss_ppm)) {
    ++counts_.lost;
    return;
  }
  if (dice_.chance_ppm(faults_.duplication_ppm)) {
    ++counts_.duplicated;
    carry(from, to, arrive);
  }
  carry(from, to, std::move(arrive));
}

void network::carry(end_point from, end_point to, delivery arrive) {
  auto when =
    world_.now() + dice_.mostly_low(faults_.least_delay, faults_.most_delay);
  auto& way = between(from, to);
  if (dice_.chance_ppm(faults_.reordering_ppm)) {
    ++counts_.delayed;
    when += dice_.between(nanoseconds{0}, faults_.reordering_delay);
  }
  if (!faults_.kinds.has(fault::reordering)) {
    when = std::max(when, way.last_arrival);
    way.last_arrival = when;
  }
  world_.at(when, [this, from, to, arrive = std::move(arrive)] {
    ++counts_.delivered;
    world_.note("arrive", from, to);
    accepts_[to](arrive);
  });
}

void network::cut(end_point from, end_point to) {
  between(from, to).cut = true;
}

void network::mend(end_point from, end_point to) {
  between(from, to).cut = false;
}

void network::mend_all() {
  for (auto& row : links_) {
    for (auto& way : row) {
      way.cut = false;
    }
  }
}

bool network::is_cut(end_point from, end_point to) const noexcept {
  return links_[from][to].cut;
}

void network::calm() {
  mend_all();
  faults_.loss_ppm = 0;
  faults_.duplication_ppm = 0;
  faults_.reordering_ppm = 0;
  faults_.most_delay =
    std::min(faults_.most_delay, nanoseconds{std::chrono::milliseconds{1}});
}

} // namespace neuroplex::sim
