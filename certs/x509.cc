#include "certs/x509.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_join.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <utility>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/openssl_ptr.h"

namespace fairlead::certs {
namespace {

constexpr int kSerialBits = 128;
constexpr size_t kSerialDigits = kSerialBits / 4;
constexpr std::string_view kCurve = "P-256";

using Bio = std::unique_ptr<BIO, OpensslFree<BIO_free_all>>;
using Bignum = std::unique_ptr<BIGNUM, OpensslFree<BN_free>>;
using Asn1Integer = std::unique_ptr<ASN1_INTEGER, OpensslFree<ASN1_INTEGER_free>>;
using Asn1Enumerated = std::unique_ptr<ASN1_ENUMERATED, OpensslFree<ASN1_ENUMERATED_free>>;
using Asn1Time = std::unique_ptr<ASN1_TIME, OpensslFree<ASN1_TIME_free>>;
using Request = std::unique_ptr<X509_REQ, OpensslFree<X509_REQ_free>>;
using Crl = std::unique_ptr<X509_CRL, OpensslFree<X509_CRL_free>>;
using Revoked = std::unique_ptr<X509_REVOKED, OpensslFree<X509_REVOKED_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, OpensslFree<X509_EXTENSION_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, OpensslFree<GENERAL_NAMES_free>>;
using Usages = std::unique_ptr<EXTENDED_KEY_USAGE, OpensslFree<EXTENDED_KEY_USAGE_free>>;

// Takes the thread's OpenSSL errors with it.
absl::Status OpensslError(absl::StatusCode code, std::string_view doing) {
  std::string message = fmt::format("cannot {}", doing);
  while (const unsigned long error = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(error);
    message += fmt::format(": {}", reason != nullptr ? reason : "unknown OpenSSL error");
  }
  return absl::Status(code, message);
}
absl::Status Failed(std::string_view doing) { return OpensslError(absl::StatusCode::kInternal, doing); }
absl::Status Malformed(std::string_view doing) { return OpensslError(absl::StatusCode::kInvalidArgument, doing); }

Bio ReadBio(std::string_view bytes) { return Bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()))); }

std::string Contents(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

// Refuses to ask a terminal for the passphrase of an encrypted key.
int NoPassphrase(char*, int, int, void*) { return -1; }

bool IsP256(const Key& key) {
  std::array<char, 32> group{};
  size_t size = 0;
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_EC || EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), &size) != 1) {
    return false;
  }
  return OBJ_sn2nid(group.data()) == NID_X9_62_prime256v1;
}

std::string HexOf(const ASN1_STRING* bytes) {
  if (bytes == nullptr) return "";
  return HexEncode({reinterpret_cast<const char*>(ASN1_STRING_get0_data(bytes)), static_cast<size_t>(ASN1_STRING_length(bytes))});
}

std::string SerialOf(const ASN1_INTEGER* serial) {
  Bignum number(ASN1_INTEGER_to_BN(serial, nullptr));
  char* hex = BN_bn2hex(number.get());
  std::string digits = absl::AsciiStrToLower(hex);
  OPENSSL_free(hex);
  if (digits.size() < kSerialDigits) digits.insert(0, kSerialDigits - digits.size(), '0');
  return digits;
}

absl::StatusOr<Asn1Integer> SerialFrom(const std::string& hex) {
  BIGNUM* raw = nullptr;
  const int digits = BN_hex2bn(&raw, hex.c_str());
  Bignum number(raw);
  if (digits <= 0 || static_cast<size_t>(digits) != hex.size()) {
    return absl::InvalidArgumentError(fmt::format("serial \"{}\" is not hexadecimal", hex));
  }
  Asn1Integer serial(BN_to_ASN1_INTEGER(number.get(), nullptr));
  if (serial == nullptr) return Failed("encode a serial number");
  return serial;
}

absl::StatusOr<absl::Time> TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return Malformed("read a time");
  return absl::FromTimeT(timegm(&parts));
}

std::string NameOf(const X509_NAME* name) {
  Bio bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_SEP_COMMA_PLUS);
  return Contents(bio);
}

bool AddToName(X509_NAME* name, int nid, std::string_view value) {
  return X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

absl::Status AddExtension(X509* certificate, const Certificate& issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer ? issuer.get() : certificate, certificate, nullptr, nullptr, 0);
  Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (extension == nullptr || X509_add_ext(certificate, extension.get(), -1) != 1) {
    return Failed(fmt::format("add {} \"{}\"", OBJ_nid2sn(nid), value));
  }
  return absl::OkStatus();
}

