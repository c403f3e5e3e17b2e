#include "client/dashboard/gateway.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <openssl/ssl.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "api/errors.h"
#include "client/dashboard/json_calls.h"

namespace fairlead::dashboard {
namespace {

using httplib::Request;
using httplib::Response;
using nlohmann::ordered_json;

constexpr char kJson[] = "application/json";
constexpr char kCsrfHeader[] = "x-fairlead-csrf";
constexpr size_t kRequestBytesMax = 1 << 20;
constexpr absl::Duration kStreamTick = absl::Seconds(1);
constexpr absl::Duration kStreamHeartbeat = absl::Seconds(10);
constexpr int kSocketTimeoutS = 10;
constexpr size_t kKeepAliveRequestsMax = 1000;

// The page has no inline script or style, loads nothing but its own files, talks to nobody else and cannot be framed.
constexpr char kContentSecurityPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

httplib::Headers SecurityHeaders(bool tls) {
  httplib::Headers headers = {{"Content-Security-Policy", kContentSecurityPolicy},
                              {"X-Content-Type-Options", "nosniff"},
                              {"Referrer-Policy", "no-referrer"},
                              {"Cross-Origin-Opener-Policy", "same-origin"},
                              {"Cross-Origin-Resource-Policy", "same-origin"},
                              {"Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"}};
  if (tls) headers.emplace("Strict-Transport-Security", "max-age=31536000");
  return headers;
}

bool IsLoopback(const std::string& host) { return host == "127.0.0.1" || host == "::1" || host == "localhost"; }

// As it is: the library would otherwise compress each answer anew, slowly, as tightly as it can.
void SetBody(Response& response, std::shared_ptr<const std::string> body, const std::string& content_type) {
  if (body->empty()) return response.set_content(*body, content_type);
  response.set_content_provider(body->size(), content_type, [body](size_t offset, size_t length, httplib::DataSink& sink) {
    return sink.write(body->data() + offset, length);
  });
}

void Answer(Response& response, int status, const ordered_json& json) {
  response.status = status;
  response.set_header("Cache-Control", "no-store");
  SetBody(response, std::make_shared<std::string>(json.dump(-1, ' ', false, ordered_json::error_handler_t::replace)), kJson);
}

void AnswerError(Response& response, const absl::Status& status) { Answer(response, HttpStatusOf(status), {{"error", ErrorJson(status)}}); }

std::string TimeText(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); }

// Server-sent events: each line of data is a field of its own; ours have one line, since JSON escapes the others.
std::string Format(const Event& event) {
  std::string text;
  if (!event.id.empty()) text += fmt::format("id: {}\n", event.id);
  return text + fmt::format("event: {}\ndata: {}\n\n", event.type, event.data);
}

bool SetUpTls(SSL_CTX& context, const TlsFiles& files, ViewerTrust* trust) {
  SSL_CTX_set_min_proto_version(&context, TLS1_3_VERSION);
  SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // Every connection shows its certificate anew.
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(&context, 0);
  const auto prepare = [](SSL* handshake, void* viewers) {
    static_cast<ViewerTrust*>(viewers)->Prepare(handshake);
    return 1;
  };
  SSL_CTX_set_cert_cb(&context, prepare, trust);
  return SSL_CTX_use_certificate_chain_file(&context, files.certificate.c_str()) == 1 &&
         SSL_CTX_use_PrivateKey_file(&context, files.key.c_str(), SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(&context) == 1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Start(GatewayOptions options, client::Client* client, Assets assets) {
  if (!options.tls && !IsLoopback(options.host)) {
    return absl::InvalidArgumentError(fmt::format("{}: without TLS the gateway listens on a loopback address only", options.host));
  }
  std::unique_ptr<Gateway> gateway(new Gateway(std::move(options), client, std::move(assets)));
  const GatewayOptions& used = gateway->options_;
  if (used.tls) {
    ViewerTrust* const trust = gateway->trust_.get();
    if (const std::string fault = trust->Fault(); !fault.empty()) return absl::InvalidArgumentError(fault);
    gateway->server_ = std::make_unique<httplib::SSLServer>([&](SSL_CTX& context) { return SetUpTls(context, *used.tls, trust); });
  } else {
    gateway->server_ = std::make_unique<httplib::Server>();
  }
  if (!gateway->server_->is_valid()) return absl::InvalidArgumentError("the TLS certificate or key cannot be used");
  gateway->Route();
  if (used.port == 0) {
    gateway->port_ = gateway->server_->bind_to_any_port(used.host);
  } else if (gateway->server_->bind_to_port(used.host, used.port)) {
    gateway->port_ = used.port;
  }
  if (gateway->port_ <= 0) return absl::UnavailableError(fmt::format("cannot listen on {}:{}", used.host, used.port));
  gateway->listener_ = std::thread([listening = gateway.get()] {
    listening->server_->listen_after_bind();
    listening->ended_.store(true);
    if (!listening->stopping_.load() && listening->options_.on_failure) listening->options_.on_failure();
  });
  return gateway;
}

Gateway::Gateway(GatewayOptions options, client::Client* client, Assets assets)
    : options_(std::move(options)),
      client_(client),
      assets_(std::move(assets)),
      sessions_(options_.sessions),
      polls_(client, options_.live) {
  if (options_.tls) trust_ = std::make_unique<ViewerTrust>(options_.tls->client_ca, options_.tls->client_crl);
}

Gateway::~Gateway() {
  stopping_.store(true);
  if (!listener_.joinable()) return;
  // A server that does not run yet would not hear it.
  while (!server_->is_running() && !ended_.load()) std::this_thread::yield();
  server_->stop();
  listener_.join();
}

std::string Gateway::address() const {
  const std::string host = options_.host.find(':') == std::string::npos ? options_.host : "[" + options_.host + "]";
  return fmt::format("{}://{}:{}", options_.tls ? "https" : "http", host, port_);
}

std::string Gateway::OneTimeAddress(const std::string& viewer) {
  return fmt::format("{}/open?link={}", address(), sessions_.NewLink(viewer));
}

void Gateway::Route() {
  httplib::Server& server = *server_;
  server.new_task_queue = [threads = options_.threads_max] { return new httplib::ThreadPool(static_cast<size_t>(threads)); };
  server.set_tcp_nodelay(true);
  server.set_read_timeout(kSocketTimeoutS);
  server.set_write_timeout(kSocketTimeoutS);
  server.set_keep_alive_max_count(kKeepAliveRequestsMax);
  server.set_payload_max_length(kRequestBytesMax);
  server.set_default_headers(SecurityHeaders(options_.tls.has_value()));
  server.set_pre_routing_handler([this](const Request& request, Response& response) {
    const absl::Status allowed = CheckOrigin(request);
    if (allowed.ok()) return httplib::Server::HandlerResponse::Unhandled;
    AnswerError(response, allowed);
    return httplib::Server::HandlerResponse::Handled;
  });
  server.set_exception_handler([](const Request&, Response& response, const std::exception_ptr&) {
    AnswerError(response, Error(Reason::kInternal, "the gateway failed"));
  });
  server.set_error_handler([](const Request&, Response& response) {
    if (!response.has_header("Content-Type")) {
      Answer(response, response.status, {{"error", {{"code", "UNKNOWN"}, {"reason", ""}, {"message", "no such page"}, {"field", ""}}}});
    }
  });
  server.Get("/open", [this](const Request& request, Response& response) { OpenLink(request, response); });
  server.Get("/api/session", [this](const Request& request, Response& response) { DescribeSession(request, response); });
  server.Get("/api/events", [this](const Request& request, Response& response) { StreamEvents(request, response); });
  server.Post("/api/close", [this](const Request& request, Response& response) { CloseSession(request, response); });
  server.Post(R"(/api/call/([A-Za-z]+/[A-Za-z]+))", [this](const Request& request, Response& response) { MakeCall(request, response); });
  server.Get(".*", [this](const Request& request, Response& response) { ServeAsset(request, response); });
}

absl::Status Gateway::CheckOrigin(const Request& request) const {
  const absl::Status refused = Error(Reason::kPermissionDenied, "the request comes from another site");
  if (!options_.tls) {
    // A name of somebody else's that was made to lead here.
    const std::string host = request.get_header_value("Host");
    bool known = false;
    for (const char* name : {"127.0.0.1", "localhost", "[::1]"}) known |= host == fmt::format("{}:{}", name, port_);
    if (!known) return refused;
  }
  const bool api = request.path.starts_with("/api/");
  if (const std::string site = request.get_header_value("Sec-Fetch-Site"); api && !site.empty() && site != "same-origin") return refused;
  if (const std::string origin = request.get_header_value("Origin"); !origin.empty()) {
    if (origin != fmt::format("{}://{}", options_.tls ? "https" : "http", request.get_header_value("Host"))) return refused;
  }
  return absl::OkStatus();
}

std::string Gateway::CookieFrom(const Request& request) const {
  const std::string wanted = std::string(options_.tls ? "__Host-fairlead" : "fairlead") + "=";
  const std::string header = request.get_header_value("Cookie");
  for (size_t start = 0; start < header.size();) {
    const size_t end = std::min(header.find(';', start), header.size());
    const std::string_view pair = std::string_view(header).substr(start, end - start);
    if (pair.starts_with(wanted)) return std::string(pair.substr(wanted.size()));
    start = header.find_first_not_of(' ', end + 1);
    if (start == std::string::npos) break;
  }
  return "";
}

std::string Gateway::CookieFor(const std::string& secret) const {
  return options_.tls ? fmt::format("__Host-fairlead={}; Path=/; Secure; HttpOnly; SameSite=Strict", secret)
                      : fmt::format("fairlead={}; Path=/; HttpOnly; SameSite=Strict", secret);
}

std::shared_ptr<STACK_OF(X509)> Gateway::PeerOf(const Request& request) {
  if (request.ssl == nullptr) return nullptr;
  std::shared_ptr<STACK_OF(X509)> chain(sk_X509_new_null(), [](STACK_OF(X509) * all) { sk_X509_pop_free(all, X509_free); });
  sk_X509_push(chain.get(), SSL_get1_peer_certificate(request.ssl));
  X509_add_certs(chain.get(), SSL_get_peer_cert_chain(request.ssl), X509_ADD_FLAG_UP_REF);  // a server's is without the leaf
  return chain;
}

absl::StatusOr<ViewerCertificate> Gateway::Identify(STACK_OF(X509) * chain) {
  if (absl::Status good = trust_->Check(chain); !good.ok()) return good;
  return ViewerOf(sk_X509_value(chain, 0), client_->options().network, options_.viewers);
}

absl::StatusOr<Gateway::SignedIn> Gateway::SignIn(const Request& request) {
  const absl::Status missing = Error(Reason::kIdentityMissing, options_.tls ? "there is no session: load the page again"
                                                                            : "there is no session: open the link that the gateway prints");
  const std::string secret = CookieFrom(request);
  const std::optional<Session> session = secret.empty() ? std::nullopt : sessions_.Find(secret);
  if (!session) return missing;
  if (options_.tls) {
    const absl::StatusOr<ViewerCertificate> shown = Identify(PeerOf(request).get());
    if (!shown.ok()) return shown.status();
    // A stolen cookie is of no use without the certificate it was given to.
    if (shown->fingerprint != session->binding || shown->viewer != session->viewer) return missing;
  }
  if (request.method == "POST" && request.get_header_value(kCsrfHeader) != session->csrf) {
    return Error(Reason::kPermissionDenied, "the request does not come from the gateway's page");
  }
  return SignedIn{secret, *session};
}

void Gateway::ServeAsset(const Request& request, Response& response) const {
  const auto found = assets_.find(request.path == "/" ? "/index.html" : request.path);
  if (found == assets_.end()) return AnswerError(response, absl::NotFoundError("no such page"));
  response.set_header("Cache-Control", found->second.immutable ? "public, max-age=31536000, immutable" : "no-cache");
  // Borrowed: the files outlive every answer.
  SetBody(response, {std::shared_ptr<const void>(), &found->second.content}, found->second.content_type);
}

void Gateway::OpenLink(const Request& request, Response& response) {
  const absl::Status spent = Error(Reason::kIdentityMissing, "the link is not good any more: it opens one session, once");
  const std::optional<std::string> viewer = options_.tls ? std::nullopt : sessions_.RedeemLink(request.get_param_value("link"));
  if (!viewer) return AnswerError(response, spent);
  const absl::StatusOr<std::string> secret = sessions_.Open(*viewer, "");
  if (!secret.ok()) return AnswerError(response, secret.status());
  response.set_header("Set-Cookie", CookieFor(*secret));
  response.set_header("Cache-Control", "no-store");
  response.set_redirect("/", 303);
}

void Gateway::DescribeSession(const Request& request, Response& response) {
  absl::StatusOr<SignedIn> signed_in = SignIn(request);
  if (!signed_in.ok() && options_.tls) {
    const absl::StatusOr<ViewerCertificate> shown = Identify(PeerOf(request).get());
    if (!shown.ok()) return AnswerError(response, shown.status());
    const absl::StatusOr<std::string> secret = sessions_.Open(shown->viewer, shown->fingerprint);
    if (!secret.ok()) return AnswerError(response, secret.status());
    response.set_header("Set-Cookie", CookieFor(*secret));
    signed_in = SignedIn{*secret, *sessions_.Find(*secret)};
  }
  if (!signed_in.ok()) return AnswerError(response, signed_in.status());
  Answer(response, 200,
         {{"viewer", signed_in->session.viewer},
          {"network", client_->options().network},
          {"csrf", signed_in->session.csrf},
          {"expireTime", TimeText(signed_in->session.expire_time)},
          {"sites", Sites(client_->options())}});
}

void Gateway::CloseSession(const Request& request, Response& response) {
  const absl::StatusOr<SignedIn> signed_in = SignIn(request);
  if (!signed_in.ok()) return AnswerError(response, signed_in.status());
  sessions_.Close(signed_in->secret);
  response.set_header("Set-Cookie", CookieFor("") + "; Max-Age=0");
  Answer(response, 200, ordered_json::object());
}

void Gateway::MakeCall(const Request& request, Response& response) {
  const absl::StatusOr<SignedIn> signed_in = SignIn(request);
  if (!signed_in.ok()) return AnswerError(response, signed_in.status());
  if (!request.get_header_value("Content-Type").starts_with(kJson)) {
    return AnswerError(response, FieldError(Reason::kFieldInvalid, "content-type", "must be application/json"));
  }
  const google::protobuf::MethodDescriptor* method = FindPageMethod(std::string(request.matches[1]));
  if (method == nullptr) return AnswerError(response, Error(Reason::kMethodUnknown, "the page has no such method"));
  client::CallOptions call;
  call.viewer = signed_in->session.viewer;
  call.token = signed_in->session.token;
  call.site = request.get_param_value("site");
  if (!call.site.empty() && !client_->HasSite(call.site)) {
    return AnswerError(response, FieldError(Reason::kFieldInvalid, "site", "is not a site of the gateway's configuration"));
  }
  client::Answer answer;
  absl::StatusOr<std::string> text = CallJson(client_, *method, request.body, call, &answer);
  if (!answer.site.empty()) response.set_header("x-fairlead-site", answer.site);
  if (!text.ok()) return AnswerError(response, text.status());
  // What follows at another node shall see what was written at this one; a read makes nobody wait.
  if (method->input_type()->FindFieldByName("request_id") != nullptr) sessions_.SetToken(signed_in->secret, answer.token);
  response.set_header("Cache-Control", "no-store");
  SetBody(response, std::make_shared<std::string>(*std::move(text)), kJson);
}

void Gateway::StreamEvents(const Request& request, Response& response) {
  const absl::StatusOr<SignedIn> signed_in = SignIn(request);
  if (!signed_in.ok()) return AnswerError(response, signed_in.status());
  if (streams_.fetch_add(1) >= options_.streams_max) {
    streams_.fetch_sub(1);
    return AnswerError(response, Error(Reason::kOverloaded, "too many open pages"));
  }
  struct Stream {
    Stream(Gateway* owner, const SignedIn& who, std::shared_ptr<STACK_OF(X509)> shown, const std::string& resume)
        : secret(who.secret),
          chain(std::move(shown)),
          page(owner->client_, owner->polls_.For(who.session.viewer), who.session.viewer, resume) {}
    const std::string secret;
    const std::shared_ptr<STACK_OF(X509)> chain;  // null on loopback
    LivePage page;
    absl::Time written = absl::InfinitePast();
    absl::Time checked = absl::InfinitePast();
  };
  auto stream = std::make_shared<Stream>(this, *signed_in, PeerOf(request), request.get_header_value("Last-Event-ID"));
  response.set_header("Cache-Control", "no-store");
  response.set_chunked_content_provider(
      "text/event-stream",
      [this, stream](size_t, httplib::DataSink& sink) {
        if (stopping_.load()) return false;
        stream->page.Tick();
        std::optional<Event> event = stream->page.queue().Pop(kStreamTick);
        const absl::Time now = absl::Now();
        // A certificate may be revoked, and its root retired, while its page is open.
        bool admitted = true;
        if (stream->chain && absl::AbsDuration(now - stream->checked) >= kStreamTick) {  // a clock may be set back
          admitted = Identify(stream->chain.get()).ok();
          stream->checked = now;
        }
        if (!admitted || !sessions_.Find(stream->secret)) {
          const std::string text = Format({"expired", "{}", ""});
          sink.write(text.data(), text.size());
          sink.done();
          return true;
        }
        if (!event && now - stream->written < kStreamHeartbeat) return true;
        const std::string text = event ? Format(*event) : ":\n\n";
        stream->written = now;
        return sink.write(text.data(), text.size());
      },
      [this, stream](bool) mutable {
        stream.reset();
        streams_.fetch_sub(1);
      });
}

}  // namespace fairlead::dashboard
