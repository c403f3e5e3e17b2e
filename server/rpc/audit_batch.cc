#include "server/rpc/audit_batch.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "server/records/record_type.h"
#include "server/records/release.h"
#include "server/rpc/policy.h"
#include "server/rpc/wire_forms.h"

namespace fairlead::rpc {
namespace {

struct Rule {
  std::string_view pattern;  // as of a PolicyRule
  v1::AuditKind kind;
};

// What staff do that is audited whether or not it is refused.
constexpr std::array kActs = {
    Rule{"ReleaseService/RecallRelease", v1::AUDIT_KIND_RECALL},
    Rule{"ReleaseService/CreateRelease", v1::AUDIT_KIND_RELEASE},
    Rule{"ReleaseService/ApproveRelease", v1::AUDIT_KIND_RELEASE},
    Rule{"ReleaseService/DeclineRelease", v1::AUDIT_KIND_RELEASE},
    Rule{"ReleaseService/CreatePartnerGroup", v1::AUDIT_KIND_RELEASE},
    Rule{"ReleaseService/UpdatePartnerGroup", v1::AUDIT_KIND_RELEASE},
    Rule{"ReleaseService/WithdrawPartnerGroup", v1::AUDIT_KIND_RELEASE},
    // What is PUBLIC of these is shown to nations without a release: whoever marks it, changes it or takes it back.
    Rule{"PracticeService/UpdateBestPractice", v1::AUDIT_KIND_RELEASE},
    Rule{"PracticeService/PublishBestPractice", v1::AUDIT_KIND_RELEASE},
    Rule{"PracticeService/RetireBestPractice", v1::AUDIT_KIND_RELEASE},
    Rule{"PracticeService/WithdrawBestPractice", v1::AUDIT_KIND_RELEASE},
    Rule{"TrainingService/CreateTrainingOffering", v1::AUDIT_KIND_RELEASE},
    Rule{"TrainingService/UpdateTrainingOffering", v1::AUDIT_KIND_RELEASE},
    Rule{"TrainingService/WithdrawTrainingOffering", v1::AUDIT_KIND_RELEASE},
    Rule{"TrainingService/ImportTrainingOfferings", v1::AUDIT_KIND_RELEASE},
    Rule{"ReferenceService/CreateContact", v1::AUDIT_KIND_RELEASE},
    Rule{"ReferenceService/UpdateContact", v1::AUDIT_KIND_RELEASE},
    Rule{"ReferenceService/WithdrawContact", v1::AUDIT_KIND_RELEASE},
    Rule{"RecordService/EraseRevision", v1::AUDIT_KIND_ADMINISTRATION},
    Rule{"NodeService/VoidEntry", v1::AUDIT_KIND_ADMINISTRATION},
    Rule{"NodeService/ReissueEntries", v1::AUDIT_KIND_ADMINISTRATION},
    Rule{"NodeService/CreateBackup", v1::AUDIT_KIND_ADMINISTRATION},
    Rule{"NodeService/VerifyBackup", v1::AUDIT_KIND_ADMINISTRATION},
    Rule{"NodeService/DeleteBackup", v1::AUDIT_KIND_ADMINISTRATION},
    Rule{"LogService/ListLogEntries", v1::AUDIT_KIND_ADMINISTRATION},
    Rule{"AuditService/*", v1::AUDIT_KIND_ADMINISTRATION},
};

// What partners' systems name, as far as it is no collection of the registry.
constexpr std::array<std::string_view, 8> kOutsideCollections = {
    "releasedRecords", "withdrawals",    "suggestions",          "questions",
    "visitRequests",   "courseRequests", "contributedPractices", "exchangeReceipts"};

bool IsAct(v1::AuditKind kind) {
  return kind == v1::AUDIT_KIND_RELEASE || kind == v1::AUDIT_KIND_RECALL || kind == v1::AUDIT_KIND_ADMINISTRATION;
}

bool Refuses(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::UNIMPLEMENTED:
      return true;
    default:
      return false;
  }
}

bool Reads(std::string_view method) {
  const std::string_view name = method.substr(method.find('/') + 1);
  return name.starts_with("Get") || name.starts_with("List") || name.starts_with("Watch") || name.starts_with("Download");
}

// Whether records of the kind that `subject` names are shown to nations when they are PUBLIC.
bool MayBePublic(std::string_view subject) {
  const std::string_view collection = subject.substr(0, subject.find('/'));
  for (const records::RecordType& type : records::TheRegistry().types()) {
    if (type.collection() == collection) return records::PublicIndexOf(type) != 0;
  }
  return false;
}

}  // namespace

