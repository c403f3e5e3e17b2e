#include "exchange.h"

#include <google/protobuf/util/time_util.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace fairlead_partner {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kCallTime(30);     // of a call with all its attempts
constexpr seconds kAttemptTime(10);  // of one attempt at one node
constexpr seconds kAvoidTime(10);    // how long a node that was away is asked last
constexpr seconds kSilenceMax(60);   // a watch hears a heartbeat every 15 s; after this its connection is dead
constexpr milliseconds kPauseMin(200);
constexpr milliseconds kPauseMax(5000);
constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
constexpr int kMessageBytesMax = 64 << 20;  // a page of 1,000 long records

std::mt19937_64& Random() {
  thread_local std::mt19937_64 random(std::random_device{}());
  return random;
}

// Half of a bound that doubles, and a random part of the other half.
milliseconds PauseAfter(int failures) {
  const auto bound = std::min(kPauseMax.count(), kPauseMin.count() << std::min(failures, 16));
  return milliseconds(std::uniform_int_distribution<milliseconds::rep>(bound / 2, bound)(Random()));
}

std::string ReadFile(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) throw std::runtime_error("cannot read " + file.string());
  return text.str();
}

const char* CodeName(grpc::StatusCode code) {
  static constexpr const char* kNames[] = {"OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
                                           "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
                                           "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
                                           "DATA_LOSS", "UNAUTHENTICATED"};
  return code >= 0 && code < static_cast<int>(std::size(kNames)) ? kNames[code] : "UNKNOWN";
}

// --- Receipts ------------------------------------------------------------------------------------------------------------------------

constexpr std::string_view kReceiptLine = "c2sp.org/tlog-proof@v1\n";

std::string Base64(const std::string& bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = i; j < i + 3; ++j) group = group << 8 | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0);
    for (size_t j = 0; j < 4; ++j) text += i + j <= bytes.size() ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

std::string HashLines(const google::protobuf::RepeatedPtrField<std::string>& hashes) {
  std::string lines;
  for (const std::string& hash : hashes) lines += Base64(hash) + "\n";
  return lines;
}

// The bytes behind their length, a varint.
std::string Sized(const std::string& bytes) {
  std::string length;
  size_t size = bytes.size();
  for (; size >= 0x80; size >>= 7) length += static_cast<char>((size & 0x7f) | 0x80);
  return length + static_cast<char>(size) + bytes;
}

std::string ReceiptText(const v1::Receipt& receipt) {
  const v1::LogEntry& entry = receipt.log_entry();
  const std::string extra = '\1' + Sized(entry.header()) + (entry.has_payload() ? '\1' + Sized(entry.payload()) : std::string(1, '\0'));
  return std::string(kReceiptLine) + "extra " + Base64(extra) + "\nindex " + std::to_string(receipt.sequence()) + "\n" +
         HashLines(receipt.audit_path()) + "\n" + receipt.checkpoint().note();
}

// The log and the size of the checkpoint in a receipt as ReceiptText writes it.
std::pair<std::string, int64_t> CheckpointIn(const std::string& receipt) {
  std::string origin;
  int64_t size = -1;
  if (const size_t blank = receipt.find("\n\n"); receipt.starts_with(kReceiptLine) && blank != std::string::npos) {
    std::istringstream checkpoint(receipt.substr(blank + 2));
    std::getline(checkpoint, origin);
    if (!(checkpoint >> size)) size = -1;
  }
  const size_t slash = origin.find('/');  // behind the network's name
  if (slash == std::string::npos || size < 0) {
    throw std::runtime_error("receipt: must be a C2SP tlog-proof, with the checkpoint of its log");
  }
  return {origin.substr(slash + 1), size};
}

using WatchResponse = v1::WatchReleasedRecordsResponse;

// One stream of responses, with an end to waiting for the next. Thread safety: one thread. gRPC calls back on its own.
class Stream : private grpc::ClientReadReactor<WatchResponse> {
 public:
  Stream(v1::ExchangeService::Stub* stub, const std::string& resume_token) {
    request_.set_resume_token(resume_token);
    stub->async()->WatchReleasedRecords(&context_, &request_, this);
    AddHold();  // for reads that begin outside of gRPC's callbacks
    StartRead(&response_);
    StartCall();
  }
  ~Stream() { Cancel(); }

