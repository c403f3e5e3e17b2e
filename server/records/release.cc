// Releases to partner nations, the groups that they name, and what nations answer and propose.

#include "server/records/release.h"

#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/crypto.h"
#include "fairlead/v1/contact.pb.h"
#include "fairlead/v1/help_desk.pb.h"
#include "fairlead/v1/practice.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "fairlead/v1/release.pb.h"
#include "fairlead/v1/training.pb.h"
#include "fairlead/v1/visit.pb.h"
#include "server/records/attachment.h"
#include "server/records/checks.h"
#include "server/records/dates.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using google::protobuf::Message;
using google::protobuf::RepeatedPtrField;

constexpr size_t kSubjectBytes = 16;
constexpr size_t kIdCharsMax = 63;

bool IsGroupId(std::string_view id) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !id.empty() && id.size() <= kIdCharsMax && std::all_of(id.begin(), id.end(), allowed);
}

const Collection kPartnerGroups = {"partnerGroups", IsGroupId, "1 to 63 of a to z, 0 to 9 and hyphen"};

void ValidateGroup(const v1::PartnerGroup& group, Checks* checks) {
  checks->OwnId(group.name(), kPartnerGroups);
  checks->Line("display_name", group.display_name(), Need::kRequired, kShortCharsMax);
  checks->References("nations", group.nations(), kCountries);
}

// Who leaves a group is remembered: it may have been shown what was released to the group.
void CompleteGroup(v1::PartnerGroup* next, const v1::PartnerGroup* previous, const RecordReader&, absl::Time now) {
  if (previous == nullptr) return next->clear_former_members();
  *next->mutable_former_members() = previous->former_members();
  const std::set<std::string> members(next->nations().begin(), next->nations().end());
  for (const std::string& nation : previous->nations()) {
    if (members.contains(nation)) continue;
    v1::FormerMember& left = *next->add_former_members();
    left.set_nation(nation);
    left.mutable_leave_time()->set_seconds(absl::ToUnixSeconds(now));
  }
}

// What speaks of a record is for the sites that hold it.
RepeatedPtrField<std::string> AudienceOf(const Message& record) {
  RepeatedPtrField<std::string> sites;
  const auto* field = record.GetDescriptor()->FindFieldByName("audience");
  for (int i = 0; i < record.GetReflection()->FieldSize(record, field); ++i) {
    sites.Add(record.GetReflection()->GetRepeatedString(record, field, i));
  }
  return sites;
}

// A form of the release without what its lifecycle writes.
v1::Release ContentOf(const v1::Release& release) {
  v1::Release content = release;
  for (const char* field : {"etag", "update_time", "conflicts", "state", "reason", "recipients", "approve_time"}) {
    content.GetReflection()->ClearField(&content, content.GetDescriptor()->FindFieldByName(field));
  }
  return content;
}

