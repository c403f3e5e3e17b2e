#include "client/cli/resources.h"

#include <algorithm>
#include <cctype>

#include "fairlead/v1/arrival.pb.h"
#include "fairlead/v1/assessment.pb.h"
#include "fairlead/v1/assessment_service.pb.h"
#include "fairlead/v1/attachment_service.pb.h"
#include "fairlead/v1/contact.pb.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/help_desk.pb.h"
#include "fairlead/v1/help_desk_service.pb.h"
#include "fairlead/v1/portfolio_service.pb.h"
#include "fairlead/v1/practice.pb.h"
#include "fairlead/v1/practice_service.pb.h"
#include "fairlead/v1/priority_service.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "fairlead/v1/release.pb.h"
#include "fairlead/v1/release_service.pb.h"
#include "fairlead/v1/training_service.pb.h"
#include "fairlead/v1/visit_service.pb.h"

namespace fairlead::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

bool HasRepeated(const Descriptor* message, const Descriptor* type) {
  for (int i = 0; i < message->field_count(); ++i) {
    const FieldDescriptor* field = message->field(i);
    if (field->is_repeated() && field->message_type() == type) return true;
  }
  return false;
}

bool TakesOrGives(const MethodDescriptor* method, const Descriptor* type) {
  return method->output_type() == type || HasRepeated(method->output_type(), type) || HasRepeated(method->input_type(), type);
}

std::vector<Verb> VerbsOf(const Descriptor* type, const ServiceDescriptor* service) {
  std::vector<Verb> verbs;
  for (int i = 0; i < service->method_count(); ++i) {
    const MethodDescriptor* method = service->method(i);
    if (!TakesOrGives(method, type)) continue;
    // The verb is the first word of the method's name: "ScheduleEngagement".
    const std::string& name = method->name();
    const size_t end = std::find_if(name.begin() + 1, name.end(), [](unsigned char c) { return std::isupper(c); }) - name.begin();
    Verb verb{name.substr(0, end), VerbKind::kTransition, method};
    verb.name[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(verb.name[0])));
    if (verb.name == "get") verb.kind = VerbKind::kGet;
    if (verb.name == "list") verb.kind = VerbKind::kList;
    if (verb.name == "create") verb.kind = VerbKind::kCreate;
    if (verb.name == "update") verb.kind = VerbKind::kUpdate;
    if (verb.name == "withdraw") verb.kind = VerbKind::kWithdraw;
    if (verb.name == "import") verb.kind = VerbKind::kImport;
    verbs.push_back(std::move(verb));
  }
  return verbs;
}

// Its bytes go and come by commands of their own (attachment_commands.h), of which one is called "get".
std::vector<Verb> AttachmentVerbs(const ServiceDescriptor* service) {
  std::vector<Verb> verbs = VerbsOf(fairlead::v1::Attachment::descriptor(), service);
  std::erase_if(verbs, [](const Verb& verb) { return verb.kind == VerbKind::kTransition; });
  for (Verb& verb : verbs) {
    if (verb.kind == VerbKind::kGet) verb.name = "show";
  }
  return verbs;
}

