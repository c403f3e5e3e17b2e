#include "certs/network.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "api/crypto.h"
#include "api/licence.h"
#include "api/note.h"
#include "certs/files.h"
#include "certs/temp_folder.h"

namespace fairlead::certs {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr char kName[] = "demo.fairlead.example";
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

Identity Id(const std::string& text) { return *Identity::Parse(text); }
std::string Message(const absl::Status& status) { return std::string(status.message()); }

class NetworkTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::Status status = Network::Create(net_, {kName, {"apac", "eame", "csa", "hq"}, true}, kNow);
    ASSERT_TRUE(status.ok()) << status;
  }
  Network Open() {
    absl::StatusOr<Network> network = Network::Open(net_);
    EXPECT_TRUE(network.ok()) << network.status();
    return *std::move(network);
  }
  std::string Read(const std::string& name) {
    absl::StatusOr<std::string> bytes = ReadFile(net_ / name);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return bytes.value_or("");
  }
  CertificateFields Fields(const std::string& name) { return *ReadFields(*CertificateFromPem(Read(name))); }
  void Damage(const std::string& name, std::string_view bytes) {
    ASSERT_TRUE(WriteFile(net_ / name, bytes, Access::kOwnerOnly, IfExists::kReplace).ok());
  }
  std::vector<std::string> RevokedSerials() {
    std::vector<std::string> serials;
    const absl::StatusOr<RevocationList> list = ReadRevocationList(Read("ca/crl.pem"), Open().root());
    EXPECT_TRUE(list.ok()) << list.status();
    for (const Revocation& revocation : list->revoked) serials.push_back(revocation.serial);
    return serials;
  }

  TempFolder temp_;
  const fs::path net_ = temp_ / "net";
};

