#include "storage/concept/segment_file.hpp"

#include "storage/concept/attribute_list.hpp"

#include <algorithm>
#include <cstring>

#include <lz4.h>
#include <xxhash.h>

namespace neuroplex::concepts {

namespace {

using namespace segment_format;

/// Shorter bodies are not worth a try, and one must shrink by an eighth.
constexpr std::size_t least_compressed_bytes = 128;

template <class T>
std::uint64_t checksum_of(const T& record) noexcept {
  return XXH3_64bits(&record, sizeof record - sizeof record.checksum);
}

std::uint64_t body_checksum(std::string_view vector,
                            std::string_view content) noexcept {
  return XXH3_64bits_withSeed(content.data(), content.size(),
                              XXH3_64bits(vector.data(), vector.size()));
}

concept_id id_of(const concept_entry& entry) noexcept {
  return {entry.id_high, entry.id_low};
}

/// Calls `visit` with each bit that an id sets among `bits`, which is not 0
/// (Kirsch and Mitzenmacher 2006, "Less hashing, same performance").
template <class Visit>
bool for_each_probe(const concept_id& id, std::uint64_t bits, Visit&& visit) {
  auto hash = XXH3_128bits(&id, sizeof id);
  for (unsigned i = 0; i < bloom_probes; ++i)
    if (!visit((hash.low64 + i * hash.high64) % bits))
      return false;
  return true;
}

template <class T>
std::string_view view_of(const std::vector<T>& items) noexcept {
  return {reinterpret_cast<const char*>(items.data()),
          items.size() * sizeof(T)};
}

class segment_builder {
public:
  void add(const graph_version& from, concept_slot slot) {
    const auto& record = from.records[slot];
    concept_entry entry{};
    entry.id_high = record.id.high;
    entry.id_low = record.id.low;
    entry.strength = record.strength;
    entry.confidence = record.confidence;
    entry.created_us = record.body->created_us;
    entry.changed_us = record.changed_us;
    entry.first_association = associations_.size();
    entry.association_count = record.out_count;
    edge_list::for_each(record.out, [&](const edge& by) {
      add_association(record.id, from.records[by.other].id, by);
      return true;
    });
    add_body(record, entry);
    entry.checksum = checksum_of(entry);
    concepts_.push_back(entry);
  }

  void add_forgotten(const concept_id& id) {
    concept_entry entry{};
    entry.id_high = id.high;
    entry.id_low = id.low;
    entry.flags = is_forgotten;
    entry.first_association = associations_.size();
    entry.body_checksum = body_checksum({}, {});
    entry.checksum = checksum_of(entry);
    concepts_.push_back(entry);
  }

  std::string finish(file_header head, const association_types& types) {
    std::string names;
    for (std::size_t i = 0; i < types.size(); ++i) {
      auto type = static_cast<association_type>(i);
      attribute_list::add(names, types.name(type), types.phrase(type));
    }
    auto bloom = bloom_filter();
    head.concept_count = concepts_.size();
    head.association_count = associations_.size();
    std::string result(sizeof head, '\0');
    auto append = [&result](section& part, std::string_view bytes) {
      result.resize(aligned(result.size()));
      part = {result.size(), bytes.size(),
              XXH3_64bits(bytes.data(), bytes.size())};
      result.append(bytes);
    };
    append(head.concepts, view_of(concepts_));
    append(head.associations, view_of(associations_));
    append(head.types, names);
    append(head.vectors, vectors_);
    append(head.content, content_);
    append(head.bloom, bloom);
    head.checksum = checksum_of(head);
    std::memcpy(result.data(), &head, sizeof head);
    return result;
  }

private:
  void add_association(const concept_id& source, const concept_id& target,
                       const edge& by) {
    association_entry entry{};
    entry.source_high = source.high;
    entry.source_low = source.low;
    entry.target_high = target.high;
    entry.target_low = target.low;
    entry.type = by.type;
    entry.qualifier = by.qualifier;
    entry.weight = by.weight;
    entry.confidence = by.confidence;
    entry.checksum = checksum_of(entry);
    associations_.push_back(entry);
  }