// Everything but subject and extensions.
absl::StatusOr<Certificate> StartCertificate(const Key& public_key, const Validity& validity) {
  if (validity.not_before >= validity.not_after) {
    return absl::InvalidArgumentError(
        fmt::format("validity of {} to {} is empty", FormatUtc(validity.not_before), FormatUtc(validity.not_after)));
  }
  Certificate certificate(X509_new(), X509_free);
  Bignum serial(BN_new());
  // Zero is not a serial number (RFC 5280, 4.1.2.2).
  do {
    if (BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) != 1) return Failed("draw a serial number");
  } while (BN_is_zero(serial.get()));
  const bool ok = X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
                  BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate.get())) != nullptr &&
                  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(validity.not_before)) != nullptr &&
                  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(validity.not_after)) != nullptr &&
                  X509_set_pubkey(certificate.get(), public_key.get()) == 1;
  if (!ok) return Failed("start a certificate");
  return certificate;
}

}  // namespace

std::string FormatUtc(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); }

absl::StatusOr<Key> GenerateKey() {
  Key key(EVP_EC_gen(kCurve.data()), EVP_PKEY_free);
  if (key == nullptr) return Failed("generate a P-256 key");
  return key;
}

absl::StatusOr<std::string> KeyToPem(const Key& key) {
  Bio bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) return Failed("write a key");
  return Contents(bio);
}

absl::StatusOr<Key> KeyFromPem(std::string_view pem) {
  Key key(PEM_read_bio_PrivateKey(ReadBio(pem).get(), nullptr, NoPassphrase, nullptr), EVP_PKEY_free);
  if (key == nullptr) return Malformed("read a private key");
  if (!IsP256(key)) return absl::InvalidArgumentError("the private key is not of the curve P-256");
  return key;
}

absl::StatusOr<Key> KeyOfRequest(std::string_view pem) {
  Request request(PEM_read_bio_X509_REQ(ReadBio(pem).get(), nullptr, NoPassphrase, nullptr));
  if (request == nullptr) return Malformed("read a certificate request");
  Key key(X509_REQ_get_pubkey(request.get()), EVP_PKEY_free);
  if (key == nullptr || !IsP256(key)) return absl::InvalidArgumentError("the request's key is not of the curve P-256");
  if (X509_REQ_verify(request.get(), key.get()) != 1) return Malformed("verify the request's signature");
  return key;
}

absl::StatusOr<std::string> CertificateToPem(const Certificate& certificate) {
  Bio bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(bio.get(), certificate.get()) != 1) return Failed("write a certificate");
  return Contents(bio);
}

absl::StatusOr<Certificate> CertificateFromPem(std::string_view pem) {
  Certificate certificate(PEM_read_bio_X509(ReadBio(pem).get(), nullptr, NoPassphrase, nullptr), X509_free);
  if (certificate == nullptr) return Malformed("read a certificate");
  return certificate;
}

absl::StatusOr<std::vector<Certificate>> CertificatesFromPem(std::string_view pem) {
  std::vector<Certificate> all;
  const Bio bio = ReadBio(pem);
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)) all.emplace_back(one, X509_free);
  if (all.empty() || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) return Malformed("read a certificate");
  ERR_clear_error();
  return all;
}

bool KeyMatches(const Key& key, const Certificate& certificate) {
  const bool matches = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();  // a mismatch leaves one
  return matches;
}

Key PublicKeyOf(const Certificate& certificate) { return Key(X509_get_pubkey(certificate.get()), EVP_PKEY_free); }

