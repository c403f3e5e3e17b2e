#include "server/exchange/projection.h"

#include <map>
#include <string_view>

#include "fairlead/v1/contact.pb.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/practice.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "fairlead/v1/training.pb.h"

namespace fairlead::exchange {
namespace {

// "ports/JPYOK" gives "JPYOK"; empty of empty.
std::string KeyOf(const std::string& name) { return name.substr(name.rfind('/') + 1); }

template <class Names>
void AddKeys(const Names& names, google::protobuf::RepeatedPtrField<std::string>* out) {
  for (const std::string& name : names) out->Add(KeyOf(name));
}

void ProjectPort(const v1::Port& port, v1::ReleasedPort* out) {
  out->set_locode(KeyOf(port.name()));
  out->set_display_name(port.display_name());
  out->set_country_code(KeyOf(port.country()));
  out->set_subdivision(port.subdivision());
  if (port.has_position()) *out->mutable_position() = port.position();
}

void ProjectFacility(const v1::PortFacility& facility, const std::set<std::string>& fields, v1::ReleasedFacility* out) {
  out->set_facility_number(KeyOf(facility.name()));
  out->set_display_name(facility.display_name());
  out->set_country_code(KeyOf(facility.country()));
  out->set_locode(KeyOf(facility.port()));
  out->set_description(facility.description());
  if (facility.has_position()) *out->mutable_position() = facility.position();
  if (fields.contains("plan_approved")) out->set_plan_approved(facility.plan_approved());
  if (facility.has_plan_approval_date()) *out->mutable_plan_approval_date() = facility.plan_approval_date();
  if (facility.has_plan_review_date()) *out->mutable_plan_review_date() = facility.plan_review_date();
}

void ProjectEngagement(const v1::Engagement& engagement, v1::ReleasedEngagement* out) {
  out->set_title(engagement.title());
  AddKeys(engagement.countries(), out->mutable_country_codes());
  AddKeys(engagement.ports(), out->mutable_locodes());
  AddKeys(engagement.facilities(), out->mutable_facility_numbers());
  if (engagement.has_start_date()) *out->mutable_start_date() = engagement.start_date();
  if (engagement.has_end_date()) *out->mutable_end_date() = engagement.end_date();
  out->set_objectives(engagement.objectives());
  out->set_outcome(engagement.outcome());
}

std::string SeverityText(v1::Severity severity) {
  switch (severity) {
    case v1::SEVERITY_COMMENDABLE:
      return "COMMENDABLE";
    case v1::SEVERITY_MINOR:
      return "MINOR";
    case v1::SEVERITY_MAJOR:
      return "MAJOR";
    case v1::SEVERITY_CRITICAL:
      return "CRITICAL";
    default:
      return "";
  }
}

void ProjectObservation(const v1::Observation& observation, const Link& link, v1::ReleasedObservation* out) {
  out->set_text(observation.text());
  out->set_isps_reference(observation.isps_reference());
  out->set_severity(SeverityText(observation.severity()));
  out->set_facility_number(KeyOf(observation.facility()));
  out->set_country_code(KeyOf(observation.country()));
  out->set_recommendation(observation.recommendation());
  const std::string& name = observation.name();
  out->set_engagement(link(name.substr(0, name.find('/', name.find('/') + 1))));
}

void ProjectPractice(const v1::BestPractice& practice, v1::ReleasedPractice* out) {
  out->set_title(practice.title());
  out->set_text(practice.text());
  out->set_isps_reference(practice.isps_reference());
}

void ProjectCourse(const v1::TrainingOffering& offering, v1::ReleasedCourse* out) {
  out->set_display_name(offering.display_name());
  out->set_description(offering.description());
  out->set_days_min(offering.days_min());
  out->set_days_max(offering.days_max());
}

void ProjectOfficer(const v1::LiaisonOfficer& officer, v1::ReleasedOfficer* out) {
  out->set_display_name(officer.display_name());
  out->set_office(officer.office());
  out->set_email(officer.email());
}

v1::PointOfContactDuty DutyOf(v1::ContactDuty duty) {
  switch (duty) {
    case v1::CONTACT_DUTY_SHIPS:
      return v1::POINT_OF_CONTACT_DUTY_SHIPS;
    case v1::CONTACT_DUTY_PORTS:
      return v1::POINT_OF_CONTACT_DUTY_PORTS;
    case v1::CONTACT_DUTY_AUTHORITY:
      return v1::POINT_OF_CONTACT_DUTY_AUTHORITY;
    default:
      return v1::POINT_OF_CONTACT_DUTY_UNSPECIFIED;
  }
}

}  // namespace

void ProjectContact(const v1::Contact& contact, v1::PointOfContact* out) {
  out->set_duty(DutyOf(contact.duty()));
  out->set_display_name(contact.display_name());
  out->set_phone(contact.phone());
  out->set_email(contact.email());
  out->set_always_reachable(contact.always_reachable());
  out->set_country_code(KeyOf(contact.country()));
}

const std::vector<std::string>& ReleasableFields(const records::RecordType& type) {
  static const auto* const fields = new std::map<std::string, std::vector<std::string>>{
      {"Port", {"display_name", "country", "subdivision", "position"}},
      {"PortFacility",
       {"display_name", "country", "port", "description", "position", "plan_approved", "plan_approval_date", "plan_review_date"}},
      {"Engagement", {"title", "countries", "ports", "facilities", "start_date", "end_date", "objectives", "outcome"}},
      {"Observation", {"text", "isps_reference", "severity", "facility", "country", "recommendation"}},
      {"BestPractice", {"title", "text", "isps_reference"}},
      {"TrainingOffering", {"display_name", "description", "days_min", "days_max"}},
      {"LiaisonOfficer", {"display_name", "office", "email"}},
      {"Contact", {"country", "duty", "display_name", "phone", "email", "always_reachable"}},
  };
  static const std::vector<std::string> none;
  const auto found = fields->find(type.singular());
  return found == fields->end() ? none : found->second;
}

void Project(const google::protobuf::Message& record, const std::set<std::string>& fields, const Link& link, v1::ReleasedRecord* out) {
  const auto* type = record.GetDescriptor();
  if (type == v1::Port::descriptor()) return ProjectPort(static_cast<const v1::Port&>(record), out->mutable_port());
  if (type == v1::PortFacility::descriptor()) {
    return ProjectFacility(static_cast<const v1::PortFacility&>(record), fields, out->mutable_facility());
  }
  if (type == v1::Engagement::descriptor()) {
    return ProjectEngagement(static_cast<const v1::Engagement&>(record), out->mutable_engagement());
  }
  if (type == v1::Observation::descriptor()) {
    return ProjectObservation(static_cast<const v1::Observation&>(record), link, out->mutable_observation());
  }
  if (type == v1::BestPractice::descriptor()) {
    return ProjectPractice(static_cast<const v1::BestPractice&>(record), out->mutable_practice());
  }
  if (type == v1::TrainingOffering::descriptor()) {
    return ProjectCourse(static_cast<const v1::TrainingOffering&>(record), out->mutable_course());
  }
  if (type == v1::LiaisonOfficer::descriptor()) {
    return ProjectOfficer(static_cast<const v1::LiaisonOfficer&>(record), out->mutable_officer());
  }
  if (type == v1::Contact::descriptor()) ProjectContact(static_cast<const v1::Contact&>(record), out->mutable_contact());
}

}  // namespace fairlead::exchange