TEST_F(NetworkTest, HasTheFilesOfTheLayoutAndNoOthers) {
  std::vector<std::string> expected = {"ca/ca.crt", "ca/ca.key", "ca/crl.pem",  "ca/issued.jsonl",
                                       "root.key",  "root.vkey", "roster.note", "token.key"};
  for (const std::string site : {"apac", "eame", "csa", "hq"}) {
    for (const std::string file : {"tls.crt", "tls.key", "log.key", "log.audit.key", "mirror.key", "token.key", "licence"}) {
      expected.push_back("node/" + site + "/" + file);
    }
  }
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(net_)) {
    struct stat info {};
    ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
    const mode_t mode = info.st_mode & 07777;
    if (entry.is_directory()) {
      EXPECT_EQ(mode, 0700u) << entry.path();
      continue;
    }
    EXPECT_EQ(mode, entry.path().extension() == ".key" || entry.path().filename() == "issued.jsonl" || entry.path().filename() == "licence"
                        ? 0600u
                        : 0644u)
        << entry.path();
    files.push_back(fs::relative(entry.path(), net_));
  }
  EXPECT_THAT(files, testing::UnorderedElementsAreArray(expected));
  struct stat info {};
  ASSERT_EQ(::stat(net_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
  EXPECT_FALSE(fs::exists(temp_ / "net.making"));
}

TEST_F(NetworkTest, RosterNamesEverySiteAndItsKeys) {
  std::string vkey = Read("root.vkey");
  ASSERT_EQ(vkey.back(), '\n');
  vkey.pop_back();
  const note::Verifier root = *note::Verifier::FromVkey(vkey);
  EXPECT_EQ(root.name(), "demo.fairlead.example/root");
  EXPECT_EQ(SigningKey::FromPem(Read("root.key"))->public_raw(), root.key().raw());
  const absl::StatusOr<Roster> roster = Roster::Open(Read("roster.note"), root);
  ASSERT_TRUE(roster.ok()) << roster.status();
  EXPECT_EQ(roster->network(), kName);
  EXPECT_EQ(roster->version(), 1u);
  ASSERT_EQ(roster->sites().size(), 4u);
  ASSERT_EQ(roster->logs().size(), 8u);
  ASSERT_EQ(roster->cosigners().size(), 4u);
  const std::vector<std::string> names = {"apac", "eame", "csa", "hq"};
  for (size_t i = 0; i < names.size(); ++i) {
    const SiteId id(static_cast<uint16_t>(i + 1));
    EXPECT_EQ(roster->sites()[i].id, id);
    EXPECT_EQ(roster->sites()[i].name, names[i]);
    const RosterLog& log = roster->logs()[i];
    EXPECT_EQ(log.id, LogId(static_cast<uint32_t>(i + 1)));
    EXPECT_EQ(log.site, id);
    EXPECT_EQ(log.epoch, 1u);
    EXPECT_EQ(log.stream, "main");
    EXPECT_EQ(log.origin(), "demo.fairlead.example/" + names[i] + "/1/main");
    const RosterLog& audit = roster->logs()[4 + i];
    EXPECT_EQ(audit.id, LogId(static_cast<uint32_t>(4 + i + 1)));
    EXPECT_EQ(audit.origin(), "demo.fairlead.example/" + names[i] + "/1/audit");
    EXPECT_EQ(SigningKey::FromPem(Read("node/" + names[i] + "/log.audit.key"))->public_raw(), audit.verifier.key().raw());
    const RosterCosigner* cosigner = roster->FindCosigner(id);
    ASSERT_NE(cosigner, nullptr);
    EXPECT_EQ(cosigner->verifier.name(), "demo.fairlead.example/" + names[i] + "/mirror");
    EXPECT_EQ(cosigner->verifier.algorithm(), note::kCosignatureV1);
    EXPECT_EQ(SigningKey::FromPem(Read("node/" + names[i] + "/log.key"))->public_raw(), log.verifier.key().raw());
    EXPECT_EQ(SigningKey::FromPem(Read("node/" + names[i] + "/mirror.key"))->public_raw(), cosigner->verifier.key().raw());
    EXPECT_NE(log.verifier.key().raw(), cosigner->verifier.key().raw());
    EXPECT_EQ(Read("node/" + names[i] + "/token.key"), Read("token.key"));
  }
  EXPECT_EQ(Read("token.key").size(), 32u);
}

TEST_F(NetworkTest, RosterRejectsTampering) {
  const std::string bytes = Read("roster.note");
  std::string vkey = Read("root.vkey");
  vkey.pop_back();
  const note::Verifier root = *note::Verifier::FromVkey(vkey);
  std::string tampered = bytes;
  const size_t at = tampered.find("site 1 apac");
  ASSERT_NE(at, std::string::npos);
  tampered[at + 5] = '9';
  EXPECT_FALSE(Roster::Open(tampered, root).ok());
  Damage("roster.note", tampered);
  const absl::Status status = Network::Open(net_).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(Message(status), HasSubstr((net_ / "roster.note").string()));
}

TEST_F(NetworkTest, NodeCertificatesArePartOfCreation) {
  const CertificateFields fields = Fields("node/csa/tls.crt");
  EXPECT_THAT(fields.uris, ElementsAre("spiffe://demo.fairlead.example/node/csa"));
  EXPECT_THAT(fields.dns_names, ElementsAre("csa.node.demo.fairlead.example", "localhost"));
  EXPECT_THAT(fields.addresses, ElementsAre("127.0.0.1"));
  EXPECT_EQ(fields.validity.not_before, kNow - absl::Minutes(5));
  EXPECT_EQ(fields.validity.not_after, kNow + absl::Hours(24 * 90));
  EXPECT_TRUE(KeyMatches(*KeyFromPem(Read("node/csa/tls.key")), *CertificateFromPem(Read("node/csa/tls.crt"))));
  const CertificateFields root = Fields("ca/ca.crt");
  EXPECT_EQ(root.validity.not_after - root.validity.not_before, absl::Hours(24 * 3650));
  EXPECT_TRUE(root.is_ca);
  EXPECT_EQ(X509_verify(CertificateFromPem(Read("node/csa/tls.crt"))->get(), PublicKeyOf(Open().root()).get()), 1);
  EXPECT_THAT(RevokedSerials(), ElementsAre());
}

TEST_F(NetworkTest, IndexIsJsonLinesOfWhatWasIssued) {
  ASSERT_TRUE(Open().Issue(Id("officer/apac/watch"), {.lifetime = absl::Hours(48)}, kNow).ok());
  std::istringstream lines(Read("ca/issued.jsonl"));
  std::vector<nlohmann::json> index;
  for (std::string line; std::getline(lines, line);) index.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(index.size(), 5u);
  EXPECT_EQ(index[0]["identity"], "node/apac");
  EXPECT_EQ(index[0]["serial"], Fields("node/apac/tls.crt").serial);
  EXPECT_EQ(index[0]["loopback"], true);
  EXPECT_EQ(index[4]["identity"], "officer/apac/watch");
  EXPECT_EQ(index[4]["serial"], Fields("officer/apac/watch/tls.crt").serial);
  EXPECT_EQ(index[4]["not_before"], "2027-01-15T07:55:00Z");
  EXPECT_EQ(index[4]["not_after"], "2027-01-17T08:00:00Z");
  EXPECT_EQ(index[4]["loopback"], false);
  EXPECT_EQ(index[4]["revoked"], nullptr);
}

TEST_F(NetworkTest, IssuesEachKindUnderItsFolder) {
  const Network network = Open();
  for (const std::string identity : {"officer/apac/watch", "hq/analyst/jo", "gateway/dashboard", "partner/SG/mpa"}) {
    const absl::StatusOr<Issued> issued = network.Issue(Id(identity), {}, kNow);
    ASSERT_TRUE(issued.ok()) << issued.status();
    EXPECT_EQ(issued->identity, identity);
    const CertificateFields fields = Fields(identity + "/tls.crt");
    EXPECT_EQ(fields.serial, issued->serial);
    EXPECT_THAT(fields.uris, ElementsAre("spiffe://demo.fairlead.example/" + identity));
    EXPECT_EQ(fields.validity.not_after, kNow + Id(identity).profile().lifetime);
    EXPECT_TRUE(KeyMatches(*KeyFromPem(Read(identity + "/tls.key")), *CertificateFromPem(Read(identity + "/tls.crt"))));
    struct stat info {};
    ASSERT_EQ(::stat((net_ / identity / "tls.key").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600u);
  }
}

TEST_F(NetworkTest, RefusesASiteThatTheRosterDoesNotName) {
  for (const std::string identity : {"node/lant", "officer/lant/watch"}) {
    const absl::Status status = Open().Issue(Id(identity), {}, kNow).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(Message(status), HasSubstr("the roster has no site \"lant\""));
    EXPECT_FALSE(fs::exists(net_ / identity));
  }
}

TEST_F(NetworkTest, IssueOverwritesOnlyWhenTold) {
  const std::string certificate = Read("node/apac/tls.crt");
  const std::string key = Read("node/apac/tls.key");
  const std::string log_key = Read("node/apac/log.key");
  const absl::Status status = Open().Issue(Id("node/apac"), {}, kNow).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Message(status), HasSubstr((net_ / "node/apac/tls.crt").string()));
  EXPECT_EQ(Read("node/apac/tls.crt"), certificate);
  EXPECT_EQ(Read("node/apac/tls.key"), key);
  EXPECT_EQ(Open().List()->size(), 4u);

  ASSERT_TRUE(Open().Issue(Id("node/apac"), {.replace = true}, kNow).ok());
  EXPECT_NE(Read("node/apac/tls.crt"), certificate);
  EXPECT_NE(Read("node/apac/tls.key"), key);
  EXPECT_EQ(Read("node/apac/log.key"), log_key);
  EXPECT_THAT(Fields("node/apac/tls.crt").dns_names, ElementsAre("apac.node.demo.fairlead.example"));
  EXPECT_EQ(Open().List()->size(), 5u);
}

TEST_F(NetworkTest, NamesAnIssueThatStoppedHalfWay) {
  ASSERT_TRUE(Open().Issue(Id("officer/apac/watch"), {}, kNow).ok());
  fs::remove(net_ / "officer/apac/watch/tls.crt");
  const absl::Status status = Open().Issue(Id("officer/apac/watch"), {}, kNow).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), HasSubstr((net_ / "officer/apac/watch/tls.key").string() + ": has no certificate beside it"));
  ASSERT_TRUE(Open().Issue(Id("officer/apac/watch"), {.replace = true}, kNow).ok());
  EXPECT_TRUE(KeyMatches(*KeyFromPem(Read("officer/apac/watch/tls.key")), *CertificateFromPem(Read("officer/apac/watch/tls.crt"))));
}

