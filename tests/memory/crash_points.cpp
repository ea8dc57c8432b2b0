// Every instruction of an operation as the one at which its process dies.
//
// An operation is stepped through one instruction at a time. Whenever a byte of
// the segment changed, a copy of its bytes is what a kill at this instruction,
// and at those that follow until the next change, leaves behind: it is
// recovered and looked at as a whole. Nothing acknowledged may be lost, nothing
// removed come back, no entry be torn or half changed, every block be in one
// place and to be found, and every counter be exact.
//
//   alone      one process dies, or an idle one with it
//   crossed    in the middle of one operation, another process does another,
//              stepped through as well; both die, and are recovered in either
//              order; or the first goes on
//   recovered  a survivor recovers what an operation left, stepped through, and
//              dies as well; or another one recovers at the same time
//
// crash_points [--points N] [--states N] [--rounds N] [--seconds N] [--seed N]
//              [--only OPERATION]
// Goes on until N points and N states were examined, and N rounds were made:
// each is all of it once, in an order that the seed decides. Exit 0 good, 1
// not, 77 where nothing can be stepped.
#include "memory/store_impl.hpp"
#include "tests/memory/crash_table.hpp"
#include "tests/memory/stepper.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <optional>
#include <random>

#include <unistd.h>

using namespace neuroplex;
using namespace neuroplex::memory;
using namespace neuroplex::memory::testing;

namespace {

using steady = std::chrono::steady_clock;

constexpr unsigned victim = 0;
constexpr unsigned peer = 1;
constexpr int exit_skipped = 77;

struct settings {
  std::uint64_t points = 100'000;
  std::uint64_t states = 0;
  int rounds = 0;
  int seconds = 600;
  std::uint64_t seed = 1;
  std::string only;
};

unsigned long long number(std::uint64_t value) {
  return value;
}

struct tally {
  std::uint64_t runs = 0;
  std::uint64_t points = 0; ///< instructions that ended in a state examined
  std::uint64_t states = 0; ///< states examined that differ from the one before
  std::uint64_t passed_over = 0; ///< states within long copies, not examined

  void add(const tally& other) {
    runs += other.runs;
    points += other.points;
    states += other.states;
    passed_over += other.passed_over;
  }
};

/// Counts the points of one run, and decides which states to examine: all, but
/// in a long copy into a block that nobody sees yet one of many.
class point_count {
public:
  point_count(const std::byte* base, const geometry& shape)
    : pool_{base + shape.pool_offset} {
  }

  /// A state begins, after `instructions`; answers whether to examine it.
  bool next(std::uint64_t instructions, const stepper::change& change) {
    finish(instructions - 1);
    begun_at_ = instructions - 1;
    constexpr std::ptrdiff_t most_apart = 64;
    bool goes_on = change.begin >= pool_ && change.begin >= copied_to_
                   && change.begin - copied_to_ <= most_apart;
    in_a_row_ = goes_on ? in_a_row_ + 1 : 0;
    copied_to_ = change.end;
    constexpr unsigned always = 32;
    constexpr unsigned one_of = 64;
    examined_ = in_a_row_ < always || in_a_row_ % one_of == 0;
    (examined_ ? counted_.states : counted_.passed_over) += 1;
    return examined_;
  }

  /// The last state lasted until `instructions` had ended.
  void finish(std::uint64_t instructions) {
    if (examined_)
      counted_.points += instructions - begun_at_;
    begun_at_ = instructions;
  }

  /// What was before counts elsewhere.
  void forget() {
    counted_ = {};
  }

  [[nodiscard]] const tally& counted() const {
    return counted_;
  }

private:
  const std::byte* pool_;
  const std::byte* copied_to_ = nullptr;
  unsigned in_a_row_ = 0;
  std::uint64_t begun_at_ = 0;
  bool examined_ = true; ///< the state before the first change is, too
  tally counted_;
};

/// What may be found while an operation is under way, or two.
class legal {
public:
  explicit legal(const std::map<key_id, content>& present) {
    for (auto& [key, value] : present)
      keys_.push_back({key, hash_key(key.ns, key.name), {value}});
  }

  /// What differs from this must be marked for the next backup.
  void was_backed_up(const std::map<key_id, content>& content_then) {
    for (auto& each : keys_)
      if (auto found = content_then.find(each.key); found != content_then.end())
        each.backed_up = found->second;
      else
        each.backed_up = content{};
  }