  // The next response; nullopt when the stream has ended, or said nothing for `silence`.
  std::optional<WatchResponse> Next(std::chrono::seconds silence) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, silence, [this] { return arrived_ || end_; }) || !arrived_) return std::nullopt;
    arrived_ = false;
    WatchResponse response = std::move(response_);
    response_.Clear();
    // Within the lock: once the hold is gone, the call may be over before a read begins.
    if (!released_) StartRead(&response_);
    return response;
  }
  // Ends the stream if it has not ended. How it ended.
  grpc::Status Cancel() {
    context_.TryCancel();
    Release();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return end_.has_value(); });
    return *end_;
  }
  bool ended() {
    const std::lock_guard lock(mutex_);
    return end_.has_value();
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return Release();  // OnDone follows
    const std::lock_guard lock(mutex_);
    arrived_ = true;
    changed_.notify_one();
  }
  void OnDone(const grpc::Status& status) override {
    const std::lock_guard lock(mutex_);
    end_ = status;
    changed_.notify_one();
  }
  void Release() {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(released_, true)) return;
    }
    RemoveHold();
  }

  grpc::ClientContext context_;
  v1::WatchReleasedRecordsRequest request_;
  WatchResponse response_;  // gRPC's while a read is under way
  std::mutex mutex_;        // guards what follows; a partner need not have Abseil
  std::condition_variable changed_;
  bool arrived_ = false;
  bool released_ = false;  // gRPC may end the call at any time
  std::optional<grpc::Status> end_;
};

}  // namespace

Config ReadConfig(const std::string& file) {
  const nlohmann::json raw = nlohmann::json::parse(ReadFile(file), nullptr, /*allow_exceptions=*/false);
  if (!raw.is_object()) throw std::runtime_error(file + ": no JSON object");
  for (const char* key : {"network", "certificate", "key", "ca", "nodes"}) {
    if (!raw.contains(key) || raw[key].empty()) throw std::runtime_error(file + ": no " + key);
  }
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  const auto pem = [&](const char* key) { return ReadFile(folder / raw[key].get<std::string>()); };
  Config config{raw["network"], pem("certificate"), pem("key"), pem("ca"), {}};
  for (const auto& node : raw["nodes"]) config.nodes.emplace_back(node.at("site"), node.at("address"));
  return config;
}

std::string NewRequestId() {
  const auto now = std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  const uint64_t high = static_cast<uint64_t>(now) << 16 | 0x7000 | (Random()() & 0x0fff);
  const uint64_t low = uint64_t{1} << 63 | Random()() >> 2;
  char text[37];
  std::snprintf(text, sizeof(text), "%08x-%04x-%04x-%04x-%012llx", static_cast<unsigned>(high >> 32),
                static_cast<unsigned>(high >> 16 & 0xffff), static_cast<unsigned>(high & 0xffff), static_cast<unsigned>(low >> 48),
                static_cast<unsigned long long>(low & 0xffffffffffff));
  return text;
}

Explanation Explain(const grpc::Status& status) {
  Explanation explanation;
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad;
  google::rpc::RetryInfo retry;
  for (const auto& detail : details.details()) {
    if (detail.UnpackTo(&info)) explanation.reason = info.reason();
    if (detail.UnpackTo(&retry)) {
      explanation.retry_after = milliseconds(google::protobuf::util::TimeUtil::DurationToMilliseconds(retry.retry_delay()));
    }
    if (!detail.UnpackTo(&bad)) continue;
    for (const auto& violation : bad.field_violations()) explanation.violations.emplace_back(violation.field(), violation.description());
  }
  const grpc::StatusCode code = status.error_code();
  const bool not_yet_proven = explanation.reason == "NOT_YET_PROVEN";  // the proof is this node's to give, in a moment
  explanation.away = (code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::DEADLINE_EXCEEDED) && !not_yet_proven;
  explanation.may_be_retried = explanation.away || not_yet_proven ||
                               (code == grpc::StatusCode::RESOURCE_EXHAUSTED && explanation.retry_after > milliseconds::zero());
  return explanation;
}

