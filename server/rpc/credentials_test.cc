// Certificates, good and bad, in real handshakes; and what changes while a server runs.

#include "server/rpc/credentials.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/server_builder.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <thread>

#include "certs/files.h"
#include "server/rpc/grpc_log.h"
#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::HasSubstr;

constexpr char kGet[] = "fairlead.v1.ReferenceService/GetCountry";
constexpr char kWatch[] = "fairlead.v1.RecordService/WatchRecords";

// A root of the test network, and what it signs.
class Authority {
 public:
  Authority() : key_(*certs::GenerateKey()), root_(*certs::MakeRoot(kTestNetwork, key_, Lifetime(absl::Hours(240)))) {}

  std::string root_pem() const { return *certs::CertificateToPem(root_); }
  struct Issued {
    std::string certificate, key, serial;
  };
  Issued Issue(const std::string& identity) const {
    const certs::Key key = *certs::GenerateKey();
    const certs::Identity id = *certs::Identity::Parse(identity);
    const certs::LeafOptions options{
        .network = kTestNetwork, .identity = id, .validity = Lifetime(absl::Hours(24)), .loopback = id.profile().serves};
    const certs::Certificate leaf = *certs::MakeLeaf(options, key, root_, key_);
    return {*certs::CertificateToPem(leaf), *certs::KeyToPem(key), certs::ReadFields(leaf)->serial};
  }
  std::string List(uint64_t number, const std::vector<std::string>& serials = {}, absl::Duration ends_in = absl::Hours(24)) const {
    certs::RevocationList list{.number = number, .this_update = absl::Now() - absl::Hours(48), .next_update = absl::Now() + ends_in};
    for (const std::string& serial : serials) list.revoked.push_back({serial, absl::Now(), certs::RevocationReason::kKeyCompromise});
    return *certs::MakeRevocationList(list, root_, key_);
  }

 private:
  static certs::Validity Lifetime(absl::Duration length) { return {absl::Now() - absl::Hours(1), absl::Now() + length}; }
  certs::Key key_;
  certs::Certificate root_;
};

// One TLS client of its own making, which may do what a gRPC client would not.
class RawClient {
 public:
  RawClient() : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    SSL_CTX_set_security_level(context_.get(), 0);
    const unsigned char h2[] = {2, 'h', '2'};
    SSL_CTX_set_alpn_protos(context_.get(), h2, sizeof(h2));
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(context_.get(), this);
    SSL_CTX_sess_set_new_cb(context_.get(), [](SSL* ssl, SSL_SESSION* session) {
      static_cast<RawClient*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->session_.reset(session);
      return 1;
    });
  }
  void Show(const CredentialFiles& files) {
    ASSERT_EQ(SSL_CTX_use_certificate_chain_file(context_.get(), files.certificate.c_str()), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey_file(context_.get(), files.key.c_str(), SSL_FILETYPE_PEM), 1);
  }
  void SetVersionMax(int version) { SSL_CTX_set_max_proto_version(context_.get(), version); }
  bool has_session() const { return session_ != nullptr; }

  // Whether the server speaks HTTP/2 to this client: in TLS 1.3 a client's handshake is done before the server has judged its certificate.
  bool Connects(int port, bool resume = false) {
    ERR_clear_error();
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new_ssl_connect(context_.get()), BIO_free_all);
    SSL* ssl = nullptr;
    BIO_get_ssl(bio.get(), &ssl);
    if (resume) SSL_set_session(ssl, session_.get());
    BIO_set_conn_hostname(bio.get(), ("127.0.0.1:" + std::to_string(port)).c_str());
    if (BIO_do_connect(bio.get()) != 1 || BIO_do_handshake(bio.get()) != 1) return false;
    const std::unique_ptr<X509, decltype(&X509_free)> leaf(SSL_get1_peer_certificate(ssl), X509_free);
    shown_ = leaf == nullptr ? "" : *certs::CertificateToPem(certs::Certificate(X509_dup(leaf.get()), X509_free));
    timeval patience = {.tv_sec = absl::ToInt64Seconds(kPatience), .tv_usec = 0};
    setsockopt(static_cast<int>(BIO_get_fd(bio.get(), nullptr)), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    char byte = 0;
    return BIO_read(bio.get(), &byte, 1) == 1;
  }
  // The certificate of the server that was connected to last.
  const std::string& shown() const { return shown_; }

 private:
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  struct FreeSession {
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
  };
  std::unique_ptr<SSL_SESSION, FreeSession> session_;
  std::string shown_;
};