void ValidateRelease(const v1::Release& release, const v1::Release* previous, Checks* checks) {
  const std::unique_ptr<Message> record = checks->reader().Find(release.record());
  if (release.record().empty()) {
    checks->Fail(Reason::kFieldRequired, "record", "is required");
  } else if (record == nullptr) {
    checks->Fail(Reason::kReferenceNotFound, "record", fmt::format("there is no {}", release.record()));
  }
  checks->References("nations", release.nations(), kCountries);
  checks->References("groups", release.groups(), kPartnerGroups);
  const bool to_nobody = IsEndOfPublication(release);
  if (!to_nobody && release.nations().empty() && release.groups().empty()) {
    checks->Fail(Reason::kFieldRequired, "nations", "a nation or a group is required");
  }
  if (!to_nobody && release.fields().empty()) checks->Fail(Reason::kFieldRequired, "fields", "is required: preview the release first");
  std::set<std::string> fields;
  for (int i = 0; i < release.fields_size(); ++i) {
    const v1::ReleasedField& field = release.fields(i);
    const std::string path = fmt::format("fields[{}]", i);
    const bool known =
        field.field() == kAttachmentsField || record == nullptr || record->GetDescriptor()->FindFieldByName(field.field()) != nullptr;
    if (!known) {
      checks->Fail(Reason::kFieldInvalid, path + ".field", fmt::format("{} has no field '{}'", release.record(), field.field()));
    }
    if (!fields.insert(field.field()).second) checks->Fail(Reason::kFieldInvalid, path + ".field", "occurs twice");
    if (field.value_ids().empty()) checks->Fail(Reason::kFieldRequired, path + ".value_ids", "is required: preview the release first");
  }
  checks->Prose("purpose", release.purpose(), Need::kRequired, kReasonCharsMax);
  checks->Date("retention_date", release.has_retention_date(), release.retention_date());
  if (release.has_retention_date() && !IsWholeDate(release.retention_date())) {
    checks->Fail(Reason::kFieldInvalid, "retention_date", "must be a day");
  }
  checks->NotZero("record_marking", release.record_marking(), "is required: the marking of what was previewed");
  for (int i = 0; i < release.replaces_size(); ++i) {
    const auto other = FindAs<v1::Release>(checks->reader(), release.replaces(i));
    const std::string path = fmt::format("replaces[{}]", i);
    if (other == nullptr) {
      checks->Fail(Reason::kReferenceNotFound, path, fmt::format("there is no release {}", release.replaces(i)));
    } else if (other->record() != release.record() || other->name() == release.name()) {
      checks->Fail(Reason::kFieldInvalid, path, "is no other release of the record");
    }
  }
  checks->NotZero("state", release.state(), "is required: every release has a place in its lifecycle");
  const bool explained = release.state() == v1::RELEASE_STATE_DECLINED || release.state() == v1::RELEASE_STATE_RECALLED;
  checks->Prose("reason", release.reason(), explained ? Need::kRequired : Need::kOptional, kReasonCharsMax);
  if (release.state() != v1::RELEASE_STATE_RECALLED && !release.recipients().empty()) {
    checks->Fail(Reason::kFieldInvalid, "recipients", "is known once the release is recalled");
  }
  if (previous != nullptr && ContentOf(*previous).SerializeAsString() != ContentOf(release).SerializeAsString()) {
    checks->Fail(Reason::kFieldImmutable, "record", "a release is approved as it was proposed: propose another");
  }
}

// Those whom the release has reached since it was approved, by its nations and the members of its groups; of one that was never approved,
// whom it would reach.
std::set<std::string> Reached(const v1::Release& release, const RecordReader& reader) {
  std::set<std::string> nations(release.nations().begin(), release.nations().end());
  const int64_t approved = release.has_approve_time() ? release.approve_time().seconds() : INT64_MAX;
  for (const std::string& name : release.groups()) {
    const auto group = FindAs<v1::PartnerGroup>(reader, name);
    if (group == nullptr) continue;
    // A withdrawn group is as it was when it was withdrawn.
    if (!group->withdrawn() || group->update_time().seconds() >= approved) nations.insert(group->nations().begin(), group->nations().end());
    for (const v1::FormerMember& left : group->former_members()) {
      if (left.leave_time().seconds() >= approved) nations.insert(left.nation());
    }
  }
  return nations;
}

void CompleteRelease(v1::Release* next, const v1::Release* previous, const RecordReader& reader, absl::Time now) {
  if (previous == nullptr) {
    next->clear_recipients();
    next->clear_approve_time();
    const std::unique_ptr<Message> record = reader.Find(next->record());
    if (record == nullptr) return;
    const auto* descriptor = record->GetDescriptor();
    if (next->record_marking() == v1::MARKING_UNSPECIFIED) {
      next->set_record_marking(
          static_cast<v1::Marking>(record->GetReflection()->GetEnumValue(*record, descriptor->FindFieldByName("marking"))));
    }
    if (next->audience().empty()) *next->mutable_audience() = AudienceOf(*record);
    return;
  }
  if (next->state() == previous->state()) return;
  if (next->state() == v1::RELEASE_STATE_APPROVED) next->mutable_approve_time()->set_seconds(absl::ToUnixSeconds(now));
  if (next->state() != v1::RELEASE_STATE_RECALLED) return;
  const std::set<std::string> reached = Reached(*previous, reader);
  next->mutable_recipients()->Assign(reached.begin(), reached.end());
}

void ValidateAcknowledgement(const v1::Acknowledgement& acknowledgement, Checks* checks) {
  const auto release = FindAs<v1::Release>(checks->reader(), ParentOf(acknowledgement.name()));
  if (release == nullptr || release->state() != v1::RELEASE_STATE_RECALLED) {
    checks->Fail(Reason::kFieldInvalid, "name", fmt::format("{} is not recalled", ParentOf(acknowledgement.name())));
  }
  checks->Line("system", acknowledgement.system(), Need::kOptional, kShortCharsMax);
  checks->Prose("remark", acknowledgement.remark(), Need::kOptional, kReasonCharsMax);
}