  void add_body(const concept_record& record, concept_entry& entry) {
    const auto& body = *record.body;
    entry.content_bytes = body.content_bytes;
    entry.attribute_bytes = body.attribute_bytes;
    entry.vector_offset = vectors_.size();
    std::string_view vector{body.data(), body.dimensions * sizeof(float)};
    if (!vector.empty())
      entry.flags |= has_vector;
    vectors_.append(vector);
    std::string_view plain{body.data() + vector.size(),
                           body.data_bytes() - vector.size()};
    entry.content_offset = content_.size();
    if (compress(plain))
      entry.flags |= is_compressed;
    else
      content_.append(plain);
    entry.stored_bytes =
      static_cast<std::uint32_t>(content_.size() - entry.content_offset);
    entry.body_checksum = body_checksum(
      vector, std::string_view{content_}.substr(entry.content_offset));
  }

  bool compress(std::string_view plain) {
    if (plain.size() < least_compressed_bytes)
      return false;
    packed_.resize(plain.size() - plain.size() / 8);
    auto size = LZ4_compress_default(plain.data(), packed_.data(),
                                     static_cast<int>(plain.size()),
                                     static_cast<int>(packed_.size()));
    if (size <= 0)
      return false;
    content_.append(packed_.data(), static_cast<std::size_t>(size));
    return true;
  }

  [[nodiscard]] std::string bloom_filter() const {
    auto bits = concepts_.size() * bloom_bits_a_concept;
    std::string filter((bits + 7) / 8, '\0');
    for (const auto& entry : concepts_)
      for_each_probe(id_of(entry), filter.size() * 8, [&](std::uint64_t bit) {
        filter[bit / 8] = static_cast<char>(filter[bit / 8] | 1 << bit % 8);
        return true;
      });
    return filter;
  }