TEST_F(NetworkTest, RenewGivesANewKeyAndKeepsTheNames) {
  const CertificateFields before = Fields("node/eame/tls.crt");
  const std::string key = Read("node/eame/tls.key");
  const absl::StatusOr<Issued> renewed = Open().Renew(Id("node/eame"), {.lifetime = absl::Hours(24)}, kNow + absl::Hours(1));
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  const CertificateFields after = Fields("node/eame/tls.crt");
  EXPECT_NE(after.serial, before.serial);
  EXPECT_NE(after.subject_key_id, before.subject_key_id);
  EXPECT_NE(Read("node/eame/tls.key"), key);
  EXPECT_EQ(after.dns_names, before.dns_names);  // loopback too
  EXPECT_EQ(after.uris, before.uris);
  EXPECT_EQ(after.validity.not_after, kNow + absl::Hours(25));
  EXPECT_THAT(RevokedSerials(), ElementsAre());
  const absl::Status none = Open().Renew(Id("officer/eame/nobody"), {}, kNow).status();
  EXPECT_EQ(none.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(none), HasSubstr("no certificate was issued"));
}

std::string MakeRequest(const Key& key) {
  std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> request(X509_REQ_new(), X509_REQ_free);
  X509_REQ_set_pubkey(request.get(), key.get());
  X509_REQ_sign(request.get(), key.get(), EVP_sha256());
  std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new(BIO_s_mem()), BIO_free_all);
  PEM_write_bio_X509_REQ(bio.get(), request.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

TEST_F(NetworkTest, ARequestKeepsThePartnersKeyAtThePartner) {
  const Key key = *GenerateKey();
  ASSERT_TRUE(Open().Issue(Id("partner/SG/mpa"), {.request_pem = MakeRequest(key)}, kNow).ok());
  EXPECT_FALSE(fs::exists(net_ / "partner/SG/mpa/tls.key"));
  EXPECT_TRUE(KeyMatches(key, *CertificateFromPem(Read("partner/SG/mpa/tls.crt"))));
  const std::string serial = Fields("partner/SG/mpa/tls.crt").serial;

  ASSERT_TRUE(Open().Renew(Id("partner/SG/mpa"), {}, kNow).ok());
  EXPECT_NE(Fields("partner/SG/mpa/tls.crt").serial, serial);
  EXPECT_TRUE(KeyMatches(key, *CertificateFromPem(Read("partner/SG/mpa/tls.crt"))));
  const Key next = *GenerateKey();
  ASSERT_TRUE(Open().Renew(Id("partner/SG/mpa"), {.request_pem = MakeRequest(next)}, kNow).ok());
  EXPECT_TRUE(KeyMatches(next, *CertificateFromPem(Read("partner/SG/mpa/tls.crt"))));
  EXPECT_FALSE(fs::exists(net_ / "partner/SG/mpa/tls.key"));
}

TEST_F(NetworkTest, ARequestReplacesAKeyMadeHere) {
  ASSERT_TRUE(Open().Issue(Id("partner/SG/mpa"), {}, kNow).ok());
  ASSERT_TRUE(fs::exists(net_ / "partner/SG/mpa/tls.key"));
  const Key key = *GenerateKey();
  ASSERT_TRUE(Open().Renew(Id("partner/SG/mpa"), {.request_pem = MakeRequest(key)}, kNow).ok());
  EXPECT_TRUE(KeyMatches(key, *CertificateFromPem(Read("partner/SG/mpa/tls.crt"))));
  EXPECT_FALSE(fs::exists(net_ / "partner/SG/mpa/tls.key"));
}

TEST_F(NetworkTest, RevokingASerialListsIt) {
  const std::string serial = Fields("node/apac/tls.crt").serial;
  const absl::Time later = kNow + absl::Hours(1);
  const absl::StatusOr<std::vector<Issued>> revoked = Open().Revoke(serial, RevocationReason::kKeyCompromise, later);
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  ASSERT_EQ(revoked->size(), 1u);
  EXPECT_EQ((*revoked)[0].identity, "node/apac");
  const RevocationList list = *ReadRevocationList(Read("ca/crl.pem"), Open().root());
  EXPECT_EQ(list.number, 2u);
  EXPECT_EQ(list.this_update, later);
  EXPECT_EQ(list.next_update, later + kRevocationListLifetime);
  ASSERT_EQ(list.revoked.size(), 1u);
  EXPECT_EQ(list.revoked[0].serial, serial);
  EXPECT_EQ(list.revoked[0].reason, RevocationReason::kKeyCompromise);
  EXPECT_EQ(list.revoked[0].time, later);
  const std::vector<Issued> all = *Open().List();
  ASSERT_TRUE(all[0].revocation.has_value());
  EXPECT_EQ(all[0].revocation->time, later);
  EXPECT_FALSE(all[1].revocation.has_value());

  // Again: nothing new, the first time and reason stand, and the list is renewed.
  EXPECT_THAT(*Open().Revoke(serial, RevocationReason::kSuperseded, later + absl::Hours(1)), ElementsAre());
  const RevocationList again = *ReadRevocationList(Read("ca/crl.pem"), Open().root());
  EXPECT_EQ(again.number, 3u);
  EXPECT_EQ(again.revoked[0].reason, RevocationReason::kKeyCompromise);
  EXPECT_EQ(again.revoked[0].time, later);
}

TEST_F(NetworkTest, RevokingAnIdentityTakesEveryCertificateThatHasNotEnded) {
  const Network network = Open();
  ASSERT_TRUE(network.Issue(Id("officer/apac/watch"), {.lifetime = absl::Hours(1)}, kNow).ok());
  const std::string first = network.Renew(Id("officer/apac/watch"), {}, kNow)->serial;
  const std::string second = network.Renew(Id("officer/apac/watch"), {}, kNow)->serial;
  ASSERT_TRUE(network.Revoke("officer/apac/watch", RevocationReason::kCessationOfOperation, kNow + absl::Hours(2)).ok());
  EXPECT_THAT(RevokedSerials(), UnorderedElementsAre(first, second));
  const absl::Status renewed = network.Renew(Id("officer/apac/watch"), {}, kNow + absl::Hours(3)).status();
  EXPECT_EQ(renewed.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(renewed), HasSubstr(second + " is revoked"));
  EXPECT_TRUE(network.Issue(Id("officer/apac/watch"), {.replace = true}, kNow + absl::Hours(3)).ok());
}

TEST_F(NetworkTest, RevokingTheUnknownIsNotFound) {
  for (const std::string subject : {"officer/apac/nobody", "00000000000000000000000000000000", ""}) {
    const absl::Status status = Open().Revoke(subject, RevocationReason::kUnspecified, kNow).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << subject;
  }
  EXPECT_EQ(ReadRevocationList(Read("ca/crl.pem"), Open().root())->number, 1u);
}

TEST_F(NetworkTest, NamesARevocationThatStoppedHalfWay) {
  const std::string list = Read("ca/crl.pem");
  const std::string serial = Fields("node/apac/tls.crt").serial;
  ASSERT_TRUE(Open().Revoke(serial, RevocationReason::kKeyCompromise, kNow).ok());
  Damage("ca/crl.pem", list);  // as if the machine had stopped between the index and the list
  const absl::Status status = Open().List().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), HasSubstr("lacks the revoked certificate " + serial + " of node/apac"));
  ASSERT_TRUE(Open().RenewRevocationList(kNow).ok());
  EXPECT_TRUE(Open().List().ok());
  EXPECT_THAT(RevokedSerials(), ElementsAre(serial));
}

