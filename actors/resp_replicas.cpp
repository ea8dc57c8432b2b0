#include "actors/resp_replicas.hpp"

#include "actors/replica/question.hpp"
#include "actors/resp/command.hpp"
#include "actors/resp/service.hpp"
#include "actors/resp/text.hpp"

namespace neuroplex::actors {

namespace {

// Each shard is an owner of its own, beside the other nodes and the groups of
// what is agreed on, which begin at the upper half.
constexpr std::uint32_t first_shard_owner = std::uint32_t{1} << 30;
constexpr std::uint32_t end_of_shard_owners = std::uint32_t{1} << 31;

bool is_shard(resp::owner_id owner) {
  auto number = static_cast<std::uint32_t>(owner);
  return number >= first_shard_owner && number < end_of_shard_owners;
}

resp::owner_id owner_of_shard(std::uint32_t shard) {
  return resp::owner_id{first_shard_owner + shard};
}

std::string error_bytes(std::uint8_t protocol, std::string_view text) {
  resp::byte_buffer output;
  resp::writer{output, protocol}.error(text);
  return std::string{output.view()};
}

} // namespace

resp_replicas::resp_replicas(std::shared_ptr<replica_access> access,
                             resp::remote* others, std::uint32_t request_ms)
  : access_{std::move(access)}, others_{others}, request_ms_{request_ms} {
}

void resp_replicas::attach(resp::server& gate) {
  box_->open(gate,
             [](arrived_reply& one) { one.first(std::move(one.second)); });
}

void resp_replicas::stop() noexcept {
  box_->close();
}

resp::owner_id resp_replicas::owner_of(std::uint32_t database,
                                       std::string_view key) const {
  auto space = resp::database_name(database);
  if (access_->find(space) != nullptr)
    return owner_of_shard(access_->shard_of(space, key));
  return others_ != nullptr ? others_->owner_of(database, key)
                            : resp::owner_id::here;
}

std::vector<resp::owner_id> resp_replicas::others() const {
  if (others_ != nullptr)
    return others_->others();
  return {};
}

bool resp_replicas::agreed(std::uint32_t database) const {
  return others_ != nullptr && others_->agreed(database);
}

std::vector<resp::owner_id>
resp_replicas::shards_of(std::uint32_t database) const {
  std::vector<resp::owner_id> result;
  if (const auto* space = access_->find(resp::database_name(database)))
    for (std::uint32_t i = 0; i < space->shards; ++i)
      result.push_back(owner_of_shard(i));
  return result;
}

// Nobody is waited for, so no other copy is sure.
std::size_t resp_replicas::other_copies(std::uint32_t database) const {
  return others_ != nullptr ? others_->other_copies(database) : 0;
}

void resp_replicas::submit(resp::owner_id owner, resp::remote_command command,
                           resp::remote_completion completion) {
  if (!is_shard(owner))
    return others_->submit(owner, std::move(command), std::move(completion));
  const auto protocol = command.protocol;
  auto nature = replica::nature_of(command.arguments);
  if (!nature.refusal.empty())
    return completion({errc::ok, error_bytes(protocol, nature.refusal)});
  const auto space = resp::database_name(command.database);
  const auto shard = static_cast<std::uint32_t>(owner) - first_shard_owner;
  const auto* settings = access_->find(space);
  if (settings == nullptr)
    return completion({errc::not_found, {}});
  const auto of_session =
    resp::lower_copy(command.arguments[0]).starts_with("session.");
  if (of_session && settings->shards != 1)
    return completion(
      {errc::ok, error_bytes(protocol, "ERR a session has a token where the "
                                       "namespace has shards=1")});
  auto shown = settings->concurrent == config::concurrent_writes::last
                 ? replica::concurrent_values::last
                 : replica::concurrent_values::all;
  auto output = std::make_shared<resp::byte_buffer>();
  replica::job what;
  what.changes = nature.changes;
  what.bytes = nature.bytes;
  what.deadline = replica_now().steady + milliseconds{request_ms_};
  if (nature.after)
    what.after = std::move(*nature.after);
  if (settings->stale_reads == config::stale_read::forward && !nature.changes
      && !of_session) {
    what.question = [asked =
                       replica::question{protocol, shown, command.arguments}] {
      return encode(asked);
    };
    what.take_answer = [output](std::string_view reply) {
      output->append(reply);
      return !reply.empty();
    };
  }
  what.run = [output, shown, protocol, words = std::move(command.arguments)](
               replica::core& on, const replica::moment& now) {
    replica::execute(on, now, words, shown, protocol, *output);
  };
  what.finish = [output, protocol, box = box_,
                 completion = std::move(completion)](errc code) mutable {
    resp::remote_reply reply{
      errc::ok, code == errc::ok
                  ? std::string{output->view()}
                  : error_bytes(protocol, resp::failure_text(code))};
    box->post({std::move(completion), std::move(reply)});
  };
  access_->submit({space, shard}, std::move(what));
}

void resp_replicas::flush() {
  if (others_ != nullptr)
    others_->flush();
}

} // namespace neuroplex::actors
