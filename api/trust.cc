#include "api/trust.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "api/bytes.h"
#include "api/errors.h"
#include "api/openssl_ptr.h"

namespace fairlead {
namespace {

constexpr int kRsaBitsMin = 2048;
constexpr int kSecurityLevel = 2;  // OpenSSL's: 112 bits of the chain's signatures and of its authorities' keys
constexpr size_t kSerialDigits = 32;
constexpr int kChainMax = 4;  // certificates read of a chain: no root of this network signs an intermediate

using Bio = std::unique_ptr<BIO, OpensslFree<BIO_free>>;
using Certificate = std::unique_ptr<X509, OpensslFree<X509_free>>;
using Crl = std::unique_ptr<X509_CRL, OpensslFree<X509_CRL_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, OpensslFree<X509_STORE_CTX_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, OpensslFree<GENERAL_NAMES_free>>;
using Number = std::unique_ptr<ASN1_INTEGER, OpensslFree<ASN1_INTEGER_free>>;
using Bignum = std::unique_ptr<BIGNUM, OpensslFree<BN_free>>;
struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};

// Takes the thread's OpenSSL errors with it.
struct ErrorsCleared {
  ErrorsCleared() = default;
  ErrorsCleared(const ErrorsCleared&) = delete;
  ErrorsCleared& operator=(const ErrorsCleared&) = delete;
  ~ErrorsCleared() { ERR_clear_error(); }
};

struct Row {
  CertificateFault fault;
  std::string_view name;
};
constexpr std::array<Row, kCertificateFaults> kFaults = {{{CertificateFault::kMalformed, "malformed"},
                                                          {CertificateFault::kUnknownAuthority, "unknown_authority"},
                                                          {CertificateFault::kNotYetValid, "not_yet_valid"},
                                                          {CertificateFault::kExpired, "expired"},
                                                          {CertificateFault::kWrongUse, "wrong_use"},
                                                          {CertificateFault::kWeakKey, "weak_key"},
                                                          {CertificateFault::kRevoked, "revoked"},
                                                          {CertificateFault::kListStale, "list_stale"},
                                                          {CertificateFault::kNoUri, "no_uri"},
                                                          {CertificateFault::kSeveralUris, "several_uris"},
                                                          {CertificateFault::kForeignNetwork, "foreign_network"},
                                                          {CertificateFault::kUnknownForm, "unknown_form"},
                                                          {CertificateFault::kOtherServer, "other_server"}}};

constexpr bool InOrder() {
  for (size_t i = 0; i < kFaults.size(); ++i) {
    if (static_cast<size_t>(kFaults[i].fault) != i) return false;
  }
  return true;
}
static_assert(InOrder());

std::vector<Certificate> ReadCertificates(const std::string& pem, int max) {
  std::vector<Certificate> all;
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (max-- > 0) {
    Certificate one(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (one == nullptr) break;
    all.push_back(std::move(one));
  }
  return all;
}

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTimeT(timegm(&parts));
}

std::string HexOf(const ASN1_STRING* bytes) {
  if (bytes == nullptr) return "";
  return HexEncode({reinterpret_cast<const char*>(ASN1_STRING_get0_data(bytes)), static_cast<size_t>(ASN1_STRING_length(bytes))});
}

std::string SerialOf(const ASN1_INTEGER* serial) {
  const Bignum number(ASN1_INTEGER_to_BN(serial, nullptr));
  std::string bytes(static_cast<size_t>(BN_num_bytes(number.get())), '\0');
  BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(bytes.data()));
  std::string digits = HexEncode(bytes);
  if (digits.size() < kSerialDigits) digits.insert(0, kSerialDigits - digits.size(), '0');
  return digits;
}

// Empty when the key will do.
std::string Weakness(EVP_PKEY* key) {
  if (key == nullptr) return "its key cannot be read";
  const int bits = EVP_PKEY_get_bits(key);
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      return bits >= kRsaBitsMin ? "" : fmt::format("its RSA key has {} bits, fewer than {}", bits, kRsaBitsMin);
    case EVP_PKEY_EC: {
      std::array<char, 32> group{};
      size_t size = 0;
      if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) return "its curve has no name";
      const int nid = OBJ_sn2nid(group.data());
      if (nid == NID_X9_62_prime256v1 || nid == NID_secp384r1) return "";
      return fmt::format("its key is of the curve {}, not P-256 or P-384", group.data());
    }
    default:
      return "its key is neither ECDSA nor RSA";
  }
}

CertificateFault FaultOfChain(int error) {
  switch (error) {
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return CertificateFault::kNotYetValid;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return CertificateFault::kExpired;
    case X509_V_ERR_INVALID_PURPOSE:
    case X509_V_ERR_INVALID_CA:
      return CertificateFault::kWrongUse;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return CertificateFault::kWeakKey;
    default:
      return CertificateFault::kUnknownAuthority;
  }
}

