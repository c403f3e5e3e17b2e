// What the tests of the resource types share: a small world of records, and tables of broken ones.

#ifndef FAIRLEAD_SERVER_RECORDS_RECORD_TESTING_H_
#define FAIRLEAD_SERVER_RECORDS_RECORD_TESTING_H_

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/errors.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/portfolio.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "fairlead/v1/training.pb.h"
#include "fairlead/v1/visit.pb.h"
#include "server/records/record_type.h"

namespace fairlead::records {

// Countries JP, KR and FR; JPYOK and its facility JPYOK-0001; the officer "watch"; two engagements with one observation each, the first
// with JP, the second with KR. A reciprocal visit of JP, an assignment of "watch" to JP, USSEA, an offering open to all and one open to FR
// only, and two sessions of the first with JP: "planned" and "held".
class World : public RecordReader {
 public:
  World() {
    for (const char* country : {"JP", "KR", "FR"}) Add<v1::Country>(std::string("countries/") + country);
    Add<v1::Port>("ports/JPYOK");
    Add<v1::PortFacility>("portFacilities/JPYOK-0001")->set_country("countries/JP");
    Add<v1::LiaisonOfficer>("liaisonOfficers/watch");
    Add<v1::Engagement>("engagements/first")->add_countries("countries/JP");
    Add<v1::Engagement>("engagements/second")->add_countries("countries/KR");
    Add<v1::Observation>("engagements/first/observations/one");
    Add<v1::Observation>("engagements/second/observations/two");
    Add<v1::Port>("ports/USSEA")->set_country("countries/US");
    Add<v1::ReciprocalVisit>("reciprocalVisits/one")->set_country("countries/JP");
    Add<v1::Assignment>("assignments/one")->set_country("countries/JP");
    Add<v1::TrainingOffering>("trainingOfferings/drills");
    Add<v1::TrainingOffering>("trainingOfferings/regional")->add_open_to("countries/FR");
    for (const auto& [id, state] : {std::pair("planned", v1::TRAINING_SESSION_STATE_PLANNED), {"held", v1::TRAINING_SESSION_STATE_HELD}}) {
      auto* session = Add<v1::TrainingSession>(std::string("trainingSessions/") + id);
      session->set_offering("trainingOfferings/drills");
      session->add_countries("countries/JP");
      session->set_state(state);
    }
  }
  std::unique_ptr<google::protobuf::Message> Find(std::string_view name) const override {
    auto found = records_.find(name);
    if (found == records_.end()) return nullptr;
    std::unique_ptr<google::protobuf::Message> copy(found->second->New());
    copy->CopyFrom(*found->second);
    return copy;
  }

 private:
  template <class M>
  M* Add(const std::string& name) {
    auto record = std::make_unique<M>();
    record->set_name(name);
    M* added = record.get();
    records_[name] = std::move(record);
    return added;
  }
  std::map<std::string, std::unique_ptr<google::protobuf::Message>, std::less<>> records_;
};

// A change that makes a valid record break exactly one rule.
template <class M>
struct Broken {
  std::string what;
  std::function<void(M*)> change;
  std::string field;
  Reason reason;
};

template <class M>
void ExpectRefused(const RecordType& type, const M& valid, const std::vector<Broken<M>>& cases) {
  World world;
  ASSERT_EQ(type.validate(valid, nullptr, world), absl::OkStatus());
  for (const Broken<M>& broken : cases) {
    SCOPED_TRACE(broken.what);
    M record = valid;
    broken.change(&record);
    absl::Status status = type.validate(record, &valid, world);
    EXPECT_EQ(status.code(), ReasonCode(broken.reason)) << status;
    EXPECT_EQ(ReasonOf(status), ReasonName(broken.reason)) << status;
    EXPECT_EQ(FieldOf(status), broken.field) << status;
  }
}

// A change that leaves a valid record valid.
template <class M>
struct Fine {
  std::string what;
  std::function<void(M*)> change;
};

template <class M>
void ExpectAccepted(const RecordType& type, const M& valid, const std::vector<Fine<M>>& cases) {
  World world;
  for (const Fine<M>& fine : cases) {
    SCOPED_TRACE(fine.what);
    M record = valid;
    fine.change(&record);
    EXPECT_EQ(type.validate(record, &valid, world), absl::OkStatus());
  }
}

// What the record is listed under by the filter.
inline std::vector<std::string> ValuesOf(const RecordType& type, const std::string& filter, const google::protobuf::Message& record) {
  for (const Index& index : type.indexes) {
    if (index.filter == filter) return index.values(record);
  }
  ADD_FAILURE() << "no index for " << filter;
  return {};
}

// What the record is ordered by there; empty: its name alone.
inline std::string SortOf(const RecordType& type, const std::string& filter, const google::protobuf::Message& record) {
  for (const Index& index : type.indexes) {
    if (index.filter == filter) return index.sort ? index.sort(record) : "";
  }
  ADD_FAILURE() << "no index for " << filter;
  return {};
}

template <class DateMessage>
void SetDate(DateMessage* date, int year, int month, int day) {
  date->set_year(year);
  date->set_month(month);
  date->set_day(day);
}

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_RECORD_TESTING_H_
