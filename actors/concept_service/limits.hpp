// Limits of what travels between a concept memory and those who use it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace neuroplex::concept_service::limits {

/// Entries of one lesson, and their bytes (a single entry may be larger).
inline constexpr std::uint32_t max_lesson_entries = 65'536;
inline constexpr std::size_t max_lesson_bytes = std::size_t{1} << 20;

/// Longest lesson that is read at all: an entry of the largest size fits.
inline constexpr std::size_t most_lesson_bytes = std::size_t{4} << 20;

/// Concepts that one question names, and what an answer shows of a long name.
inline constexpr std::size_t max_question_names = 1'024;
inline constexpr std::size_t max_name_bytes = 4'096;

/// Longest time that a question may ask for.
inline constexpr std::uint32_t max_question_ms = 600'000;

/// About so many bytes has an answer at most. From half of it on concepts come
/// without their content.
inline constexpr std::size_t max_answer_bytes = std::size_t{8} << 20;

/// Lessons that wait to become visible, or for room.
inline constexpr std::size_t max_waiting_lessons = 4'096;
inline constexpr std::size_t max_waiting_bytes = std::size_t{64} << 20;

} // namespace neuroplex::concept_service::limits