TEST_F(NetworkTest, OpenNamesWhatIsMissingOrDamaged) {
  for (const std::string file : {"ca/ca.crt", "ca/ca.key", "ca/crl.pem", "ca/issued.jsonl", "root.vkey", "roster.note"}) {
    const std::string bytes = Read(file);
    fs::remove(net_ / file);
    const absl::Status status = Network::Open(net_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << file;
    EXPECT_THAT(Message(status), HasSubstr((net_ / file).string() + ": missing: this is not a whole network folder"));
    Damage(file, bytes);
  }
  ASSERT_TRUE(Network::Open(net_).ok());

  const std::string index = Read("ca/issued.jsonl");
  Damage("ca/issued.jsonl", index + "{\"serial\":1}\n");
  EXPECT_THAT(Message(Open().List().status()), HasSubstr((net_ / "ca/issued.jsonl").string() + ":5: "));
  std::string no_time = index;
  no_time.replace(no_time.find("2027-"), 4, "soon");
  Damage("ca/issued.jsonl", no_time);
  EXPECT_THAT(Message(Open().List().status()), HasSubstr((net_ / "ca/issued.jsonl").string() + ":1: "));
  Damage("ca/issued.jsonl", index);

  const std::string key = Read("ca/ca.key");
  Damage("ca/ca.key", *KeyToPem(*GenerateKey()));
  EXPECT_THAT(Message(Open().Issue(Id("gateway/x"), {}, kNow).status()), HasSubstr("ca.key: is not the key of ca.crt"));
  Damage("ca/ca.key", key);

  Damage("ca/ca.crt", *CertificateToPem(*MakeRoot("other.example", *KeyFromPem(key), {kNow, kNow + absl::Hours(1)})));
  EXPECT_THAT(Message(Network::Open(net_).status()), HasSubstr("but the roster is of network \"demo.fairlead.example\""));
}

TEST_F(NetworkTest, CreateRefusesAFolderThatIsTaken) {
  const std::string root = Read("ca/ca.crt");
  const absl::Status status = Network::Create(net_, {kName, {"apac"}}, kNow);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Message(status), HasSubstr(net_.string() + ": exists and is not an empty directory"));
  EXPECT_EQ(Read("ca/ca.crt"), root);
  EXPECT_FALSE(fs::exists(temp_ / "net.making"));
}

