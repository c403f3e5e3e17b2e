// What gRPC says of itself, in the node's log; and TLS handshakes that failed before any certificate could be judged, counted by cause.
//
// gRPC 1.51 tells of such a failure nowhere but in a line of its log.
// Thread safety: any thread. Ownership: none; gRPC's log is one for the process.

#ifndef FAIRLEAD_SERVER_RPC_GRPC_LOG_H_
#define FAIRLEAD_SERVER_RPC_GRPC_LOG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fairlead::rpc {

enum class HandshakeFault {
  kTlsVersion,     // tls_version: below TLS 1.3
  kNoCertificate,  // no_certificate: the client showed none
  kNotTls,         // not_tls: another protocol
  kOther,          // other
};
inline constexpr size_t kHandshakeFaults = 4;
std::string_view FaultName(HandshakeFault fault);

// From now on. REQUIRES: called before anything else of gRPC in this process, or when nothing else of it runs.
void TakeOverGrpcLog();

// Of this process, since TakeOverGrpcLog; by HandshakeFault.
std::array<uint64_t, kHandshakeFaults> HandshakesFailed();

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_GRPC_LOG_H_
