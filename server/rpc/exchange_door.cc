#include "server/rpc/exchange_door.h"

#include <absl/time/civil_time.h>
#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/ids.h"
#include "fairlead/v1/common.pb.h"
#include "server/node/derived.h"
#include "server/node/materialise.h"
#include "server/records/release.h"
#include "server/rpc/read_methods.h"
#include "server/rpc/record_change.h"
#include "storage/schema.h"

namespace fairlead::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string LastPart(std::string_view key) { return std::string(key.substr(key.rfind('\0') + 1)); }

// The nation whose systems made the record; empty when staff did.
std::string MakerOf(const Message& record) {
  if (Field(record, "nation") != nullptr) return GetString(record, "nation");
  return records::NationOfSystem(GetString(record, "system"));
}

// Another site of the network may be slow or gone; that is nothing for partners. Nor why this one takes no writes, nor what a record is
// called inside. What is wrong with the site itself, the dispatcher keeps to itself.
absl::Status Outward(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  const auto is_one_of = [&reason](std::initializer_list<Reason> reasons) {
    return std::any_of(reasons.begin(), reasons.end(), [&reason](Reason each) { return reason == ReasonName(each); });
  };
  if (is_one_of({Reason::kNodeReadOnly, Reason::kClockDrift, Reason::kClockDisagrees}))
    return Error(Reason::kNodeReadOnly, "this site takes no submissions now: try another");
  if (is_one_of({Reason::kEtagMismatch, Reason::kRecordExists}))
    return Error(Reason::kEtagMismatch, "it was written by another call at the same time: try again");
  return status;
}

// Likewise, of what the node said of the write: it knows nothing of a partner's names.
absl::Status OutwardOfWrite(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (reason == ReasonName(Reason::kRecordNotFound))
    return Error(Reason::kEtagMismatch, "it was written by another call at the same time: try again");
  if (reason == ReasonName(Reason::kPermissionDenied)) return Error(Reason::kPermissionDenied, "it is not for this site: try another");
  if (reason == ReasonName(Reason::kStreamMissing)) return Error(Reason::kStreamMissing, "this site keeps no receipts for the nation yet");
  return Outward(status);
}

}  // namespace

std::string NationOfCaller(const Call& call) { return exchange::NationOf(call.identity.scope); }

google::type::Date TodayOf(const node::Node& node) {
  const absl::CivilDay day = absl::ToCivilDay(node.options().clock->Now(), absl::UTCTimeZone());
  google::type::Date date;
  date.set_year(static_cast<int32_t>(day.year()));
  date.set_month(day.month());
  date.set_day(day.day());
  return date;
}

std::string Renamed(const std::string& name, std::string_view from, std::string_view to) {
  return name.starts_with(from) ? std::string(to) + name.substr(from.size()) : "";
}

std::string AboutOf(const absl::StatusOr<WriteMethods::Plan>& plan, const OwnKind& kind) {
  return plan.ok() ? Renamed(plan->name, kind.inside, kind.outside) : "";
}

ExchangeDoor::Names Under(std::string field) {
  return [field = std::move(field)](const std::string& of_record) { return field + "." + of_record; };
}

absl::StatusOr<exchange::Disclosure> ExchangeDoor::Disclose(const storage::View& view, const Call& call) const {
  return exchange::Disclosure::Open(*node_, view, *pseudonyms_, NationOfCaller(call));
}

// --- Reading -------------------------------------------------------------------------------------------------------------------------

std::string ExchangeDoor::SealToken(const Call& call, const std::string& last, std::string_view filter) const {
  return sealer_->Hide(fmt::format("exchange {} {}{}", call.identity.scope, call.method, filter), last);
}

absl::StatusOr<std::string> ExchangeDoor::OpenToken(const Call& call, const std::string& token, std::string_view filter) const {
  if (token.empty()) return "";
  std::optional<std::string> last = sealer_->Reveal(fmt::format("exchange {} {}{}", call.identity.scope, call.method, filter), token);
  if (!last) return Error(Reason::kPageTokenInvalid, "the page token is of another listing");
  return *std::move(last);
}