void CompleteAcknowledgement(v1::Acknowledgement* next, const v1::Acknowledgement* previous, const RecordReader& reader, absl::Time) {
  if (previous != nullptr) return;
  if (const std::unique_ptr<Message> release = reader.Find(ParentOf(next->name()))) *next->mutable_audience() = AudienceOf(*release);
}

void ValidateProposal(const v1::Proposal& proposal, Checks* checks) {
  checks->Reference("nation", proposal.nation(), kCountries, Need::kRequired);
  checks->Line("system", proposal.system(), Need::kOptional, kShortCharsMax);
  checks->NotZero("kind", proposal.kind(), "is required: what it is");
  const bool of_record = proposal.kind() == v1::PROPOSAL_KIND_OBSERVATION_RESPONSE || proposal.kind() == v1::PROPOSAL_KIND_CORRECTION;
  if (of_record && proposal.record().empty()) checks->Fail(Reason::kFieldRequired, "record", "is required: what it is about");
  checks->Line("subject", proposal.subject(), of_record ? Need::kOptional : Need::kRequired, kShortCharsMax);
  if (proposal.kind() == v1::PROPOSAL_KIND_FACILITY) {
    checks->Code("subject", proposal.subject(), kPortFacilities.is_id, kPortFacilities.rule);
  } else if (proposal.kind() == v1::PROPOSAL_KIND_PORT) {
    checks->Code("subject", proposal.subject(), kPorts.is_id, kPorts.rule);
  }
  checks->Prose("text", proposal.text(), Need::kRequired, kProseCharsMax);
  checks->NotZero("state", proposal.state(), "is required: every proposal has a place in its lifecycle");
  const bool explained = proposal.state() == v1::PROPOSAL_STATE_DECLINED || proposal.state() == v1::PROPOSAL_STATE_MERGED;
  checks->Prose("reason", proposal.reason(), explained ? Need::kRequired : Need::kOptional, kReasonCharsMax);
}

void CompleteProposal(v1::Proposal* next, const v1::Proposal* previous, const RecordReader& reader, absl::Time) {
  const std::unique_ptr<Message> record = previous == nullptr ? reader.Find(next->record()) : nullptr;
  if (record != nullptr && next->audience().empty()) *next->mutable_audience() = AudienceOf(*record);
  if (next->region() != v1::REGION_UNSPECIFIED) return;
  if (const auto nation = FindAs<v1::Country>(reader, next->nation())) next->set_region(nation->region());
}

constexpr std::string_view kPublicFilter = "public";
constexpr std::string_view kUnitedStates = "countries/US";

bool IsApproved(const v1::Release& release) { return release.state() == v1::RELEASE_STATE_APPROVED; }
bool IsRecalled(const v1::Release& release) { return release.state() == v1::RELEASE_STATE_RECALLED; }

// Those of `nations` that are shown the record because it is PUBLIC.
std::set<std::string> ShownTo(const Message& record, const std::vector<std::string>& nations) {
  const Values readers = PublicTo(record);
  const auto* withdrawn = record.GetDescriptor()->FindFieldByName("withdrawn");
  std::set<std::string> shown;
  if (readers.empty() || record.GetReflection()->GetBool(record, withdrawn)) return shown;
  for (const std::string& nation : nations) {
    const auto reads = [&nation](const std::string& reader) { return reader.empty() || reader == nation; };
    if (std::any_of(readers.begin(), readers.end(), reads)) shown.insert(nation);
  }
  return shown;
}

}  // namespace

std::string SubjectOf(std::string_view record) {
  const Digest digest = Sha256(record);
  return absl::BytesToHexString(std::string(AsView(digest).substr(0, kSubjectBytes)));
}

std::string Undecided(const std::string& nation) { return nation + "/undecided"; }

std::string NationOfSystem(std::string_view system) {
  constexpr std::string_view kPartner = "partner/";
  const size_t end = system.find('/', kPartner.size());
  if (!system.starts_with(kPartner) || end == std::string_view::npos) return "";
  return fmt::format("{}/{}", kCountries.name, system.substr(kPartner.size(), end - kPartner.size()));
}

std::vector<std::string> Askers(std::string_view system, bool undecided) {
  const std::string nation = NationOfSystem(system);
  if (nation.empty()) return {};
  return undecided ? Values{nation, Undecided(nation)} : Values{nation};
}

