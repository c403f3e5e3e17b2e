#include "server/rpc/grpc_log.h"

#include <grpc/support/log.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <string>

namespace fairlead::rpc {
namespace {

constexpr std::string_view kHandshakeFailed = "Handshake failed with fatal error";

std::array<std::atomic<uint64_t>, kHandshakeFaults> failed;  // as gRPC's log, one for the process

// By OpenSSL's reasons, which are the only words that gRPC gives.
HandshakeFault FaultOf(std::string_view message) {
  const auto says = [message](std::string_view words) { return message.find(words) != std::string_view::npos; };
  if (says("no shared cipher") || says("unsupported protocol") || says("version too low")) return HandshakeFault::kTlsVersion;
  if (says("peer did not return a certificate")) return HandshakeFault::kNoCertificate;
  if (says("http request") || says("wrong version number") || says("packet length too long")) return HandshakeFault::kNotTls;
  return HandshakeFault::kOther;
}

void Log(gpr_log_func_args* args) {
  const std::string_view message = args->message;
  if (message.starts_with(kHandshakeFailed)) {
    ++failed[static_cast<size_t>(FaultOf(message))];
    spdlog::debug("grpc: {}", message);  // anybody can cause one: the count says enough
    return;
  }
  switch (args->severity) {
    case GPR_LOG_SEVERITY_ERROR:
      spdlog::warn("grpc: {}", message);  // what is an error to the node, the node says
      break;
    default:
      spdlog::debug("grpc: {}", message);
  }
}

}  // namespace

std::string_view FaultName(HandshakeFault fault) {
  switch (fault) {
    case HandshakeFault::kTlsVersion:
      return "tls_version";
    case HandshakeFault::kNoCertificate:
      return "no_certificate";
    case HandshakeFault::kNotTls:
      return "not_tls";
    case HandshakeFault::kOther:
      return "other";
  }
  return "other";
}

void TakeOverGrpcLog() { gpr_set_log_function(Log); }

std::array<uint64_t, kHandshakeFaults> HandshakesFailed() {
  std::array<uint64_t, kHandshakeFaults> counts{};
  for (size_t i = 0; i < counts.size(); ++i) counts[i] = failed[i].load();
  return counts;
}

}  // namespace fairlead::rpc