// Empty when the leaf is an end entity's, for `use`. Stricter than OpenSSL's purposes, which take an absent extension for any use.
std::string WrongUse(X509* leaf, CertificateUse use) {
  const uint32_t flags = X509_get_extension_flags(leaf);
  if ((flags & EXFLAG_INVALID) != 0) return "its extensions cannot be read";
  if ((flags & EXFLAG_CA) != 0) return "it is an authority's";
  if ((flags & EXFLAG_KUSAGE) != 0 && (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0) return "its key may not sign a handshake";
  const bool client = use == CertificateUse::kClient;
  const uint32_t wanted = client ? XKU_SSL_CLIENT : XKU_SSL_SERVER;
  if ((flags & EXFLAG_XKUSAGE) == 0 || (X509_get_extended_key_usage(leaf) & wanted) == 0) {
    return fmt::format("its extended key usage lacks {}", client ? "clientAuth" : "serverAuth");
  }
  return "";
}

void ReadNames(X509* leaf, Leaf* out) {
  const Names names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    const auto* value = static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type));
    if (type != GEN_URI && type != GEN_DNS) continue;
    std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)), static_cast<size_t>(ASN1_STRING_length(value)));
    (type == GEN_URI ? out->uris : out->dns_names).push_back(std::move(text));
  }
}

std::string Short(const std::string& key_id) { return key_id.substr(0, 8); }

// Notes the list in the root that signed it, when there is one.
absl::Status TakeList(X509_CRL* list, const std::vector<Certificate>& certificates, std::vector<Trust::Root>* roots) {
  size_t signer = 0;
  while (signer < certificates.size() && X509_CRL_verify(list, X509_get0_pubkey(certificates[signer].get())) != 1) ++signer;
  if (signer == certificates.size()) return absl::OkStatus();
  Trust::Root& root = (*roots)[signer];
  uint64_t number = 0;
  const Number encoded(static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(list, NID_crl_number, nullptr, nullptr)));
  if (encoded == nullptr || ASN1_INTEGER_get_uint64(&number, encoded.get()) != 1) {
    return absl::InvalidArgumentError(fmt::format("the revocation list of root {} has no number", Short(root.key_id)));
  }
  if (X509_CRL_get0_nextUpdate(list) == nullptr) {
    return absl::InvalidArgumentError(fmt::format("the revocation list of root {} has no next update", Short(root.key_id)));
  }
  if (root.list_next_update.has_value() && root.list_number >= number) return absl::OkStatus();
  root.list_number = number;
  root.list_next_update = TimeOf(X509_CRL_get0_nextUpdate(list));
  root.revoked.clear();
  STACK_OF(X509_REVOKED)* const all = X509_CRL_get_REVOKED(list);
  for (int i = 0; i < sk_X509_REVOKED_num(all); ++i) {
    root.revoked.insert(SerialOf(X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(all, i))));
  }
  return absl::OkStatus();
}

