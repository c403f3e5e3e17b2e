#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>

#include <map>
#include <set>

#include "fairlead/v1/assessment_service.pb.h"
#include "fairlead/v1/attachment_service.pb.h"
#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/help_desk_service.pb.h"
#include "fairlead/v1/options.pb.h"
#include "fairlead/v1/portfolio_service.pb.h"
#include "fairlead/v1/practice_service.pb.h"
#include "fairlead/v1/priority_service.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "fairlead/v1/release_service.pb.h"
#include "fairlead/v1/report_service.pb.h"
#include "fairlead/v1/training_service.pb.h"
#include "fairlead/v1/visit_service.pb.h"
#include "server/records/record_type.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptorProto;
using google::protobuf::ServiceDescriptor;
using ::testing::ElementsAre;

TEST(Registry, TypesAreInOrderOfTheirPermanentNumbers) {
  std::map<uint16_t, std::string> types;
  for (const RecordType& type : TheRegistry().types()) types[type.number] = type.singular() + " " + type.pattern;
  const std::map<uint16_t, std::string> expected = {
      {1, "Country countries/{country}"},
      {2, "Port ports/{port}"},
      {3, "PortFacility portFacilities/{port_facility}"},
      {4, "LiaisonOfficer liaisonOfficers/{liaison_officer}"},
      {5, "Engagement engagements/{engagement}"},
      {6, "Observation engagements/{engagement}/observations/{observation}"},
      {7, "FollowUp engagements/{engagement}/followUps/{follow_up}"},
      {20, "VisitCycle visitCycles/{visit_cycle}"},
      {21, "ReciprocalVisit reciprocalVisits/{reciprocal_visit}"},
      {22, "TrainingOffering trainingOfferings/{training_offering}"},
      {23, "TrainingRequest trainingRequests/{training_request}"},
      {24, "TrainingSession trainingSessions/{training_session}"},
      {25, "Assignment assignments/{assignment}"},
      {30, "Assessment assessments/{assessment}"},
      {31, "ConditionOfEntry conditionsOfEntry/{condition_of_entry}"},
      {32, "Arrival arrivals/{arrival}"},
      {33, "ScheduleKPort scheduleKPorts/{schedule_k_port}"},
      {34, "TrafficFigure trafficFigures/{traffic_figure}"},
      {35, "PracticeContribution practiceContributions/{practice_contribution}"},
      {36, "BestPractice bestPractices/{best_practice}"},
      {37, "Endorsement bestPractices/{best_practice}/endorsements/{endorsement}"},
      {38, "Inquiry inquiries/{inquiry}"},
      {39, "Contact contacts/{contact}"},
      {50, "Release releases/{release}"},
      {51, "PartnerGroup partnerGroups/{partner_group}"},
      {52, "Acknowledgement releases/{release}/acknowledgements/{acknowledgement}"},
      {53, "Proposal proposals/{proposal}"},
      {54, "Attachment attachments/{attachment}"},
      {55, "PartnerReceipt partnerReceipts/{partner_receipt}"},
      {60, "Report reports/{report}"},
      {61, "Delivery reports/{report}/deliveries/{delivery}"},
      {62, "AuditEvent auditEvents/{audit_event}"},
      {900, "EntryVoid voids/{void}"},
  };
  EXPECT_EQ(types, expected);
}

