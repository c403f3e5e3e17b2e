#include "server/rpc/credentials.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "api/errors.h"
#include "api/openssl_ptr.h"

namespace fairlead::rpc {
namespace {

constexpr unsigned kPairRefreshSeconds = 1;  // how often gRPC looks whether the pair has changed
constexpr size_t kCallersMax = 4096;         // certificates of callers that are kept parsed
constexpr std::string_view kPemCertificate = "x509_pem_cert";

using BioPtr = std::unique_ptr<BIO, OpensslFree<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, OpensslFree<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslFree<EVP_PKEY_free>>;

absl::Status Fault(const std::string& file, std::string_view what) {
  return absl::FailedPreconditionError(fmt::format("{}: {}", file, what));
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Fault(path, "cannot be read");
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

std::string ListFile(const CredentialFiles& files) {
  return files.crl.empty() ? (std::filesystem::path(files.ca).parent_path() / "crl.pem").string() : files.crl;
}

// A file that is still being written most often ends within a block.
bool EndsInBlock(const std::string& pem) {
  const size_t last = pem.find_last_not_of(" \t\r\n");
  if (last == std::string::npos) return false;
  const size_t line = pem.rfind('\n', last);
  return pem.compare(line == std::string::npos ? 0 : line + 1, 9, "-----END ") == 0 && pem.compare(last - 4, 5, "-----") == 0;
}

absl::StatusOr<Trust> ParseTrust(const CredentialFiles& files, const std::string& ca, const std::string& crl, absl::Duration grace) {
  if (!EndsInBlock(ca)) return Fault(files.ca, "does not end as a PEM file does");
  if (!EndsInBlock(crl)) return Fault(ListFile(files), "does not end as a PEM file does");
  // Roots first: a fault of theirs is not the lists'.
  if (const absl::StatusOr<Trust> roots = Trust::Parse(ca, std::nullopt, grace); !roots.ok()) {
    return Fault(files.ca, std::string(roots.status().message()));
  }
  absl::StatusOr<Trust> trust = Trust::Parse(ca, crl, grace);
  if (!trust.ok()) return Fault(ListFile(files), std::string(trust.status().message()));
  return trust;
}

// A certificate and its key, as PEM.
struct Pair {
  std::string certificate;
  std::string key;
  CertificateInfo info;
};

absl::StatusOr<Pair> CheckPair(const CredentialFiles& files, std::string certificate, std::string key, std::string_view network,
                               const Trust& trust, absl::Time now) {
  if (!EndsInBlock(certificate)) return Fault(files.certificate, "holds no certificate");
  const BioPtr certificate_bio(BIO_new_mem_buf(certificate.data(), static_cast<int>(certificate.size())));
  const X509Ptr x509(PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr));
  const BioPtr key_bio(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())));
  const KeyPtr private_key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  const bool matches = x509 != nullptr && private_key != nullptr && X509_check_private_key(x509.get(), private_key.get()) == 1;
  ERR_clear_error();
  if (x509 == nullptr) return Fault(files.certificate, "holds no certificate");
  if (private_key == nullptr) return Fault(files.key, "holds no private key");
  if (!matches) return Fault(files.key, "is not the key of " + files.certificate);
  if (EVP_PKEY_get_base_id(private_key.get()) != EVP_PKEY_EC) return Fault(files.key, "is not an ECDSA key");
  std::optional<Leaf> leaf;
  for (const CertificateUse use : {CertificateUse::kServer, CertificateUse::kClient}) {
    absl::StatusOr<Leaf> judged = trust.Verify(certificate, use, now);
    if (!judged.ok()) return Fault(files.certificate, std::string(judged.status().message()));
    leaf = *std::move(judged);
  }
  const absl::StatusOr<Identity> identity = IdentityOf(*leaf, network);
  if (!identity.ok()) return Fault(files.certificate, std::string(identity.status().message()));
  return Pair{std::move(certificate), std::move(key), {leaf->uris[0], leaf->not_after}};
}

struct Texts {
  std::string certificate, key, ca, crl;
};
absl::StatusOr<Texts> ReadAll(const CredentialFiles& files) {
  Texts texts;
  for (const auto& [path, text] : {std::pair(files.certificate, &texts.certificate), std::pair(files.key, &texts.key),
                                   std::pair(files.ca, &texts.ca), std::pair(ListFile(files), &texts.crl)}) {
    absl::StatusOr<std::string> bytes = ReadFile(path);
    if (!bytes.ok()) return bytes.status();
    *text = *std::move(bytes);
  }
  return texts;
}

