#include "server/exchange/disclosure.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "api/crypto.h"
#include "fairlead/v1/partner_receipt.pb.h"
#include "fairlead/v1/release.pb.h"
#include "server/exchange/attachments.h"
#include "server/exchange/projection.h"
#include "server/node/derived.h"
#include "server/node/materialise.h"
#include "server/records/partner_receipt.h"
#include "server/records/release.h"
#include "storage/schema.h"

namespace fairlead::exchange {
namespace {

constexpr std::string_view kReleasedRecords = "releasedRecords/";
constexpr std::string_view kPartnerGroups = "partnerGroups/";
constexpr size_t kEtagBytes = 8;

std::string LastPart(std::string_view key) { return std::string(key.substr(key.rfind('\0') + 1)); }

// Whether one of the nation's own receipts says that it was sent what it knows by this name, as PUBLIC.
absl::StatusOr<bool> WasSentPublic(const node::Node& node, const storage::View& view, const std::string& nation, const std::string& name) {
  const records::RecordType* type = node.registry().FindByMessage("PartnerReceipt");
  const std::string stream = PartnerStream(std::string_view(nation).substr(nation.find('/') + 1));
  const std::string prefix = node::IndexPrefix(records::kReceiptsByRecord, records::ReceiptSubject(nation, name));
  const auto it = view.Iterate(storage::Cf::kIndexes, prefix, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string receipt_name = LastPart(it->key());
    const absl::StatusOr<std::optional<node::RecordState>> state = node.GetState(view, receipt_name);
    if (!state.ok()) return state.status();
    if (!state->has_value()) continue;
    const RosterLog* log = node.roster().FindLog(node::SpanOf(**state).first.log);
    if (log == nullptr || log->stream != stream) continue;
    const auto message = node::Materialise(*type, receipt_name, **state);
    const auto& receipt = static_cast<const v1::PartnerReceipt&>(*message);
    if (receipt.kind() == v1::PARTNER_RECEIPT_KIND_DELIVERY && receipt.marking() == v1::MARKING_PUBLIC) return true;
  }
  if (!it->status().ok()) return it->status();
  return false;
}

}  // namespace

std::string NationOf(const std::string& alpha2) { return "countries/" + alpha2; }

std::string DayOf(absl::Time time) { return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone()); }

std::string MarkingText(v1::Marking marking) {
  switch (marking) {
    case v1::MARKING_PUBLIC:
      return "PUBLIC";
    case v1::MARKING_SENSITIVE:
      return "SENSITIVE";
    default:
      return "OFFICIAL";
  }
}

absl::StatusOr<Groups> ReadGroups(const node::Node& node, const storage::View& view) {
  Groups groups;
  const std::string prefix(kPartnerGroups);
  const auto it = view.Iterate(storage::Cf::kRecords, prefix, storage::PrefixEnd(prefix));
  const records::RecordType* type = node.registry().FindByMessage("PartnerGroup");
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string name(it->key());
    absl::StatusOr<std::optional<node::RecordState>> state = node.GetState(view, name);
    if (!state.ok()) return state.status();
    if (!state->has_value()) continue;
    const auto message = node::Materialise(*type, name, **state);
    const auto& group = static_cast<const v1::PartnerGroup&>(*message);
    if (!group.withdrawn()) groups[name].insert(group.nations().begin(), group.nations().end());
  }
  if (!it->status().ok()) return it->status();
  return groups;
}

absl::StatusOr<std::vector<Grant>> ReadGrants(const node::Node& node, const storage::View& view, const std::string& subject) {
  std::vector<Grant> grants;
  const records::RecordType* type = node.registry().FindByMessage("Release");
  const std::string prefix = node::IndexPrefix(records::kReleasesBySubject, subject);
  const auto it = view.Iterate(storage::Cf::kIndexes, prefix, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string name = LastPart(it->key());
    absl::StatusOr<std::optional<node::RecordState>> state = node.GetState(view, name);
    if (!state.ok()) return state.status();
    if (!state->has_value()) continue;
    std::optional<Grant> grant = GrantOf(*type, name, **state);
    if (grant && records::SubjectOf(grant->record) == subject) grants.push_back(*std::move(grant));
  }
  if (!it->status().ok()) return it->status();
  return grants;
}

absl::StatusOr<std::optional<SubjectRecord>> ReadSubject(const node::Node& node, const storage::View& view, const std::string& record) {
  SubjectRecord found;
  found.type = node.registry().FindByName(record);
  if (found.type == nullptr) return std::nullopt;
  absl::StatusOr<std::optional<node::RecordState>> state = node.GetState(view, record);
  if (!state.ok()) return state.status();
  if (!state->has_value()) return std::nullopt;
  found.state = **std::move(state);
  found.message = node::Materialise(*found.type, record, found.state);
  const auto* descriptor = found.message->GetDescriptor();
  const auto* reflection = found.message->GetReflection();
  found.subject.marking = static_cast<v1::Marking>(reflection->GetEnumValue(*found.message, descriptor->FindFieldByName("marking")));
  found.subject.withdrawn = reflection->GetBool(*found.message, descriptor->FindFieldByName("withdrawn"));
  return found;
}