std::string Describe(const grpc::Status& status) {
  const Explanation explanation = Explain(status);
  std::string text = CodeName(status.error_code());
  if (!explanation.reason.empty()) text += " (" + explanation.reason + ")";
  text += ": " + status.error_message();
  for (const auto& [field, description] : explanation.violations) text += "\n  " + field + ": " + description;
  return text;
}

Exchange::Exchange(const Config& config) {
  const auto credentials = grpc::SslCredentials({config.ca_pem, config.key_pem, config.certificate_pem});
  for (const auto& [site, address] : config.nodes) {
    grpc::ChannelArguments arguments;
    // The address only says where to connect: whoever answers must hold the certificate of this site's node.
    arguments.SetSslTargetNameOverride(site + ".node." + config.network);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, static_cast<int>(kPauseMin.count()));
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, static_cast<int>(kPauseMax.count()));
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
    arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
    auto node = std::make_unique<Node>();
    node->stub = v1::ExchangeService::NewStub(grpc::CreateCustomChannel(address, credentials, arguments));
    nodes_.push_back(std::move(node));
  }
}

Exchange::~Exchange() = default;

Exchange::Node& Exchange::Next() {
  const auto now = Clock::now();
  Node* earliest = nodes_.front().get();
  for (const auto& node : nodes_) {
    if (node->avoid_until.load() <= now) return *node;
    if (node->avoid_until.load() < earliest->avoid_until.load()) earliest = node.get();
  }
  return *earliest;
}

template <class Request, class Response>
grpc::Status Exchange::Call(Method<Request, Response> method, const Request& request, Response* response) {
  const auto deadline = std::chrono::system_clock::now() + kCallTime;
  for (int failures = 0;; ++failures) {
    Node& node = Next();
    grpc::ClientContext context;
    context.set_deadline(std::min(deadline, std::chrono::system_clock::now() + kAttemptTime));
    grpc::Status status = (node.stub.get()->*method)(&context, request, response);
    if (status.ok()) return status;
    const Explanation explanation = Explain(status);
    if (!explanation.may_be_retried) return status;
    if (explanation.away) node.avoid_until = Clock::now() + kAvoidTime;
    const bool another = explanation.away && Next().avoid_until.load() <= Clock::now();
    const milliseconds pause = another ? milliseconds::zero() : std::max(explanation.retry_after, PauseAfter(failures));
    if (std::chrono::system_clock::now() + pause >= deadline) return status;
    std::this_thread::sleep_for(pause);
  }
}