// A watch that sends nothing and lasts until it is ended.
class Silence : public Source {
 public:
  void Next(std::function<void(absl::StatusOr<MessagePtr>)> ready) override {
    absl::MutexLock lock(&mu_);
    ready_ = std::move(ready);
  }
  void Cancel() override {
    absl::MutexLock lock(&mu_);
    ready_ = nullptr;
  }

 private:
  absl::Mutex mu_;
  std::function<void(absl::StatusOr<MessagePtr>)> ready_ ABSL_GUARDED_BY(mu_);
};

class CredentialsTest : public ::testing::Test {
 protected:
  CredentialsTest() {
    node_ = first_.Issue("node/apac");
    Write("tls.crt", node_.certificate);
    Write("tls.key", node_.key);
    Write("ca.crt", first_.root_pem());
    Write("crl.pem", first_.List(1));
    auto opened = Credentials::Open({.files = files_, .network = kTestNetwork});
    EXPECT_TRUE(opened.ok()) << opened.status();
    credentials_ = *std::move(opened);
    dispatcher_ = std::make_unique<Dispatcher>(
        DispatcherOptions{.network = kTestNetwork,
                          .identify = [this](const grpc::AuthContext& context) { return credentials_->Identify(context); },
                          .authorize = [](const Identity&, std::string_view) { return absl::OkStatus(); }});
    dispatcher_->Handle(
        kGet, [](const std::shared_ptr<Call>&, const google::protobuf::Message&, Reply reply) { reply(std::make_unique<v1::Country>()); });
    dispatcher_->HandleStream(kWatch, [this](const std::shared_ptr<Call>&, const google::protobuf::Message&) {
      ++watches_;
      return std::make_shared<Silence>();
    });
    auto server = Server::Start({.address = "127.0.0.1:0", .credentials = credentials_.get()}, dispatcher_.get(), {});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  void Write(const std::string& name, const std::string& text) const {
    EXPECT_TRUE(certs::WriteFile(folder_ / name, text, certs::Access::kOwnerOnly, certs::IfExists::kReplace).ok());
  }
  // As `fairlead certs` leaves a caller's files.
  CredentialFiles Keep(const std::string& name, const Authority::Issued& issued) const {
    Write(name + ".crt", issued.certificate);
    Write(name + ".key", issued.key);
    return {.certificate = folder_ / (name + ".crt"), .key = folder_ / (name + ".key"), .ca = folder_ / "ca.crt"};
  }
  Client As(const std::string& name, const Authority::Issued& issued) const { return Client(server_->port(), Keep(name, issued)); }
  static absl::Status Get(const Client& caller) {
    return caller.Call<v1::Country>("ReferenceService/GetCountry", v1::GetCountryRequest()).status();
  }
  bool Look() { return credentials_->Look(absl::Now()); }
  uint64_t Refused(RefusedAt at, CertificateFault fault) const {
    return credentials_->Figures().refused[static_cast<size_t>(at)][static_cast<size_t>(fault)];
  }

  const std::filesystem::path folder_ = TestCerts::Get().NewFolder("credentials");
  const CredentialFiles files_ = {.certificate = folder_ / "tls.crt", .key = folder_ / "tls.key", .ca = folder_ / "ca.crt"};
  const Authority first_, second_;
  Authority::Issued node_;
  std::atomic<int> watches_{0};
  std::unique_ptr<Credentials> credentials_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Server> server_;
};

// --- Who gets in -------------------------------------------------------------------------------------------------------------------

constexpr char kOfficerUri[] = "spiffe://test.example/officer/apac/watch";

// Against a server of the network that TestCerts crafts for.
class Matrix : public ::testing::Test {
 protected:
  Matrix() {
    auto opened = Credentials::Open({.files = TestCerts::Get().Of("node/apac"), .network = kTestNetwork});
    EXPECT_TRUE(opened.ok()) << opened.status();
    credentials_ = *std::move(opened);
  }
  uint64_t Refused(RefusedAt at, CertificateFault fault) const {
    return credentials_->Figures().refused[static_cast<size_t>(at)][static_cast<size_t>(fault)];
  }
  uint64_t RefusedInAll() const {
    uint64_t sum = 0;
    for (const auto& at : credentials_->Figures().refused) sum = std::accumulate(at.begin(), at.end(), sum);
    return sum;
  }
  std::unique_ptr<Credentials> credentials_;
};

TEST_F(Matrix, OfCallers) {
  Dispatcher dispatcher({.network = kTestNetwork,
                         .identify = [this](const grpc::AuthContext& context) { return credentials_->Identify(context); },
                         .authorize = [](const Identity&, std::string_view) { return absl::OkStatus(); }});
  dispatcher.Handle(
      kGet, [](const std::shared_ptr<Call>&, const google::protobuf::Message&, Reply reply) { reply(std::make_unique<v1::Country>()); });
  const auto server = Server::Start({.address = "127.0.0.1:0", .credentials = credentials_.get()}, &dispatcher, {});
  ASSERT_TRUE(server.ok()) << server.status();
  const int port = (*server)->port();

  struct Row {
    const char* name;
    CraftedLeaf leaf;
    std::optional<CertificateFault> fault;
  };
  const std::vector<std::string> uri = {kOfficerUri};
  for (const Row& row : {
           Row{"good", {.uris = uri}, std::nullopt},
           Row{"good for clients only", {.uris = uri, .usage = "clientAuth"}, std::nullopt},
           Row{"P-384", {.uris = uri, .key = "secp384r1"}, std::nullopt},
           Row{"RSA of 2048 bits", {.uris = uri, .key = "rsa:2048"}, std::nullopt},
           Row{"of another authority", {.uris = uri, .other_ca = true}, CertificateFault::kUnknownAuthority},
           Row{"ended", {.uris = uri, .ends_in = -absl::Minutes(1)}, CertificateFault::kExpired},
           Row{"not begun", {.uris = uri, .begins_in = absl::Minutes(10)}, CertificateFault::kNotYetValid},
           Row{"a server's", {.uris = uri, .usage = "serverAuth"}, CertificateFault::kWrongUse},
           Row{"for signing code", {.uris = uri, .usage = "codeSigning"}, CertificateFault::kWrongUse},
           Row{"for no use", {.uris = uri, .usage = ""}, CertificateFault::kWrongUse},
           Row{"an authority's", {.uris = uri, .authority = true}, CertificateFault::kWrongUse},
           Row{"RSA of 1024 bits", {.uris = uri, .key = "rsa:1024"}, CertificateFault::kWeakKey},
           Row{"RSA of 2047 bits", {.uris = uri, .key = "rsa:2047"}, CertificateFault::kWeakKey},
           Row{"P-521", {.uris = uri, .key = "secp521r1"}, CertificateFault::kWeakKey},
           Row{"Ed25519", {.uris = uri, .key = "ed25519"}, CertificateFault::kWeakKey},
       }) {
    SCOPED_TRACE(row.name);
    RawClient client;
    ASSERT_NO_FATAL_FAILURE(client.Show(TestCerts::Get().Craft("caller", row.leaf)));
    const uint64_t before = RefusedInAll();
    const uint64_t of_fault = row.fault ? Refused(RefusedAt::kHandshake, *row.fault) : 0;
    EXPECT_EQ(client.Connects(port), !row.fault.has_value());
    EXPECT_EQ(RefusedInAll() - before, row.fault ? 1 : 0);
    if (row.fault) {
      EXPECT_EQ(Refused(RefusedAt::kHandshake, *row.fault) - of_fault, 1) << FaultName(*row.fault);
    }
  }

  // A good certificate that does not state one identity of this network connects, so that its holder can be told, and reaches nothing.
  for (const Row& row : {
           Row{"none", {}, CertificateFault::kNoUri},
           Row{"a DNS name alone", {.dns = "watch.example"}, CertificateFault::kNoUri},
           Row{"two", {.uris = {kOfficerUri, "spiffe://test.example/hq/analyst/desk"}}, CertificateFault::kSeveralUris},
           Row{"the same twice", {.uris = {kOfficerUri, kOfficerUri}}, CertificateFault::kSeveralUris},
           Row{"another network's", {.uris = {"spiffe://other.example/officer/apac/watch"}}, CertificateFault::kForeignNetwork},
           Row{"no SPIFFE id", {.uris = {"https://test.example/officer/apac/watch"}}, CertificateFault::kUnknownForm},
           Row{"of no known kind", {.uris = {"spiffe://test.example/admin/root"}}, CertificateFault::kUnknownForm},
       }) {
    SCOPED_TRACE(row.name);
    const uint64_t before = Refused(RefusedAt::kCall, *row.fault);
    const Client client(port, TestCerts::Get().Craft("caller", row.leaf));
    const absl::Status status = client.Call<v1::Country>("ReferenceService/GetCountry", v1::GetCountryRequest()).status();
    EXPECT_EQ(ReasonOf(status), "IDENTITY_MISSING") << status;
    EXPECT_EQ(MetadataOf(status, "cause"), FaultName(*row.fault));
    EXPECT_EQ(Refused(RefusedAt::kCall, *row.fault) - before, 1);
  }
}

// The other end: a node that dials judges the certificate that it is shown.
TEST_F(Matrix, OfPeers) {
  struct Row {
    const char* name;
    CraftedLeaf leaf;
    std::optional<CertificateFault> fault;
  };
  const std::vector<std::string> uri = {"spiffe://test.example/node/hq"};
  const std::string dns = "hq.node.test.example";
  for (const Row& row : {
           Row{"good", {.uris = uri, .dns = dns}, std::nullopt},
           Row{"of another authority", {.uris = uri, .dns = dns, .other_ca = true}, CertificateFault::kUnknownAuthority},
           Row{"ended", {.uris = uri, .ends_in = -absl::Minutes(1), .dns = dns}, CertificateFault::kExpired},
           Row{"a client's", {.uris = uri, .usage = "clientAuth", .dns = dns}, CertificateFault::kWrongUse},
           Row{"another site's", {.uris = {"spiffe://test.example/node/eame"}, .dns = dns}, CertificateFault::kOtherServer},
           Row{"another name's", {.uris = uri, .dns = "eame.node.test.example"}, CertificateFault::kOtherServer},
           Row{"an officer's", {.uris = {kOfficerUri}, .dns = dns}, CertificateFault::kOtherServer},
           Row{"another network's", {.uris = {"spiffe://other.example/node/hq"}, .dns = dns}, CertificateFault::kOtherServer},
           Row{"with no URI", {.dns = dns}, CertificateFault::kNoUri},
           Row{"with two", {.uris = {uri[0], kOfficerUri}, .dns = dns}, CertificateFault::kSeveralUris},
       }) {
    SCOPED_TRACE(row.name);
    const CredentialFiles files = TestCerts::Get().Craft("peer", row.leaf);
    const grpc::experimental::IdentityKeyCertPair pair = {FileText(files.key), FileText(files.certificate)};
    grpc::experimental::TlsServerCredentialsOptions options(
        std::make_shared<grpc::experimental::StaticDataCertificateProvider>(std::vector{pair}));
    options.watch_identity_key_cert_pairs();
    grpc::CallbackGenericService nothing;
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::experimental::TlsServerCredentials(options), &port);
    builder.RegisterCallbackGenericService(&nothing);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    ASSERT_NE(server, nullptr);

    const uint64_t before = RefusedInAll();
    const Client client(Dial(port, credentials_->ForPeer("hq")));
    const absl::Status status = client.Call<v1::Country>("ReferenceService/GetCountry", v1::GetCountryRequest()).status();
    EXPECT_EQ(status.code(), row.fault ? absl::StatusCode::kUnavailable : absl::StatusCode::kUnimplemented) << status;
    EXPECT_EQ(RefusedInAll() - before > 0, row.fault.has_value());
    if (row.fault) {
      EXPECT_GT(Refused(RefusedAt::kPeer, *row.fault), 0) << FaultName(*row.fault);
      EXPECT_THAT(std::string(status.message()), HasSubstr("refused")) << "the cause is told";
    }
    server->Shutdown(std::chrono::system_clock::now());
  }
}

