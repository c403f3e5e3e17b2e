#include "server/rpc/journal_tail.h"

#include <optional>
#include <utility>

#include "server/rpc/record_access.h"
#include "server/rpc/wire_forms.h"

namespace fairlead::rpc {

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
  for (const Dot& dot : *dots) {
    absl::StatusOr<std::optional<Payload>> payload = ReadEntry(node_, dot);
    if (!payload.ok()) return payload.status();
    auto entry = std::make_shared<Entry>();
    entry->position = from;
    ++from;
    if (payload->has_value()) {
      entry->site = SiteName(node_.roster(), dot.log);
      for (Mutation& mutation : (*payload)->mutations) entry->records.push_back(std::move(mutation.record));
    }
    entries.push_back(std::move(entry));
  }
  absl::MutexLock lock(&mu_);
  for (const std::shared_ptr<const Entry>& entry : entries) {
    std::shared_ptr<const Entry>& kept = kept_[entry->position.value() % kKept];
    if (entry->records.size() <= kRecordsMax && (kept == nullptr || kept->position < entry->position)) kept = entry;
  }
  return entries;
}

}  // namespace fairlead::rpc