template <class Request, class Response, class Message>
grpc::Status Exchange::List(Method<Request, Response> method, Request request,
                            const google::protobuf::RepeatedPtrField<Message>& (Response::*of)() const,
                            const std::function<void(const Message&)>& visit) {
  do {
    Response page;
    if (grpc::Status status = Call(method, request, &page); !status.ok()) return status;
    for (const Message& message : (page.*of)()) visit(message);
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return grpc::Status::OK;
}

grpc::Status Exchange::ListRecords(const std::function<void(const v1::ReleasedRecord&)>& visit, int page_size) {
  v1::ListReleasedRecordsRequest request;
  request.set_page_size(page_size);
  return List(&Stub::ListReleasedRecords, request, &v1::ListReleasedRecordsResponse::records, visit);
}

grpc::Status Exchange::ListWithdrawals(const std::function<void(const v1::Withdrawal&)>& visit, int page_size) {
  v1::ListWithdrawalsRequest request;
  request.set_page_size(page_size);
  return List(&Stub::ListWithdrawals, request, &v1::ListWithdrawalsResponse::withdrawals, visit);
}

grpc::Status Exchange::ListSuggestions(const std::function<void(const v1::Suggestion&)>& visit, int page_size) {
  v1::ListSuggestionsRequest request;
  request.set_page_size(page_size);
  return List(&Stub::ListSuggestions, request, &v1::ListSuggestionsResponse::suggestions, visit);
}

grpc::Status Exchange::ListReceipts(const std::function<void(const v1::ExchangeReceipt&)>& visit, const std::string& record,
                                    int page_size) {
  v1::ListExchangeReceiptsRequest request;
  request.set_record(record);
  request.set_page_size(page_size);
  return List(&Stub::ListExchangeReceipts, request, &v1::ListExchangeReceiptsResponse::receipts, visit);
}

grpc::Status Exchange::GetRecord(const std::string& name, v1::ReleasedRecord* record) {
  v1::GetReleasedRecordRequest request;
  request.set_name(name);
  return Call(&Stub::GetReleasedRecord, request, record);
}

grpc::Status Exchange::GetSuggestion(const std::string& name, v1::Suggestion* suggestion) {
  v1::GetSuggestionRequest request;
  request.set_name(name);
  return Call(&Stub::GetSuggestion, request, suggestion);
}

grpc::Status Exchange::GetQuestion(const std::string& name, v1::Question* question) {
  v1::GetQuestionRequest request;
  request.set_name(name);
  return Call(&Stub::GetQuestion, request, question);
}

grpc::Status Exchange::GetReceipt(const std::string& name, std::string* text) {
  v1::GetExchangeReceiptRequest request;
  request.set_name(name);
  v1::Receipt receipt;
  const grpc::Status status = Call(&Stub::GetExchangeReceipt, request, &receipt);
  if (status.ok()) *text = ReceiptText(receipt);
  return status;
}

grpc::Status Exchange::GetConsistencyProof(const std::string& receipt, std::string* text) {
  const auto [log, size] = CheckpointIn(receipt);
  v1::GetExchangeConsistencyProofRequest request;
  request.set_log(log);
  request.set_old_size(size);
  v1::ConsistencyProof proof;
  const grpc::Status status = Call(&Stub::GetExchangeConsistencyProof, request, &proof);
  if (status.ok()) *text = "old " + std::to_string(size) + "\n" + HashLines(proof.hashes()) + "\n" + proof.checkpoint().note();
  return status;
}

grpc::Status Exchange::Acknowledge(const std::string& name, const std::string& remark, const std::string& request_id,
                                   v1::Withdrawal* withdrawal) {
  v1::AcknowledgeWithdrawalRequest request;
  request.set_name(name);
  request.set_remark(remark);
  request.set_request_id(request_id);
  return Call(&Stub::AcknowledgeWithdrawal, request, withdrawal);
}

grpc::Status Exchange::Submit(const v1::Suggestion& suggestion, const std::string& request_id, v1::Suggestion* submitted) {
  v1::SubmitSuggestionRequest request;
  *request.mutable_suggestion() = suggestion;
  request.set_request_id(request_id);
  return Call(&Stub::SubmitSuggestion, request, submitted);
}

grpc::Status Exchange::Ask(const v1::Question& question, const std::string& request_id, v1::Question* asked) {
  v1::AskQuestionRequest request;
  *request.mutable_question() = question;
  request.set_request_id(request_id);
  return Call(&Stub::AskQuestion, request, asked);
}

grpc::Status Exchange::Watch(std::string resume_token, const std::function<bool(const WatchResponse&)>& visit) {
  for (int failures = 0;; ++failures) {
    Node& node = Next();
    Stream stream(node.stub.get(), resume_token);
    while (const std::optional<WatchResponse> response = stream.Next(kSilenceMax)) {
      failures = 0;
      if (response->complete()) resume_token = response->resume_token();
      const bool heartbeat = response->ByteSizeLong() == 0;
      if (!heartbeat && !visit(*response)) return grpc::Status::OK;
    }
    const bool silent = !stream.ended();
    const grpc::Status status = stream.Cancel();
    const Explanation explanation = Explain(status);
    const bool token_refused = std::any_of(explanation.violations.begin(), explanation.violations.end(),
                                           [](const auto& violation) { return violation.first == "resume_token"; });
    if (token_refused && !resume_token.empty()) {
      resume_token.clear();  // of another time: all of it, then
    } else if (!silent && !status.ok() && !explanation.may_be_retried) {
      return status;
    }
    if (silent || explanation.away) node.avoid_until = Clock::now() + kAvoidTime;
    std::this_thread::sleep_for(std::max(explanation.retry_after, PauseAfter(failures)));
  }
}

}  // namespace fairlead_partner
