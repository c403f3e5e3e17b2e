#include "server/rpc/shown_records.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "api/errors.h"
#include "fairlead/v1/attachment.pb.h"
#include "server/node/fold.h"
#include "server/rpc/record_access.h"

namespace fairlead::rpc {

absl::StatusOr<std::shared_ptr<const Shown>> ShownRecords::Find(const storage::View& view, const records::RecordType& type,
                                                                const std::string& name) {
  // What is shown of an attachment is not of its state alone.
  const bool memoised = type.prototype->GetDescriptor() != v1::Attachment::descriptor();
  Part& part = PartOf(name);
  const std::shared_ptr<const Kept> kept = memoised ? Look(&part, name) : nullptr;
  const uint64_t version = view.version();
  if (kept != nullptr && kept->version.load(std::memory_order_relaxed) == version) return kept;

  absl::StatusOr<std::optional<std::string>> bytes = view.Get(storage::Cf::kRecords, name);
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return nullptr;
  // Of a store that was written to meanwhile it is not known which version this is of.
  const bool is_of_version = view.version() == version;
  if (kept != nullptr && kept->state == **bytes) {
    if (is_of_version) kept->version.store(version, std::memory_order_relaxed);
    return kept;
  }
  const absl::StatusOr<node::RecordState> state = node::DecodeState(**bytes);
  if (!state.ok()) return Error(Reason::kStoreDamaged, fmt::format("the state of {} is damaged", name));
  const MessagePtr message = Show(view, type, name, *state);
  auto made = std::make_shared<Kept>();
  made->bytes = message->SerializeAsString();
  made->withdrawn = IsWithdrawn(*message);
  made->name = name;
  made->state = **std::move(bytes);
  if (is_of_version) made->version = version;
  if (memoised) Keep(&part, made);
  return made;
}

std::shared_ptr<const ShownRecords::Kept> ShownRecords::Look(Part* part, std::string_view name) {
  absl::MutexLock lock(&part->mu);
  const auto found = part->places.find(name);
  if (found == part->places.end()) return nullptr;
  part->order.splice(part->order.begin(), part->order, found->second);
  return *found->second;
}

void ShownRecords::Keep(Part* part, std::shared_ptr<const Kept> kept) const {
  absl::MutexLock lock(&part->mu);
  const auto drop = [part](Order::iterator place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(part->mu) {
    part->bytes -= (*place)->size();
    part->places.erase((*place)->name);
    part->order.erase(place);
  };
  if (const auto found = part->places.find(kept->name); found != part->places.end()) drop(found->second);
  part->bytes += kept->size();
  part->order.push_front(std::move(kept));
  part->places.emplace(part->order.front()->name, part->order.begin());
  while (part->bytes > part_bytes_max_) drop(std::prev(part->order.end()));
}

size_t ShownRecords::bytes() const {
  size_t bytes = 0;
  for (const Part& part : parts_) {
    absl::MutexLock lock(&part.mu);
    bytes += part.bytes;
  }
  return bytes;
}

}  // namespace fairlead::rpc