absl::StatusOr<Loaded> ExchangeDoor::GetOwn(const storage::View& view, const Call& call, const OwnKind& kind,
                                            const std::string& name) const {
  if (name.empty()) return FieldError(Reason::kFieldRequired, "name", "is required");
  const records::RecordType& type = TypeOf(kind.message);
  const std::string inside = Renamed(name, kind.outside, kind.inside);
  if (!CheckName(node_->registry(), type, inside, "name").ok()) return NotFound(name);
  absl::StatusOr<std::optional<Loaded>> loaded = Load(*node_, view, type, inside);
  if (!loaded.ok()) return loaded.status();
  if (!loaded->has_value() || MakerOf(*(*loaded)->message) != NationOfCaller(call)) return NotFound(name);
  return **std::move(loaded);
}

absl::StatusOr<std::string> ExchangeDoor::EachOwn(const storage::View& view, const Call& call, const Message& request, const OwnKind& kind,
                                                  const Add& add) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> last = OpenToken(call, GetString(request, "page_token"));
  if (!last.ok()) return last.status();
  const records::RecordType& type = TypeOf(kind.message);
  const std::string nation = NationOfCaller(call);
  const std::string prefix = node::IndexPrefix(kind.index, nation);
  const std::string from =
      last->empty() ? prefix : node::IndexKey(kind.index, nation, "", Renamed(*last, kind.outside, kind.inside)) + '\0';
  const auto it = view.Iterate(storage::Cf::kIndexes, from, storage::PrefixEnd(prefix));
  std::string given;  // the last of the page
  int count = 0;
  size_t bytes = 0;
  for (it->SeekToFirst(); it->Valid() && !call.cancelled(); it->Next()) {
    // Only now, when there is another one: a token never leads to nothing.
    if (count == *page_size || bytes > kExchangePageBytesMax) return SealToken(call, given);
    const std::string name = LastPart(it->key());
    const absl::StatusOr<std::optional<Loaded>> loaded = Load(*node_, view, type, name);
    if (!loaded.ok()) return loaded.status();
    if (!loaded->has_value()) continue;
    const absl::StatusOr<size_t> added = add(*(*loaded)->message);
    if (!added.ok()) return added.status();
    bytes += *added;
    ++count;
    given = Renamed(name, kind.inside, kind.outside);
  }
  if (!it->status().ok()) return it->status();
  return "";
}

absl::Status ExchangeDoor::CheckUndecided(const storage::View& view, const Call& call, const OwnKind& kind) const {
  const std::string prefix = node::IndexPrefix(kind.index, records::Undecided(NationOfCaller(call)));
  const auto it = view.Iterate(storage::Cf::kIndexes, prefix, storage::PrefixEnd(prefix));
  int waiting = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (++waiting < kUndecidedMax) continue;
    return Error(Reason::kLimitReached, fmt::format("{} of the nation's wait for a decision: no more are taken until then", kUndecidedMax));
  }
  return it->status();
}

// --- Writing -------------------------------------------------------------------------------------------------------------------------

std::string ExchangeDoor::NewId(const Call& call, const WriteMethods::Plan& plan) const {
  return CreatedRecordId(node_->roster().network(), call.identity.path, call.method, plan.write.request_id);
}

