#include "actors/tunnel/stream.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace neuroplex::tunnel {

namespace {

basp_guard_options guard_options(const stream_settings& settings) {
  basp_guard_options result;
  // What arrives at a server was sent by a client, and the other way round.
  result.sender = settings.role == tls_role::server ? basp_sender::client
                                                    : basp_sender::server;
  result.payload_bytes = settings.limits.basp_payload_bytes;
  result.app_identifiers = settings.limits.basp_app_identifiers;
  return result;
}

std::string name_of(replica_id id) {
  return "replica " + std::to_string(id);
}

} // namespace

stream::stream(const stream_settings& settings,
               std::shared_ptr<const tls_context> context, std::int64_t now_ms)
  : settings_{settings}, context_{std::move(context)},
    guard_{guard_options(settings)}, wanted_{settings.wanted},
    started_ms_{now_ms}, heard_ms_{now_ms}, sent_ms_{now_ms} {
}

stream::~stream() {
  finish();
}

void stream::finish() noexcept {
  if (std::exchange(admitted_, false))
    settings_.sessions->release(*peer_);
  if (std::exchange(node_claimed_, false))
    settings_.claims->release(*guard_.node(), *peer_);
}

void stream::on_network_open(std::int64_t now_ms) {
  auto made = tls_channel::make(context_, settings_.role);
  if (!made) {
    close(reason::failed, made.error().message(), now_ms);
    return;
  }
  channel_.emplace(*std::move(made));
  if (settings_.role == tls_role::client)
    channel_->start(network_out_);
}

void stream::on_network(std::span<const std::byte> bytes, std::int64_t now_ms) {
  if (closing())
    return;
  heard_ms_ = now_ms;
  probe_deadline_ms_.reset();
  if (!channel_)
    on_network_open(now_ms);
  if (closing())
    return;
  plain_.clear();
  channel_->feed(bytes, plain_, network_out_);
  if (phase_ == phase::shaking && channel_->open())
    check_peer(now_ms);
  if (!closing())
    decode(now_ms);
  if (channel_->cause() != reason::none)
    close(channel_->cause(), channel_->detail(), now_ms);
  else if (channel_->peer_closed())
    close(reason::peer_reset, "the peer ended TLS without a close frame",
          now_ms);
}

void stream::check_peer(std::int64_t now_ms) {
  const auto facts = channel_->peer();
  const bool server = settings_.role == tls_role::server;
  if (!facts.id || (!server && *facts.id != settings_.peer)) {
    refuse(reason::wrong_name,
           (facts.id ? "the certificate names " + name_of(*facts.id)
                     : std::string{"the certificate names no replica"})
             + (server ? "" : ", expected " + name_of(settings_.peer)),
           now_ms);
    return;
  }
  peer_ = facts.id;
  constexpr auto forever = std::numeric_limits<std::int64_t>::max();
  certificate_end_ms_ = facts.seconds_left > (forever - now_ms) / 1000
                          ? forever
                          : now_ms + facts.seconds_left * 1000;
  phase_ = phase::greeting;
  if (!server)
    send_hello(wanted_ == service::basp ? frame_type::hello
                                        : frame_type::hello_agreement,
               now_ms);
}

void stream::decode(std::int64_t now_ms) {
  std::span<const std::byte> input{plain_};
  while (!closing()) {
    const auto event = decoder_.next(input);
    switch (event.kind) {
      case frame_decoder::step::need_more:
        return;
      case frame_decoder::step::error:
        // Garbage in place of the first frame is no hello, whatever its shape.
        refuse(phase_ == phase::greeting ? reason::hello_malformed : event.why,
               "", now_ms);
        return;
      case frame_decoder::step::control:
        on_control(event.type, event.payload, now_ms);
        break;
      case frame_decoder::step::data:
        on_data(event.payload, now_ms);
        break;
    }
  }
}

void stream::on_control(frame_type type, std::span<const std::byte> payload,
                        std::int64_t now_ms) {
  const bool server = settings_.role == tls_role::server;
  const bool agreement = type == frame_type::hello_agreement;
  if ((type == frame_type::hello || agreement) && server
      && phase_ == phase::greeting) {
    on_hello(agreement ? service::agreement : service::basp, payload, now_ms);
    return;
  }
  if (type == frame_type::welcome && !server && phase_ == phase::greeting) {
    on_welcome(payload, now_ms);
    return;
  }
  if (type == frame_type::refuse) {
    refuse_frame content;
    const auto why = read_refuse(payload, content);
    if (why != reason::none) {
      refuse(why, "", now_ms);
      return;
    }
    const bool common = content.version >= limits::oldest_wire_version
                        && content.oldest_version <= limits::wire_version;
    close(common ? reason::refused_by_peer : reason::wire_version, content.text,
          now_ms);
    return;
  }
  if (phase_ == phase::greeting) {
    refuse(reason::hello_malformed, "", now_ms);
    return;
  }
  const bool echo = type == frame_type::ping || type == frame_type::pong;
  if (echo && payload.size() == sizeof(std::uint64_t)) {
    // A peer that pings without reading is not answered beyond the limit.
    if (type == frame_type::ping
        && network_out_.size() < settings_.limits.buffer_bytes)
      send_frame(frame_type::pong, payload, now_ms);
    return;
  }
  if (type == frame_type::close && payload.empty()) {
    close(reason::orderly, "", now_ms);
    return;
  }
  refuse(reason::frame_malformed, "", now_ms);
}