std::vector<Resource> MakeResources() {
  using namespace fairlead::v1;  // NOLINT: the names of the API, here only
  const ServiceDescriptor* reference = GetCountryRequest::descriptor()->file()->FindServiceByName("ReferenceService");
  const ServiceDescriptor* engagement = GetEngagementRequest::descriptor()->file()->FindServiceByName("EngagementService");
  const ServiceDescriptor* visit = GetVisitCycleRequest::descriptor()->file()->FindServiceByName("VisitService");
  const ServiceDescriptor* training = GetTrainingOfferingRequest::descriptor()->file()->FindServiceByName("TrainingService");
  const ServiceDescriptor* portfolio = GetAssignmentRequest::descriptor()->file()->FindServiceByName("PortfolioService");
  const ServiceDescriptor* assessment = GetAssessmentRequest::descriptor()->file()->FindServiceByName("AssessmentService");
  const ServiceDescriptor* priority = GetArrivalRequest::descriptor()->file()->FindServiceByName("PriorityService");
  const ServiceDescriptor* practice = GetBestPracticeRequest::descriptor()->file()->FindServiceByName("PracticeService");
  const ServiceDescriptor* help_desk = GetInquiryRequest::descriptor()->file()->FindServiceByName("HelpDeskService");
  const ServiceDescriptor* release = GetReleaseRequest::descriptor()->file()->FindServiceByName("ReleaseService");
  const ServiceDescriptor* attachment = GetAttachmentRequest::descriptor()->file()->FindServiceByName("AttachmentService");
  std::vector<Resource> resources = {
      {"country",
       "countries",
       "",
       true,
       Country::descriptor(),
       {{"NAME", "name"}, {"REGION", "region"}, {"ALPHA-3", "alpha3"}, {"LANDLOCKED", "landlocked"}, {"DISPLAY NAME", "display_name"}},
       VerbsOf(Country::descriptor(), reference)},
      {"port",
       "ports",
       "",
       true,
       Port::descriptor(),
       {{"NAME", "name"},
        {"COUNTRY", "country"},
        {"POSITION", "position"},
        {"WPI", "wpi_number"},
        {"HARBOR", "harbor_size"},
        {"DISPLAY NAME", "display_name"}},
       VerbsOf(Port::descriptor(), reference)},
      {"facility",
       "portFacilities",
       "",
       true,
       PortFacility::descriptor(),
       {{"NAME", "name"},
        {"PORT", "port"},
        {"PLAN APPROVED", "plan_approved"},
        {"REVIEWED", "plan_review_date"},
        {"DISPLAY NAME", "display_name"}},
       VerbsOf(PortFacility::descriptor(), reference)},
      {"officer",
       "liaisonOfficers",
       "",
       false,
       LiaisonOfficer::descriptor(),
       {{"NAME", "name"}, {"REGION", "region"}, {"OFFICE", "office"}, {"PORTFOLIO", "portfolio"}, {"DISPLAY NAME", "display_name"}},
       VerbsOf(LiaisonOfficer::descriptor(), reference)},
      {"engagement",
       "engagements",
       "",
       false,
       Engagement::descriptor(),
       {{"NAME", "name"}, {"STATE", "state"}, {"KIND", "kind"}, {"START", "start_date"}, {"COUNTRIES", "countries"}, {"TITLE", "title"}},
       VerbsOf(Engagement::descriptor(), engagement)},
      {"observation",
       "observations",
       "engagements",
       false,
       Observation::descriptor(),
       {{"NAME", "name"}, {"SEVERITY", "severity"}, {"COUNTRY", "country"}, {"REFERENCE", "isps_reference"}, {"TEXT", "text"}},
       VerbsOf(Observation::descriptor(), engagement)},
      {"follow-up",
       "followUps",
       "engagements",
       false,
       FollowUp::descriptor(),
       {{"NAME", "name"}, {"STATE", "state"}, {"DUE", "due_date"}, {"OWNER", "owner"}, {"TASK", "task"}},
       VerbsOf(FollowUp::descriptor(), engagement)},
      {"visit-cycle",
       "visitCycles",
       "",
       false,
       VisitCycle::descriptor(),
       {{"NAME", "name"},
        {"PHASE", "state"},
        {"COUNTRY", "country"},
        {"OFFICER", "officer"},
        {"BEGAN", "preliminary_date"},
        {"ENDED", "ended_date"}},
       VerbsOf(VisitCycle::descriptor(), visit)},
      {"reciprocal-visit",
       "reciprocalVisits",
       "",
       false,
       ReciprocalVisit::descriptor(),
       {{"NAME", "name"},
        {"STATE", "state"},
        {"COUNTRY", "country"},
        {"REQUESTED", "requested_date"},
        {"START", "start_date"},
        {"END", "end_date"},
        {"COORDINATOR", "coordinator"},
        {"SYSTEM", "system"}},
       VerbsOf(ReciprocalVisit::descriptor(), visit)},
      {"training-offering",
       "trainingOfferings",
       "",
       false,
       TrainingOffering::descriptor(),
       {{"NAME", "name"}, {"PROGRAM", "program"}, {"DAYS", "days_min"}, {"TO", "days_max"}, {"DISPLAY NAME", "display_name"}},
       VerbsOf(TrainingOffering::descriptor(), training)},
      {"training-request",
       "trainingRequests",
       "",
       false,
       TrainingRequest::descriptor(),
       {{"NAME", "name"},
        {"STATE", "state"},
        {"COUNTRY", "country"},
        {"OFFERING", "offering"},
        {"REQUESTED", "requested_date"},
        {"OFFICER", "officer"},
        {"SYSTEM", "system"}},
       VerbsOf(TrainingRequest::descriptor(), training)},
      {"training-session",
       "trainingSessions",
       "",
       false,
       TrainingSession::descriptor(),
       {{"NAME", "name"},
        {"STATE", "state"},
        {"OFFERING", "offering"},
        {"START", "start_date"},
        {"END", "end_date"},
        {"COUNTRIES", "countries"},
        {"PLACE", "place"}},
       VerbsOf(TrainingSession::descriptor(), training)},
      {"assignment",
       "assignments",
       "",
       false,
       Assignment::descriptor(),
       {{"NAME", "name"}, {"OFFICER", "officer"}, {"COUNTRY", "country"}, {"DUTY", "duty"}, {"FROM", "start_date"}, {"UNTIL", "end_date"}},
       VerbsOf(Assignment::descriptor(), portfolio)},
      {"assessment",
       "assessments",
       "",
       false,
       Assessment::descriptor(),
       {{"NAME", "name"},
        {"STATE", "state"},
        {"COUNTRY", "country"},
        {"DETERMINED", "determination_date"},
        {"DETERMINATION", "determination"},
        {"BASIS", "basis"},
        {"DUE", "due_date"}},
       VerbsOf(Assessment::descriptor(), assessment)},
      {"condition",
       "conditionsOfEntry",
       "",
       true,
       ConditionOfEntry::descriptor(),
       {{"NAME", "name"},
        {"STATE", "state"},
        {"NOTIFIED", "notification_date"},
        {"EFFECTIVE", "effective_date"},
        {"LISTED BY", "listed_by_date"},
        {"LIFTED", "lifted_date"},
        {"SOURCE", "source"}},
       VerbsOf(ConditionOfEntry::descriptor(), assessment)},
      {"arrival",
       "arrivals",
       "",
       false,
       Arrival::descriptor(),
       {{"NAME", "name"},
        {"ARRIVED", "arrival_date"},
        {"IMO", "imo_number"},
        {"VESSEL", "vessel_name"},
        {"PORT", "arrival_port"},
        {"PLACE", "arrival_place"}},
       VerbsOf(Arrival::descriptor(), priority)},
      {"schedule-k",
       "scheduleKPorts",
       "",
       false,
       ScheduleKPort::descriptor(),
       {{"NAME", "name"}, {"COUNTRY", "country"}, {"DISPLAY NAME", "display_name"}},
       VerbsOf(ScheduleKPort::descriptor(), priority)},
      {"traffic",
       "trafficFigures",
       "",
       false,
       TrafficFigure::descriptor(),
       {{"NAME", "name"},
        {"MONTH", "month"},
        {"COUNTRY", "country"},
        {"PLACE", "place"},
        {"BARRELS 1000", "quantity_thousand_barrels"},
        {"SHIPMENTS", "shipments"}},
       VerbsOf(TrafficFigure::descriptor(), priority)},
      {"contribution",
       "practiceContributions",
       "",
       false,
       PracticeContribution::descriptor(),
       {{"NAME", "name"},
        {"STATE", "state"},
        {"COUNTRY", "country"},
        {"ENGAGEMENT", "engagement"},
        {"SYSTEM", "system"},
        {"TITLE", "title"}},
       VerbsOf(PracticeContribution::descriptor(), practice)},
      {"practice",
       "bestPractices",
       "",
       false,
       BestPractice::descriptor(),
       {{"NAME", "name"}, {"STATE", "state"}, {"VERSION", "version"}, {"TOPICS", "topics"}, {"TITLE", "title"}},
       VerbsOf(BestPractice::descriptor(), practice)},
      {"endorsement",
       "endorsements",
       "bestPractices",
       false,
       Endorsement::descriptor(),
       {{"NAME", "name"}, {"OFFICER", "officer"}, {"NATION", "nation"}, {"REMARK", "remark"}},
       VerbsOf(Endorsement::descriptor(), practice)},
      {"contact",
       "contacts",
       "",
       false,
       Contact::descriptor(),
       {{"NAME", "name"}, {"PHONE", "phone"}, {"EMAIL", "email"}, {"SYSTEM", "system"}, {"OFFICE", "display_name"}},
       VerbsOf(Contact::descriptor(), reference)},
      {"inquiry",
       "inquiries",
       "",
       false,
       Inquiry::descriptor(),
       {{"NAME", "name"},
        {"STATE", "state"},
        {"REGION", "region"},
        {"CAME", "received_time"},
        {"ANSWERED", "answered_time"},
        {"SUBJECT", "subject"}},
       VerbsOf(Inquiry::descriptor(), help_desk)},
      {"partner-group",
       "partnerGroups",
       "",
       false,
       PartnerGroup::descriptor(),
       {{"NAME", "name"}, {"NATIONS", "nations"}, {"DISPLAY NAME", "display_name"}},
       VerbsOf(PartnerGroup::descriptor(), release)},
      {"release",
       "releases",
       "",
       false,
       Release::descriptor(),
       {{"NAME", "name"}, {"STATE", "state"}, {"RECORD", "record"}, {"NATIONS", "nations"}, {"GROUPS", "groups"}, {"PURPOSE", "purpose"}},
       VerbsOf(Release::descriptor(), release)},
      {"attachment",
       "attachments",
       "",
       false,
       Attachment::descriptor(),
       {{"NAME", "name"},
        {"SUBJECT", "subject"},
        {"FILE", "file_name"},
        {"BYTES", "size_bytes"},
        {"HERE", "bytes_state"},
        {"TITLE", "title"}},
       AttachmentVerbs(attachment)},
      {"acknowledgement",
       "acknowledgements",
       "releases",
       true,
       Acknowledgement::descriptor(),
       {{"NAME", "name"}, {"SYSTEM", "system"}, {"AT", "create_time"}, {"REMARK", "remark"}},
       VerbsOf(Acknowledgement::descriptor(), release)},
      {"proposal",
       "proposals",
       "",
       false,
       Proposal::descriptor(),
       {{"NAME", "name"},
        {"STATE", "state"},
        {"NATION", "nation"},
        {"KIND", "kind"},
        {"RECORD", "record"},
        {"SUBJECT", "subject"},
        {"TEXT", "text"}},
       VerbsOf(Proposal::descriptor(), release)},
  };
  return resources;
}