TEST(Registry, IndexNumbersArePermanent) {
  std::map<uint16_t, std::string> indexes;
  for (const RecordType& type : TheRegistry().types()) {
    for (const Index& index : type.indexes) indexes[index.number] = type.singular() + "." + index.filter;
  }
  const std::map<uint16_t, std::string> expected = {
      {1, "Country.region"},
      {10, "Port.country"},
      {20, "PortFacility.country"},
      {30, "LiaisonOfficer.region"},
      {31, "LiaisonOfficer.country"},
      {40, "Engagement.region"},
      {41, "Engagement.country"},
      {42, "Engagement.kind"},
      {43, "Engagement.state"},
      {50, "Observation.parent"},
      {51, "Observation.country"},
      {52, "Observation.severity"},
      {60, "FollowUp.parent"},
      {61, "FollowUp.owner"},
      {62, "FollowUp.state"},
      {300, "Assessment.country"},
      {301, "Assessment.state"},
      {310, "ConditionOfEntry.country"},
      {311, "ConditionOfEntry.state"},
      {320, "Arrival.last_country"},
      {321, "Arrival.imo_number"},
      {322, "Arrival.month"},
      {330, "ScheduleKPort.country"},
      {331, "ScheduleKPort.code"},
      {340, "TrafficFigure.country"},
      {341, "TrafficFigure.month"},
      {350, "PracticeContribution.country"},
      {351, "PracticeContribution.state"},
      {360, "BestPractice.topic"},
      {361, "BestPractice.state"},
      {370, "Endorsement.parent"},
      {380, "Inquiry.region"},
      {381, "Inquiry.country"},
      {382, "Inquiry.state"},
      {383, "Inquiry.received_time"},
      {500, "Release.record"},
      {501, "Release.state"},
      {502, "Release.reader"},
      {503, "Release.subject"},
      {504, "Release.recipient"},
      {510, "Proposal.state"},
      {511, "Proposal.nation"},
      {512, "Proposal.region"},
      {520, "Acknowledgement.parent"},
      {540, "Attachment.subject"},
      {541, "Attachment.sha256"},
      {550, "PartnerReceipt.nation"},
      {551, "PartnerReceipt.record"},
      {620, "AuditEvent.time"},
      {44, "Engagement.topic"},
      {45, "Engagement.officer"},
      {46, "Engagement.port"},
      {47, "Engagement.facility"},
      {48, "Engagement.month"},
      {49, "Engagement.active"},
      {400, "Engagement.held"},
      {53, "Observation.element"},
      {54, "Observation.facility"},
      {63, "FollowUp.outstanding"},
      {64, "FollowUp.of_observation"},
      {384, "Inquiry.month"},
      {385, "Inquiry.unrouted"},
      {600, "Report.period"},
      {601, "Report.nation"},
      {602, "Report.region"},
      {610, "Delivery.parent"},
      {200, "VisitCycle.country"},
      {201, "VisitCycle.state"},
      {202, "VisitCycle.officer"},
      {210, "ReciprocalVisit.country"},
      {211, "ReciprocalVisit.state"},
      {212, "ReciprocalVisit.coordinator"},
      {213, "ReciprocalVisit.month"},
      {220, "TrainingOffering.program"},
      {230, "TrainingRequest.country"},
      {231, "TrainingRequest.state"},
      {232, "TrainingRequest.offering"},
      {233, "TrainingRequest.officer"},
      {240, "TrainingSession.country"},
      {241, "TrainingSession.state"},
      {242, "TrainingSession.offering"},
      {243, "TrainingSession.instructor"},
      {244, "TrainingSession.month"},
      {250, "Assignment.officer"},
      {251, "Assignment.country"},
      {214, "ReciprocalVisit.asker"},
      {221, "TrainingOffering.public"},
      {234, "TrainingRequest.asker"},
      {352, "PracticeContribution.asker"},
      {362, "BestPractice.public"},
      {371, "Endorsement.nation"},
      {386, "Inquiry.asker"},
      {390, "Contact.country"},
      {391, "Contact.public"},
  };
  EXPECT_EQ(indexes, expected);
}

TEST(Registry, Finds) {
  const Registry& registry = TheRegistry();
  auto name = [](const RecordType* type) { return type == nullptr ? std::string("none") : type->singular(); };
  EXPECT_EQ(name(registry.FindByNumber(6)), "Observation");
  EXPECT_EQ(name(registry.FindByNumber(0)), "none");
  EXPECT_EQ(name(registry.FindByNumber(65538)), "none");
  EXPECT_EQ(name(registry.FindByMessage("PortFacility")), "PortFacility");
  EXPECT_EQ(name(registry.FindByMessage("fairlead.v1.Port")), "none");
  EXPECT_EQ(name(registry.FindByCollection("followUps")), "FollowUp");
  EXPECT_EQ(name(registry.FindByCollection("engagements")), "Engagement");
  EXPECT_EQ(name(registry.FindByCollection("engagement")), "none");
}