  /// A key that only an operation knows may be there as well.
  void know(const key_id& key) {
    auto known = std::any_of(keys_.begin(), keys_.end(),
                             [&](auto& each) { return each.key == key; });
    if (!known)
      keys_.push_back({key, hash_key(key.ns, key.name), {content{}}});
  }

  /// `what` is under way.
  void begin(const operation& what) {
    become([&](const key_id& key, const content& value,
               std::vector<content>& possible) {
      add(possible, value);
      add(possible, what.change(key, value));
      if (goes(what, key)) {
        add(possible, {});
        add(possible, what.change(key, {}));
      }
    });
  }

  void acknowledge(const operation& what) {
    become([&](const key_id& key, const content& value,
               std::vector<content>& possible) {
      add(possible, what.change(key, value));
      if (goes(what, key))
        add(possible, what.change(key, {}));
    });
  }

  /// `what` is under way, and in the middle of it so is `other`.
  void begin_both(const operation& what, const operation& other) {
    become([&](const key_id& key, const content& value,
               std::vector<content>& possible) {
      auto steps = steps_of(other);
      for (std::size_t done = 0; done <= steps.size(); ++done)
        any_order(what, {steps.begin(), steps.begin() + done}, key, value,
                  possible, true);
    });
  }

  /// `other` was acknowledged; `what`, which began before it and is still under
  /// way, may have taken effect, or do so later, or not.
  void acknowledge_other(const operation& what, const operation& other) {
    become([&](const key_id& key, const content& value,
               std::vector<content>& possible) {
      any_order(what, steps_of(other), key, value, possible, true);
    });
  }

  /// Both were acknowledged.
  void acknowledge_both(const operation& what, const operation& other) {
    become([&](const key_id& key, const content& value,
               std::vector<content>& possible) {
      any_order(what, steps_of(other), key, value, possible, false);
    });
  }

  [[nodiscard]] const std::vector<expectation>& keys() const {
    return keys_;
  }

private:
  template <class Change>
  void become(Change&& change) {
    for (auto& each : keys_) {
      std::vector<content> possible;
      for (auto& value : each.allowed)
        change(each.key, value, possible);
      each.allowed = std::move(possible);
    }
  }

  static bool goes(const operation& what, const key_id& key) {
    return what.may_go && what.may_go(key);
  }

  static std::vector<effect> steps_of(const operation& what) {
    if (what.on_the_way)
      return {what.on_the_way, what.change};
    return {what.change};
  }

  /// What comes of the steps, with `what` before, between or after them, or not
  /// at all if `may_fail`.
  static void any_order(const operation& what, const std::vector<effect>& steps,
                        const key_id& key, const content& value,
                        std::vector<content>& possible, bool may_fail) {
    if (goes(what, key)) {
      add(possible, {});
      for (auto& step : steps)
        add(possible, step(key, {}));
      add(possible, what.change(key, {}));
    }
    for (std::size_t place = 0; place <= steps.size() + 1; ++place) {
      if (place > steps.size() && !may_fail)
        break;
      auto result = value;
      for (std::size_t i = 0; i <= steps.size(); ++i) {
        if (i == place)
          result = what.change(key, result);
        if (i < steps.size())
          result = steps[i](key, result);
      }
      add(possible, std::move(result));
    }
  }

  static void add(std::vector<content>& values, content value) {
    if (std::find(values.begin(), values.end(), value) == values.end())
      values.push_back(std::move(value));
  }

  std::vector<expectation> keys_;
};

/// Uses other stores than the one that is stepped: what a thread remembers of
/// the last one is as it was afterwards.
template <class Body>
void as_another(Body&& body) {
  auto kept = detail::store_impl::last_used;
  body();
  detail::store_impl::last_used = kept;
}

class campaign {
public:
  explicit campaign(const settings& wanted)
    : wanted_{wanted}, shape_{world{}.shape()}, copy_{shape_},
      file_path_{"/dev/shm/neuroplex-points-copy-"
                 + std::to_string(::getpid())},
      file_{shape_, file_path_}, survivor_{shape_, copy_.base()},
      end_{steady::now() + std::chrono::seconds{wanted.seconds}},
      random_{wanted.seed} {
  }

  /// Number of findings.
  std::size_t run();

private:
  void round();
  void alone(const operation& what, const neighbourhood& around);
  void crossed(const operation& what, const operation& other,
               const neighbourhood& around, std::uint64_t at_change);
  void recovered(const operation& what, const neighbourhood& around,
                 std::uint64_t at_change);