absl::StatusOr<WriteMethods::Plan> ExchangeDoor::PlanNew(const records::RecordType& type, const std::string& name, MessagePtr record,
                                                         const Names& names, WriteMethods::Plan plan) const {
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  plan.name = name;
  absl::StatusOr<std::optional<Loaded>> existing = Load(*node_, *view, type, name);
  if (!existing.ok()) return existing.status();
  if (existing->has_value()) {
    plan.answer = std::move((*existing)->message);
    return plan;
  }
  record->GetReflection()->SetString(record.get(), Field(*record, "name"), name);
  record->GetReflection()->SetEnumValue(record.get(), Field(*record, "marking"), v1::MARKING_OFFICIAL);
  const StoreReader reader(*node_, *view);
  if (type.complete) type.complete(record.get(), nullptr, reader, node_->options().clock->Now());
  if (absl::Status valid = CheckRecord(*node_, type, *record, nullptr, reader); !valid.ok()) return RenameFields(valid, names);
  std::vector<const FieldDescriptor*> fields;
  for (const FieldDescriptor* folded : FoldedFields(type)) {
    if (IsSet(*record, folded)) fields.push_back(folded);
  }
  plan.write.mutations.push_back(node::MutationFor(type, name, nullptr, *record, fields));
  plan.write.expectations.push_back({name, ""});
  return plan;
}

absl::StatusOr<WriteMethods::Plan> ExchangeDoor::PlanChange(const storage::View& view, const records::RecordType& type, Loaded read,
                                                            MessagePtr next, const std::vector<std::string>& fields, const Names& names,
                                                            WriteMethods::Plan plan) const {
  plan.name = GetString(*read.message, "name");
  std::vector<const FieldDescriptor*> changed;
  for (const std::string& field : fields) changed.push_back(Field(*next, field));
  const StoreReader reader(*node_, view);
  if (absl::Status valid = names == nullptr ? absl::OkStatus() : CheckRecord(*node_, type, *next, read.message.get(), reader); !valid.ok())
    return RenameFields(valid, names);
  Mutation mutation = node::MutationFor(type, plan.name, &read.state, *next, changed);
  if (mutation.ops.empty()) {
    plan.answer = std::move(read.message);
    return plan;
  }
  plan.write.mutations.push_back(std::move(mutation));
  plan.write.expectations.push_back({plan.name, node::EtagOf(read.state)});
  return plan;
}

void ExchangeDoor::Finish(const records::RecordType& type, const std::shared_ptr<Call>& call, absl::StatusOr<WriteMethods::Plan> plan,
                          const std::string& about, Narrate narrate, Reply reply, bool settles) const {
  // Which sites hold a write is not for partners.
  if (call->replicas > 0) return reply(FieldError(Reason::kFieldInvalid, node::kDurabilityField, "is not offered here"));
  if (!plan.ok()) return reply(Outward(plan.status()));
  if (!plan->replay) {
    if (absl::Status added = receipts_.AddSubmission(*call, about, &plan->write); !added.ok()) return reply(added);
    const bool once = settles && plan->answer == nullptr && call->submitted.size() < kSubmissionUnitBytes;
    if (!plan->write.mutations.empty() && !once) {
      if (absl::Status taken = limits_.TakeSubmission(call->identity, call->submitted.size()); !taken.ok()) return reply(taken);
    }
  }
  if (plan->answer != nullptr && !plan->write.mutations.empty()) {
    // Nothing changes; that it was submitted is kept all the same.
    std::shared_ptr<const Message> answer = std::move(plan->answer);
    return node_->Write(std::move(plan->write),
                        [answer, narrate = std::move(narrate), reply = std::move(reply)](const absl::StatusOr<node::WriteResult>& result) {
                          if (!result.ok()) return reply(OutwardOfWrite(result.status()));
                          reply(narrate(*answer));
                        });
  }
  writes_->Finish(type, call, std::move(plan), [narrate = std::move(narrate), reply = std::move(reply)](absl::StatusOr<MessagePtr> record) {
    if (!record.ok()) return reply(OutwardOfWrite(record.status()));
    reply(narrate(**record));
  });
}

void ExchangeDoor::Deliver(const Call& call, std::vector<Delivered> sent, MessagePtr response, Reply reply) const {
  auto held = std::make_shared<MessagePtr>(std::move(response));
  receipts_.Deliver(RecipientOf(call), std::move(sent), [held, reply = std::move(reply)](const absl::Status& kept) {
    if (!kept.ok()) return reply(WithoutReceipt(kept));
    reply(std::move(*held));
  });
}

}  // namespace fairlead::rpc