absl::StatusOr<Certificate> MakeRoot(std::string_view network, const Key& key, const Validity& validity) {
  if (absl::Status status = CheckNetworkName(network); !status.ok()) return status;
  absl::StatusOr<Certificate> root = StartCertificate(key, validity);
  if (!root.ok()) return root;
  X509* certificate = root->get();
  X509_NAME* name = X509_get_subject_name(certificate);
  if (!AddToName(name, NID_organizationName, network) || !AddToName(name, NID_commonName, "root") ||
      X509_set_issuer_name(certificate, name) != 1) {
    return Failed("name the root certificate");
  }
  // The authority's key id is copied from the subject's, so that one comes first.
  const std::pair<int, const char*> extensions[] = {
      {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
      {NID_key_usage, "critical,keyCertSign,cRLSign"},
      {NID_subject_key_identifier, "hash"},
      {NID_authority_key_identifier, "keyid:always"},
  };
  for (const auto& [nid, value] : extensions) {
    if (absl::Status status = AddExtension(certificate, nullptr, nid, value); !status.ok()) return status;
  }
  if (X509_sign(certificate, key.get(), EVP_sha256()) == 0) return Failed("sign the root certificate");
  return root;
}

absl::StatusOr<Certificate> MakeLeaf(const LeafOptions& options, const Key& public_key, const Certificate& root, const Key& root_key) {
  const Identity& identity = options.identity;
  if (options.loopback && !identity.profile().serves) {
    return absl::InvalidArgumentError(fmt::format("{}: only a certificate that serves carries loopback names", identity.ToString()));
  }
  absl::StatusOr<absl::Time> root_start = TimeOf(X509_get0_notBefore(root.get()));
  if (!root_start.ok()) return root_start.status();
  absl::StatusOr<absl::Time> root_end = TimeOf(X509_get0_notAfter(root.get()));
  if (!root_end.ok()) return root_end.status();
  if (options.validity.not_before < *root_start || options.validity.not_after > *root_end) {
    return absl::InvalidArgumentError(fmt::format("{}: validity does not lie within the root's, {} to {}", identity.ToString(),
                                                  FormatUtc(*root_start), FormatUtc(*root_end)));
  }
  absl::StatusOr<Certificate> leaf = StartCertificate(public_key, options.validity);
  if (!leaf.ok()) return leaf;
  X509* certificate = leaf->get();

  // For people only: the identity is the URI.
  X509_NAME* name = X509_get_subject_name(certificate);
  bool named = AddToName(name, NID_organizationName, options.network);
  const std::vector<std::string>& parts = identity.parts();
  for (size_t i = 0; i < parts.size(); ++i) {
    named = named && AddToName(name, i + 1 < parts.size() ? NID_organizationalUnitName : NID_commonName, parts[i]);
  }
  if (!named || X509_set_issuer_name(certificate, X509_get_subject_name(root.get())) != 1) {
    return Failed(fmt::format("name the certificate of {}", identity.ToString()));
  }

  std::vector<std::string> alternatives = {fmt::format("URI:{}", identity.Uri(options.network))};
  if (identity.profile().serves) alternatives.push_back(fmt::format("DNS:{}", identity.DnsName(options.network)));
  if (options.loopback) alternatives.insert(alternatives.end(), {"DNS:localhost", "IP:127.0.0.1"});
  const std::pair<int, std::string> extensions[] = {
      {NID_basic_constraints, "critical,CA:FALSE"},
      {NID_key_usage, "critical,digitalSignature"},
      {NID_ext_key_usage, identity.profile().serves ? "serverAuth,clientAuth" : "clientAuth"},
      {NID_subject_key_identifier, "hash"},
      {NID_authority_key_identifier, "keyid:always"},
      {NID_subject_alt_name, absl::StrJoin(alternatives, ",")},
  };
  for (const auto& [nid, value] : extensions) {
    if (absl::Status status = AddExtension(certificate, root, nid, value); !status.ok()) return status;
  }
  if (X509_sign(certificate, root_key.get(), EVP_sha256()) == 0) return Failed(fmt::format("sign for {}", identity.ToString()));
  return leaf;
}

absl::StatusOr<CertificateFields> ReadFields(const Certificate& certificate) {
  X509* x = certificate.get();
  CertificateFields fields;
  fields.serial = SerialOf(X509_get0_serialNumber(x));
  fields.subject = NameOf(X509_get_subject_name(x));
  fields.issuer = NameOf(X509_get_issuer_name(x));
  absl::StatusOr<absl::Time> not_before = TimeOf(X509_get0_notBefore(x));
  if (!not_before.ok()) return not_before.status();
  absl::StatusOr<absl::Time> not_after = TimeOf(X509_get0_notAfter(x));
  if (!not_after.ok()) return not_after.status();
  fields.validity = {*not_before, *not_after};

  const uint32_t flags = X509_get_extension_flags(x);
  if ((flags & EXFLAG_INVALID) != 0) return Malformed("read the certificate's extensions");
  fields.is_ca = (flags & EXFLAG_CA) != 0;
  if (const long length = X509_get_pathlen(x); length >= 0) fields.path_length = length;
  if ((flags & EXFLAG_KUSAGE) != 0) {
    static constexpr std::pair<uint32_t, std::string_view> kKeyUsages[] = {
        {KU_DIGITAL_SIGNATURE, "digitalSignature"},
        {KU_NON_REPUDIATION, "nonRepudiation"},
        {KU_KEY_ENCIPHERMENT, "keyEncipherment"},
        {KU_DATA_ENCIPHERMENT, "dataEncipherment"},
        {KU_KEY_AGREEMENT, "keyAgreement"},
        {KU_KEY_CERT_SIGN, "keyCertSign"},
        {KU_CRL_SIGN, "cRLSign"},
    };
    const uint32_t usage = X509_get_key_usage(x);
    for (const auto& [bit, text] : kKeyUsages) {
      if ((usage & bit) != 0) fields.key_usages.emplace_back(text);
    }
  }
  if (Usages usages(static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(x, NID_ext_key_usage, nullptr, nullptr))); usages != nullptr) {
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages.get()); ++i) {
      fields.extended_key_usages.emplace_back(OBJ_nid2sn(OBJ_obj2nid(sk_ASN1_OBJECT_value(usages.get(), i))));
    }
  }
  if (Names names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x, NID_subject_alt_name, nullptr, nullptr))); names != nullptr) {
    for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
      int type = 0;
      const auto* value = static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type));
      const std::string bytes(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)), static_cast<size_t>(ASN1_STRING_length(value)));
      if (type == GEN_URI) fields.uris.push_back(bytes);
      if (type == GEN_DNS) fields.dns_names.push_back(bytes);
      if (type == GEN_IPADD) {
        std::array<char, INET6_ADDRSTRLEN> text{};
        const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
        if ((bytes.size() != 4 && bytes.size() != 16) || inet_ntop(family, bytes.data(), text.data(), text.size()) == nullptr) {
          return absl::InvalidArgumentError("an IP address in the certificate is malformed");
        }
        fields.addresses.emplace_back(text.data());
      }
    }
  }
  fields.subject_key_id = HexOf(X509_get0_subject_key_id(x));
  fields.authority_key_id = HexOf(X509_get0_authority_key_id(x));
  const Key key = PublicKeyOf(certificate);
  if (key == nullptr) return Malformed("read the certificate's key");
  fields.key_type = IsP256(key) ? std::string(kCurve) : OBJ_nid2sn(EVP_PKEY_get_base_id(key.get()));
  fields.signature = OBJ_nid2sn(X509_get_signature_nid(x));
  return fields;
}