uint64_t Failed(HandshakeFault fault) { return HandshakesFailed()[static_cast<size_t>(fault)]; }

TEST_F(CredentialsTest, WithoutTls13OrACertificateOrTlsThereIsNoConnection) {
  const CredentialFiles officer = Keep("officer", first_.Issue("officer/apac/watch"));
  RawClient good, old, bare;
  ASSERT_NO_FATAL_FAILURE(good.Show(officer));
  EXPECT_TRUE(good.Connects(server_->port()));

  // Without TLS 1.2 there is no renegotiation either (RFC 8446, 4.1.2).
  ASSERT_NO_FATAL_FAILURE(old.Show(officer));
  for (const int version : {TLS1_2_VERSION, TLS1_1_VERSION, TLS1_VERSION}) {
    const uint64_t before = Failed(HandshakeFault::kTlsVersion);
    old.SetVersionMax(version);
    EXPECT_FALSE(old.Connects(server_->port()));
    EXPECT_EQ(Failed(HandshakeFault::kTlsVersion) - before, 1) << version;
  }

  const uint64_t without = Failed(HandshakeFault::kNoCertificate);
  EXPECT_FALSE(bare.Connects(server_->port()));
  EXPECT_EQ(Failed(HandshakeFault::kNoCertificate) - without, 1);

  const uint64_t plain = Failed(HandshakeFault::kNotTls);
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new_connect(("127.0.0.1:" + std::to_string(server_->port())).c_str()),
                                                          BIO_free_all);
  ASSERT_EQ(BIO_do_connect(bio.get()), 1);
  EXPECT_GT(BIO_puts(bio.get(), "GET / HTTP/1.1\r\nHost: node\r\n\r\n"), 0);
  char byte = 0;
  while (BIO_read(bio.get(), &byte, 1) == 1) {
  }
  EXPECT_EQ(Failed(HandshakeFault::kNotTls) - plain, 1);
}

