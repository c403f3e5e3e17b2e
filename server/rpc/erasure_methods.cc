#include "server/rpc/erasure_methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/bytes.h"
#include "api/erasure.h"
#include "api/errors.h"
#include "server/node/erasures.h"
#include "server/rpc/read_methods.h"
#include "server/rpc/read_rights.h"
#include "server/rpc/record_access.h"
#include "server/rpc/wire_forms.h"
#include "storage/schema.h"

namespace fairlead::rpc {
namespace {

using storage::Cf;

absl::Status NotErased(const std::string& entry) {
  return Error(Reason::kRecordNotFound, fmt::format("entry {} is not erased here", entry), {{"name", entry}});
}

absl::StatusOr<Dot> EntryOf(const node::Node& node, const std::string& name) {
  if (name.empty()) return FieldError(Reason::kFieldRequired, "entry", "is required");
  const std::optional<Dot> dot = ParseEntryName(node.roster(), name);
  if (!dot) return FieldError(Reason::kFieldInvalid, "entry", "must be {site}/{epoch}/{sequence} of a log of the network");
  return *dot;
}

absl::Status CheckText(const std::string& text, const char* field) {
  if (text.empty()) return FieldError(Reason::kFieldRequired, field, "is required: it stays in the record's history");
  if (text.size() > kErasureTextBytesMax) {
    return FieldError(Reason::kFieldTooLarge, field, fmt::format("has {} bytes, at most {}", text.size(), kErasureTextBytesMax));
  }
  return absl::OkStatus();
}

absl::StatusOr<Header> HeaderOf(const node::Node& node, Dot dot) {
  absl::StatusOr<std::vector<std::string>> headers = node.ReadHeaders(dot.log, dot.seq, dot.seq + 1);
  if (!headers.ok()) return headers.status();
  absl::StatusOr<Header> header = DecodeHeader(headers->front());
  if (!header.ok()) return Error(Reason::kStoreDamaged, fmt::format("entry {} is damaged", EntryName(node.roster(), dot)));
  return header;
}

void PutRecords(const Erasure& erasure, v1::Erasure* out) {
  std::set<std::string> seen;
  for (const ErasedMutation& mutation : erasure.mutations) {
    if (seen.insert(mutation.shape.record).second) out->add_records(mutation.shape.record);
  }
}

// Who of `audience` has vouched for one of the erasures, and who has not.
void PutSites(const node::Node& node, const Audience& audience, const std::vector<Dot>& erasures, v1::Erasure* out) {
  std::set<SiteId> purged;
  for (const Dot& by : erasures) {
    for (const auto& [site, size] : node.Cosigned(by.log)) {
      if (size > by.seq) purged.insert(site);
    }
  }
  for (const RosterCosigner& cosigner : node.roster().cosigners()) {
    if (!audience.Includes(cosigner.site)) continue;
    const RosterSite* site = node.roster().FindSite(cosigner.site);
    (purged.contains(cosigner.site) ? out->add_purged_sites() : out->add_outstanding_sites())->append(site->name);
  }
}

// Entries of before or after that hold the erased entry's first mutation, and have their payload still.
absl::Status PutCopies(const node::Node& node, const storage::View& view, Dot entry, const Erasure& erasure, v1::Erasure* out) {
  if (erasure.mutations.empty()) return absl::OkStatus();
  const ErasedMutation& first = erasure.mutations.front();
  const std::string prefix = first.shape.record + '\0';
  const auto it = view.Iterate(Cf::kRevisions, prefix, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    Reader key(it->key().substr(prefix.size()));
    key.U64();  // its time
    const Dot dot = storage::ReadDot(&key);
    const uint64_t index = Reader(it->value()).Varint();
    if (!key.Done()) return Error(Reason::kStoreDamaged, "a revision's key is damaged");
    if (dot == entry) continue;
    const absl::StatusOr<std::optional<Payload>> payload = ReadEntry(node, dot);
    if (!payload.ok()) return payload.status();
    if (!payload->has_value() || index >= (*payload)->mutations.size()) continue;
    if (MutationIdOf(node.roster().network(), **payload, index) == first.id) out->add_copies(EntryName(node.roster(), dot));
  }
  return it->status();
}

}  // namespace

absl::StatusOr<std::optional<v1::Erasure>> ErasureAt(const node::Node& node, const storage::View& view, Dot entry) {
  const absl::StatusOr<std::vector<Dot>> erasures = node::ErasuresOf(view, entry);
  if (!erasures.ok()) return erasures.status();
  if (erasures->empty()) return std::nullopt;
  std::pair<Hlc, Dot> first{Hlc(UINT64_MAX), {}};
  Audience audience;
  for (const Dot& by : *erasures) {
    absl::StatusOr<Header> header = HeaderOf(node, by);
    if (!header.ok()) return header.status();
    first = std::min(first, {header->time, by});
    audience = std::move(header->audience);  // the same in all
  }
  const absl::StatusOr<std::optional<Payload>> payload = ReadEntry(node, first.second);
  if (!payload.ok()) return payload.status();
  const absl::StatusOr<Erasure> erasure = payload->has_value() ? ErasureIn(**payload) : absl::NotFoundError("it is not here");
  if (!erasure.ok()) return Error(Reason::kStoreDamaged, fmt::format("erasure {} is damaged", EntryName(node.roster(), first.second)));
  v1::Erasure out;
  out.set_entry(EntryName(node.roster(), entry));
  out.set_erasure(EntryName(node.roster(), first.second));
  out.set_actor((*payload)->actor);
  out.set_site(SiteName(node.roster(), first.second.log));
  SetTimestamp(TimeOf(first.first), out.mutable_time());
  out.set_reason(erasure->reason);
  out.set_authority(erasure->authority);
  PutRecords(*erasure, &out);
  PutSites(node, audience, *erasures, &out);
  return out;
}

void ErasureMethods::Register(Dispatcher* dispatcher) const {
  dispatcher->Handle("fairlead.v1.RecordService/EraseRevision",
                     [this](const std::shared_ptr<Call>& call, const google::protobuf::Message& request, Reply reply) {
                       Erase(call, static_cast<const v1::EraseRevisionRequest&>(request), std::move(reply));
                     });
  dispatcher->Unary<v1::GetErasureRequest, v1::Erasure>(
      "fairlead.v1.RecordService/GetErasure",
      [this](const Call& call, const v1::GetErasureRequest& request) { return Get(call, request); });
  dispatcher->Unary<v1::ListErasuresRequest, v1::ListErasuresResponse>(
      "fairlead.v1.RecordService/ListErasures",
      [this](const Call& call, const v1::ListErasuresRequest& request) { return List(call, request); });
}

absl::StatusOr<ErasureMethods::Planned> ErasureMethods::Plan(const Call& call, const v1::EraseRevisionRequest& request) const {
  const records::RecordType* type = node_->registry().FindByName(request.name());
  if (request.name().empty()) return FieldError(Reason::kFieldRequired, "name", "is required");
  if (type == nullptr) return FieldError(Reason::kFieldInvalid, "name", "is not the name of a record");
  const absl::StatusOr<Dot> entry = EntryOf(*node_, request.entry());
  if (!entry.ok()) return entry.status();
  absl::Status texts = CheckText(request.reason(), "reason");
  texts.Update(CheckText(request.authority(), "authority"));
  if (!texts.ok()) return texts;
  absl::StatusOr<WriteMethods::Plan> plan = writes_->Begin(call, request);
  if (!plan.ok()) return plan.status();
  Planned planned{*entry, nullptr, *std::move(plan)};
  planned.plan.name = request.name();
  if (planned.plan.replay) return planned;

  const Roster& roster = node_->roster();
  const auto forbidden = [&](const std::string& why) {
    return Error(Reason::kStateForbids, fmt::format("entry {} {}", request.entry(), why), {{"name", request.entry()}});
  };
  const absl::Status not_found =
      Error(Reason::kRecordNotFound, fmt::format("this node holds no entry {} of {}", request.entry(), request.name()),
            {{"name", request.entry()}});
  if (entry->seq >= node_->Applied().Get(entry->log)) return not_found;
  absl::StatusOr<std::optional<v1::Erasure>> before = ErasureAt(*node_, node_->store(), *entry);
  if (!before.ok()) return before.status();
  if (before->has_value()) {
    const auto& records = (*before)->records();
    if (std::find(records.begin(), records.end(), request.name()) == records.end()) return not_found;
    if (!planned.plan.validate_only) {
      planned.plan.replay = ParseEntryName(roster, (*before)->erasure());  // whoever asks for replicas waits for that one
      return planned;
    }
    absl::StatusOr<v1::Erasure> told = Tell(*entry);
    if (!told.ok()) return told.status();
    planned.answer = std::make_unique<v1::Erasure>(*std::move(told));
    return planned;
  }
  const absl::StatusOr<std::optional<Payload>> payload = ReadEntry(*node_, *entry);
  if (!payload.ok()) return payload.status();
  if (!payload->has_value()) return not_found;
  const std::vector<Mutation>& mutations = (*payload)->mutations;
  if (std::none_of(mutations.begin(), mutations.end(), [&](const Mutation& m) { return m.record == request.name(); })) return not_found;
  if (roster.FindLog(entry->log)->stream == kAuditStream) return forbidden("is of the audit, which stays as it was written");
  if (!node::MayErase(roster, node_->site(), *entry)) {
    return forbidden(
        fmt::format("is of site {}: only that site and {} may erase it", SiteName(roster, entry->log), node::ErasingSite(roster)));
  }
  if (IsErasure(**payload)) return forbidden("is an erasure, which says nothing that could be erased");
  const absl::StatusOr<std::optional<std::string>> opaque = node_->store().Get(Cf::kOpaque, storage::DotKey(*entry));
  if (!opaque.ok()) return opaque.status();
  if (opaque->has_value()) return forbidden("was not folded: it has no shape to leave");

  const Erasure erasure = node::ErasureOf(roster, **payload, *entry, request.reason(), request.authority());
  if (planned.plan.validate_only) {
    planned.answer = std::make_unique<v1::Erasure>();
    planned.answer->set_entry(request.entry());
    planned.answer->set_actor(call.identity.path);
    planned.answer->set_site(node_->options().site);
    planned.answer->set_reason(erasure.reason);
    planned.answer->set_authority(erasure.authority);
    PutRecords(erasure, planned.answer.get());
    const absl::StatusOr<Audience> audience = node_->AudienceOf(*entry);
    if (!audience.ok()) return audience.status();
    PutSites(*node_, *audience, {}, planned.answer.get());
    if (absl::Status copies = PutCopies(*node_, node_->store(), *entry, erasure, planned.answer.get()); !copies.ok()) return copies;
    return planned;
  }
  planned.plan.write.mutations = MutationsOf(erasure);
  return planned;
}

void ErasureMethods::Erase(const std::shared_ptr<Call>& call, const v1::EraseRevisionRequest& request, Reply reply) const {
  absl::StatusOr<Planned> planned = Plan(*call, request);
  if (!planned.ok()) return reply(planned.status());
  if (planned->answer != nullptr) return reply(std::move(planned->answer));
  writes_->Finish(*node_->registry().FindByName(request.name()), call, std::move(planned->plan),
                  [this, entry = planned->entry, reply = std::move(reply)](const absl::StatusOr<MessagePtr>& record) {
                    if (!record.ok()) return reply(record.status());
                    absl::StatusOr<v1::Erasure> erasure = Tell(entry);
                    if (!erasure.ok()) return reply(erasure.status());
                    reply(std::make_unique<v1::Erasure>(*std::move(erasure)));
                  });
}

absl::StatusOr<v1::Erasure> ErasureMethods::Tell(Dot entry) const {
  absl::StatusOr<std::optional<v1::Erasure>> told = ErasureAt(*node_, node_->store(), entry);
  if (!told.ok()) return told.status();
  if (!told->has_value()) return NotErased(EntryName(node_->roster(), entry));
  v1::Erasure erasure = **std::move(told);
  const std::optional<Dot> by = ParseEntryName(node_->roster(), erasure.erasure());
  const absl::StatusOr<std::optional<Payload>> payload = ReadEntry(*node_, *by);
  if (!payload.ok()) return payload.status();
  if (absl::Status copies = PutCopies(*node_, node_->store(), entry, *ErasureIn(**payload), &erasure); !copies.ok()) return copies;

  if (backups_ == nullptr) return erasure;
  const absl::StatusOr<std::vector<storage::Backup>> backups = backups_->List();
  if (!backups.ok()) return backups.status();
  const absl::StatusOr<std::vector<Dot>> erasures = node::ErasuresOf(node_->store(), entry);
  if (!erasures.ok()) return erasures.status();
  const absl::StatusOr<std::vector<std::pair<Dot, Position>>> stored = node::StoredErasures(node_->store());
  if (!stored.ok()) return stored.status();
  uint64_t position = UINT64_MAX;  // of the first of them in this node's journal
  for (const auto& [dot, at] : *stored) {
    if (std::find(erasures->begin(), erasures->end(), dot) != erasures->end()) position = std::min(position, at.value());
  }
  // The positions of a backup that was made before the store was put back from another one are of another journal: its time tells, too.
  const absl::Time time = absl::FromUnixSeconds(erasure.time().seconds());
  for (const storage::Backup& backup : *backups) {
    if (backup.journal_size <= position || backup.create_time < time) erasure.add_outstanding_backups("backups/" + backup.id);
  }
  return erasure;
}

absl::StatusOr<v1::Erasure> ErasureMethods::Get(const Call& call, const v1::GetErasureRequest& request) const {
  const absl::StatusOr<Dot> entry = EntryOf(*node_, request.entry());
  if (!entry.ok()) return entry.status();
  absl::StatusOr<v1::Erasure> erasure = Tell(*entry);
  if (erasure.ok() && !MayRead(call, node_->registry(), *erasure)) return NotErased(EntryName(node_->roster(), *entry));
  return erasure;
}

absl::StatusOr<v1::ListErasuresResponse> ErasureMethods::List(const Call& call, const v1::ListErasuresRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> position = OpenPageToken(*sealer_, call.method, request);
  if (!position.ok()) return position.status();
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const std::string prefix(storage::kMetaErasedPrefix);
  v1::ListErasuresResponse page;
  std::string last;
  const auto it = view->Iterate(Cf::kMeta, position->empty() ? prefix : *position + '\0', storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (page.erasures_size() == *page_size) {
      page.set_next_page_token(SealPageToken(*sealer_, call.method, request, last));
      break;
    }
    last = std::string(it->key());
    Reader key(std::string_view(last).substr(prefix.size()));
    const Dot entry = storage::ReadDot(&key);
    absl::StatusOr<std::optional<v1::Erasure>> erasure = ErasureAt(*node_, *view, entry);
    if (!erasure.ok()) return erasure.status();
    if (erasure->has_value() && MayRead(call, node_->registry(), **erasure)) *page.add_erasures() = **std::move(erasure);
  }
  if (!it->status().ok()) return it->status();
  return page;
}

}  // namespace fairlead::rpc
