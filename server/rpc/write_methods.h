// Create, Update, Withdraw, Import and the lifecycle methods of every record type.
//
// Each validates against one moment of the store and hands the node the mutations together with what the records must still be when they
// are committed. A request id that was committed before is answered with the record as it is now; what changes nothing is not written.
// A call that asks for replicas is answered once they hold its entry; where nothing was written, once they hold all that this site had
// written by then.
//
// Thread safety: any thread. Ownership: borrows node and durability; the node answers every write before it is destroyed. Waits, when
// destroyed, for the imports that run.

#ifndef FAIRLEAD_SERVER_RPC_WRITE_METHODS_H_
#define FAIRLEAD_SERVER_RPC_WRITE_METHODS_H_

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <google/protobuf/message.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/node/node.h"
#include "server/records/record_type.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/durability.h"
#include "server/rpc/record_access.h"

namespace fairlead::rpc {

class WriteMethods {
 public:
  WriteMethods(node::Node* node, Durability* durability) : node_(node), durability_(durability) {}
  ~WriteMethods();
  WriteMethods(const WriteMethods&) = delete;
  WriteMethods& operator=(const WriteMethods&) = delete;

  void Create(const records::RecordType& type, const std::shared_ptr<Call>& call, const google::protobuf::Message& request,
              Reply reply) const;
  void Update(const records::RecordType& type, const std::shared_ptr<Call>& call, const google::protobuf::Message& request,
              Reply reply) const;
  void Withdraw(const records::RecordType& type, const std::shared_ptr<Call>& call, const google::protobuf::Message& request,
                Reply reply) const;
  void Move(const records::RecordType& type, const records::Transition& transition, const std::shared_ptr<Call>& call,
            const google::protobuf::Message& request, Reply reply) const;
  // `request` holds the records in its one repeated field of the type.
  void Import(const records::RecordType& type, std::shared_ptr<Call> call, const google::protobuf::Message& request, Reply reply) const;

  // Waits for the imports that run. REQUIRES: their calls have ended, and the node still completes writes.
  void AwaitImports() const;

  // What a validated request comes to.
  struct Plan {
    std::string name;
    MessagePtr answer;          // set: the answer, and nothing is written
    std::optional<Dot> replay;  // the request was committed before, there: answer with the record as it is
    bool validate_only = false;
    node::WriteRequest write;
  };
  // For methods that plan in their own way. Begin: request id, digest and actor of a plan; sets `replay`. NODE_READ_ONLY for
  // what is no replay, before anything else is checked.
  absl::StatusOr<Plan> Begin(const Call& call, const google::protobuf::Message& request) const;
  // Writes what is planned, waits for replicas, answers with the record.
  void Finish(const records::RecordType& type, const std::shared_ptr<Call>& call, absl::StatusOr<Plan> plan, Reply reply) const;

 private:
  absl::StatusOr<Plan> PlanCreate(const records::RecordType& type, const Call& call, const google::protobuf::Message& request) const;
  absl::StatusOr<Plan> PlanUpdate(const records::RecordType& type, const Call& call, const google::protobuf::Message& request) const;
  absl::StatusOr<Plan> PlanWithdraw(const records::RecordType& type, const Call& call, const google::protobuf::Message& request) const;
  absl::StatusOr<Plan> PlanMove(const records::RecordType& type, const records::Transition& transition, const Call& call,
                                const google::protobuf::Message& request) const;
  // The record `name` as the request's etag says it was read, or at the basis that the call keeps: then a write expects nothing of it.
  // NOT_FOUND, RECORD_WITHDRAWN, FIELD_REQUIRED (of `etag_field`), ETAG_MISMATCH.
  absl::StatusOr<Loaded> LoadForChange(const records::RecordType& type, const storage::View& view, const std::string& name,
                                       const std::string& etag, const std::string& etag_field, const Call& call) const;
  // Answers once call->replicas other sites hold `holding`; REPLICATION_TIMEOUT or SHUTTING_DOWN, saying what is known, when they do not in
  // time.
  void AnswerWhenHeld(const std::shared_ptr<Call>& call, const std::string& name, Holding holding, MessagePtr answer, Reply reply) const;

  node::Node* const node_;
  Durability* const durability_;
  mutable absl::Mutex mu_;
  mutable int imports_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_WRITE_METHODS_H_