bool IsPublicTo(const google::protobuf::Message& record, const std::string& nation) {
  const std::vector<std::string> readers = records::PublicTo(record);
  return std::any_of(readers.begin(), readers.end(), [&](const std::string& reader) { return reader.empty() || reader == nation; });
}

absl::StatusOr<bool> HasLostPublic(const node::Node& node, const storage::View& view, const Pseudonyms& pseudonyms,
                                   const std::string& nation, const std::string& record) {
  const std::string subject = records::SubjectOf(record);
  const absl::StatusOr<bool> sent = WasSentPublic(node, view, nation, std::string(kReleasedRecords) + pseudonyms.Of(nation, subject));
  if (!sent.ok() || !*sent) return sent;
  const absl::StatusOr<Disclosure> disclosure = Disclosure::Open(node, view, pseudonyms, nation);
  if (!disclosure.ok()) return disclosure.status();
  const absl::StatusOr<std::string> shown = disclosure->RecordOf(subject);
  if (!shown.ok()) return shown.status();
  return shown->empty();
}

absl::StatusOr<Disclosure> Disclosure::Open(const node::Node& node, const storage::View& view, const Pseudonyms& pseudonyms,
                                            const std::string& nation) {
  absl::StatusOr<Groups> groups = ReadGroups(node, view);
  if (!groups.ok()) return groups.status();
  return Disclosure(node, view, pseudonyms, nation, *std::move(groups));
}

absl::StatusOr<std::optional<Disclosure::Seen>> Disclosure::Look(const std::string& subject) const {
  Seen seen;
  absl::StatusOr<std::vector<Grant>> grants = ReadGrants(node_, view_, subject);
  if (!grants.ok()) return grants.status();
  seen.grants = *std::move(grants);
  absl::StatusOr<std::string> name = seen.grants.empty() ? PublicRecord(subject) : seen.grants.front().record;
  if (!name.ok()) return name.status();
  if (name->empty()) return std::nullopt;
  absl::StatusOr<std::optional<SubjectRecord>> record = ReadSubject(node_, view_, *name);
  if (!record.ok()) return record.status();
  if (!record->has_value()) return std::nullopt;
  seen.record = **std::move(record);
  if (IsPublicTo(*seen.record.message, nation_)) {
    seen.grants.push_back(GrantOfPublic(*seen.record.type, *name, seen.record.state, nation_));
  }
  std::optional<Sight> sight = SightOf(seen.grants, seen.record.subject, nation_, groups_, DayOf(node_.options().clock->Now()));
  if (!sight) return std::nullopt;
  seen.sight = *std::move(sight);
  seen.record.state = OnlyValues(*seen.record.type, seen.record.state, seen.sight.values);
  if (seen.record.state.fields.empty()) return std::nullopt;
  return seen;
}

absl::StatusOr<std::optional<v1::ReleasedRecord>> Disclosure::Read(const std::string& subject) const {
  absl::StatusOr<std::optional<Seen>> looked = Look(subject);
  if (!looked.ok()) return looked.status();
  if (!looked->has_value()) return std::nullopt;
  const Seen& seen = **looked;
  absl::Status broken;
  const Link link = [this, &broken](const std::string& other) -> std::string {
    absl::StatusOr<std::string> visible = RecordOf(records::SubjectOf(other));
    if (!visible.ok()) broken = visible.status();
    return !visible.ok() || visible->empty() ? "" : NameOf(records::SubjectOf(other));
  };
  std::set<std::string> fields;
  const auto* descriptor = seen.record.type->prototype->GetDescriptor();
  for (const auto& [number, field] : seen.record.state.fields) {
    fields.insert(descriptor->FindFieldByNumber(static_cast<int>(number))->name());
  }
  v1::ReleasedRecord out;
  Project(*node::Materialise(*seen.record.type, seen.grants.front().record, seen.record.state), fields, link, &out);
  if (!broken.ok()) return broken;
  out.set_name(NameOf(subject));
  out.set_marking(MarkingText(seen.record.subject.marking));
  std::set<std::string> purposes;
  std::string last_day;
  for (const Grant* grant : seen.sight.by) {
    if (grant->release.empty()) continue;
    purposes.insert(grant->purpose);
    if (!grant->last_day.empty() && (last_day.empty() || grant->last_day < last_day)) last_day = grant->last_day;
    if (!out.has_release_time() || out.release_time() < grant->approve_time) *out.mutable_release_time() = grant->approve_time;
  }
  out.mutable_purposes()->Assign(purposes.begin(), purposes.end());
  if (!last_day.empty()) {
    absl::CivilDay day;
    absl::ParseCivilTime(last_day, &day);
    out.mutable_retention_date()->set_year(static_cast<int32_t>(day.year()));
    out.mutable_retention_date()->set_month(day.month());
    out.mutable_retention_date()->set_day(day.day());
  }
  const Digest digest = Sha256(out.SerializeAsString());
  out.set_etag(absl::BytesToHexString(std::string(AsView(digest).substr(0, kEtagBytes))));
  return out;
}