void stream::on_hello(service wanted, std::span<const std::byte> payload,
                      std::int64_t now_ms) {
  hello_frame hello;
  const auto why = read_hello(payload, hello);
  if (why == reason::wire_version) {
    refuse(why, version_text(hello.version, hello.oldest_version), now_ms);
    return;
  }
  if (why != reason::none) {
    refuse(why, "", now_ms);
    return;
  }
  if (hello.cluster != settings_.self.cluster) {
    refuse(reason::other_cluster,
           "this node belongs to cluster '" + settings_.self.cluster + "'",
           now_ms);
    return;
  }
  if (hello.id != *peer_) {
    refuse(reason::hello_identity,
           "the hello names " + name_of(hello.id) + ", the certificate "
             + name_of(*peer_),
           now_ms);
    return;
  }
  if (!settings_.sessions->known(*peer_)) {
    refuse(reason::unknown_peer, name_of(*peer_) + " is no peer of this node",
           now_ms);
    return;
  }
  if (wanted == service::agreement && !settings_.serves_agreement) {
    refuse(reason::local_unavailable,
           "this node has no namespace that is agreed on", now_ms);
    return;
  }
  wanted_ = wanted;
  if (auto refused = settings_.sessions->admit(*peer_, hello.incarnation);
      refused != reason::none) {
    refuse(refused, "", now_ms);
    return;
  }
  admitted_ = true;
  phase_ = phase::connecting;
}

void stream::on_welcome(std::span<const std::byte> payload,
                        std::int64_t now_ms) {
  hello_frame welcome;
  const auto why = read_hello(payload, welcome);
  if (why == reason::wire_version) {
    refuse(why, version_text(welcome.version, welcome.oldest_version), now_ms);
    return;
  }
  if (why != reason::none) {
    refuse(why, "", now_ms);
    return;
  }
  if (welcome.cluster != settings_.self.cluster) {
    refuse(reason::other_cluster,
           "this node belongs to cluster '" + settings_.self.cluster + "'",
           now_ms);
    return;
  }
  if (welcome.id != *peer_) {
    refuse(reason::hello_identity, "", now_ms);
    return;
  }
  start_relaying(now_ms);
}

void stream::on_local_open(std::int64_t now_ms) {
  if (phase_ != phase::connecting)
    return;
  send_hello(frame_type::welcome, now_ms);
  start_relaying(now_ms);
}

void stream::start_relaying(std::int64_t now_ms) {
  phase_ = phase::relaying;
  relaying_since_ms_ = now_ms;
  progress_ms_ = now_ms;
}

void stream::on_data(std::span<const std::byte> payload, std::int64_t now_ms) {
  if (phase_ != phase::relaying) {
    refuse(phase_ == phase::greeting ? reason::hello_malformed
                                     : reason::frame_malformed,
           "", now_ms);
    return;
  }
  bytes_from_peer_ += payload.size();
  if (!inspects()) {
    local_out_.append(payload);
    return;
  }
  const bool greeted = guard_.greeted();
  const bool mid_header = guard_.mid_header();
  // Held back until the node id that a first handshake names is ours to give.
  byte_queue passed;
  const auto why = guard_.feed(payload, greeted ? local_out_ : passed);
  if (why != reason::none) {
    refuse(why, "", now_ms);
    return;
  }
  if (!greeted && guard_.greeted()) {
    if (settings_.claims != nullptr
        && !settings_.claims->claim(*guard_.node(), *peer_)) {
      refuse(reason::basp_node_claimed, "", now_ms);
      return;
    }
    node_claimed_ = settings_.claims != nullptr;
  }
  local_out_.append(passed.front());
  // Half a header that grows byte by byte is no progress, half a payload is.
  if (!(mid_header && guard_.mid_header()))
    progress_ms_ = now_ms;
}