TEST(Registry, FindsByName) {
  const std::map<std::string, std::string> cases = {
      {"countries/JP", "Country"},
      {"ports/JPYOK", "Port"},
      {"engagements/abc", "Engagement"},
      {"engagements/abc/observations/xyz", "Observation"},
      {"engagements/abc/followUps/xyz", "FollowUp"},
      {"", "none"},
      {"/", "none"},
      {"ports", "none"},
      {"ports/", "none"},
      {"/ports/JPYOK", "none"},
      {"ports/JPYOK/", "none"},
      {"ports/JPYOK/facilities", "none"},
      {"Ports/JPYOK", "none"},
      {"engagements//observations/xyz", "none"},
      {"engagements/abc/observations", "none"},
      {"engagements/abc/observations/", "none"},
      {"engagements/abc/observations/xyz/", "none"},
      {"engagements/abc/observations/xyz/more", "none"},
      {"countries/abc/observations/xyz", "none"},
  };
  for (const auto& [record, expected] : cases) {
    const RecordType* type = TheRegistry().FindByName(record);
    EXPECT_EQ(type == nullptr ? "none" : type->singular(), expected) << record;
  }
}

TEST(Registry, Collections) {
  std::vector<std::string> collections;
  for (const RecordType& type : TheRegistry().types()) collections.push_back(type.collection());
  EXPECT_THAT(collections,
              ElementsAre("countries", "ports", "portFacilities", "liaisonOfficers", "engagements", "observations", "followUps",
                          "visitCycles", "reciprocalVisits", "trainingOfferings", "trainingRequests", "trainingSessions", "assignments",
                          "assessments", "conditionsOfEntry", "arrivals", "scheduleKPorts", "trafficFigures", "practiceContributions",
                          "bestPractices", "endorsements", "inquiries", "contacts", "releases", "partnerGroups", "acknowledgements",
                          "proposals", "attachments", "partnerReceipts", "reports", "deliveries", "auditEvents", "voids"));
}

const std::vector<const ServiceDescriptor*>& Services() {
  static const auto* const kServices = new std::vector<const ServiceDescriptor*>{
      v1::GetCountryRequest::descriptor()->file()->service(0),    v1::GetEngagementRequest::descriptor()->file()->service(0),
      v1::GetVisitCycleRequest::descriptor()->file()->service(0), v1::GetTrainingOfferingRequest::descriptor()->file()->service(0),
      v1::GetAssignmentRequest::descriptor()->file()->service(0), v1::GetAssessmentRequest::descriptor()->file()->service(0),
      v1::GetArrivalRequest::descriptor()->file()->service(0),    v1::GetBestPracticeRequest::descriptor()->file()->service(0),
      v1::GetInquiryRequest::descriptor()->file()->service(0),    v1::GetReleaseRequest::descriptor()->file()->service(0),
      v1::GetReportRequest::descriptor()->file()->service(0),     v1::GetAttachmentRequest::descriptor()->file()->service(0)};
  return *kServices;
}

// Every method of the services that answers a record is a standard one or in a transition table, and every transition is a method that
// answers its record.
TEST(Registry, TransitionsAreTheCustomMethods) {
  std::map<std::string, std::string> custom;
  for (const ServiceDescriptor* service : Services()) {
    for (int i = 0; i < service->method_count(); ++i) {
      const std::string& name = service->method(i)->name();
      bool standard = false;
      for (const char* prefix : {"Get", "List", "Create", "Update", "Withdraw", "Import"}) standard = standard || name.starts_with(prefix);
      const bool of_record = TheRegistry().FindByMessage(service->method(i)->output_type()->name()) != nullptr;
      if (!standard && of_record) custom[name] = service->method(i)->output_type()->name();
    }
  }
  std::map<std::string, std::string> registered;
  for (const RecordType& type : TheRegistry().types()) {
    for (const Transition& transition : type.transitions) registered[transition.method] = type.singular();
  }
  registered["HandoverAssignment"] = "Assignment";  // of two records at once: rpc/planning_methods.h
  registered["FinishUpload"] = "Attachment";        // once its bytes are verified: rpc/attachment_methods.h
  registered["PrepareReport"] = "Report";           // made from all others: rpc/report_methods.h
  EXPECT_EQ(registered, custom);
}