namespace {

constexpr std::pair<RevocationReason, std::string_view> kReasons[] = {
    {RevocationReason::kUnspecified, "unspecified"},
    {RevocationReason::kKeyCompromise, "keyCompromise"},
    {RevocationReason::kAffiliationChanged, "affiliationChanged"},
    {RevocationReason::kSuperseded, "superseded"},
    {RevocationReason::kCessationOfOperation, "cessationOfOperation"},
};

absl::Status AddRevoked(X509_CRL* crl, const Revocation& revocation) {
  absl::StatusOr<Asn1Integer> serial = SerialFrom(revocation.serial);
  if (!serial.ok()) return serial.status();
  Revoked revoked(X509_REVOKED_new());
  Asn1Time time(ASN1_TIME_set(nullptr, absl::ToTimeT(revocation.time)));
  bool ok = time != nullptr && X509_REVOKED_set_serialNumber(revoked.get(), serial->get()) == 1 &&
            X509_REVOKED_set_revocationDate(revoked.get(), time.get()) == 1;
  // RFC 5280, 5.3.1: absent rather than "unspecified".
  if (ok && revocation.reason != RevocationReason::kUnspecified) {
    Asn1Enumerated reason(ASN1_ENUMERATED_new());
    ok = ASN1_ENUMERATED_set(reason.get(), static_cast<long>(revocation.reason)) == 1 &&
         X509_REVOKED_add1_ext_i2d(revoked.get(), NID_crl_reason, reason.get(), 0, 0) == 1;
  }
  if (!ok || X509_CRL_add0_revoked(crl, revoked.get()) != 1) return Failed(fmt::format("list serial {} as revoked", revocation.serial));
  (void)revoked.release();  // the list owns it now
  return absl::OkStatus();
}

absl::StatusOr<Revocation> ReadRevoked(X509_REVOKED* revoked) {
  absl::StatusOr<absl::Time> time = TimeOf(X509_REVOKED_get0_revocationDate(revoked));
  if (!time.ok()) return time.status();
  Revocation revocation{SerialOf(X509_REVOKED_get0_serialNumber(revoked)), *time};
  Asn1Enumerated reason(static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(revoked, NID_crl_reason, nullptr, nullptr)));
  if (reason != nullptr) revocation.reason = static_cast<RevocationReason>(ASN1_ENUMERATED_get(reason.get()));
  return revocation;
}

}  // namespace

