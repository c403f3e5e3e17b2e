// Strong types of the log: numbers that may not be mixed up, and the ids derived from content.
//
// Thread safety: values. Ownership: values.

#ifndef FAIRLEAD_API_IDS_H_
#define FAIRLEAD_API_IDS_H_

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead {

// A number that is not interchangeable with numbers of another meaning.
template <class Tag, class Rep>
class Strong {
 public:
  constexpr Strong() = default;
  constexpr explicit Strong(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  friend constexpr auto operator<=>(Strong, Strong) = default;
  constexpr Strong& operator++() {
    ++value_;
    return *this;
  }
  constexpr Strong operator+(Rep n) const { return Strong(value_ + n); }

 private:
  Rep value_ = 0;
};

// Numeric log id of the roster: one per (site, epoch, stream), never reused.
using LogId = Strong<struct LogIdTag, uint32_t>;
// Numeric site id of the roster, never reused.
using SiteId = Strong<struct SiteIdTag, uint16_t>;
// Sequence number of an entry in its log: contiguous from 0. As the end of a half-open interval it is a size.
using Seq = Strong<struct SeqTag, uint64_t>;
// Position in a node's journal: contiguous from 0.
using Position = Strong<struct PositionTag, uint64_t>;

// An entry's identity.
struct Dot {
  LogId log;
  Seq seq;
  friend constexpr auto operator<=>(const Dot&, const Dot&) = default;
};

// Hybrid logical clock: 48 bits of milliseconds since 1970-01-01T00:00:00Z, then 16 bits that count within one.
class Hlc {
 public:
  constexpr Hlc() = default;
  constexpr explicit Hlc(uint64_t raw) : raw_(raw) {}
  static constexpr Hlc FromMillis(uint64_t ms) { return Hlc(ms << 16); }
  constexpr uint64_t raw() const { return raw_; }
  constexpr uint64_t millis() const { return raw_ >> 16; }
  friend constexpr auto operator<=>(Hlc, Hlc) = default;

 private:
  uint64_t raw_ = 0;
};

using Digest = std::array<uint8_t, 32>;  // SHA-256

inline std::string_view AsView(const Digest& d) { return {reinterpret_cast<const char*>(d.data()), d.size()}; }

// 16-byte hash that names a mutation (api/PROTOCOL.md, rule 8).
using MutationId = std::array<uint8_t, 16>;

// Names one value of one field: the mutation that added it and the position of its op there.
struct ValueId {
  MutationId mutation{};
  uint16_t op = 0;
  friend constexpr auto operator<=>(const ValueId&, const ValueId&) = default;
};

// Entries applied, per log. Sizes are half-open: size n covers sequence numbers [0, n).
// Invariant: sorted by log, no log twice, no size of zero.
class VersionVector {
 public:
  Seq Get(LogId log) const {
    for (const auto& [l, s] : entries_) {
      if (l == log) return s;
    }
    return Seq(0);
  }
  void Set(LogId log, Seq size) {
    auto it = entries_.begin();
    while (it != entries_.end() && it->first < log) ++it;
    if (it != entries_.end() && it->first == log) {
      if (size == Seq(0)) {
        entries_.erase(it);
      } else {
        it->second = size;
      }
    } else if (size != Seq(0)) {
      entries_.insert(it, {log, size});
    }
  }
  // Whether every component of `other` is reached here.
  bool Covers(const VersionVector& other) const {
    for (const auto& [l, s] : other.entries_) {
      if (Get(l) < s) return false;
    }
    return true;
  }
  const std::vector<std::pair<LogId, Seq>>& entries() const { return entries_; }
  friend bool operator==(const VersionVector&, const VersionVector&) = default;

 private:
  std::vector<std::pair<LogId, Seq>> entries_;
};

// The sites that hold an entry's payload. `all`: every site of the roster, present and future; then `sites` is empty.
// Invariant: `sites` sorted, no site twice. An empty list with `all` false reaches nobody.
struct Audience {
  bool all = true;
  std::vector<SiteId> sites;
  bool Includes(SiteId site) const {
    if (all) return true;
    for (SiteId s : sites) {
      if (s == site) return true;
    }
    return false;
  }
  friend bool operator==(const Audience&, const Audience&) = default;
};

// 26 characters of Crockford's base 32 (lower case) of 128 bits.
std::string Base32Id(const std::array<uint8_t, 16>& bits);

// The id of a record created by a request (api/PROTOCOL.md, rule 9): the same request at any site gives the same id.
std::string CreatedRecordId(std::string_view network, std::string_view actor, std::string_view method, std::string_view request_id);

// A UUID version 7 (RFC 9562, 5.7) of the given time with random bits.
std::string NewRequestId(uint64_t now_ms);
// The time in a UUID version 7 in milliseconds, or -1 when `request_id` is none (lower or upper case hex, hyphens in place).
int64_t RequestIdMillis(std::string_view request_id);

}  // namespace fairlead

#endif  // FAIRLEAD_API_IDS_H_