Values PublicTo(const Message& record) {
  const auto* type = record.GetDescriptor();
  const auto* marking = type->FindFieldByName("marking");
  if (marking == nullptr || record.GetReflection()->GetEnumValue(record, marking) != v1::MARKING_PUBLIC) return {};
  if (type == v1::BestPractice::descriptor()) {
    return static_cast<const v1::BestPractice&>(record).state() == v1::PRACTICE_STATE_PUBLISHED ? Values{""} : Values{};
  }
  if (type == v1::TrainingOffering::descriptor()) {
    const auto& open_to = static_cast<const v1::TrainingOffering&>(record).open_to();
    return open_to.empty() ? Values{""} : Values(open_to.begin(), open_to.end());
  }
  if (type == v1::Contact::descriptor()) {
    return static_cast<const v1::Contact&>(record).country() == kUnitedStates ? Values{""} : Values{};
  }
  return {};
}

Index PublicIndex(uint16_t number) {
  return {.number = number, .filter = std::string(kPublicFilter), .values = PublicTo, .sort = [](const Message& record) {
            return SubjectOf(record.GetReflection()->GetString(record, record.GetDescriptor()->FindFieldByName("name")));
          }};
}

std::optional<v1::Release> EndOfPublication(const Message& previous, const Message& next, const std::vector<std::string>& nations) {
  std::set<std::string> lost = ShownTo(previous, nations);
  for (const std::string& nation : ShownTo(next, nations)) lost.erase(nation);
  if (lost.empty()) return std::nullopt;
  const auto* reflection = next.GetReflection();
  const auto* descriptor = next.GetDescriptor();
  v1::Release end;
  end.set_marking(static_cast<v1::Marking>(reflection->GetEnumValue(next, descriptor->FindFieldByName("marking"))));
  *end.mutable_audience() = AudienceOf(next);
  end.set_record(reflection->GetString(next, descriptor->FindFieldByName("name")));
  end.set_purpose("It was PUBLIC.");
  end.set_record_marking(v1::MARKING_PUBLIC);
  end.set_state(v1::RELEASE_STATE_RECALLED);
  const auto* reason = descriptor->FindFieldByName("reason");
  if (reason != nullptr) end.set_reason(reflection->GetString(next, reason));
  if (end.reason().empty()) end.set_reason("It is not shown as PUBLIC any more.");
  end.mutable_recipients()->Assign(lost.begin(), lost.end());
  return end;
}

bool IsEndOfPublication(const v1::Release& release) { return IsRecalled(release) && release.nations().empty() && release.groups().empty(); }

bool TellsRecipients(const v1::Release& release) {
  return IsEndOfPublication(release) || (IsRecalled(release) && release.has_approve_time());
}

bool IsServiceSet(const google::protobuf::FieldDescriptor& field) {
  static const auto* const fields = new std::set<const google::protobuf::FieldDescriptor*>{
      v1::ReciprocalVisit::descriptor()->FindFieldByNumber(v1::ReciprocalVisit::kSystemFieldNumber),
      v1::TrainingRequest::descriptor()->FindFieldByNumber(v1::TrainingRequest::kSystemFieldNumber),
      v1::PracticeContribution::descriptor()->FindFieldByNumber(v1::PracticeContribution::kSystemFieldNumber),
      v1::Endorsement::descriptor()->FindFieldByNumber(v1::Endorsement::kNationFieldNumber),
      v1::Inquiry::descriptor()->FindFieldByNumber(v1::Inquiry::kSystemFieldNumber),
      v1::Contact::descriptor()->FindFieldByNumber(v1::Contact::kSystemFieldNumber),
      v1::Contact::descriptor()->FindFieldByNumber(v1::Contact::kStateTimeFieldNumber),
      v1::PartnerGroup::descriptor()->FindFieldByNumber(v1::PartnerGroup::kFormerMembersFieldNumber)};
  return fields->contains(&field);
}

uint16_t PublicIndexOf(const RecordType& type) {
  for (const Index& index : type.indexes) {
    if (index.filter == kPublicFilter) return index.number;
  }
  return 0;
}

