// A relay that lies: changes what it sends on in every way that needs no key but its own.
//
// Thread safety: none. Ownership: borrows the roster.

#ifndef FAIRLEAD_TESTS_SIMULATION_LIAR_H_
#define FAIRLEAD_TESTS_SIMULATION_LIAR_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/crypto.h"
#include "api/roster.h"
#include "fairlead/v1/replication_service.pb.h"
#include "tests/simulation/random.h"

namespace fairlead::simulation {

class Liar {
 public:
  explicit Liar(Random random);
  // Perhaps changes the message; false: it is not sent. Remembers the notes it sees, to replay them.
  bool Twist(const Roster& roster, v1::ReplicateResponse* message);
  // The same for what it says as a receiver.
  bool Twist(const Roster& roster, v1::ReplicateRequest* message);

 private:
  void Flip(std::string* bytes);
  void TwistStates(const Roster& roster, google::protobuf::RepeatedPtrField<v1::LogState>* states);
  // Makes it prove by a hash what it brought, as one who does not hold it would.
  void HoldBackLast(v1::HeaderPackage* package);
  void TwistEntries(const Roster& roster, v1::Entries* entries);
  std::string AnotherNote(const Roster& roster, uint32_t log, const std::string& note);

  Random random_;
  SigningKey key_;
  std::map<uint32_t, std::vector<std::string>> notes_;  // seen, by log
};

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_LIAR_H_