std::string_view RevocationReasonName(RevocationReason reason) {
  for (const auto& [value, name] : kReasons) {
    if (value == reason) return name;
  }
  return "unspecified";
}

absl::StatusOr<RevocationReason> RevocationReasonFromName(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& [value, text] : kReasons) {
    if (text == name) return value;
    names.emplace_back(text);
  }
  return absl::InvalidArgumentError(fmt::format("reason \"{}\": it is one of {}", name, absl::StrJoin(names, ", ")));
}

absl::StatusOr<std::string> MakeRevocationList(const RevocationList& list, const Certificate& root, const Key& root_key) {
  Crl crl(X509_CRL_new());
  Asn1Time this_update(ASN1_TIME_set(nullptr, absl::ToTimeT(list.this_update)));
  Asn1Time next_update(ASN1_TIME_set(nullptr, absl::ToTimeT(list.next_update)));
  Asn1Integer number(ASN1_INTEGER_new());
  const bool started =
      this_update != nullptr && next_update != nullptr && X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2) == 1 &&
      X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(root.get())) == 1 &&
      X509_CRL_set1_lastUpdate(crl.get(), this_update.get()) == 1 && X509_CRL_set1_nextUpdate(crl.get(), next_update.get()) == 1 &&
      ASN1_INTEGER_set_uint64(number.get(), list.number) == 1 && X509_CRL_add1_ext_i2d(crl.get(), NID_crl_number, number.get(), 0, 0) == 1;
  if (!started) return Failed("start a revocation list");
  X509V3_CTX context;
  X509V3_set_ctx(&context, root.get(), nullptr, nullptr, crl.get(), 0);
  Extension authority(X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always"));
  if (authority == nullptr || X509_CRL_add_ext(crl.get(), authority.get(), -1) != 1) return Failed("name the revocation list's key");
  for (const Revocation& revocation : list.revoked) {
    if (absl::Status status = AddRevoked(crl.get(), revocation); !status.ok()) return status;
  }
  if (X509_CRL_sort(crl.get()) != 1 || X509_CRL_sign(crl.get(), root_key.get(), EVP_sha256()) == 0) {
    return Failed("sign the revocation list");
  }
  Bio bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509_CRL(bio.get(), crl.get()) != 1) return Failed("write the revocation list");
  return Contents(bio);
}

absl::StatusOr<RevocationList> ReadRevocationList(std::string_view pem, const Certificate& root) {
  const Bio bio = ReadBio(pem);
  Crl crl(PEM_read_bio_X509_CRL(bio.get(), nullptr, NoPassphrase, nullptr));
  if (crl == nullptr) return Malformed("read a revocation list");
  while (X509_CRL_verify(crl.get(), PublicKeyOf(root).get()) != 1) {
    absl::Status failed = OpensslError(absl::StatusCode::kUnauthenticated, "verify the revocation list under the root");
    crl.reset(PEM_read_bio_X509_CRL(bio.get(), nullptr, NoPassphrase, nullptr));
    if (crl == nullptr) {
      ERR_clear_error();
      return failed;
    }
  }
  RevocationList list;
  Asn1Integer number(static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(crl.get(), NID_crl_number, nullptr, nullptr)));
  if (number == nullptr || ASN1_INTEGER_get_uint64(&list.number, number.get()) != 1) return Malformed("read the revocation list's number");
  absl::StatusOr<absl::Time> this_update = TimeOf(X509_CRL_get0_lastUpdate(crl.get()));
  if (!this_update.ok()) return this_update.status();
  absl::StatusOr<absl::Time> next_update = TimeOf(X509_CRL_get0_nextUpdate(crl.get()));
  if (!next_update.ok()) return next_update.status();
  list.this_update = *this_update;
  list.next_update = *next_update;
  STACK_OF(X509_REVOKED)* all = X509_CRL_get_REVOKED(crl.get());
  for (int i = 0; i < sk_X509_REVOKED_num(all); ++i) {
    absl::StatusOr<Revocation> revocation = ReadRevoked(sk_X509_REVOKED_value(all, i));
    if (!revocation.ok()) return revocation.status();
    list.revoked.push_back(*std::move(revocation));
  }
  return list;
}

}  // namespace fairlead::certs