std::optional<v1::AuditKind> AuditKindOf(const CallSummary& summary) {
  const bool denied = summary.code == grpc::StatusCode::PERMISSION_DENIED || summary.code == grpc::StatusCode::UNAUTHENTICATED;
  if (denied || !summary.limit.empty()) return v1::AUDIT_KIND_DENIAL;
  if (summary.kind == IdentityKind::kPartner) {
    if (Refuses(summary.code)) return v1::AUDIT_KIND_DENIAL;
    return Reads(summary.method) ? v1::AUDIT_KIND_PARTNER_READ : v1::AUDIT_KIND_PARTNER_SUBMISSION;
  }
  const auto rule = std::find_if(kActs.begin(), kActs.end(), [&summary](const Rule& act) {
    return Matches(PolicyRule{act.pattern, 0}, summary.method);
  });
  if (rule != kActs.end()) return rule->kind;
  // A conflict that is settled changes its record.
  if (Matches(PolicyRule{"RecordService/ResolveConflict", 0}, summary.method) && MayBePublic(summary.subject))
    return v1::AUDIT_KIND_RELEASE;
  return std::nullopt;
}

std::string ResourceClass(std::string_view subject) {
  if (subject.empty()) return "";
  static const auto* const known = [] {
    auto* all = new std::set<std::string, std::less<>>(kOutsideCollections.begin(), kOutsideCollections.end());
    for (const records::RecordType& type : records::TheRegistry().types()) all->insert(type.pattern.substr(0, type.pattern.find('/')));
    return all;
  }();
  const auto found = known->find(subject.substr(0, subject.find('/')));
  return found == known->end() ? "other" : *found;
}

void AuditBatch::Add(v1::AuditEvent event, absl::Time time) {
  Key key(event.kind(), event.actor(), event.gateway(), event.method(), event.outcome(), event.resource(), event.detail());
  v1::AuditEvent* place = nullptr;
  if (const auto found = places_.find(key); found != places_.end()) {
    place = &events_[found->second];
  } else {
    Room& room = IsAct(event.kind()) ? acts_ : calls_;
    const bool known = room.contains(event.actor());
    if (known ? room[event.actor()] < limits_.actor_events_max : room.size() < limits_.actors_max) {
      ++room[event.actor()];
      places_.emplace(std::move(key), events_.size());
      place = &events_.emplace_back(std::move(event));
    } else {
      if (!overflow_) {
        for (const char* told : {"actor", "gateway", "method", "outcome", "resource", "detail"}) {
          event.GetReflection()->ClearField(&event, event.GetDescriptor()->FindFieldByName(told));
        }
        event.set_kind(v1::AUDIT_KIND_OVERFLOW);
        overflow_ = std::move(event);
      }
      place = &*overflow_;
    }
  }
  if (place->count() == 0) SetTimestamp(time, place->mutable_first_time());
  SetTimestamp(time, place->mutable_last_time());
  place->set_count(place->count() + 1);
}

std::vector<v1::AuditEvent> AuditBatch::Take() {
  std::vector<v1::AuditEvent> all = std::exchange(events_, {});
  if (overflow_) all.push_back(*std::exchange(overflow_, std::nullopt));
  places_.clear();
  acts_.clear();
  calls_.clear();
  return all;
}

}  // namespace fairlead::rpc