TEST(CreateTest, NamesACreationThatStoppedHalfWay) {
  TempFolder temp;
  ASSERT_TRUE(MakeDirectory(temp / "net.making").ok());
  const absl::Status status = Network::Create(temp / "net", {kName, {"apac"}}, kNow);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), HasSubstr((temp / "net.making").string() + ": an earlier creation stopped half-way"));
  EXPECT_FALSE(fs::exists(temp / "net"));
}

TEST(CreateTest, TakesAnEmptyFolderAndATrailingSlash) {
  TempFolder temp;
  ASSERT_TRUE(MakeDirectory(temp / "net").ok());
  const absl::Status status = Network::Create((temp / "net").string() + "/", {kName, {"apac"}}, kNow);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(Network::Open(temp / "net").ok());
  EXPECT_THAT(ReadFields(*CertificateFromPem(*ReadFile(temp / "net" / "node" / "apac" / "tls.crt")))->dns_names,
              ElementsAre("apac.node.demo.fairlead.example"));
}

TEST(CreateTest, RefusesBadNames) {
  TempFolder temp;
  const std::pair<CreateOptions, std::string> cases[] = {
      {{"Demo", {"apac"}}, "network \"Demo\""},
      {{kName, {}}, "at least one site"},
      {{kName, {"apac", "APAC"}}, "site \"APAC\""},
      {{kName, {"a.b"}}, "site \"a.b\""},
      {{kName, {""}}, "site \"\""},
      {{kName, {"apac", "apac"}}, "site \"apac\" is named twice"},
  };
  for (const auto& [options, message] : cases) {
    const absl::Status status = Network::Create(temp / "net", options, kNow);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(Message(status), HasSubstr(message));
  }
  EXPECT_TRUE(fs::is_empty(temp.path()));
}