struct Checked {
  Trust trust;
  Pair pair;
  Texts texts;
};
absl::StatusOr<Checked> ReadAndCheck(const CredentialFiles& files, std::string_view network, absl::Duration grace) {
  absl::StatusOr<Texts> texts = ReadAll(files);
  if (!texts.ok()) return texts.status();
  absl::StatusOr<Trust> trust = ParseTrust(files, texts->ca, texts->crl, grace);
  if (!trust.ok()) return trust.status();
  absl::StatusOr<Pair> pair = CheckPair(files, texts->certificate, texts->key, network, *trust, absl::Now());
  if (!pair.ok()) return pair.status();
  return Checked{*std::move(trust), *std::move(pair), *std::move(texts)};
}

}  // namespace

// What gRPC's verifiers share with the Credentials, and may outlive them with.
struct Credentials::Shared {
  std::string network;
  mutable absl::Mutex mu;
  std::shared_ptr<const Trust> trust ABSL_GUARDED_BY(mu);
  std::shared_ptr<const Pair> pair ABSL_GUARDED_BY(mu);
  // Callers' certificates by their PEM: parsed and verified once. Whether they still hold is asked of `trust` each time.
  struct Caller {
    Leaf leaf;
    Identity identity;
  };
  std::unordered_map<std::string, std::shared_ptr<const Caller>> callers ABSL_GUARDED_BY(mu);
  std::map<std::string, Leaf, std::less<>> peers ABSL_GUARDED_BY(mu);  // by site
  std::atomic<uint64_t> changes{0}, looks_failed{0};
  std::array<std::array<std::atomic<uint64_t>, kCertificateFaults>, kRefusedAt> refused{};

  std::shared_ptr<const Trust> CurrentTrust() const {
    absl::ReaderMutexLock lock(&mu);
    return trust;
  }
  std::shared_ptr<const Pair> CurrentPair() const {
    absl::ReaderMutexLock lock(&mu);
    return pair;
  }
  void Count(RefusedAt at, const absl::Status& status) {
    const std::string cause = MetadataOf(status, "cause");
    for (const CertificateFault fault : AllCertificateFaults()) {
      if (FaultName(fault) == cause) ++refused[static_cast<size_t>(at)][static_cast<size_t>(fault)];
    }
  }
};

// Certificate and key as one file in memory, for gRPC 1.51's file watcher, the only way to change what a running server shows. A version
// is a memory file of its own, put in the place of the one before in one step; the watcher reads again when the times of modification,
// which are all different, do not agree, so it never has the key of one version with the certificate of another. Nothing is on a disk.
class Credentials::PairFile {
 public:
  static absl::StatusOr<std::unique_ptr<PairFile>> Make(const Pair& pair) {
    std::unique_ptr<PairFile> file(new PairFile);
    if (absl::Status put = file->Put(pair); !put.ok()) return put;
    return file;
  }
  ~PairFile() {
    if (fd_ >= 0) close(fd_);
  }

  absl::Status Put(const Pair& pair) {
    const std::string bytes = pair.certificate + "\n" + pair.key;
    const int fd = memfd_create("fairlead-tls", MFD_CLOEXEC);
    const timespec time = {.tv_sec = ++version_, .tv_nsec = 0};
    const timespec times[] = {time, time};
    bool ok = fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
              futimens(fd, times) == 0;
    if (ok && fd_ >= 0) ok = dup3(fd, fd_, O_CLOEXEC) >= 0;
    const int cause = errno;
    if (!ok || fd_ >= 0) {
      if (fd >= 0) close(fd);
    } else {
      fd_ = fd;
    }
    return ok ? absl::OkStatus() : absl::InternalError(fmt::format("the certificate cannot be kept in memory: {}", std::strerror(cause)));
  }
  std::string path() const { return fmt::format("/proc/self/fd/{}", fd_); }

 private:
  PairFile() = default;
  int fd_ = -1;
  time_t version_ = 0;
};

absl::StatusOr<CertificateInfo> CheckCredentials(const CredentialFiles& files, std::string_view network) {
  absl::StatusOr<Checked> checked = ReadAndCheck(files, network, absl::ZeroDuration());
  if (!checked.ok()) return checked.status();
  return checked->pair.info;
}

absl::StatusOr<std::unique_ptr<Credentials>> Credentials::Open(CredentialOptions options) {
  absl::StatusOr<Checked> checked = ReadAndCheck(options.files, options.network, options.list_grace);
  if (!checked.ok()) return checked.status();
  absl::StatusOr<std::unique_ptr<PairFile>> file = PairFile::Make(checked->pair);
  if (!file.ok()) return file.status();
  auto shared = std::make_shared<Shared>();
  shared->network = options.network;
  {
    absl::MutexLock lock(&shared->mu);
    shared->trust = std::make_shared<const Trust>(std::move(checked->trust));
    shared->pair = std::make_shared<const Pair>(std::move(checked->pair));
  }
  std::unique_ptr<Credentials> credentials(new Credentials(std::move(options), std::move(shared), *std::move(file)));
  absl::MutexLock lock(&credentials->look_mu_);
  credentials->ca_text_ = std::move(checked->texts.ca);
  credentials->crl_text_ = std::move(checked->texts.crl);
  credentials->Warn(credentials->trust()->Staleness(absl::Now()), &credentials->warned_stale_);
  return credentials;
}

