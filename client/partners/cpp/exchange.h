// What a partner nation's system asks of a Fairlead network: one class, `Exchange`, over gRPC with mutual TLS.
//
// Every call is safe to make twice (the writes carry a request id), so a call whose node is away is made again: at the next node of the
// configuration, with the same tokens, and after pauses that grow. Errors are gRPC's; `Explain` reads what they carry.
// Thread safety: any thread may call. Ownership: an Exchange owns its connections and outlives its calls.

#ifndef FAIRLEAD_CLIENT_PARTNERS_CPP_EXCHANGE_H_
#define FAIRLEAD_CLIENT_PARTNERS_CPP_EXCHANGE_H_

#include <grpcpp/support/status.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/v1/exchange_service.grpc.pb.h"

namespace fairlead_partner {

namespace v1 = fairlead::v1;

struct Config {
  std::string network;  // which its nodes' certificates bear
  std::string certificate_pem;
  std::string key_pem;
  std::string ca_pem;
  // Site and address: the nation's region first, then headquarters.
  std::vector<std::pair<std::string, std::string>> nodes;
};

// Reads a configuration and the files that it names, relative to it. Throws std::runtime_error with what is missing.
Config ReadConfig(const std::string& file);

// A UUID version 7: the name under which a write has its one effect.
std::string NewRequestId();

// What an error carries.
struct Explanation {
  std::string reason;                                           // ErrorInfo's, such as RECORD_NOT_FOUND; empty when gRPC itself failed
  std::vector<std::pair<std::string, std::string>> violations;  // field and description, as BadRequest gives them
  std::chrono::milliseconds retry_after{0};                     // by RetryInfo
  bool away = false;                                            // the node may answer later, and another now
  bool may_be_retried = false;
};
Explanation Explain(const grpc::Status& status);
// For people: the code, the reason, what is wrong and with which field.
std::string Describe(const grpc::Status& status);

class Exchange {
 public:
  // Connects at the first call.
  explicit Exchange(const Config& config);
  ~Exchange();

  // Give each message of all pages to `visit`.
  grpc::Status ListRecords(const std::function<void(const v1::ReleasedRecord&)>& visit, int page_size = kPageSize);
  grpc::Status ListWithdrawals(const std::function<void(const v1::Withdrawal&)>& visit, int page_size = kPageSize);
  grpc::Status ListSuggestions(const std::function<void(const v1::Suggestion&)>& visit, int page_size = kPageSize);
  // What the site received of the nation and sent it, all of it or what is about `record`.
  grpc::Status ListReceipts(const std::function<void(const v1::ExchangeReceipt&)>& visit, const std::string& record = "",
                            int page_size = kPageSize);

  grpc::Status GetRecord(const std::string& name, v1::ReleasedRecord* record);
  grpc::Status GetSuggestion(const std::string& name, v1::Suggestion* suggestion);
  grpc::Status GetQuestion(const std::string& name, v1::Question* question);
  // A receipt as a file for `fairlead verify receipt`: C2SP's tlog-proof, with the bytes that were submitted, or the digest of what
  // was sent.
  grpc::Status GetReceipt(const std::string& name, std::string* text);
  // The proof that the log of a receipt, which is given as its file's text, has only grown since: for `fairlead verify consistency`. Throws
  // std::runtime_error when it is no receipt.
  grpc::Status GetConsistencyProof(const std::string& receipt, std::string* text);
  // The writes. To try again after a crash, present the same request id.
  grpc::Status Acknowledge(const std::string& name, const std::string& remark, const std::string& request_id, v1::Withdrawal* withdrawal);
  grpc::Status Submit(const v1::Suggestion& suggestion, const std::string& request_id, v1::Suggestion* submitted);
  grpc::Status Ask(const v1::Question& question, const std::string& request_id, v1::Question* asked);

  // Gives `visit` each change of what is released, over the loss of connections and nodes, until it returns false (OK) or the network
  // refuses. Keep the resume token of a `complete` response once all before it is stored, and begin with it the next time. After a `reset`
  // all that is released follows: withdraw the rest.
  grpc::Status Watch(std::string resume_token, const std::function<bool(const v1::WatchReleasedRecordsResponse&)>& visit);

 private:
  static constexpr int kPageSize = 200;
  using Clock = std::chrono::steady_clock;
  using Stub = v1::ExchangeService::StubInterface;
  template <class Request, class Response>
  using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

  struct Node {
    std::unique_ptr<v1::ExchangeService::Stub> stub;
    std::atomic<Clock::time_point> avoid_until{Clock::time_point::min()};
  };

  // The first of the nodes that was not away lately; else the one that was so longest ago.
  Node& Next();
  template <class Request, class Response>
  grpc::Status Call(Method<Request, Response> method, const Request& request, Response* response);
  template <class Request, class Response, class Message>
  grpc::Status List(Method<Request, Response> method, Request request,
                    const google::protobuf::RepeatedPtrField<Message>& (Response::*of)() const,
                    const std::function<void(const Message&)>& visit);

  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace fairlead_partner

#endif  // FAIRLEAD_CLIENT_PARTNERS_CPP_EXCHANGE_H_
