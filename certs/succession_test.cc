// One TLS root succeeds another: what the folder holds at each step, and who is trusted by whoever reads it then (api/trust.h).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/errors.h"
#include "api/trust.h"
#include "certs/files.h"
#include "certs/network.h"
#include "certs/temp_folder.h"

namespace fairlead::certs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class RootSuccession : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Network::Create(net_, {"demo.fairlead.example", {"apac", "hq"}, true}, kNow).ok());
    ASSERT_TRUE(Open().Issue(*Identity::Parse("officer/apac/watch"), {}, kNow).ok());
  }
  Network Open() const { return *Network::Open(net_); }
  std::string Read(const std::string& name) const { return *ReadFile(net_ / name); }
  // As a node or client reads it.
  Trust ReadTrust() const {
    absl::StatusOr<Trust> trust = Trust::Parse(Read("ca/ca.crt"), Read("ca/crl.pem"), absl::ZeroDuration());
    EXPECT_TRUE(trust.ok()) << trust.status();
    return *std::move(trust);
  }
  static std::string Cause(const Trust& trust, const std::string& certificate) {
    return MetadataOf(trust.Verify(certificate, CertificateUse::kClient, kNow).status(), "cause");
  }
  void RenewAll() const {
    for (const char* identity : {"node/apac", "node/hq", "officer/apac/watch"}) {
      ASSERT_TRUE(Open().Renew(*Identity::Parse(identity), {}, kNow).ok()) << identity;
    }
  }

  const TempFolder temp_;
  const fs::path net_ = temp_ / "net";
};

TEST_F(RootSuccession, BothAreTrustedWhileCertificatesMoveOver) {
  const std::string of_first = Read("officer/apac/watch/tls.crt");
  const Trust before = ReadTrust();
  ASSERT_TRUE(Open().IntroduceRoot(kNow).ok());
  EXPECT_EQ(Open().roots().size(), 2);
  const Trust introduced = ReadTrust();
  EXPECT_TRUE(introduced.HasRootsOf(before));
  EXPECT_FALSE(before.HasRootsOf(introduced));
  EXPECT_EQ(introduced.RollbackFrom(before), "");
  EXPECT_EQ(introduced.roots()[0].key_id, before.roots()[0].key_id) << "the first still signs";

  ASSERT_TRUE(Open().PromoteRoot().ok());
  const Trust promoted = ReadTrust();
  EXPECT_EQ(promoted.roots()[0].key_id, introduced.roots()[1].key_id);
  EXPECT_EQ(Cause(promoted, of_first), "") << "it is valid until it ends";
  ASSERT_NO_FATAL_FAILURE(RenewAll());
  const std::string of_second = Read("officer/apac/watch/tls.crt");
  EXPECT_EQ(Cause(promoted, of_second), "");
  EXPECT_EQ(Cause(before, of_second), "unknown_authority");

  // A revocation now is on both lists.
  const absl::StatusOr<std::vector<Issued>> revoked = Open().Revoke("officer/apac/watch", RevocationReason::kSuperseded, kNow);
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_EQ(revoked->size(), 2);
  EXPECT_EQ(Cause(ReadTrust(), of_first), "revoked");
  EXPECT_EQ(Cause(ReadTrust(), of_second), "revoked");

  ASSERT_TRUE(Open().RetireRoot(false, kNow).ok());
  const Trust retired = ReadTrust();
  EXPECT_EQ(retired.roots().size(), 1);
  EXPECT_EQ(retired.roots()[0].key_id, promoted.roots()[0].key_id);
  EXPECT_EQ(retired.RollbackFrom(promoted), "");
  EXPECT_EQ(Cause(retired, of_first), "unknown_authority");
  EXPECT_EQ(Cause(retired, of_second), "revoked");
  EXPECT_FALSE(fs::exists(net_ / "ca/ca.key")) << "the retired root's key is gone";

  // And once more, into the place that is free.
  ASSERT_TRUE(Open().IntroduceRoot(kNow).ok());
  ASSERT_TRUE(Open().PromoteRoot().ok());
  ASSERT_NO_FATAL_FAILURE([&] {
    for (const char* identity : {"node/apac", "node/hq"}) ASSERT_TRUE(Open().Renew(*Identity::Parse(identity), {}, kNow).ok());
  }());
  ASSERT_TRUE(Open().RetireRoot(false, kNow).ok());
  EXPECT_TRUE(fs::exists(net_ / "ca/ca.key"));
  EXPECT_FALSE(fs::exists(net_ / "ca/next.key"));
  EXPECT_TRUE(Open().RenewRevocationList(kNow).ok());
}

TEST_F(RootSuccession, StepsOutOfOrderAreRefused) {
  EXPECT_EQ(Open().PromoteRoot().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Open().RetireRoot(true, kNow).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(Open().IntroduceRoot(kNow).ok());
  EXPECT_EQ(Open().IntroduceRoot(kNow).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(Open().PromoteRoot().ok());
  const absl::Status early = Open().RetireRoot(false, kNow);
  EXPECT_EQ(early.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(early.message()), HasSubstr("renew it"));
  EXPECT_TRUE(Open().RetireRoot(false, kNow + absl::Hours(24 * 91)).ok()) << "when they have ended";
}

TEST_F(RootSuccession, ForceRetiresARootWhoseKeyWasStolen) {
  const std::string of_first = Read("officer/apac/watch/tls.crt");
  ASSERT_TRUE(Open().IntroduceRoot(kNow).ok());
  ASSERT_TRUE(Open().PromoteRoot().ok());
  ASSERT_TRUE(Open().RetireRoot(true, kNow).ok());
  EXPECT_EQ(Cause(ReadTrust(), of_first), "unknown_authority");
}

TEST_F(RootSuccession, AnIntroductionThatStoppedHalfWayIsMadeAgain) {
  // The key is written first, the roots last: at either cut the folder is as before.
  ASSERT_TRUE(WriteFile(net_ / "ca/next.key", Read("ca/ca.key"), Access::kOwnerOnly, IfExists::kRefuse).ok());
  EXPECT_TRUE(Open().RenewRevocationList(kNow).ok());
  EXPECT_TRUE(Open().IntroduceRoot(kNow).ok());
  EXPECT_EQ(ReadTrust().roots().size(), 2);
}

}  // namespace
}  // namespace fairlead::certs