void stream::on_local(std::span<const std::byte> bytes, std::int64_t now_ms) {
  if (phase_ != phase::relaying)
    return;
  bytes_to_peer_ += bytes.size();
  while (!bytes.empty()) {
    auto part = bytes.first(std::min(bytes.size(), limits::data_payload_bytes));
    send_frame(frame_type::data, part, now_ms);
    bytes = bytes.subspan(part.size());
  }
}

void stream::on_network_end(std::int64_t now_ms) {
  close(reason::peer_reset, "the peer's connection ended", now_ms);
}

void stream::on_local_end(std::int64_t now_ms) {
  if (phase_ == phase::relaying)
    send_frame(frame_type::close, {}, now_ms);
  close(reason::orderly, "", now_ms);
}

void stream::probe(std::int64_t now_ms) {
  if (phase_ != phase::relaying || probe_deadline_ms_)
    return;
  probe_deadline_ms_ = now_ms + settings_.limits.probe_ms;
  send_frame(frame_type::ping, std::array<std::byte, 8>{}, now_ms);
}

void stream::on_tick(std::int64_t now_ms) {
  const auto& bounds = settings_.limits;
  if (closing())
    return;
  if (phase_ != phase::relaying) {
    if (now_ms - started_ms_ >= bounds.handshake_ms)
      close(reason::handshake_deadline, "", now_ms);
    return;
  }
  if (now_ms >= certificate_end_ms_) {
    refuse(reason::certificate_expired, "", now_ms);
    return;
  }
  // While this side does not read, it cannot know what the peer sent.
  if (!wants_network()) {
    heard_ms_ = now_ms;
    progress_ms_ = now_ms;
    if (probe_deadline_ms_)
      probe_deadline_ms_ = now_ms + bounds.probe_ms;
  } else if (now_ms - heard_ms_ >= bounds.idle_ms) {
    close(reason::idle, "", now_ms);
    return;
  } else if (probe_deadline_ms_ && now_ms >= *probe_deadline_ms_) {
    close(reason::superseded, "", now_ms);
    return;
  } else if (inspects() && guard_.mid_frame()) {
    const bool early = !guard_.greeted() || guard_.mid_header();
    if (now_ms - progress_ms_ >= (early ? bounds.handshake_ms : bounds.idle_ms)
        || (!guard_.greeted()
            && now_ms - relaying_since_ms_ >= bounds.handshake_ms)) {
      refuse(reason::basp_stall, "", now_ms);
      return;
    }
  }
  if (now_ms - sent_ms_ >= bounds.idle_ms / limits::pings_per_idle
      && network_out_.empty())
    send_frame(frame_type::ping, std::array<std::byte, 8>{}, now_ms);
}

bool stream::wants_network() const noexcept {
  return !closing() && phase_ != phase::connecting
         && local_out_.size() < settings_.limits.buffer_bytes
         && network_out_.size() < 2 * settings_.limits.buffer_bytes;
}

bool stream::wants_local() const noexcept {
  return phase_ == phase::relaying
         && network_out_.size() < settings_.limits.buffer_bytes;
}

void stream::send_hello(frame_type type, std::int64_t now_ms) {
  hello_frame hello;
  hello.id = settings_.self.id;
  hello.incarnation = settings_.self.incarnation;
  hello.cluster = settings_.self.cluster;
  scratch_.clear();
  append_hello(scratch_, type, hello);
  send_scratch(now_ms);
}

void stream::send_frame(frame_type type, std::span<const std::byte> payload,
                        std::int64_t now_ms) {
  scratch_.clear();
  append_frame(scratch_, type, payload);
  send_scratch(now_ms);
}

void stream::send_scratch(std::int64_t now_ms) {
  sent_ms_ = now_ms;
  channel_->send(scratch_, network_out_);
  if (channel_->cause() != reason::none)
    close(channel_->cause(), channel_->detail(), now_ms);
}

void stream::refuse(reason why, std::string detail, std::int64_t now_ms) {
  if (closing())
    return;
  if (detail.empty())
    detail = describe(why);
  if (channel_ && channel_->open()) {
    refuse_frame content;
    content.text = std::string{reason_name(why)} + ": " + detail;
    scratch_.clear();
    append_refuse(scratch_, content);
    send_scratch(now_ms);
  }
  // What the guard let through before is whole frames and the front of one.
  close(why, std::move(detail), now_ms);
}

void stream::close(reason why, std::string detail, std::int64_t now_ms) {
  if (closing())
    return;
  phase_ = phase::closing;
  cause_ = why;
  detail_ = detail.empty() ? std::string{describe(why)} : std::move(detail);
  closing_since_ms_ = now_ms;
  if (channel_)
    channel_->close(network_out_);
  finish();
}

} // namespace neuroplex::tunnel