// Every filter of a List request has its index, and every index its filter.
TEST(Registry, IndexesAreTheFiltersOfTheListRequests) {
  const std::set<std::string> paging = {"page_size", "page_token", "show_withdrawn"};
  std::set<std::string> filters;
  for (const ServiceDescriptor* service : Services()) {
    for (int i = 0; i < service->method_count(); ++i) {
      if (!service->method(i)->name().starts_with("List")) continue;
      const Descriptor* request = service->method(i)->input_type();
      const std::string record = service->method(i)->output_type()->field(0)->message_type()->name();
      if (TheRegistry().FindByMessage(record) == nullptr) continue;  // answered by a view
      for (int k = 0; k < request->field_count(); ++k) {
        if (!paging.contains(request->field(k)->name())) filters.insert(record + "." + request->field(k)->name());
      }
    }
  }
  std::set<std::string> indexed;
  for (const RecordType& type : TheRegistry().types()) {
    for (const Index& index : type.indexes) indexed.insert(type.singular() + "." + index.filter);
  }
  indexed.erase("Engagement.held");        // of a view, which looks for the last of a country
  indexed.erase("Inquiry.received_time");  // of a view, which reads a window of days
  for (const char* index : {"reader", "subject", "recipient"}) indexed.erase(std::string("Release.") + index);  // the exchange's
  for (const RecordType& type : TheRegistry().types()) {
    for (const char* index : {"asker", "public"}) indexed.erase(type.singular() + "." + index);  // likewise
  }
  indexed.erase("Endorsement.nation");
  for (const char* index : {"PartnerReceipt.nation", "PartnerReceipt.record"}) indexed.erase(index);  // likewise
  indexed.erase("AuditEvent.time");  // of queries by several fields: rpc/audit_methods.h
  EXPECT_EQ(indexed, filters);
}

// A registration of a message like Engagement that has been changed.
class Changed {
 public:
  explicit Changed(const std::function<void(DescriptorProto*, FileDescriptorProto*)>& change) : pool_(DescriptorPool::generated_pool()) {
    FileDescriptorProto file;
    file.set_name("changed.proto");
    file.set_package("changed");
    file.set_syntax("proto3");
    for (const char* import : {"fairlead/v1/common.proto", "fairlead/v1/engagement.proto", "fairlead/v1/options.proto",
                               "google/protobuf/timestamp.proto", "google/type/date.proto"}) {
      file.add_dependency(import);
    }
    DescriptorProto* message = file.add_message_type();
    v1::Engagement::descriptor()->CopyTo(message);
    v1::EngagementState_descriptor()->CopyTo(file.add_enum_type());
    file.mutable_enum_type(0)->set_name("State");
    for (int i = 0; i < file.enum_type(0).value_size(); ++i) file.mutable_enum_type(0)->mutable_value(i)->set_name("S" + std::to_string(i));
    Find(message, "state")->set_type_name(".changed.State");
    change(message, &file);
    const google::protobuf::FileDescriptor* built = pool_.BuildFile(file);
    if (built == nullptr) {
      ADD_FAILURE() << "the changed message is malformed";
      return;
    }
    type_ = EngagementType();
    type_.prototype = factory_.GetPrototype(built->message_type(0));
  }
  static FieldDescriptorProto* Find(DescriptorProto* message, const std::string& name) {
    for (FieldDescriptorProto& field : *message->mutable_field()) {
      if (field.name() == name) return &field;
    }
    return nullptr;
  }
  const RecordType& type() const { return type_; }

 private:
  DescriptorPool pool_;
  google::protobuf::DynamicMessageFactory factory_;
  RecordType type_;
};