Credentials::Credentials(CredentialOptions options, std::shared_ptr<Shared> shared, std::unique_ptr<PairFile> pair_file)
    : options_(std::move(options)), shared_(std::move(shared)), pair_file_(std::move(pair_file)) {}

Credentials::~Credentials() { Stop(); }

void Credentials::Start(std::function<void()> on_look) {
  thread_ = std::thread([this, on_look = std::move(on_look)] {
    while (!stopping_.Await(options_.refresh)) {
      Look(absl::Now());
      on_look();
    }
  });
}

void Credentials::Stop() {
  stopping_.Set();
  if (thread_.joinable()) thread_.join();
}

// Tells a fault when it is new, not at every look.
void Credentials::Warn(const std::string& what, std::string* last) {
  if (what != *last && !what.empty()) spdlog::warn("credentials: {}", what);
  *last = what;
}

bool Credentials::Look(absl::Time now) {
  absl::MutexLock lock(&look_mu_);
  bool changed = false;
  const absl::Status trust_looked = LookAtTrust(&changed);
  const absl::Status pair_looked = LookAtPair(now, &changed);
  if (!trust_looked.ok() || !pair_looked.ok()) ++shared_->looks_failed;
  if (changed) ++shared_->changes;
  const auto kept = [](const absl::Status& status) {
    return status.ok() ? std::string() : fmt::format("{}; what was there before stays in use", std::string(status.message()));
  };
  Warn(kept(trust_looked), &warned_trust_);
  Warn(kept(pair_looked), &warned_pair_);
  Warn(trust()->Staleness(now), &warned_stale_);
  return changed;
}

absl::Status Credentials::LookAtTrust(bool* changed) {
  absl::StatusOr<std::string> ca = ReadFile(options_.files.ca);
  if (!ca.ok()) return ca.status();
  absl::StatusOr<std::string> crl = ReadFile(ListFile(options_.files));
  if (!crl.ok()) return crl.status();
  if (*ca == ca_text_ && *crl == crl_text_) return absl::OkStatus();
  absl::StatusOr<Trust> trust = ParseTrust(options_.files, *ca, *crl, options_.list_grace);
  if (!trust.ok()) return trust.status();
  if (const std::string rollback = trust->RollbackFrom(*shared_->CurrentTrust()); !rollback.empty()) {
    return Fault(ListFile(options_.files), rollback);
  }
  // A file cut off between two roots is whole to look at: that a root is gone is believed when it is seen twice.
  if (!trust->HasRootsOf(*shared_->CurrentTrust()) && *ca != seen_ca_text_) {
    seen_ca_text_ = *std::move(ca);
    return absl::OkStatus();
  }
  std::string lists;
  for (const Trust::Root& root : trust->roots()) {
    lists +=
        fmt::format("{}{} with list {} of {}", lists.empty() ? "" : ", ", root.key_id.substr(0, 8), root.list_number, root.revoked.size());
  }
  spdlog::info("credentials: roots {} taken up", lists);
  ca_text_ = *std::move(ca);
  crl_text_ = *std::move(crl);
  *changed = true;
  absl::MutexLock lock(&shared_->mu);
  shared_->trust = std::make_shared<const Trust>(*std::move(trust));
  return absl::OkStatus();
}

absl::Status Credentials::LookAtPair(absl::Time now, bool* changed) {
  absl::StatusOr<std::string> certificate = ReadFile(options_.files.certificate);
  if (!certificate.ok()) return certificate.status();
  absl::StatusOr<std::string> key = ReadFile(options_.files.key);
  if (!key.ok()) return key.status();
  const std::shared_ptr<const Pair> current = shared_->CurrentPair();
  const std::shared_ptr<const Trust> trust = shared_->CurrentTrust();
  if (*certificate == current->certificate && *key == current->key) {
    const absl::Status good = trust->Verify(*certificate, CertificateUse::kServer, now).status();
    return good.ok() ? good : Fault(options_.files.certificate, "others refuse it: " + std::string(good.message()));
  }
  absl::StatusOr<Pair> pair = CheckPair(options_.files, *std::move(certificate), *std::move(key), options_.network, *trust, now);
  if (!pair.ok()) return pair.status();
  if (pair->info.uri != current->info.uri) {
    return Fault(options_.files.certificate, fmt::format("is that of {}, not of {}", pair->info.uri, current->info.uri));
  }
  if (absl::Status put = pair_file_->Put(*pair); !put.ok()) return put;
  spdlog::info("credentials: certificate valid until {} taken up", absl::FormatTime(pair->info.not_after, absl::UTCTimeZone()));
  *changed = true;
  absl::MutexLock lock(&shared_->mu);
  shared_->pair = std::make_shared<const Pair>(*std::move(pair));
  return absl::OkStatus();
}