// --- Revocation --------------------------------------------------------------------------------------------------------------------

// Whether `condition` comes to hold.
template <class Condition>
bool Comes(Condition condition) {
  const absl::Time until = absl::Now() + kPatience;
  while (!condition() && absl::Now() < until) std::this_thread::yield();
  return condition();
}

TEST_F(CredentialsTest, ARevocationEndsStreamsCallsConnectionsAndSessions) {
  const Authority::Issued thief = first_.Issue("officer/apac/thief"), honest = first_.Issue("officer/apac/watch");
  const Client thiefs = As("thief", thief), honests = As("honest", honest);
  RawClient raw;
  ASSERT_NO_FATAL_FAILURE(raw.Show(Keep("thief", thief)));
  EXPECT_TRUE(raw.Connects(server_->port()));
  EXPECT_TRUE(raw.has_session());
  EXPECT_TRUE(raw.Connects(server_->port(), /*resume=*/true));
  EXPECT_TRUE(Get(thiefs).ok());
  grpc::ClientContext thiefs_context, honests_context;
  const auto stub = v1::RecordService::NewStub(thiefs.channel()), other = v1::RecordService::NewStub(honests.channel());
  const auto watch = stub->WatchRecords(&thiefs_context, {});
  const auto others_watch = other->WatchRecords(&honests_context, {});
  ASSERT_TRUE(Comes([&] { return watches_.load() == 2; }));

  Write("crl.pem", first_.List(2, {thief.serial}));
  EXPECT_TRUE(Look());
  dispatcher_->Reauthorize();
  v1::WatchRecordsResponse event;
  EXPECT_FALSE(watch->Read(&event));
  const absl::Status ended = FromGrpc(watch->Finish());
  EXPECT_THAT(ended, FailsWith("CERTIFICATE_REFUSED"));
  EXPECT_EQ(MetadataOf(ended, "cause"), "revoked");
  EXPECT_THAT(Get(thiefs), FailsWith("CERTIFICATE_REFUSED")) << "on the connection that was there";
  EXPECT_FALSE(raw.Connects(server_->port()));
  EXPECT_FALSE(raw.Connects(server_->port(), /*resume=*/true)) << "a session does not outlive its certificate";
  EXPECT_EQ(Refused(RefusedAt::kHandshake, CertificateFault::kRevoked), 2);
  EXPECT_GE(Refused(RefusedAt::kCall, CertificateFault::kRevoked), 2);

  EXPECT_TRUE(Get(honests).ok());
  dispatcher_->Reauthorize();
  honests_context.TryCancel();
  EXPECT_FALSE(others_watch->Read(&event));
  EXPECT_EQ(FromGrpc(others_watch->Finish()).code(), absl::StatusCode::kCancelled) << "it went on until its holder ended it";
}