// Sets the merge kind of a field.
std::function<void(DescriptorProto*, FileDescriptorProto*)> Merges(const std::string& field, v1::MergeKind kind) {
  return [=](DescriptorProto* message, FileDescriptorProto*) {
    Changed::Find(message, field)->mutable_options()->SetExtension(v1::merge, kind);
  };
}

TEST(RegistryDeathTest, MergeKindMustFitItsField) {
  EXPECT_EQ(Registry({Changed([](DescriptorProto*, FileDescriptorProto*) {}).type()}).types().size(), 1u);

  struct Case {
    std::string field;
    v1::MergeKind kind;
    std::string message;
  };
  for (const Case& c : std::vector<Case>{
           {"title", v1::MERGE_KIND_SET, "Engagement.title: SET fits repeated fields only"},
           {"title", v1::MERGE_KIND_RESTRICT_MAX, "Engagement.title: RESTRICT_MAX fits single enums and integers only"},
           {"topics", v1::MERGE_KIND_RESTRICT_MAX, "Engagement.topics: RESTRICT_MAX fits single enums and integers only"},
           {"title", v1::MERGE_KIND_RESTRICT_INTERSECT, "Engagement.title: RESTRICT_INTERSECT fits repeated strings only"},
           {"topics", v1::MERGE_KIND_RESTRICT_INTERSECT, "Engagement.topics: RESTRICT_INTERSECT fits repeated strings only"},
           {"title", v1::MERGE_KIND_STATE, "Engagement.title: STATE fits single enums only"},
           {"kind", v1::MERGE_KIND_STATE, "Engagement.kind: a STATE must be the type's state_field"},
           {"state", v1::MERGE_KIND_REGISTER, "Engagement.state: the state_field is no field with merge kind STATE"},
       }) {
    EXPECT_DEATH(Registry({Changed(Merges(c.field, c.kind)).type()}), c.message);
  }
}

TEST(RegistryDeathTest, StatesNeedDistinctRanks) {
  EXPECT_DEATH(Registry({Changed([](DescriptorProto*, FileDescriptorProto* file) {
                           file->mutable_enum_type(0)->mutable_value(3)->mutable_options()->ClearExtension(v1::rank);
                         }).type()}),
               "Engagement.state: S3 has no rank");
  EXPECT_DEATH(Registry({Changed([](DescriptorProto*, FileDescriptorProto* file) {
                           file->mutable_enum_type(0)->mutable_value(3)->mutable_options()->SetExtension(v1::rank, 20);
                         }).type()}),
               "Engagement.state: S2 and S3 have the same rank");
}

TEST(RegistryDeathTest, CommonFieldsMustBeAsInEveryResource) {
  for (const char* field : {"name", "etag", "create_time", "update_time", "marking", "audience", "withdrawn", "conflicts"}) {
    std::string message = std::string("Engagement.") + field + ": field . is not as in every resource";
    EXPECT_DEATH(Registry({Changed([=](DescriptorProto* m, FileDescriptorProto*) { Changed::Find(m, field)->set_name("other"); }).type()}),
                 message);
  }
  EXPECT_DEATH(Registry({Changed(Merges("marking", v1::MERGE_KIND_REGISTER)).type()}), "Engagement.marking");
  EXPECT_DEATH(Registry({Changed(Merges("etag", v1::MERGE_KIND_REGISTER)).type()}), "Engagement.etag");
  EXPECT_DEATH(Registry({Changed([](DescriptorProto* m, FileDescriptorProto*) {
                           Changed::Find(m, "withdrawn")->set_type(FieldDescriptorProto::TYPE_INT32);
                         }).type()}),
               "Engagement.withdrawn");
  EXPECT_DEATH(Registry({Changed([](DescriptorProto* m, FileDescriptorProto*) {
                           Changed::Find(m, "marking")->set_type_name(".fairlead.v1.Region");
                         }).type()}),
               "Engagement.marking");
}

// Ends the process with `message` when Port, changed, is registered beside Country.
void ExpectRefusedBesideCountry(const std::function<void(RecordType*)>& change, const std::string& message) {
  RecordType port = PortType();
  change(&port);
  EXPECT_DEATH(Registry({CountryType(), port}), message);
}

