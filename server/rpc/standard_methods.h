// Serves the standard methods and lifecycle methods of every registered record type, found by name in the linked services.
//
// For a type `Port`: GetPort, ListPorts (the reply's one repeated field is of the type), CreatePort, UpdatePort, WithdrawPort, ImportPorts
// (the request's one repeated field is) and each of its transitions. Thread safety: any thread. Ownership: borrows all it is given.

#ifndef FAIRLEAD_SERVER_RPC_STANDARD_METHODS_H_
#define FAIRLEAD_SERVER_RPC_STANDARD_METHODS_H_

#include "server/node/node.h"
#include "server/rpc/dispatcher.h"
#include "server/rpc/read_methods.h"
#include "server/rpc/tokens.h"
#include "server/rpc/write_methods.h"

namespace fairlead::rpc {

class StandardMethods {
 public:
  StandardMethods(node::Node* node, const Sealer* sealer, ShownRecords* shown, Durability* durability)
      : node_(node), reads_(node, sealer, shown), writes_(node, durability) {}

  // Registers them all. This object must outlive the dispatcher's server. The process ends with a message when a method of a registered
  // type cannot be served: a filter without an index, a transition without a method.
  void Register(Dispatcher* dispatcher) const;

  const WriteMethods& writes() const { return writes_; }

 private:
  bool RegisterOne(const records::RecordType& type, const google::protobuf::MethodDescriptor& method, Dispatcher* dispatcher) const;

  node::Node* const node_;
  const ReadMethods reads_;
  const WriteMethods writes_;
};

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_STANDARD_METHODS_H_