// --- epochs ------------------------------------------------------------------------------------------------------------------------------

TEST_F(NetworkTest, ANewSitesLicenceIsUnusedForAWeek) {
  const absl::StatusOr<Licence> licence = ParseLicence(Read("node/csa/licence"));
  ASSERT_TRUE(licence.ok()) << licence.status();
  EXPECT_EQ(licence->origin, "demo.fairlead.example/csa/1/main");
  EXPECT_EQ(licence->unused_until, kNow + absl::Hours(24 * 7));
}

TEST_F(NetworkTest, AnEpochIsANewLogWithItsOwnKeyAndLicence) {
  const std::string old_key = Read("node/csa/log.key");
  const std::string other_key = Read("node/apac/log.key");
  const Network before = Open();
  const absl::Time later = kNow + absl::Hours(1);
  for (uint32_t epoch : {2u, 3u}) {
    const absl::StatusOr<RosterLog> log = before.BeginEpoch("csa", later);
    ASSERT_TRUE(log.ok()) << log.status();
    const std::string origin = fmt::format("demo.fairlead.example/csa/{}/main", epoch);
    EXPECT_EQ(log->origin(), origin);
    const Network after = Open();
    EXPECT_EQ(after.roster().version(), epoch);
    EXPECT_EQ(after.roster().logs().size(), 8u + 2 * (epoch - 1));
    const RosterLog* current = after.roster().CurrentLog(log->site, kMainStream);
    ASSERT_NE(current, nullptr);
    EXPECT_EQ(current->id, LogId(8 + 2 * (epoch - 1) - 1));
    const RosterLog* audit = after.roster().CurrentLog(log->site, kAuditStream);
    ASSERT_NE(audit, nullptr);
    EXPECT_EQ(audit->id, LogId(8 + 2 * (epoch - 1)));
    EXPECT_EQ(audit->origin(), fmt::format("demo.fairlead.example/csa/{}/audit", epoch));
    EXPECT_EQ(audit->verifier.key().raw(), SigningKey::FromPem(Read("node/csa/log.audit.key"))->public_raw());
    EXPECT_EQ(current->origin(), origin);
    EXPECT_EQ(current->verifier.key().raw(), SigningKey::FromPem(Read("node/csa/log.key"))->public_raw());
    EXPECT_EQ(ParseLicence(Read("node/csa/licence"))->origin, origin);
    EXPECT_EQ(ParseLicence(Read("node/csa/licence"))->unused_until, later + absl::Hours(24 * 7));
  }
  // What was stays what it was.
  EXPECT_NE(Read("node/csa/log.key"), old_key);
  EXPECT_EQ(Read("node/apac/log.key"), other_key);
  const Roster roster = Open().roster();
  for (const RosterLog& log : before.roster().logs()) {
    ASSERT_NE(roster.FindLog(log.id), nullptr);
    EXPECT_EQ(roster.FindLog(log.id)->verifier.ToVkey(), log.verifier.ToVkey());
  }
}