  /// A world in which `what` is about to happen.
  std::unique_ptr<world> prepare(const operation& what,
                                 const neighbourhood& around);
  static legal legal_before(const world& w, const operation& what);
  void check(const std::byte* segment, const std::vector<unsigned>& dead,
             const legal& may);
  void check_by_store(world& w, unsigned whose, const legal& may,
                      const operation& what);
  void count(const char* kind, tally counted);
  void report(const std::vector<std::string>& wrong);
  [[nodiscard]] bool enough() const;

  const settings& wanted_;
  geometry shape_;
  segment_image copy_;
  std::string file_path_;
  segment_image file_;
  survivor survivor_;
  steady::time_point end_;
  std::mt19937_64 random_;
  int rounds_ = 0;
  /// By operation and neighbourhood.
  std::map<std::string, std::map<std::string, std::uint64_t>> changes_of_;
  tally all_;
  std::map<std::string, tally> by_kind_;
  std::string now_;
  std::uint64_t checks_ = 0;   ///< copies recovered and examined
  std::uint64_t attached_ = 0; ///< of them by attaching to a file
  std::size_t bad_ = 0;
};

bool campaign::enough() const {
  return steady::now() >= end_
         || (all_.points >= wanted_.points && all_.states >= wanted_.states
             && rounds_ >= wanted_.rounds);
}

std::size_t campaign::run() {
  auto begin = steady::now();
  for (; !enough(); ++rounds_)
    round();
  auto seconds = std::chrono::duration<double>(steady::now() - begin).count();
  for (auto& [name, part] : by_kind_)
    std::printf("%-12s %8llu runs %10llu points %9llu states\n", name.c_str(),
                number(part.runs), number(part.points), number(part.states));
  std::printf(
    "%llu crash points (instructions); %llu states of the segment, each "
    "different from the one before,\nwere recovered and examined, %llu times "
    "in "
    "all, %llu of them by attaching to a file. At the points between,\nthe "
    "segment was write-protected, so equal to the state before. Not counted: "
    "%llu states inside long copies.\n%.0f s of processor, %.0f s in all, %zu "
    "bad\n",
    number(all_.points), number(all_.states), number(checks_),
    number(attached_), number(all_.passed_over),
    static_cast<double>(std::clock()) / CLOCKS_PER_SEC, seconds, bad_);
  if (all_.points < wanted_.points || all_.states < wanted_.states
      || rounds_ < wanted_.rounds) {
    std::printf("too few: %llu points, %llu states and %d rounds were wanted\n",
                number(wanted_.points), number(wanted_.states), wanted_.rounds);
    return bad_ + 1;
  }
  return bad_;
}

void campaign::round() {
  auto operations = all_operations();
  auto interjections = all_interjections();
  auto neighbourhoods = all_neighbourhoods();
  if (!wanted_.only.empty())
    std::erase_if(operations,
                  [&](auto& each) { return each.name != wanted_.only; });
  // Places are drawn from as many changes as the operation makes.
  auto somewhere = [&](const operation& what, const neighbourhood& around) {
    auto& known = changes_of_[what.name];
    if (known.empty())
      alone(what, neighbourhoods.front());
    auto here = known.find(around.name);
    if (here == known.end())
      here = known.begin();
    return random_() % here->second + 1;
  };
  auto anywhere = [&]() -> const neighbourhood& {
    auto& around = neighbourhoods[random_() % neighbourhoods.size()];
    return around.costly && random_() % 4 != 0 ? neighbourhoods.front()
                                               : around;
  };
  std::vector<std::function<void()>> tasks;
  for (auto& what : operations) {
    for (auto& around : neighbourhoods) {
      auto one_of = around.costly ? 8U : 3U;
      if (&around == &neighbourhoods.front()
          || (!(around.costly && what.long_one) && random_() % one_of == 0))
        tasks.emplace_back([&] { alone(what, around); });
    }
    tasks.emplace_back([&] {
      auto& around = anywhere();
      crossed(what, interjections[random_() % interjections.size()], around,
              somewhere(what, around));
    });
    tasks.emplace_back([&] {
      auto& around = anywhere();
      recovered(what, around, somewhere(what, around));
    });
  }
  std::shuffle(tasks.begin(), tasks.end(), random_);
  for (auto& each : tasks)
    if (!enough())
      each();
}

std::unique_ptr<world> campaign::prepare(const operation& what,
                                         const neighbourhood& around) {
  auto made = std::make_unique<world>();
  what.prepare(*made);
  around.prepare(*made);
  made->forget_changes();
  if (what.ready)
    what.ready(*made);
  return made;
}

legal campaign::legal_before(const world& w, const operation& what) {
  legal result{w.present};
  for (auto name : {"target", "peer's"})
    result.know({0, name});
  if (key_id four{1, "four"}; what.may_go && what.may_go(four))
    result.know(four);
  // A backup takes marks away.
  if (!what.look)
    result.was_backed_up(w.backed_up);
  return result;
}

void campaign::alone(const operation& what, const neighbourhood& around) {
  now_ = what.name + ", " + around.name;
  auto w = prepare(what, around);
  auto before = legal_before(*w, what);
  auto may = before;
  may.begin(what);
  check(w->base(victim), {victim}, before);
  point_count points{w->base(victim), shape_};
  std::uint64_t changes = 0;
  stepper steps{w->base(victim), shape_.file_bytes,
                [&](const stepper::change& change) {
                  ++changes;
                  if (!points.next(steps.instructions(), change))
                    return;
                  check(w->base(victim), {victim}, may);
                  if (changes % 4 == 0)
                    check(w->base(victim), {peer, victim}, may);
                  constexpr unsigned now_and_then = 64;
                  if (what.through_store || changes % now_and_then == 0)
                    check_by_store(*w, victim, may, what);
                }};
  auto answer = errc::ok;
  steps.run([&] { answer = what.run(w->victim()); });
  points.finish(steps.instructions());
  if (answer == errc::ok)
    (may = before).acknowledge(what);
  check(w->base(victim), {victim, peer}, may);
  check_by_store(*w, victim, may, what);
  if (changes != 0)
    changes_of_[what.name][around.name] = changes;
  count("alone", points.counted());
}

void campaign::crossed(const operation& what, const operation& other,
                       const neighbourhood& around, std::uint64_t at_change) {
  now_ = what.name + ", " + around.name + ", at change "
         + std::to_string(at_change) + " " + other.name;
  auto w = prepare(what, around);
  auto before = legal_before(*w, what);
  auto may = before;
  may.begin(what);
  bool interjected = false;
  bool refused = false;
  auto interject = [&] {
    interjected = true;
    may = before;
    may.begin_both(what, other);
    point_count points{w->base(peer), shape_};
    bool turn = false;
    stepper inner{w->base(peer), shape_.file_bytes,
                  [&](const stepper::change& change) {
                    if (!points.next(inner.instructions(), change))
                      return;
                    check(w->base(peer), {victim, peer}, may);
                    if ((turn = !turn))
                      check(w->base(peer), {peer, victim}, may);
                  }};
    auto answer = errc::ok;
    as_another([&] { inner.run([&] { answer = other.run(w->peer()); }); });
    refused = answer != errc::ok;
    if (!refused)
      (may = before).acknowledge_other(what, other);
    points.finish(inner.instructions());
    count("crossed", points.counted());
  };
  point_count points{w->base(victim), shape_};
  std::uint64_t changes = 0;
  stepper steps{w->base(victim), shape_.file_bytes,
                [&](const stepper::change& change) {
                  auto examine = points.next(steps.instructions(), change);
                  if (++changes == at_change) {
                    // Up to here it was the operation alone.
                    points.forget();
                    interject();
                  }
                  if (interjected && examine)
                    check(w->base(victim), {victim}, may);
                }};
  auto answer = errc::ok;
  steps.run([&] { answer = what.run(w->victim()); });
  if (interjected && !refused && answer == errc::ok)
    (may = before).acknowledge_both(what, other);
  check(w->base(victim), {victim, peer}, may);
  if (what.look)
    check_by_store(*w, victim, may, what);
  points.finish(steps.instructions());
  if (interjected)
    count("crossed", points.counted());
}

void campaign::recovered(const operation& what, const neighbourhood& around,
                         std::uint64_t at_change) {
  now_ = what.name + ", " + around.name + ", dead at change "
         + std::to_string(at_change) + ", recovery";
  auto w = prepare(what, around);
  auto may = legal_before(*w, what);
  may.begin(what);
  segment_image remains{shape_};
  bool taken = false;
  std::uint64_t changes = 0;
  {
    stepper steps{w->base(victim), shape_.file_bytes,
                  [&](const stepper::change&) {
                    if (++changes != at_change)
                      return;
                    remains.take(w->base(victim));
                    taken = true;
                  }};
    steps.run([&] { (void)what.run(w->victim()); });
  }
  if (!taken)
    return;
  // The victim is gone, and all is as it was when it died; the peer has done
  // nothing since.
  w->victim().close();
  copy_used(shape_, remains.base(), w->base(peer));
  check(w->base(peer), {victim, peer}, may);
  constexpr unsigned early = 200;
  auto other_recovers = random_() % early + 1;
  point_count points{w->base(peer), shape_};
  changes = 0;
  stepper steps{w->base(peer), shape_.file_bytes,
                [&](const stepper::change& change) {
                  if (++changes == other_recovers)
                    as_another([&] {
                      if (auto found = w->watcher().recover(); !found)
                        report({"recover: " + found.error().to_string()});
                    });
                  if (!points.next(steps.instructions(), change))
                    return;
                  check(w->base(peer), {victim, peer}, may);
                  if (changes % 4 == 0)
                    check(w->base(peer), {peer, victim}, may);
                }};
  auto found = expected<std::size_t>{errc::busy};
  steps.run([&] { found = w->peer().recover(); });
  if (!found)
    report({"recover: " + found.error().to_string()});
  check(w->base(peer), {}, may);
  check_by_store(*w, peer, may, what);
  points.finish(steps.instructions());
  count("recovered", points.counted());
}

void campaign::check(const std::byte* segment,
                     const std::vector<unsigned>& dead, const legal& may) {
  ++checks_;
  copy_.take(segment);
  auto seen = survivor_.read_all(may.keys());
  survivor_.recover(dead);
  report(survivor_.examine(may.keys(), seen));
  constexpr std::uint64_t use_every = 4;
  if (checks_ % use_every == 0)
    report(survivor_.use());
}

void campaign::check_by_store(world& w, unsigned whose, const legal& may,
                              const operation& what) {
  ++checks_;
  ++attached_;
  file_.take(w.base(whose));
  as_another([&] {
    auto db = store::open(file_path_);
    if (!db)
      return report({"open: " + db.error().to_string()});
    std::vector<std::string> wrong;
    auto expect = [&](bool good, const char* what) {
      if (!good)
        wrong.emplace_back(what);
    };
    std::uint64_t entries = 0;
    for (auto& each : db->namespaces())
      entries += each.entries;
    auto damaged = db->verify();
    expect(damaged && *damaged == 0, "verify finds damage");
    for (auto& each : may.keys()) {
      std::string value;
      auto ns = namespace_id{each.key.ns};
      auto answer = db->get(ns, each.key.name, value);
      auto now = answer == errc::ok ? content{value} : content{};
      if (std::find(each.allowed.begin(), each.allowed.end(), now)
          == each.allowed.end())
        wrong.push_back("attached, holds what it cannot: " + each.key.name);
    }
    if (what.look)
      for (auto& each : what.look(w, *db))
        wrong.push_back(each);
    auto again = db->open_namespace("space");
    expect(bool{again} || again.code() == errc::namespace_full,
           "a namespace cannot be opened");
    std::uint64_t removed = 0;
    auto cleared = db->clear(namespace_id::default_namespace, removed);
    expect(cleared == errc::ok, "clear fails");
    expect(db->drop_namespace("space").code() == errc::ok, "drop fails");
    expect(removed <= entries, "entries are not all counted");
    report(wrong);
  });
}

void campaign::count(const char* kind, tally counted) {
  counted.runs = 1;
  all_.add(counted);
  by_kind_[kind].add(counted);
}

void campaign::report(const std::vector<std::string>& wrong) {
  constexpr std::size_t shown = 20;
  for (auto& each : wrong)
    if (++bad_ <= shown) {
      std::printf("%s: %s\n", now_.c_str(), each.c_str());
      std::fflush(stdout);
    }
}

} // namespace

int main(int argc, char** argv) {
  settings wanted;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    if (name == "--points")
      wanted.points = std::strtoull(argv[i + 1], nullptr, 10);
    else if (name == "--states")
      wanted.states = std::strtoull(argv[i + 1], nullptr, 10);
    else if (name == "--rounds")
      wanted.rounds = std::atoi(argv[i + 1]);
    else if (name == "--seed")
      wanted.seed = std::strtoull(argv[i + 1], nullptr, 10);
    else if (name == "--seconds")
      wanted.seconds = std::atoi(argv[i + 1]);
    else if (name == "--only")
      wanted.only = argv[i + 1];
    else {
      std::fprintf(stderr, "crash_points: unknown option %s\n", argv[i]);
      return 2;
    }
  }
  if (!stepper::available()) {
    std::printf("skipped: nothing can be single-stepped here\n");
    return exit_skipped;
  }
  ::alarm(static_cast<unsigned>(wanted.seconds) + 60); // a hang is a failure
  return campaign{wanted}.run() == 0 ? 0 : 1;
}