TEST_F(CredentialsTest, ListsDoNotGoBack) {
  const Authority::Issued thief = first_.Issue("officer/apac/thief");
  const Client thiefs = As("thief", thief);
  EXPECT_TRUE(Get(thiefs).ok());
  Write("crl.pem", first_.List(2, {thief.serial}));
  EXPECT_TRUE(Look());
  for (const std::string& list : {first_.List(1), second_.List(9), std::string("none"), std::string()}) {
    Write("crl.pem", list);
    EXPECT_FALSE(Look());
    EXPECT_THAT(Get(thiefs), FailsWith("CERTIFICATE_REFUSED"));
  }
  EXPECT_EQ(credentials_->Figures().looks_failed, 4);
  std::filesystem::remove(folder_ / "crl.pem");
  EXPECT_FALSE(Look());
  Write("crl.pem", first_.List(3));
  EXPECT_TRUE(Look()) << "the next good one is taken up";
  EXPECT_TRUE(Get(thiefs).ok());
}

TEST_F(CredentialsTest, AStaleListCountsForItsGraceAndThenNoCertificateDoes) {
  const Authority::Issued officer = first_.Issue("officer/apac/watch");
  const absl::Time now = absl::Now();
  const auto trust = Trust::Parse(first_.root_pem(), first_.List(1, {}, -absl::Hours(1)), absl::Hours(2));
  ASSERT_TRUE(trust.ok()) << trust.status();
  EXPECT_TRUE(trust->Verify(officer.certificate, CertificateUse::kClient, now).ok());
  EXPECT_THAT(trust->Staleness(now), HasSubstr("is refused"));
  EXPECT_EQ(trust->Staleness(now - absl::Hours(2)), "");
  const absl::Status refused = trust->Verify(officer.certificate, CertificateUse::kClient, now + absl::Hours(1)).status();
  EXPECT_EQ(MetadataOf(refused, "cause"), "list_stale");
  // At the door, without any grace.
  auto strict = Credentials::Open({.files = files_, .network = kTestNetwork, .list_grace = absl::ZeroDuration()});
  ASSERT_TRUE(strict.ok()) << strict.status();
  Write("crl.pem", first_.List(2, {}, -absl::Seconds(1)));
  EXPECT_TRUE((*strict)->Look(now));
  EXPECT_LT((*strict)->Figures().list_next_update, now);
  Dispatcher dispatcher({.network = kTestNetwork, .authorize = [](const Identity&, std::string_view) { return absl::OkStatus(); }});
  const auto server = Server::Start({.address = "127.0.0.1:0", .credentials = strict->get()}, &dispatcher, {});
  ASSERT_TRUE(server.ok()) << server.status();
  RawClient client;
  ASSERT_NO_FATAL_FAILURE(client.Show(Keep("officer", officer)));
  EXPECT_FALSE(client.Connects((*server)->port()));
  Write("crl.pem", first_.List(3));
  EXPECT_TRUE((*strict)->Look(now));
  EXPECT_TRUE(client.Connects((*server)->port()));
}