TEST(RegistryDeathTest, RegistrationsMustBeWhole) {
  ExpectRefusedBesideCountry([](RecordType* t) { t->number = 1; }, "Port: number 1 is Country's");
  ExpectRefusedBesideCountry([](RecordType* t) { t->number = 0; }, "Port: number 0 is none");
  ExpectRefusedBesideCountry([](RecordType* t) { t->prototype = nullptr; }, "type 2 has no prototype");
  ExpectRefusedBesideCountry([](RecordType* t) { t->prototype = &v1::Country::default_instance(); }, "Country: is there twice");
  ExpectRefusedBesideCountry([](RecordType* t) { t->validate = nullptr; }, "Port: has no validator");
  ExpectRefusedBesideCountry([](RecordType* t) { t->pattern = "countries/{country}"; }, "Port: pattern .* is Country's");
  ExpectRefusedBesideCountry([](RecordType* t) { t->pattern = "countries/{port}"; }, "Port: collection \"countries\" is Country's");
  for (const char* pattern : {"{port}", "ports", "ports/", "ports/port", "/ports/{port}", "ports//{port}", "ports/{port}/berths", ""}) {
    ExpectRefusedBesideCountry([=](RecordType* t) { t->pattern = pattern; }, "Port: pattern");
  }
}

TEST(RegistryDeathTest, IndexesMustBeDistinctAndWhole) {
  ExpectRefusedBesideCountry([](RecordType* t) { t->indexes[0].number = 1; }, "Port.country: index number 1 is that of Country.region");
  ExpectRefusedBesideCountry([](RecordType* t) { t->indexes[0].number = 0; }, "Port.country: an index needs a number and values");
  ExpectRefusedBesideCountry([](RecordType* t) { t->indexes[0].values = nullptr; }, "Port.country: an index needs a number and values");
  ExpectRefusedBesideCountry([](RecordType* t) { t->indexes[0].filter = ""; }, "Port.: index 10 needs a filter of its own");
  ExpectRefusedBesideCountry(
      [](RecordType* t) {
        t->indexes.push_back(t->indexes[0]);
        t->indexes[1].number = 11;
      },
      "Port.country: index 11 needs a filter of its own");
}

TEST(RegistryDeathTest, LifecycleMustBeOfStates) {
  ExpectRefusedBesideCountry([](RecordType* t) { t->transitions = {{.method = "OpenPort", .from = {1}, .to = 2}}; },
                             "Port: transitions without a state_field");
  ExpectRefusedBesideCountry([](RecordType* t) { t->state_field = "country"; },
                             "Port.country: the state_field is no field with merge kind");
  ExpectRefusedBesideCountry([](RecordType* t) { t->state_field = "none"; }, "Port.none: the state_field is no field with merge kind");

  auto expect = [](const std::function<void(RecordType*)>& change, const std::string& message) {
    RecordType engagement = EngagementType();
    change(&engagement);
    EXPECT_DEATH(Registry({engagement}), message);
  };
  expect([](RecordType* t) { t->initial_state = 0; }, "Engagement.state: initial state 0 is none");
  expect([](RecordType* t) { t->initial_state = 99; }, "Engagement.state: initial state 99 is none");
  expect([](RecordType* t) { t->transitions[0].to = 0; }, "Engagement.state: ProposeEngagement leads from or to no state");
  expect([](RecordType* t) { t->transitions[0].from = {99}; }, "Engagement.state: ProposeEngagement leads from or to no state");
  expect([](RecordType* t) { t->transitions[0].from = {}; }, "Engagement.state: ProposeEngagement leads from or to no state");
  expect([](RecordType* t) { t->transitions[1].method = "ProposeEngagement"; }, "Engagement: method ProposeEngagement is there twice");
  expect([](RecordType* t) { t->state_field.clear(); }, "Engagement.state: a STATE must be the type's state_field");
}

}  // namespace
}  // namespace fairlead::records
