#include "tests/bench/nats.h"

#include <absl/time/clock.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "tests/framework/eventually.h"
#include "tests/framework/ports.h"

namespace fairlead::bench {
namespace {

constexpr char kProgram[] = "/usr/sbin/nats-server";
constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kLineBytesMax = 64 << 10;  // its INFO is the longest
constexpr absl::Duration kRequestTimeout = absl::Seconds(10);

absl::Status Errno(const std::string& what) { return absl::UnavailableError(fmt::format("NATS: {}: {}", what, strerror(errno))); }
absl::Status TlsError(const std::string& what) {
  char text[256] = "the connection ended";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof(text));
  return absl::UnavailableError(fmt::format("NATS: {}: {}", what, text));
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < line.size();) {
    const size_t end = std::min(line.find(' ', at), line.size());
    if (end > at) words.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

}  // namespace

absl::StatusOr<std::unique_ptr<NatsConnection>> NatsConnection::Open(int port, const PeerHome& files) {
  std::unique_ptr<NatsConnection> nats(new NatsConnection);
  nats->fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (connect(nats->fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return Errno("connect");
  const int on = 1;
  setsockopt(nats->fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  // The server speaks first, one line in the clear; TLS begins after it.
  for (char c = 0; c != '\n';) {
    if (read(nats->fd_, &c, 1) != 1) return Errno("INFO");
  }
  nats->context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = nats->context_.get();
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (SSL_CTX_load_verify_file(context, files.ca_file().c_str()) != 1 ||
      SSL_CTX_use_certificate_chain_file(context, files.certificate_file().c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, files.key_file().c_str(), SSL_FILETYPE_PEM) != 1) {
    return TlsError("certificates");
  }
  nats->ssl_.reset(SSL_new(context));
  X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(nats->ssl_.get()), "127.0.0.1");
  if (SSL_set_fd(nats->ssl_.get(), nats->fd_) != 1 || SSL_connect(nats->ssl_.get()) != 1) return TlsError("TLS");
  static int connections = 0;
  nats->inbox_ = fmt::format("_INBOX.{}.{}", getpid(), ++connections);
  nats->out_ =
      "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"lang\":\"c\",\"version\":\"1\"}\r\n";
  nats->Subscribe(nats->inbox_ + ".request");
  if (absl::Status flushed = nats->Flush(); !flushed.ok()) return flushed;
  return nats;
}

NatsConnection::~NatsConnection() {
  if (fd_ >= 0) close(fd_);
}

void NatsConnection::Subscribe(std::string_view subject) { out_ += fmt::format("SUB {} {}\r\n", subject, ++subscriptions_); }

void NatsConnection::Publish(std::string_view subject, std::string_view reply, std::string_view payload) {
  fmt::format_to(std::back_inserter(out_), "PUB {}{}{} {}\r\n", subject, reply.empty() ? "" : " ", reply, payload.size());
  out_ += payload;
  out_ += "\r\n";
}

absl::Status NatsConnection::Flush() {
  for (size_t sent = 0; sent < out_.size();) {
    const int n = SSL_write(ssl_.get(), out_.data() + sent, static_cast<int>(std::min<size_t>(out_.size() - sent, 1 << 20)));
    if (n <= 0) return TlsError("write");
    sent += static_cast<size_t>(n);
  }
  out_.clear();
  return absl::OkStatus();
}

absl::StatusOr<bool> NatsConnection::Read(absl::Time deadline) {
  if (SSL_pending(ssl_.get()) == 0) {
    pollfd readable{fd_, POLLIN, 0};
    const absl::Duration left = std::clamp(deadline - absl::Now(), absl::ZeroDuration(), absl::Minutes(1));
    timespec wait = absl::ToTimespec(left);
    if (ppoll(&readable, 1, &wait, nullptr) <= 0) return false;
  }
  const size_t before = in_.size();
  in_.resize(before + kReadBytes);
  const int n = SSL_read(ssl_.get(), in_.data() + before, kReadBytes);
  in_.resize(before + static_cast<size_t>(std::max(n, 0)));
  if (n <= 0) return TlsError("read");
  return true;
}

absl::StatusOr<std::optional<NatsConnection::Message>> NatsConnection::Parse() {
  for (;;) {
    const std::string_view rest = std::string_view(in_).substr(parsed_);
    const size_t end = rest.find("\r\n");
    if (end == std::string_view::npos) {
      if (rest.size() > kLineBytesMax) return absl::InternalError("NATS: a line has no end");
      in_.erase(0, std::exchange(parsed_, 0));
      return std::nullopt;
    }
    const std::vector<std::string_view> words = Words(rest.substr(0, end));
    const std::string_view verb = words.empty() ? std::string_view() : words[0];
    if (verb == "MSG" || verb == "HMSG") {
      // MSG subject sid [reply] bytes, and HMSG subject sid [reply] header-bytes bytes.
      const size_t header = verb == "HMSG" ? strtoull(words[words.size() - 2].data(), nullptr, 10) : 0;
      const size_t bytes = strtoull(words.back().data(), nullptr, 10);
      if (rest.size() < end + 2 + bytes + 2) {
        if (parsed_ > kReadBytes) in_.erase(0, std::exchange(parsed_, 0));
        return std::nullopt;
      }
      Message message{std::string(words[1]), std::string(rest.substr(end + 2 + header, bytes - header))};
      parsed_ += end + 2 + bytes + 2;
      return message;
    }
    const std::string line(rest.substr(0, end));
    parsed_ += end + 2;
    if (verb == "PING") {
      out_ += "PONG\r\n";
      if (absl::Status flushed = Flush(); !flushed.ok()) return flushed;
    } else if (verb == "-ERR") {
      return absl::InternalError(fmt::format("NATS: {}", line));
    }
  }
}

absl::StatusOr<std::optional<NatsConnection::Message>> NatsConnection::Next(absl::Time deadline) {
  for (;;) {
    absl::StatusOr<std::optional<Message>> message = Parse();
    if (!message.ok() || message->has_value()) return message;
    const absl::StatusOr<bool> more = Read(deadline);
    if (!more.ok()) return more.status();
    if (!*more && absl::Now() >= deadline) return std::nullopt;
  }
}

absl::StatusOr<std::string> NatsConnection::Request(std::string_view subject, std::string_view payload) {
  const std::string inbox = inbox_ + ".request";
  Publish(subject, inbox, payload);
  if (absl::Status flushed = Flush(); !flushed.ok()) return flushed;
  const absl::Time deadline = absl::Now() + kRequestTimeout;
  for (;;) {
    absl::StatusOr<std::optional<Message>> message = Next(deadline);
    if (!message.ok()) return message.status();
    if (!message->has_value()) return absl::DeadlineExceededError(fmt::format("NATS does not answer {}", subject));
    if ((*message)->subject != inbox) continue;
    const nlohmann::json json = nlohmann::json::parse((*message)->payload, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) return absl::UnavailableError(fmt::format("NATS answers nothing to {}", subject));
    if (json.contains("error")) return absl::InternalError(fmt::format("NATS: {}: {}", subject, json["error"].dump()));
    return std::move((*message)->payload);
  }
}

std::string Nats::Tls() const {
  return fmt::format("tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}", home_->certificate_file(),
                     home_->key_file(), home_->ca_file());
}

absl::StatusOr<std::unique_ptr<framework::Process>> Nats::StartServer(const std::string& name, int port,
                                                                      const std::string& leafnodes) const {
  const std::string text = fmt::format(
      "listen: \"127.0.0.1:{}\"\nserver_name: {}\n{}\n"
      "jetstream {{ store_dir: \"{}/{}\", domain: {}, max_memory_store: 1GB, max_file_store: 32GB }}\n"
      "leafnodes {{ {} }}\n",
      port, name, Tls(), home_->path(), name, name, leafnodes);
  if (absl::Status written = home_->Write(name + ".conf", text); !written.ok()) return written;
  absl::StatusOr<std::unique_ptr<framework::Process>> process =
      home_->Start({kProgram, "--config", home_->path() + "/" + name + ".conf"}, name + ".log");
  if (!process.ok()) return process;
  const bool ready = framework::Eventually([&] { return (*process)->HasEnded() || Listens(port); }, kPeerStartTimeout);
  if (!ready || (*process)->HasEnded()) return home_->WithLog(absl::UnavailableError("nats-server does not listen"), name + ".log");
  return process;
}

absl::StatusOr<std::unique_ptr<Nats>> Nats::Start() {
  if (absl::Status there = RequireProgram(kProgram, "nats-server"); !there.ok()) return there;
  std::unique_ptr<Nats> nats(new Nats);
  absl::StatusOr<std::unique_ptr<PeerHome>> home = PeerHome::Make();
  if (!home.ok()) return home.status();
  nats->home_ = *std::move(home);
  const absl::StatusOr<int> leaf_port = framework::FreePort();
  if (!leaf_port.ok()) return leaf_port.status();
  for (int* port : {&nats->region_port_, &nats->hq_port_}) {
    const absl::StatusOr<int> free = framework::FreePort();
    if (!free.ok()) return free.status();
    *port = *free;
  }
  auto region = nats->StartServer("region", nats->region_port_, fmt::format("listen: \"127.0.0.1:{}\"\n{}", *leaf_port, nats->Tls()));
  if (!region.ok()) return region.status();
  nats->region_ = *std::move(region);
  auto hq =
      nats->StartServer("hq", nats->hq_port_, fmt::format("remotes: [ {{ url: \"tls://127.0.0.1:{}\", {} }} ]", *leaf_port, nats->Tls()));
  if (!hq.ok()) return hq.status();
  nats->hq_ = *std::move(hq);

  absl::StatusOr<std::unique_ptr<NatsConnection>> connection = nats->ConnectRegion();
  if (!connection.ok()) return connection.status();
  absl::Status made;
  framework::Eventually(
      [&] {
        const nlohmann::json stream = {
            {"name", kStream}, {"subjects", {kSubject}}, {"storage", "file"}, {"retention", "limits"}, {"num_replicas", 1}};
        made = (*connection)->Request(fmt::format("$JS.API.STREAM.CREATE.{}", kStream), stream.dump()).status();
        return made.ok();
      },
      kPeerStartTimeout);
  if (!made.ok()) return nats->home_->WithLog(made, "region.log");
  return nats;
}

Nats::~Nats() {
  EndPeer(hq_.get(), SIGTERM);
  EndPeer(region_.get(), SIGTERM);
}

absl::Status Nats::MakeMirror(NatsConnection* headquarters) {
  const nlohmann::json mirror = {{"name", kMirror},
                                 {"storage", "file"},
                                 {"retention", "limits"},
                                 {"num_replicas", 1},
                                 {"mirror", {{"name", kStream}, {"external", {{"api", "$JS.region.API"}}}}}};
  return headquarters->Request(fmt::format("$JS.API.STREAM.CREATE.{}", kMirror), mirror.dump()).status();
}

absl::Status Nats::DeleteMirror(NatsConnection* headquarters) {
  return headquarters->Request(fmt::format("$JS.API.STREAM.DELETE.{}", kMirror), "").status();
}

absl::StatusOr<int64_t> Nats::Messages(NatsConnection* connection, std::string_view stream) {
  const absl::StatusOr<std::string> info = connection->Request(fmt::format("$JS.API.STREAM.INFO.{}", stream), "");
  if (!info.ok()) return info.status();
  const nlohmann::json json = nlohmann::json::parse(*info, nullptr, /*allow_exceptions=*/false);
  if (!json.contains("/state/messages"_json_pointer)) return absl::InternalError(fmt::format("NATS says nothing of {}", stream));
  return json["state"]["messages"].get<int64_t>();
}

}  // namespace fairlead::bench
