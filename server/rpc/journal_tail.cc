#include "server/rpc/journal_tail.h"

#include <optional>
#include <utility>

#include "api/entry.h"
#include "server/rpc/wire_forms.h"

namespace fairlead::rpc {
namespace {

size_t SizeOf(const std::vector<std::string>& names) {
  size_t bytes = names.size() * sizeof(std::string);
  for (const std::string& name : names) bytes += name.size();
  return bytes;
}

}  // namespace

absl::StatusOr<std::vector<std::shared_ptr<const JournalTail::Entry>>> JournalTail::Read(Position from, size_t max) {
  std::vector<std::shared_ptr<const Entry>> entries;
  {
    absl::MutexLock lock(&mu_);
    for (Position at = from; entries.size() < max; ++at) {
      const std::shared_ptr<const Entry>& kept = kept_[at.value() % kKept];
      if (kept == nullptr || kept->position != at) break;
      entries.push_back(kept);
    }
  }
  if (!entries.empty()) return entries;

  const absl::StatusOr<std::vector<Dot>> dots = node_.ReadJournal(from, max);
  if (!dots.ok()) return dots.status();
  size_t records = 0, bytes = 0;
  for (const Dot& dot : *dots) {
    if (records >= kRecordsAtOnce || bytes >= kBytesAtOnce) break;
    const absl::StatusOr<std::optional<std::string>> stored = node_.ReadPayload(dot);
    if (!stored.ok()) return stored.status();
    auto entry = std::make_shared<Entry>();
    entry->position = from;
    ++from;
    if (stored->has_value()) {
      bytes += (*stored)->size();
      if (absl::StatusOr<Payload> payload = DecodePayload(**stored); payload.ok()) {
        entry->site = SiteName(node_.roster(), dot.log);
        for (Mutation& mutation : payload->mutations) entry->records.push_back(std::move(mutation.record));
      }
    }
    records += entry->records.size();
    entries.push_back(std::move(entry));
  }
  absl::MutexLock lock(&mu_);
  for (const std::shared_ptr<const Entry>& entry : entries) {
    std::shared_ptr<const Entry>& kept = kept_[entry->position.value() % kKept];
    if (SizeOf(entry->records) <= kEntryBytesMax && (kept == nullptr || kept->position < entry->position)) kept = entry;
  }
  return entries;
}

}  // namespace fairlead::rpc