TEST_F(CredentialsTest, ACertificateThatEndsEndsItsConnectionsCalls) {
  const Authority::Issued officer = first_.Issue("officer/apac/watch");
  const auto leaf = credentials_->trust()->Verify(officer.certificate, CertificateUse::kClient, absl::Now());
  ASSERT_TRUE(leaf.ok());
  EXPECT_TRUE(credentials_->trust()->Recheck(*leaf, leaf->not_after - absl::Seconds(1)).ok());
  EXPECT_EQ(MetadataOf(credentials_->trust()->Recheck(*leaf, leaf->not_after), "cause"), "expired");
}

// --- Rotation ----------------------------------------------------------------------------------------------------------------------

TEST_F(CredentialsTest, ANewCertificateIsShownAndConnectionsGoOn) {
  const Client connected = As("officer", first_.Issue("officer/apac/watch"));
  RawClient raw;
  ASSERT_NO_FATAL_FAILURE(raw.Show(Keep("raw", first_.Issue("officer/apac/raw"))));
  EXPECT_TRUE(raw.Connects(server_->port()));
  EXPECT_EQ(raw.shown(), node_.certificate);
  EXPECT_TRUE(Get(connected).ok());

  const Authority::Issued renewed = first_.Issue("node/apac");
  Write("tls.key", renewed.key);  // as `renew` writes them
  EXPECT_FALSE(Look()) << "the key has no certificate yet";
  Write("tls.crt", renewed.certificate);
  EXPECT_TRUE(Look());
  EXPECT_TRUE(Comes([&] { return raw.Connects(server_->port()) && raw.shown() == renewed.certificate; }));
  EXPECT_TRUE(Get(connected).ok());
  EXPECT_EQ(credentials_->Figures().changes, 1);
  EXPECT_EQ(credentials_->Figures().looks_failed, 1);
}

