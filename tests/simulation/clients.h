// Random clients, and the ledger of what they asked for, what they had read and what they were told.
//
// Those of a site of several machines ask any of them, and what only the one answers that leads is passed on to it.
//
// They call the write methods that the RPC layer serves (validation, etags, request ids), create, edit several fields, move lifecycles,
// settle conflicts with what they have read, write two records at once, write into several streams, withdraw, and repeat requests at the
// same or another site, whether or not they were answered.
//
// Thread safety: none. Ownership: borrows the world.

#ifndef FAIRLEAD_TESTS_SIMULATION_CLIENTS_H_
#define FAIRLEAD_TESTS_SIMULATION_CLIENTS_H_

#include <google/protobuf/message.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fairlead/v1/engagement.pb.h"
#include "server/records/record_type.h"
#include "server/rpc/record_access.h"
#include "tests/simulation/random.h"
#include "tests/simulation/world.h"

namespace fairlead::simulation {

// What the author of a request had read of one record.
struct Basis {
  std::set<ValueId> shown;  // live and pending values, and pending removals
  std::set<ValueId> all;    // every value that the state tells of, and its seals
};

// One call, as it is repeated.
struct Request {
  enum class Kind { kCreate, kUpdate, kWithdraw, kMove, kPair, kErase };
  Kind kind = Kind::kUpdate;
  std::string id;
  rpc::Identity identity;
  std::string method;
  const records::RecordType* type = nullptr;
  const records::Transition* transition = nullptr;
  std::shared_ptr<google::protobuf::Message> message;  // null for kPair and kErase
  node::WriteRequest pair;                             // of kPair and kErase; its stream and companions say so of all
  Dot erases;
  std::map<std::string, Basis> basis;                        // by record; none for what is created
  std::vector<std::pair<std::string, std::string>> written;  // record and a text that no other request writes
  int attempts = 0;
  bool acknowledged = false;
  int open = 0;  // attempts not refused: acknowledged, never answered, or answered with an error that leaves their outcome open
};

class Clients {
 public:
  Clients(World* world, Random random);
  // Until `end` they act; afterwards they only take answers.
  void Start(absl::Time end);
  const std::map<std::string, Request>& requests() const { return requests_; }
  int64_t acknowledged() const { return acknowledged_; }
  int64_t refused() const { return refused_; }
  int64_t erased() const { return erased_; }

 private:
  // A record that someone has read and will change.
  struct Draft {
    Site* site = nullptr;
    const records::RecordType* type = nullptr;
    std::string name;
    rpc::Loaded read;
  };

  void Wake(absl::Time end);
  void Act();
  Site* AnySite();
  std::optional<Draft> Read(Site* site, std::string_view collection);
  Request NewRequest(Site* site, Request::Kind kind, const std::string& method);
  static void Note(const Draft& draft, Request* request);
  std::string Text(Request* request, const std::string& record);

  void CreateCountry();
  void CreateEngagement();
  void CreateMany();
  bool Narrow(const Site* site, v1::Engagement* engagement);
  void Update(const Draft& draft, bool settle);
  void Move(const Draft& draft);
  void Withdraw(const Draft& draft);
  void Pair();
  Mutation Begin(Site* site, const std::string& method, Request* request);
  void AddCompanions(Site* site, Request* request);
  void WriteStreams();
  void Erase();
  void Repeat();
  void Submit(Request request, Site* site);
  void Attempt(const std::string& id, Site* site);
  void Answer(const std::string& id, bool first, Site* site, const absl::Status& status, const std::string& text);
  // Of a site of several machines: whoever was answered reads, with the token of the answer, at any of them.
  void ReadBack(const Request& request, const Site& site);

  World& world_;
  Random random_;
  absl::Duration pause_;  // between acts, on average
  absl::Duration thought_max_;
  size_t records_max_ = 0;
  int bulk_ = 0;                    // times that very many records are created at once
  std::vector<std::string> names_;  // of records that were asked for
  std::map<std::string, Request> requests_;
  std::vector<std::string> order_;  // of requests
  uint64_t texts_ = 0;
  int64_t acknowledged_ = 0;
  int64_t refused_ = 0;
  int64_t erased_ = 0;
};

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_CLIENTS_H_