std::string Credentials::uri() const { return shared_->CurrentPair()->info.uri; }

std::shared_ptr<const Trust> Credentials::trust() const { return shared_->CurrentTrust(); }

CredentialFigures Credentials::Figures() const {
  CredentialFigures figures;
  figures.certificate_not_after = shared_->CurrentPair()->info.not_after;
  figures.root_not_after = figures.list_next_update = absl::InfiniteFuture();
  const std::shared_ptr<const Trust> trust = shared_->CurrentTrust();
  for (const Trust::Root& root : trust->roots()) {
    figures.root_not_after = std::min(figures.root_not_after, root.not_after);
    if (root.list_next_update) figures.list_next_update = std::min(figures.list_next_update, *root.list_next_update);
  }
  figures.changes = shared_->changes.load();
  figures.looks_failed = shared_->looks_failed.load();
  for (size_t at = 0; at < kRefusedAt; ++at) {
    for (size_t fault = 0; fault < kCertificateFaults; ++fault) figures.refused[at][fault] = shared_->refused[at][fault].load();
  }
  return figures;
}

std::shared_ptr<grpc::ServerCredentials> Credentials::ForServer() const {
  const std::string path = pair_file_->path();
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(path, path, kPairRefreshSeconds));
  options.watch_identity_key_cert_pairs();
  // Every client must show a certificate and hold its key; whether it is good, the verifier says.
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
  options.set_certificate_verifier(
      ClientVerifier([shared = shared_] { return shared->CurrentTrust(); },
                     // gRPC's watcher reads the file for as long as the verifier lives.
                     [shared = shared_, file = pair_file_](const std::string&, const absl::StatusOr<Leaf>& leaf) {
                       if (!leaf.ok()) shared->Count(RefusedAt::kHandshake, leaf.status());
                     }));
  return grpc::experimental::TlsServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> Credentials::ForPeer(std::string_view site) const {
  const std::shared_ptr<const Pair> pair = shared_->CurrentPair();
  return NodeChannelCredentials({.network = options_.network,
                                 .site = std::string(site),
                                 .certificate_pem = pair->certificate,
                                 .key_pem = pair->key,
                                 .trust = [shared = shared_] { return shared->CurrentTrust(); },
                                 .on_judged =
                                     [shared = shared_, site = std::string(site)](const std::string&, const absl::StatusOr<Leaf>& leaf) {
                                       if (!leaf.ok()) return shared->Count(RefusedAt::kPeer, leaf.status());
                                       absl::MutexLock lock(&shared->mu);
                                       shared->peers[site] = *leaf;
                                     }});
}

absl::Status Credentials::PeerTrusted(std::string_view site, absl::Time now) const {
  absl::ReaderMutexLock lock(&shared_->mu);
  const auto peer = shared_->peers.find(site);
  return peer == shared_->peers.end() ? absl::OkStatus() : shared_->trust->Recheck(peer->second, now);
}

absl::StatusOr<Identity> Credentials::Identify(const grpc::AuthContext& context, absl::Time now) const {
  const std::vector<grpc::string_ref> values = context.FindPropertyValues(std::string(kPemCertificate));
  if (values.size() != 1) return Error(Reason::kIdentityMissing, "a verified client certificate is required");
  const std::string pem(values[0].data(), values[0].size());
  std::shared_ptr<const Trust> trust;
  std::shared_ptr<const Shared::Caller> caller;
  {
    absl::ReaderMutexLock lock(&shared_->mu);
    trust = shared_->trust;
    if (const auto found = shared_->callers.find(pem); found != shared_->callers.end()) caller = found->second;
  }
  absl::Status status;
  if (caller != nullptr) {
    status = trust->Recheck(caller->leaf, now);
  } else {
    auto made = std::make_shared<Shared::Caller>();
    const absl::StatusOr<Leaf> leaf = trust->Verify(pem, CertificateUse::kClient, now);
    const absl::StatusOr<Identity> identity = leaf.ok() ? IdentityOf(*leaf, options_.network) : leaf.status();
    status = identity.status();
    if (status.ok()) {
      made->leaf = *leaf;
      made->identity = *identity;
      caller = made;
      absl::MutexLock lock(&shared_->mu);
      if (shared_->callers.size() >= kCallersMax) shared_->callers.clear();
      shared_->callers.emplace(pem, made);
    }
  }
  if (status.ok()) return caller->identity;
  shared_->Count(RefusedAt::kCall, status);
  return status;
}

}  // namespace fairlead::rpc