const Resource* FindByCollection(std::string_view collection) {
  for (const Resource& resource : Resources()) {
    if (resource.collection == collection) return &resource;
  }
  return nullptr;
}

}  // namespace

const Verb* Resource::Find(VerbKind kind) const {
  for (const Verb& verb : verbs) {
    if (verb.kind == kind) return &verb;
  }
  return nullptr;
}

bool Resource::has_natural_key() const {
  // Create requests carry the id as field 2, named after the type, where the caller chooses it.
  const Verb* create = Find(VerbKind::kCreate);
  if (create == nullptr) return false;
  const FieldDescriptor* id = create->method->input_type()->FindFieldByNumber(2);
  return id != nullptr && id->name().ends_with("_id");
}

const std::vector<Resource>& Resources() {
  static const std::vector<Resource>* const resources = new std::vector<Resource>(MakeResources());
  return *resources;
}

std::string NameIn(const std::string& collection, const std::string& typed) {
  return typed.find('/') == std::string::npos ? collection + "/" + typed : typed;
}

std::string FullName(const Resource& resource, const std::string& typed) {
  const std::string& top = resource.parent.empty() ? resource.collection : resource.parent;
  if (typed.rfind(top + "/", 0) == 0) return typed;
  if (!resource.parent.empty()) {
    const size_t slash = typed.find('/');
    if (slash == std::string::npos || typed.find('/', slash + 1) != std::string::npos) return typed;
    return resource.parent + "/" + typed.substr(0, slash) + "/" + resource.collection + typed.substr(slash);
  }
  std::string id = typed;
  if (resource.upper_case) {
    std::transform(id.begin(), id.end(), id.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  }
  return resource.collection + "/" + id;
}

std::string FullParent(const Resource& resource, const std::string& typed) { return FullName(*FindByCollection(resource.parent), typed); }

std::string FullReference(std::string_view field, const std::string& typed) {
  static constexpr std::pair<std::string_view, std::string_view> kCollections[] = {{"country", "countries"},
                                                                                   {"countries", "countries"},
                                                                                   {"portfolio", "countries"},
                                                                                   {"port", "ports"},
                                                                                   {"ports", "ports"},
                                                                                   {"facility", "portFacilities"},
                                                                                   {"facilities", "portFacilities"},
                                                                                   {"coordinator", "liaisonOfficers"},
                                                                                   {"instructor", "liaisonOfficers"},
                                                                                   {"instructors", "liaisonOfficers"},
                                                                                   {"open_to", "countries"},
                                                                                   {"offering", "trainingOfferings"},
                                                                                   {"session", "trainingSessions"},
                                                                                   {"engagement", "engagements"},
                                                                                   {"engagements", "engagements"},
                                                                                   {"offered_in", "engagements"},
                                                                                   {"reciprocal_visit", "reciprocalVisits"},
                                                                                   {"predecessor", "assignments"},
                                                                                   {"officers", "liaisonOfficers"},
                                                                                   {"owner", "liaisonOfficers"},
                                                                                   {"officer", "liaisonOfficers"},
                                                                                   {"last_country", "countries"},
                                                                                   {"flag", "countries"},
                                                                                   {"arrival_port", "ports"},
                                                                                   {"arrival_facility", "portFacilities"},
                                                                                   {"assessment", "assessments"},
                                                                                   {"practice", "bestPractices"},
                                                                                   {"supersedes", "bestPractices"},
                                                                                   {"nation", "countries"},
                                                                                   {"nations", "countries"},
                                                                                   {"groups", "partnerGroups"},
                                                                                   {"replaces", "releases"},
                                                                                   {"parent", "engagements"}};
  if (typed.empty() || typed.find('/') != std::string::npos) return typed;
  for (const auto& [name, collection] : kCollections) {
    if (name == field) return FullName(*FindByCollection(collection), typed);
  }
  return typed;
}

}  // namespace fairlead::cli
