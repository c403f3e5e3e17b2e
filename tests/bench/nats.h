// NATS servers with JetStream and mutual TLS, and a client of their text protocol.
//
// A region's server has the stream; headquarters' server is a leaf of it in a JetStream domain of its own, and mirrors the stream. NATS 2.9
// syncs a stream's files every two minutes and cannot be told to sync before it acknowledges, so its writes are not durable as the others'
// are.
//
// Thread safety: a connection by one thread at a time, the servers likewise. Ownership: the servers own their processes and folders, and
// must outlive their connections.

#ifndef FAIRLEAD_TESTS_BENCH_NATS_H_
#define FAIRLEAD_TESTS_BENCH_NATS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/bench/peer.h"

namespace fairlead::bench {

class NatsConnection {
 public:
  struct Message {
    std::string subject;
    std::string payload;
  };

  static absl::StatusOr<std::unique_ptr<NatsConnection>> Open(int port, const PeerHome& files);
  ~NatsConnection();

  // Sent by the next Flush.
  void Subscribe(std::string_view subject);
  void Publish(std::string_view subject, std::string_view reply, std::string_view payload);
  absl::Status Flush();
  // The next message; nullopt when none has come by `deadline`.
  absl::StatusOr<std::optional<Message>> Next(absl::Time deadline);
  // Publishes and returns what is answered: JetStream's JSON. An error when that names one.
  absl::StatusOr<std::string> Request(std::string_view subject, std::string_view payload);

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  NatsConnection() = default;
  // Reads more into in_; false when nothing came by `deadline`.
  absl::StatusOr<bool> Read(absl::Time deadline);
  // The message at the start of in_, once it is whole. Answers what is no message.
  absl::StatusOr<std::optional<Message>> Parse();

  int fd_ = -1;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  std::string inbox_;
  std::string out_;
  std::string in_;
  size_t parsed_ = 0;  // bytes of in_ that are done with
  int subscriptions_ = 0;
};

class Nats {
 public:
  static constexpr char kStream[] = "ENTRIES";
  static constexpr char kSubject[] = "entries";
  static constexpr char kMirror[] = "MIRROR";

  // Both servers, with an empty stream at the region. NOT_FOUND when it is not installed.
  static absl::StatusOr<std::unique_ptr<Nats>> Start();
  ~Nats();

  absl::StatusOr<std::unique_ptr<NatsConnection>> ConnectRegion() const { return NatsConnection::Open(region_port_, *home_); }
  absl::StatusOr<std::unique_ptr<NatsConnection>> ConnectHeadquarters() const { return NatsConnection::Open(hq_port_, *home_); }
  // Begins the mirror at headquarters, and ends it with all it holds.
  static absl::Status MakeMirror(NatsConnection* headquarters);
  static absl::Status DeleteMirror(NatsConnection* headquarters);
  static absl::StatusOr<int64_t> Messages(NatsConnection* connection, std::string_view stream);

 private:
  Nats() = default;
  std::string Tls() const;
  absl::StatusOr<std::unique_ptr<framework::Process>> StartServer(const std::string& name, int port, const std::string& leafnodes) const;

  std::unique_ptr<PeerHome> home_;
  int region_port_ = 0;
  int hq_port_ = 0;
  std::unique_ptr<framework::Process> region_;
  std::unique_ptr<framework::Process> hq_;
};

}  // namespace fairlead::bench

#endif  // FAIRLEAD_TESTS_BENCH_NATS_H_
