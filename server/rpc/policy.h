// Who may call what: one table, deny by default.
//
// A gateway has no rights of its own: its bit says that it may pass the call on for a viewer who may make it (viewer.h).
// Partner nations have no method in this release: their door is a service of its own. Denials are uniform and say nothing of what exists.
// Thread safety: pure functions.

#ifndef FAIRLEAD_SERVER_RPC_POLICY_H_
#define FAIRLEAD_SERVER_RPC_POLICY_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "server/rpc/identity.h"

namespace fairlead::rpc {

struct PolicyRule {
  // "ReferenceService/Get*" within fairlead.v1, or a full name of another package. A `*` ends the pattern and stands for any suffix.
  std::string_view pattern;
  uint8_t kinds;  // a bit per IdentityKind
};

// For the test that walks every method.
const std::vector<PolicyRule>& PolicyRules();
bool Matches(const PolicyRule& rule, std::string_view method);

// OK or PERMISSION_DENIED. `method` is "fairlead.v1.ReferenceService/GetPort".
absl::Status Authorize(const Identity& identity, std::string_view method);

// The identity, when it is known and may call the method: for services that do not pass through the dispatcher.
absl::StatusOr<Identity> Admit(absl::StatusOr<Identity> identity, std::string_view method);

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_POLICY_H_