RecordType ReleaseType() {
  using Release = v1::Release;
  RecordType type;
  type.number = 50;
  type.prototype = &Release::default_instance();
  type.pattern = "releases/{release}";
  type.validate = ValidateChange<Release>(ValidateRelease);
  type.complete = CompleteWith<Release>(CompleteRelease);
  type.state_field = "state";
  type.initial_state = v1::RELEASE_STATE_PROPOSED;
  type.transitions = {
      {.method = "ApproveRelease", .from = {v1::RELEASE_STATE_PROPOSED}, .to = v1::RELEASE_STATE_APPROVED, .by_other_role = true},
      {.method = "DeclineRelease", .from = {v1::RELEASE_STATE_PROPOSED}, .to = v1::RELEASE_STATE_DECLINED},
      {.method = "RecallRelease", .from = {v1::RELEASE_STATE_PROPOSED, v1::RELEASE_STATE_APPROVED}, .to = v1::RELEASE_STATE_RECALLED},
  };
  const auto subject = On<Release>([](const Release& r) { return SubjectOf(r.record()); });
  type.indexes = {
      {.number = 500, .filter = "record", .values = On<Release>([](const Release& r) { return Values{r.record()}; })},
      {.number = 501, .filter = "state", .values = On<Release>([](const Release& r) { return Values{DecimalOf(r.state())}; })},
      {.number = kReleasesByReader,
       .filter = "reader",
       .values = On<Release>([](const Release& r) {
         Values readers;
         if (!IsApproved(r)) return readers;
         readers.assign(r.nations().begin(), r.nations().end());
         readers.insert(readers.end(), r.groups().begin(), r.groups().end());
         return readers;
       }),
       .sort = subject},
      {.number = kReleasesBySubject, .filter = "subject", .values = On<Release>([](const Release& r) {
                                                            return r.has_approve_time() || IsRecalled(r) ? Values{SubjectOf(r.record())}
                                                                                                         : Values{};
                                                          })},
      {.number = kRecallsByRecipient, .filter = "recipient", .values = On<Release>([](const Release& r) {
                                                               return TellsRecipients(r)
                                                                          ? Values(r.recipients().begin(), r.recipients().end())
                                                                          : Values{};
                                                             })},
  };
  return type;
}

RecordType PartnerGroupType() {
  RecordType type;
  type.number = 51;
  type.prototype = &v1::PartnerGroup::default_instance();
  type.pattern = "partnerGroups/{partner_group}";
  type.check_id = [](std::string_view id) { return CheckId(kPartnerGroups, id); };
  type.validate = ValidateWith<v1::PartnerGroup>(ValidateGroup);
  type.complete = CompleteWith<v1::PartnerGroup>(CompleteGroup);
  return type;
}

RecordType AcknowledgementType() {
  using Acknowledgement = v1::Acknowledgement;
  RecordType type;
  type.number = 52;
  type.prototype = &Acknowledgement::default_instance();
  type.pattern = "releases/{release}/acknowledgements/{acknowledgement}";
  type.check_id = [](std::string_view id) { return CheckId(kCountries, id); };
  type.validate = ValidateWith<Acknowledgement>(ValidateAcknowledgement);
  type.complete = CompleteWith<Acknowledgement>(CompleteAcknowledgement);
  type.indexes = {{.number = 520, .filter = "parent", .values = On<Acknowledgement>([](const Acknowledgement& a) {
                                                        return Values{std::string(ParentOf(a.name()))};
                                                      })}};
  return type;
}

RecordType ProposalType() {
  using Proposal = v1::Proposal;
  RecordType type;
  type.number = 53;
  type.prototype = &Proposal::default_instance();
  type.pattern = "proposals/{proposal}";
  type.validate = ValidateWith<Proposal>(ValidateProposal);
  type.complete = CompleteWith<Proposal>(CompleteProposal);
  type.state_field = "state";
  type.initial_state = v1::PROPOSAL_STATE_SUBMITTED;
  type.transitions = {
      {.method = "AcceptProposal", .from = {v1::PROPOSAL_STATE_SUBMITTED}, .to = v1::PROPOSAL_STATE_ACCEPTED},
      {.method = "DeclineProposal", .from = {v1::PROPOSAL_STATE_SUBMITTED}, .to = v1::PROPOSAL_STATE_DECLINED},
      {.method = "MergeProposal", .from = {v1::PROPOSAL_STATE_SUBMITTED}, .to = v1::PROPOSAL_STATE_MERGED},
  };
  type.indexes = {
      {.number = 510, .filter = "state", .values = On<Proposal>([](const Proposal& p) { return Values{DecimalOf(p.state())}; })},
      {.number = kProposalsByNation,
       .filter = "nation",
       .values = On<Proposal>([](const Proposal& p) {
         const bool undecided = p.state() == v1::PROPOSAL_STATE_SUBMITTED && !p.withdrawn();
         return undecided ? Values{p.nation(), Undecided(p.nation())} : Values{p.nation()};
       })},
      {.number = 512, .filter = "region", .values = On<Proposal>([](const Proposal& p) { return Values{DecimalOf(p.region())}; })},
  };
  return type;
}

}  // namespace fairlead::records