TEST_F(NetworkTest, AClosedLogIsFollowedByItsSitesNextEpoch) {
  LogClosing closing{Seq(12), {}};
  closing.root.fill(3);
  const Network before = Open();
  const std::string old_key = Read("node/csa/log.key");
  const LogId closed = before.roster().CurrentLog(before.roster().FindSite("csa")->id, kMainStream)->id;
  const absl::StatusOr<RosterLog> log = before.CloseLog("csa/1/main", closing, kNow);
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ(log->origin(), "demo.fairlead.example/csa/2/main");
  const Network after = Open();
  EXPECT_EQ(after.roster().version(), 2u);
  EXPECT_EQ(after.roster().FindLog(closed)->closing, closing);
  EXPECT_EQ(after.roster().CurrentLog(log->site, kMainStream)->id, log->id);
  EXPECT_NE(Read("node/csa/log.key"), old_key);
  // Of an older epoch: the newest goes on.
  const absl::StatusOr<RosterLog> third = after.BeginEpoch("csa", kNow);
  ASSERT_TRUE(third.ok()) << third.status();
  const std::string key = Read("node/csa/log.key");
  const absl::StatusOr<RosterLog> newest = after.CloseLog("csa/2/main", closing, kNow);
  ASSERT_TRUE(newest.ok()) << newest.status();
  EXPECT_EQ(newest->id, third->id);
  EXPECT_EQ(Read("node/csa/log.key"), key);
  EXPECT_EQ(after.CloseLog("csa/1/main", closing, kNow).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(after.CloseLog("csa/9/main", closing, kNow).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Open().roster().version(), 4u);
}

// The logs of a compromised site are closed one by one; the site goes on in one new epoch.
TEST_F(NetworkTest, TheOtherLogsOfAClosedEpochAreClosedWithoutAnother) {
  LogClosing closing{Seq(12), {}};
  closing.root.fill(3);
  for (const std::string first : {"audit", "main"}) {
    const std::string second = first == "audit" ? "main" : "audit";
    const uint32_t epoch = first == "audit" ? 1 : 2;
    ASSERT_TRUE(Open().CloseLog(fmt::format("csa/{}/{}", epoch, first), closing, kNow).ok());
    const Network begun = Open();
    const SiteId site = begun.roster().FindSite("csa")->id;
    for (const std::string_view stream : {kMainStream, kAuditStream}) EXPECT_EQ(begun.roster().CurrentLog(site, stream)->epoch, epoch + 1);
    const std::string key = Read("node/csa/log.key");
    const absl::StatusOr<RosterLog> newest = begun.CloseLog(fmt::format("csa/{}/{}", epoch, second), closing, kNow);
    ASSERT_TRUE(newest.ok()) << newest.status();
    EXPECT_EQ(newest->origin(), fmt::format("demo.fairlead.example/csa/{}/main", epoch + 1));
    EXPECT_EQ(Open().roster().logs().size(), begun.roster().logs().size());
    EXPECT_EQ(Read("node/csa/log.key"), key);
  }
}

TEST_F(NetworkTest, AStreamBeginsAtEverySiteInItsEpoch) {
  ASSERT_TRUE(Open().BeginEpoch("csa", kNow).ok());
  const Network before = Open();
  const std::string licence = Read("node/csa/licence");
  const absl::StatusOr<std::vector<RosterLog>> made = before.BeginStream("partner-SG");
  ASSERT_TRUE(made.ok()) << made.status();
  const Network after = Open();
  EXPECT_EQ(after.roster().version(), before.roster().version() + 1);
  ASSERT_EQ(made->size(), 4u);
  LogId last = before.roster().logs().back().id;
  for (const RosterLog& log : *made) {
    EXPECT_GT(log.id, last) << "ids are never given again";
    last = log.id;
    EXPECT_EQ(log.epoch, log.site_name == "csa" ? 2u : 1u);
    EXPECT_EQ(after.roster().CurrentLog(log.site, "partner-SG")->id, log.id);
    EXPECT_EQ(SigningKey::FromPem(Read("node/" + log.site_name + "/log.partner-SG.key"))->public_raw(), log.verifier.key().raw());
  }
  EXPECT_EQ(Read("node/csa/licence"), licence);
  const absl::Status again = after.BeginStream("partner-SG").status();
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(after.BeginStream("audit").status().code(), absl::StatusCode::kAlreadyExists);
  for (const char* wrong : {"partner-sg", "partner-SGP", "partner-", "main", "", "SG"}) {
    const absl::Status status = after.BeginStream(wrong).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << wrong;
    EXPECT_THAT(Message(status), HasSubstr(fmt::format("stream \"{}\"", wrong)));
  }
  EXPECT_EQ(Open().roster().version(), after.roster().version());
  // It is of the next epochs, too.
  ASSERT_TRUE(Open().BeginEpoch("apac", kNow).ok());
  const Roster roster = Open().roster();
  EXPECT_EQ(roster.CurrentLog(roster.FindSite("apac")->id, "partner-SG")->epoch, 2u);
}

TEST_F(NetworkTest, ANetworkMayBeginWithPartners) {
  const TempFolder folder;
  const fs::path net = folder / "net";
  CreateOptions options{kName, {"apac", "hq"}, /*loopback=*/false, /*headquarters=*/"", /*partners=*/{"SG", "JP"}};
  ASSERT_TRUE(Network::Create(net, options, kNow).ok());
  const absl::StatusOr<Network> network = Network::Open(net);
  ASSERT_TRUE(network.ok()) << network.status();
  std::vector<std::string> streams;
  for (const RosterLog* log : network->roster().CurrentLogs(SiteId(2))) streams.push_back(log->stream);
  EXPECT_THAT(streams, ElementsAre("main", "audit", "partner-SG", "partner-JP"));
  options.partners = {"SG", "SG"};
  EXPECT_THAT(Message(Network::Create(folder / "twice", options, kNow)), HasSubstr("partner \"SG\" is named twice"));
  options.partners = {"sg"};
  EXPECT_THAT(Message(Network::Create(folder / "wrong", options, kNow)), HasSubstr("two capitals of a country"));
}

TEST_F(NetworkTest, AnEpochIsForASiteOfTheRoster) {
  const absl::Status status = Open().BeginEpoch("gulf", kNow).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(status), HasSubstr("no site \"gulf\""));
  EXPECT_EQ(Open().roster().version(), 1u);
}

}  // namespace
}  // namespace fairlead::certs