TEST_F(CredentialsTest, WhatIsNotThisNodesOwnIsNotTakenUp) {
  for (const Authority::Issued& wrong : {first_.Issue("node/eame"), second_.Issue("node/apac"), first_.Issue("officer/apac/watch")}) {
    Write("tls.crt", wrong.certificate);
    Write("tls.key", wrong.key);
    EXPECT_FALSE(Look());
  }
  EXPECT_EQ(credentials_->Figures().looks_failed, 3);
  RawClient raw;
  ASSERT_NO_FATAL_FAILURE(raw.Show(Keep("raw", first_.Issue("officer/apac/raw"))));
  EXPECT_TRUE(raw.Connects(server_->port()));
  EXPECT_EQ(raw.shown(), node_.certificate);
}

// A file at every stage of being written, by somebody who does not rename.
TEST_F(CredentialsTest, AHalfWrittenFileLeavesWhatIsInUse) {
  const Authority::Issued renewed = first_.Issue("node/apac");
  const auto write_in_place = [this](const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary | std::ios::trunc) << text;
  };
  struct Row {
    std::string name, before, after;
  };
  // Two roots: a file that ends after the first of them looks whole.
  Write("crl.pem", first_.List(2) + second_.List(1));
  Write("ca.crt", first_.root_pem() + second_.root_pem());
  EXPECT_TRUE(Look());
  for (const Row& row : {Row{"tls.crt", node_.certificate, renewed.certificate}, Row{"tls.key", node_.key, renewed.key},
                         Row{"ca.crt", first_.root_pem() + second_.root_pem(), second_.root_pem() + first_.root_pem()},
                         Row{"crl.pem", first_.List(2) + second_.List(1), first_.List(3) + second_.List(1)}}) {
    const std::shared_ptr<const Trust> trust = credentials_->trust();
    for (size_t bytes = 0; bytes + 1 < row.after.size(); ++bytes) {
      write_in_place(row.name, row.after.substr(0, bytes));
      ASSERT_FALSE(Look()) << row.name << " of " << bytes << " bytes";
    }
    EXPECT_EQ(credentials_->trust(), trust);
    write_in_place(row.name, row.before);
    Look();
  }
  RawClient raw;
  ASSERT_NO_FATAL_FAILURE(raw.Show(Keep("raw", second_.Issue("officer/apac/raw"))));
  EXPECT_TRUE(raw.Connects(server_->port()));
  EXPECT_EQ(raw.shown(), node_.certificate);
  // Whole at last.
  write_in_place("tls.key", renewed.key);
  write_in_place("tls.crt", renewed.certificate);
  EXPECT_TRUE(Look());
}

