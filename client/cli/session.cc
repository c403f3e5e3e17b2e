#include "client/cli/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "certs/x509.h"

namespace fairlead::cli {
namespace {

constexpr int64_t kPageSizeMax = 1000;

}  // namespace

absl::StatusOr<std::string> IdentityOf(const client::ClientOptions& options) {
  const absl::StatusOr<std::string> pem = ReadWholeFile(options.certificate_file);
  if (!pem.ok()) return pem.status();
  const absl::StatusOr<std::vector<certs::Certificate>> chain = certs::CertificatesFromPem(*pem);
  if (!chain.ok()) return chain.status();
  const absl::StatusOr<certs::CertificateFields> fields = certs::ReadFields(chain->front());
  if (!fields.ok()) return fields.status();
  const std::string prefix = fmt::format("spiffe://{}/", options.network);
  for (const std::string& uri : fields->uris) {
    if (uri.starts_with(prefix)) return uri.substr(prefix.size());
  }
  return absl::InvalidArgumentError(fmt::format("{} names no identity of {}", options.certificate_file, options.network));
}

absl::StatusOr<client::Outbox*> Session::OpenOutbox(bool create) {
  if (outbox_ != nullptr) return outbox_.get();
  if (absl::Status configured = Configure(); !configured.ok()) return configured;
  if (!create && !client::Outbox::Exists(config_.outbox_folder)) {
    return absl::NotFoundError(fmt::format("there is no outbox in {}", config_.outbox_folder));
  }
  absl::StatusOr<std::string> actor = environment_.identify(config_.client);
  if (!actor.ok()) return UsageError(std::string(actor.status().message()));
  client::OutboxOptions options;
  options.folder = config_.outbox_folder;
  options.network = config_.client.network;
  options.actor = *std::move(actor);
  absl::StatusOr<std::unique_ptr<client::Outbox>> outbox = client::Outbox::Open(std::move(options));
  if (!outbox.ok()) return outbox.status();
  outbox_ = *std::move(outbox);
  return outbox_.get();
}

absl::Status Session::Open() {
  if (flags_.offline) return UsageError("this needs a node: it cannot be done with --offline");
  if (absl::Status configured = Configure(); !configured.ok()) return configured;
  absl::StatusOr<std::unique_ptr<client::Client>> connected = environment_.connect(config_.client);
  if (!connected.ok()) return UsageError(std::string(connected.status().message()));
  client_ = *std::move(connected);
  return absl::OkStatus();
}

absl::Status Session::Configure() {
  if (configured_) return absl::OkStatus();
  const std::string path = flags_.config.empty() ? client::DefaultConfigPath(environment_.variable) : flags_.config;
  absl::StatusOr<client::Config> config = client::ReadConfig(path);
  if (!config.ok()) return UsageError(std::string(config.status().message()));
  config_ = *std::move(config);
  client::ClientOptions& options = config_.client;
  if (!flags_.site.empty()) options.site = flags_.site;
  if (options.site.empty()) options.site = options.nodes.front().site;
  if (flags_.failover) options.failover = true;
  if (!flags_.timeout.empty()) {
    absl::StatusOr<absl::Duration> timeout = client::ParseTimeout(flags_.timeout);
    if (!timeout.ok()) return UsageError("--timeout: " + std::string(timeout.status().message()));
    options.timeout = *timeout;
  }
  if (!flags_.durability.empty()) {
    constexpr std::string_view kReplicated = "replicated:";
    const std::string_view typed = flags_.durability;
    const bool replicated = typed.starts_with(kReplicated) && typed.size() > kReplicated.size() && typed[kReplicated.size()] != '0' &&
                            typed.find_first_not_of("0123456789", kReplicated.size()) == std::string_view::npos;
    if (typed != "local" && !replicated) return UsageError("--durability: local, or replicated:K with K from 1");
    options.durability = flags_.durability;
  }
  if (!flags_.address.empty()) {
    const auto node =
        std::find_if(options.nodes.begin(), options.nodes.end(), [&](const client::NodeAddress& n) { return n.site == options.site; });
    if (node != options.nodes.end()) {
      node->address = flags_.address;
    } else {
      options.nodes.push_back({options.site, flags_.address});
    }
  }
  if (absl::Status valid = client::Client::Validate(options); !valid.ok()) return UsageError(std::string(valid.message()));
  configured_ = true;
  return absl::OkStatus();
}

absl::Status Session::Call(const google::protobuf::MethodDescriptor& method, const google::protobuf::Message& request,
                           google::protobuf::Message* response) {
  client::CallOptions call;
  call.stop = environment_.stop;
  client::Answer answer;
  absl::Status status = client_->Call(method, request, response, call, &answer);
  if (answer.attempts > 0) NoteNode(answer);
  if (!answer.durability.empty() && !flags_.json && !flags_.quiet) err() << fmt::format("durable: {}\n", answer.durability);
  return status;
}

absl::Status Session::ListAll(const google::protobuf::MethodDescriptor& method, google::protobuf::Message* request, int64_t limit,
                              google::protobuf::Message* all) {
  const auto* fields = all->GetDescriptor();
  const google::protobuf::FieldDescriptor* rows = nullptr;
  for (int i = 0; i < fields->field_count(); ++i) {
    if (fields->field(i)->is_repeated()) rows = fields->field(i);
  }
  const auto* next = fields->FindFieldByName("next_page_token");
  const auto* token = request->GetDescriptor()->FindFieldByName("page_token");
  const auto* size = request->GetDescriptor()->FindFieldByName("page_size");
  const std::unique_ptr<google::protobuf::Message> page(all->New());
  const auto have = [&] { return int64_t{all->GetReflection()->FieldSize(*all, rows)}; };
  do {
    const int64_t want = limit == 0 ? kPageSizeMax : std::min(limit - have(), kPageSizeMax);
    request->GetReflection()->SetInt32(request, size, static_cast<int32_t>(want));
    page->Clear();
    if (absl::Status status = Call(method, *request, page.get()); !status.ok()) return status;
    const std::string more = page->GetReflection()->GetString(*page, next);
    all->MergeFrom(*page);
    all->GetReflection()->SetString(all, next, more);
    request->GetReflection()->SetString(request, token, more);
    if (more.empty()) break;
  } while (limit == 0 || have() < limit);
  return absl::OkStatus();
}

void Session::NoteNode(const client::Answer& answer) {
  if (flags_.json || flags_.quiet || noted_ == answer.site) return;
  noted_ = answer.site;
  err() << fmt::format("node: {} {}\n", answer.site, answer.address);
}

void Session::Print(const nlohmann::ordered_json& json, const std::function<void()>& print) const {
  if (flags_.json) {
    out() << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else {
    print();
  }
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return absl::NotFoundError(fmt::format("cannot read {}", path));
  return text.str();
}

absl::Status WriteWhole(const std::string& path, const std::function<absl::Status(std::ostream&)>& write) {
  const std::string partial = path + ".partial";
  absl::Status status;
  {
    std::ofstream out(partial, std::ios::binary | std::ios::trunc);
    if (!out) return UsageError(fmt::format("cannot write {}", partial));
    status = write(out);
    out.close();
    if (status.ok() && !out) status = absl::InternalError(fmt::format("{} could not be written whole", partial));
  }
  std::error_code error;
  if (status.ok()) std::filesystem::rename(partial, path, error);
  if (error) status = absl::InternalError(fmt::format("{}: {}", path, error.message()));
  if (!status.ok()) std::filesystem::remove(partial, error);
  return status;
}

}  // namespace fairlead::cli
