// One run of the command line: its global flags, its client and where it prints.
//
// Thread safety: one thread. Ownership: owns the client; borrows the streams of the environment.

#ifndef FAIRLEAD_CLIENT_CLI_SESSION_H_
#define FAIRLEAD_CLIENT_CLI_SESSION_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <ostream>
#include <stop_token>
#include <string>

#include "client/cli/output.h"
#include "client/config.h"
#include "client/connection.h"
#include "client/outbox/outbox.h"

namespace fairlead::cli {

// The identity, without its network, that the configured certificate names. INVALID_ARGUMENT when it names none of that network.
absl::StatusOr<std::string> IdentityOf(const client::ClientOptions& options);

// What the process gives; tests give their own.
struct Environment {
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  int columns = 0;  // of the terminal behind `out`; 0 when it is none
  bool err_is_terminal = false;
  std::function<std::string(const char*)> variable;  // of the environment; empty when unset
  std::function<absl::StatusOr<std::unique_ptr<client::Client>>(client::ClientOptions)> connect = client::Client::Connect;
  // Whose the certificate is: "officer/apac/watch".
  std::function<absl::StatusOr<std::string>(const client::ClientOptions&)> identify = IdentityOf;
  std::stop_token stop;
};

struct GlobalFlags {
  std::string config;
  std::string site;
  std::string address;
  std::string timeout;
  std::string durability;
  bool failover = false;
  bool offline = false;
  bool json = false;
  bool quiet = false;
};

class Session {
 public:
  Session(const Environment& environment, const GlobalFlags& flags) : environment_(environment), flags_(flags) {}

  const Environment& environment() const { return environment_; }
  const GlobalFlags& flags() const { return flags_; }
  std::ostream& out() const { return *environment_.out; }
  std::ostream& err() const { return *environment_.err; }

  // Reads the configuration and connects. To be called first by each command that needs a node; a usage error when it cannot, and with
  // --offline.
  absl::Status Open();
  // Reads the configuration and opens its outbox, without a node; once open, it is the same one. With `create` false NOT_FOUND when there
  // is none yet.
  absl::StatusOr<client::Outbox*> OpenOutbox(bool create = true);
  // The site that calls are for. REQUIRES: Open() or OpenOutbox() was OK.
  const std::string& site() const { return config_.client.site; }
  // REQUIRES: Open() was OK.
  client::Client& client() const { return *client_; }
  // The region table of the configuration; empty for none.
  const std::string& regions_file() const { return config_.regions_file; }

  // A call to the chosen node; says on stderr, once, which node answered.
  absl::Status Call(const google::protobuf::MethodDescriptor& method, const google::protobuf::Message& request,
                    google::protobuf::Message* response);
  template <class Response>
  absl::StatusOr<Response> Call(const std::string& method, const google::protobuf::Message& request) {
    Response response;
    absl::Status status = Call(*google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(method), request, &response);
    if (!status.ok()) return status;
    return response;
  }
  // All pages of a list from `request`'s page token on, up to `limit` rows; 0: all. `all` has the token of what follows, if anything does.
  absl::Status ListAll(const google::protobuf::MethodDescriptor& method, google::protobuf::Message* request, int64_t limit,
                       google::protobuf::Message* all);
  template <class Response, class Request>
  absl::StatusOr<Response> ListAll(const std::string& method, Request request, int64_t limit = 0) {
    Response all;
    absl::Status status = ListAll(*google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(method), &request, limit, &all);
    if (!status.ok()) return status;
    return all;
  }
  void NoteNode(const client::Answer& answer);

  // One JSON document, or `print`.
  void Print(const nlohmann::ordered_json& json, const std::function<void()>& print) const;

 private:
  // Reads the configuration, with what the flags say otherwise.
  absl::Status Configure();

  const Environment& environment_;
  const GlobalFlags& flags_;
  bool configured_ = false;
  client::Config config_;
  std::unique_ptr<client::Outbox> outbox_;
  std::unique_ptr<client::Client> client_;
  std::string noted_;  // the node last named on stderr
};

// The whole file. NOT_FOUND when it cannot be read.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path);
// Writes beside `path` and moves it there when all is written: a file that is there is whole, and one that was there stays on an error.
absl::Status WriteWhole(const std::string& path, const std::function<absl::Status(std::ostream&)>& write);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_SESSION_H_