absl::Status TakeLists(const std::string& pem, const std::vector<Certificate>& certificates, std::vector<Trust::Root>* roots) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  for (;;) {
    const Crl list(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr));
    if (list == nullptr) break;
    if (absl::Status taken = TakeList(list.get(), certificates, roots); !taken.ok()) return taken;
  }
  // The end of the file is the only reason to stop: a list that is cut off would else be taken for none.
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) return absl::InvalidArgumentError("a revocation list cannot be read");
  for (const Trust::Root& root : *roots) {
    if (!root.list_next_update.has_value()) {
      return absl::InvalidArgumentError(fmt::format("there is no revocation list of root {}", Short(root.key_id)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view FaultName(CertificateFault fault) { return kFaults[static_cast<size_t>(fault)].name; }

const std::array<CertificateFault, kCertificateFaults>& AllCertificateFaults() {
  static const auto all = [] {
    std::array<CertificateFault, kCertificateFaults> faults{};
    for (size_t i = 0; i < faults.size(); ++i) faults[i] = kFaults[i].fault;
    return faults;
  }();
  return all;
}

absl::Status CertificateRefused(CertificateFault fault, const std::string& why) {
  return Error(Reason::kCertificateRefused, fmt::format("the certificate is refused: {}", why), {{"cause", std::string(FaultName(fault))}});
}

absl::StatusOr<Trust> Trust::Parse(const std::string& roots_pem, const std::optional<std::string>& lists_pem, absl::Duration grace) {
  const ErrorsCleared cleared;
  Trust trust;
  trust.grace_ = grace;
  trust.store_ = {X509_STORE_new(), X509_STORE_free};
  const std::vector<Certificate> certificates = ReadCertificates(roots_pem, INT32_MAX);
  if (certificates.empty()) return absl::InvalidArgumentError("holds no certificate");
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) return absl::InvalidArgumentError("a certificate cannot be read");
  for (const Certificate& certificate : certificates) {
    const uint32_t flags = X509_get_extension_flags(certificate.get());
    if ((flags & EXFLAG_CA) == 0 || (flags & EXFLAG_SS) == 0) {
      return absl::InvalidArgumentError("holds a certificate that is not a root: self-signed, and an authority's");
    }
    if (const std::string weakness = Weakness(X509_get0_pubkey(certificate.get())); !weakness.empty()) {
      return absl::InvalidArgumentError(fmt::format("holds a root that is too weak: {}", weakness));
    }
    Root root;
    root.key_id = HexOf(X509_get0_subject_key_id(certificate.get()));
    if (root.key_id.empty()) return absl::InvalidArgumentError("holds a root without a subject key identifier");
    root.not_after = TimeOf(X509_get0_notAfter(certificate.get()));
    trust.roots_.push_back(std::move(root));
    X509_STORE_add_cert(trust.store_.get(), certificate.get());
  }
  ERR_clear_error();
  if (lists_pem.has_value()) {
    if (absl::Status taken = TakeLists(*lists_pem, certificates, &trust.roots_); !taken.ok()) return taken;
  }
  return trust;
}

absl::StatusOr<Leaf> Trust::Verify(const std::string& chain_pem, CertificateUse use, absl::Time now) const {
  const ErrorsCleared cleared;
  const std::vector<Certificate> chain = ReadCertificates(chain_pem, kChainMax);
  if (chain.empty()) return CertificateRefused(CertificateFault::kMalformed, "it cannot be read");
  X509* const certificate = chain[0].get();
  if (const std::string weakness = Weakness(X509_get0_pubkey(certificate)); !weakness.empty()) {
    return CertificateRefused(CertificateFault::kWeakKey, weakness);
  }
  const std::unique_ptr<STACK_OF(X509), FreeStack> between(sk_X509_new_null());
  for (size_t i = 1; i < chain.size(); ++i) sk_X509_push(between.get(), chain[i].get());
  const StoreContext context(X509_STORE_CTX_new());
  if (X509_STORE_CTX_init(context.get(), store_.get(), certificate, between.get()) != 1) {
    return absl::InternalError("the certificate cannot be verified");
  }
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, absl::ToTimeT(now));
  X509_VERIFY_PARAM_set_auth_level(parameters, kSecurityLevel);
  if (X509_verify_cert(context.get()) != 1) {
    const int error = X509_STORE_CTX_get_error(context.get());
    return CertificateRefused(FaultOfChain(error), X509_verify_cert_error_string(error));
  }
  if (const std::string wrong = WrongUse(certificate, use); !wrong.empty()) return CertificateRefused(CertificateFault::kWrongUse, wrong);

  STACK_OF(X509)* const verified = X509_STORE_CTX_get0_chain(context.get());
  X509* const root = sk_X509_value(verified, sk_X509_num(verified) - 1);
  Leaf leaf;
  leaf.serial = SerialOf(X509_get0_serialNumber(certificate));
  leaf.root_key_id = HexOf(X509_get0_subject_key_id(root));
  leaf.not_after = TimeOf(X509_get0_notAfter(certificate));
  ReadNames(certificate, &leaf);
  if (absl::Status good = Recheck(leaf, now); !good.ok()) return good;
  return leaf;
}

absl::Status Trust::Recheck(const Leaf& leaf, absl::Time now) const {
  const auto root = std::find_if(roots_.begin(), roots_.end(), [&](const Root& r) { return r.key_id == leaf.root_key_id; });
  if (root == roots_.end()) return CertificateRefused(CertificateFault::kUnknownAuthority, "its root is no longer trusted");
  if (now >= leaf.not_after || now >= root->not_after) return CertificateRefused(CertificateFault::kExpired, "it has expired");
  if (!root->list_next_update.has_value()) return absl::OkStatus();
  if (root->revoked.contains(leaf.serial)) return CertificateRefused(CertificateFault::kRevoked, "it is revoked");
  if (now >= *root->list_next_update + grace_) {
    return CertificateRefused(CertificateFault::kListStale, "the revocation list that would tell whether it is revoked is stale");
  }
  return absl::OkStatus();
}

bool Trust::HasRootsOf(const Trust& other) const {
  return std::all_of(other.roots_.begin(), other.roots_.end(), [this](const Root& root) {
    return std::any_of(roots_.begin(), roots_.end(), [&root](const Root& own) { return own.key_id == root.key_id; });
  });
}

std::string Trust::Staleness(absl::Time now) const {
  for (const Root& root : roots_) {
    if (!root.list_next_update.has_value() || now < *root.list_next_update) continue;
    const absl::Time refused = *root.list_next_update + grace_;
    const std::string when = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", refused, absl::UTCTimeZone());
    return fmt::format("the revocation list of root {} was due to be signed anew at {}; {}", Short(root.key_id),
                       absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", *root.list_next_update, absl::UTCTimeZone()),
                       now < refused ? fmt::format("from {} every certificate of that root is refused", when)
                                     : fmt::format("since {} every certificate of that root is refused", when));
  }
  return "";
}

std::string Trust::RollbackFrom(const Trust& earlier) const {
  for (const Root& before : earlier.roots_) {
    for (const Root& after : roots_) {
      if (after.key_id != before.key_id || after.list_number >= before.list_number) continue;
      return fmt::format("the revocation list of root {} has number {}, older than {}, which is in use", Short(after.key_id),
                         after.list_number, before.list_number);
    }
  }
  return "";
}

}  // namespace fairlead