TEST_F(CredentialsTest, ARootSucceedsAnother) {
  const Client old_caller = As("old", first_.Issue("officer/apac/old"));
  const Client new_caller = As("new", second_.Issue("officer/apac/new"));
  // Both callers trust both, as they do once the second root is out.
  EXPECT_TRUE(Get(old_caller).ok());
  EXPECT_EQ(Get(new_caller).code(), absl::StatusCode::kUnavailable);

  // 1. Both are trusted: lists first, or the new root would be one without a list.
  Write("ca.crt", first_.root_pem() + second_.root_pem());
  EXPECT_FALSE(Look());
  Write("crl.pem", first_.List(1) + second_.List(1));
  EXPECT_TRUE(Look());
  EXPECT_TRUE(Get(old_caller).ok());
  EXPECT_TRUE(Comes([&] { return Get(As("new", second_.Issue("officer/apac/new"))).ok(); }));

  // 2. The node's certificate moves over.
  const Authority::Issued moved = second_.Issue("node/apac");
  Write("tls.key", moved.key);
  Write("tls.crt", moved.certificate);
  EXPECT_TRUE(Look());
  EXPECT_TRUE(Get(old_caller).ok()) << "connections go on";

  // 3. The first is no longer trusted; believed when it is seen twice.
  Write("ca.crt", second_.root_pem());
  EXPECT_FALSE(Look());
  EXPECT_TRUE(Look());
  const absl::Status refused = Get(old_caller);
  EXPECT_EQ(MetadataOf(refused, "cause"), "unknown_authority") << refused;
  EXPECT_TRUE(Comes([&] { return Get(As("new", second_.Issue("officer/apac/new"))).ok(); }));
}

TEST_F(CredentialsTest, APeerThatIsRevokedIsNoLongerTrusted) {
  Dispatcher nothing({.network = kTestNetwork});
  const Authority::Issued hq = first_.Issue("node/hq");
  CredentialFiles files = Keep("hq", hq);
  auto peer = Credentials::Open({.files = files, .network = kTestNetwork});
  ASSERT_TRUE(peer.ok()) << peer.status();
  const auto server = Server::Start({.address = "127.0.0.1:0", .credentials = peer->get()}, &nothing, {});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(credentials_->PeerTrusted("hq", absl::Now()).ok()) << "it has shown nothing";
  EXPECT_THAT(Get(Client(Dial((*server)->port(), credentials_->ForPeer("hq")))), FailsWith("METHOD_UNKNOWN"));
  EXPECT_TRUE(credentials_->PeerTrusted("hq", absl::Now()).ok());
  Write("crl.pem", first_.List(2, {hq.serial}));
  EXPECT_TRUE(Look());
  EXPECT_EQ(MetadataOf(credentials_->PeerTrusted("hq", absl::Now()), "cause"), "revoked");
  EXPECT_EQ(Get(Client(Dial((*server)->port(), credentials_->ForPeer("hq")))).code(), absl::StatusCode::kUnavailable);
  EXPECT_GT(Refused(RefusedAt::kPeer, CertificateFault::kRevoked), 0);
}

TEST_F(CredentialsTest, TheThreadLooksAndTells) {
  auto live = Credentials::Open({.files = files_, .network = kTestNetwork, .refresh = absl::Milliseconds(10)});
  ASSERT_TRUE(live.ok()) << live.status();
  std::atomic<int> looks{0};
  (*live)->Start([&looks] { ++looks; });
  Write("crl.pem", first_.List(7));
  EXPECT_TRUE(Comes([&] { return (*live)->trust()->roots()[0].list_number == 7; }));
  EXPECT_TRUE(Comes([&] { return looks.load() > 1; }));
  (*live)->Stop();
  const int last = looks.load();
  Write("crl.pem", first_.List(8));
  EXPECT_EQ((*live)->trust()->roots()[0].list_number, 7);
  EXPECT_EQ(looks.load(), last);
}

}  // namespace
}  // namespace fairlead::rpc