absl::StatusOr<std::optional<std::vector<v1::ReleasedAttachment>>> Disclosure::Attachments(const std::string& subject) const {
  const absl::StatusOr<std::optional<Seen>> looked = Look(subject);
  if (!looked.ok()) return looked.status();
  if (!looked->has_value()) return std::nullopt;
  const Seen& seen = **looked;
  const absl::StatusOr<std::vector<NamedAttachment>> all = AttachmentsOf(node_, view_, seen.grants.front().record);
  if (!all.ok()) return all.status();
  std::vector<v1::ReleasedAttachment> released;
  for (const NamedAttachment* named :
       SeenAttachments(*all, seen.grants, seen.sight, seen.record.subject, nation_, groups_, DayOf(node_.options().clock->Now()))) {
    v1::ReleasedAttachment& out = released.emplace_back();
    out.set_name(NameOf(subject) + "/attachments/" + pseudonyms_.Of(nation_, records::SubjectOf(named->name)));
    out.set_file_name(named->told.file_name());
    out.set_media_type(named->told.media_type());
    out.set_size_bytes(named->told.size_bytes());
    out.set_sha256(named->told.sha256());
  }
  // By their file names they would tell of names that were given since.
  std::sort(released.begin(), released.end(), [](const auto& a, const auto& b) { return a.name() < b.name(); });
  return released;
}

absl::StatusOr<std::optional<std::string>> Disclosure::Next(const std::string& after) const {
  std::optional<std::string> next;
  for (const std::string& prefix : Prefixes()) {
    // Past every release of the subject: the separator after it is a zero byte.
    const std::string from = after.empty() ? prefix : prefix + after + '\x01';
    const auto it = view_.Iterate(storage::Cf::kIndexes, from, storage::PrefixEnd(prefix));
    it->SeekToFirst();
    if (!it->status().ok()) return it->status();
    if (!it->Valid()) continue;
    const std::string_view rest = it->key().substr(prefix.size());
    std::string subject(rest.substr(0, rest.find('\0')));
    if (!next || subject < *next) next = std::move(subject);
  }
  return next;
}

std::vector<std::string> Disclosure::Prefixes() const {
  std::vector<std::string> prefixes = {node::IndexPrefix(records::kReleasesByReader, nation_)};
  for (const auto& [name, members] : groups_) {
    if (members.contains(nation_)) prefixes.push_back(node::IndexPrefix(records::kReleasesByReader, name));
  }
  for (const records::RecordType& type : node_.registry().types()) {
    const uint16_t index = records::PublicIndexOf(type);
    if (index == 0) continue;
    for (const std::string& reader : {std::string(), nation_}) prefixes.push_back(node::IndexPrefix(index, reader));
  }
  return prefixes;
}

absl::StatusOr<std::string> Disclosure::PublicRecord(const std::string& subject) const {
  for (const records::RecordType& type : node_.registry().types()) {
    const uint16_t index = records::PublicIndexOf(type);
    if (index == 0) continue;
    for (const std::string& reader : {std::string(), nation_}) {
      const std::string prefix = node::IndexPrefix(index, reader) + subject + '\0';
      const auto it = view_.Iterate(storage::Cf::kIndexes, prefix, storage::PrefixEnd(prefix));
      it->SeekToFirst();
      if (!it->status().ok()) return it->status();
      if (it->Valid()) return LastPart(it->key());
    }
  }
  return "";
}

std::string Disclosure::NameOf(const std::string& subject) const {
  return std::string(kReleasedRecords) + pseudonyms_.Of(nation_, subject);
}

std::string Disclosure::SubjectOf(const std::string& name) const {
  if (!name.starts_with(kReleasedRecords)) return "";
  return pseudonyms_.SubjectOf(nation_, std::string_view(name).substr(kReleasedRecords.size()));
}

absl::StatusOr<std::string> Disclosure::RecordOf(const std::string& subject) const {
  absl::StatusOr<std::optional<Seen>> seen = Look(subject);
  if (!seen.ok()) return seen.status();
  return seen->has_value() ? (*seen)->grants.front().record : "";
}

}  // namespace fairlead::exchange