  std::vector<concept_entry> concepts_;
  std::vector<association_entry> associations_;
  std::string vectors_;
  std::string content_;
  std::string packed_;
};

} // namespace

std::string build_segment(const graph_version& from,
                          std::span<const concept_slot> slots,
                          std::span<const concept_id> forgotten,
                          const association_types& types,
                          const segment_label& label) {
  struct item {
    concept_id id;
    const concept_slot* slot; // null: forgotten
  };
  std::vector<item> order;
  order.reserve(slots.size() + forgotten.size());
  for (const auto& slot : slots)
    order.push_back({from.records[slot].id, &slot});
  for (const auto& id : forgotten)
    order.push_back({id, nullptr});
  std::sort(order.begin(), order.end(),
            [](const item& a, const item& b) { return a.id < b.id; });
  segment_builder builder;
  for (const auto& each : order)
    if (each.slot != nullptr)
      builder.add(from, *each.slot);
    else
      builder.add_forgotten(each.id);
  file_header head{};
  head.magic = magic;
  head.version = segment_format::version;
  head.dimensions = from.dimensions;
  head.first_number = label.first_number;
  head.number = label.number;
  head.sequence = from.sequence;
  head.created_us = label.created_us;
  return builder.finish(head, types);
}

failure segment_view::damaged(std::string_view what) const {
  return {errc::corrupt,
          where_ + ": " + std::string{what} + ": restore the file from a copy"};
}

expected<segment_view> segment_view::parse(std::string_view bytes,
                                           std::string where) {
  segment_view view{bytes, std::move(where)};
  auto& head = view.header_;
  if (bytes.size() < sizeof head)
    return view.damaged("shorter than a header");
  std::memcpy(&head, bytes.data(), sizeof head);
  if (head.magic != magic)
    return view.damaged("no segment of concepts");
  if (head.version != segment_format::version)
    return failure{errc::version, view.where_ + ": has format "
                                    + std::to_string(head.version)
                                    + ": this release reads "
                                    + std::to_string(segment_format::version)};
  if (head.checksum != checksum_of(head))
    return view.damaged("header checksum");
  for (const auto* part : {&head.concepts, &head.associations, &head.types,
                           &head.vectors, &head.content, &head.bloom})
    if (part->offset > bytes.size() || part->bytes > bytes.size() - part->offset
        || part->offset % section_unit != 0)
      return view.damaged("a section lies beyond the file's end");
  if (head.concepts.bytes / sizeof(concept_entry) != head.concept_count
      || head.associations.bytes / sizeof(association_entry)
           != head.association_count
      || head.first_number > head.number)
    return view.damaged("counts that contradict each other");
  return view;
}

expected<void> segment_view::verify() const {
  const std::pair<const section*, const char*> parts[] = {
    {&header_.concepts, "concepts"}, {&header_.associations, "associations"},
    {&header_.types, "types"},       {&header_.vectors, "vectors"},
    {&header_.content, "content"},   {&header_.bloom, "bloom"}};
  for (auto [part, name] : parts) {
    auto bytes = bytes_of(*part);
    if (XXH3_64bits(bytes.data(), bytes.size()) != part->checksum)
      return damaged(std::string{"checksum of "} + name);
  }
  return {};
}

expected<const concept_entry*> segment_view::at(std::uint64_t index) const {
  const auto* entry = reinterpret_cast<const concept_entry*>(
                        bytes_.data() + header_.concepts.offset)
                      + index;
  if (entry->checksum != checksum_of(*entry))
    return damaged("checksum of concept " + std::to_string(index));
  return entry;
}

bool segment_view::may_hold(const concept_id& id) const noexcept {
  auto filter = bytes_of(header_.bloom);
  if (filter.empty())
    return header_.concept_count != 0;
  return for_each_probe(id, filter.size() * 8, [&](std::uint64_t bit) {
    return (static_cast<unsigned char>(filter[bit / 8]) >> bit % 8 & 1U) != 0;
  });
}

expected<const concept_entry*> segment_view::find(const concept_id& id) const {
  const concept_entry* none = nullptr;
  if (!may_hold(id))
    return none;
  std::uint64_t begin = 0;
  auto end = header_.concept_count;
  while (begin < end) {
    auto middle = begin + (end - begin) / 2;
    auto entry = at(middle);
    if (!entry)
      return entry;
    if (id_of(**entry) == id)
      return entry;
    if (id_of(**entry) < id)
      begin = middle + 1;
    else
      end = middle;
  }
  return none;
}

expected<std::span<const association_entry>>
segment_view::associations(const concept_entry& of) const {
  if (of.first_association > header_.association_count
      || of.association_count
           > header_.association_count - of.first_association)
    return damaged("associations beyond their section");
  std::span<const association_entry> found{
    reinterpret_cast<const association_entry*>(bytes_.data()
                                               + header_.associations.offset)
      + of.first_association,
    of.association_count};
  for (const auto& each : found)
    if (each.checksum != checksum_of(each) || each.source_high != of.id_high
        || each.source_low != of.id_low)
      return damaged("checksum of an association");
  return found;
}

expected<segment_view::body>
segment_view::read_body(const concept_entry& of, std::string& buffer) const {
  auto vectors = bytes_of(header_.vectors);
  auto stored = bytes_of(header_.content);
  std::uint64_t vector_bytes =
    (of.flags & has_vector) != 0 ? header_.dimensions * sizeof(float) : 0;
  if (of.vector_offset > vectors.size()
      || vector_bytes > vectors.size() - of.vector_offset
      || of.vector_offset % sizeof(float) != 0
      || of.content_offset > stored.size()
      || of.stored_bytes > stored.size() - of.content_offset)
    return damaged("content beyond its section");
  auto vector = vectors.substr(of.vector_offset, vector_bytes);
  auto content = stored.substr(of.content_offset, of.stored_bytes);
  if (body_checksum(vector, content) != of.body_checksum)
    return damaged("checksum of a content");
  auto whole = std::uint64_t{of.content_bytes} + of.attribute_bytes;
  if ((of.flags & is_compressed) != 0) {
    constexpr std::uint64_t most =
      limits::max_content_bytes + limits::max_attribute_bytes;
    if (whole > most)
      return damaged("a content that is too long");
    buffer.resize(whole);
    auto size = LZ4_decompress_safe(content.data(), buffer.data(),
                                    static_cast<int>(content.size()),
                                    static_cast<int>(whole));
    if (size < 0 || static_cast<std::uint64_t>(size) != whole)
      return damaged("a compressed content");
    content = buffer;
  }
  if (content.size() != whole)
    return damaged("the length of a content");
  return body{{reinterpret_cast<const float*>(vector.data()),
               vector.size() / sizeof(float)},
              content.substr(0, of.content_bytes),
              content.substr(of.content_bytes)};
}

expected<std::vector<association_type>>
segment_view::read_types(association_types& to) const {
  std::vector<association_type> numbers;
  auto list = bytes_of(header_.types);
  std::string_view name;
  std::string_view phrase;
  while (attribute_list::next(list, name, phrase)) {
    auto number = to.intern(name, phrase);
    if (!number)
      return number.error();
    numbers.push_back(*number);
  }
  return numbers;
}

} // namespace neuroplex::concepts
