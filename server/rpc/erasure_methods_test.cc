#include "server/rpc/erasure_methods.h"

#include <absl/time/clock.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "server/rpc/rpc_fixture.h"
#include "storage/rocksdb_store.h"
#include "storage/scratch_directory.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ErasureMethodsTest : public SiteTest {
 protected:
  ErasureMethodsTest()
      : backups_(*storage::BackupFolder::Open(scratch_.path() + "/backups")),
        hq_("hq", &clock_, absl::Seconds(15), *storage::OpenRocksDbStore({.path = scratch_.path() + "/hq"}), backups_.get()),
        clerk_(hq_.As("hq/records/clerk")),
        eame_("eame", &clock_) {}

  static v1::EraseRevisionRequest Request(const std::string& entry) {
    v1::EraseRevisionRequest request;
    request.set_name("countries/JP");
    request.set_entry(entry);
    request.set_reason("named a private person");
    request.set_authority("ruling 7");
    return request;
  }
  static absl::StatusOr<v1::Erasure> Erase(const Client& caller, const v1::EraseRevisionRequest& request) {
    return caller.Call<v1::Erasure>("RecordService/EraseRevision", request);
  }
  static absl::StatusOr<v1::Erasure> Get(const Client& caller, const std::string& entry) {
    v1::GetErasureRequest request;
    request.set_entry(entry);
    return caller.Call<v1::Erasure>("RecordService/GetErasure", request);
  }
  static v1::ListRevisionsResponse History(const Client& caller) {
    v1::ListRevisionsRequest request;
    request.set_name("countries/JP");
    const auto history = caller.Call<v1::ListRevisionsResponse>("RecordService/ListRevisions", request);
    EXPECT_TRUE(history.ok()) << history.status();
    return history.value_or(v1::ListRevisionsResponse());
  }
  // A country of apac that hq holds.
  void MakeSecret() {
    MakeCountry("JP", "S3cr3t-in-no-file");
    hq_.Receive(apac_);
  }
  bool InFilesOfHq(const std::string& text) const {
    for (const auto& file : std::filesystem::recursive_directory_iterator(scratch_.path() + "/hq")) {
      std::ifstream in(file.path(), std::ios::binary);
      if (std::string(std::istreambuf_iterator<char>(in), {}).find(text) != std::string::npos) return true;
    }
    return false;
  }

  const storage::ScratchDirectory scratch_;
  const std::unique_ptr<storage::BackupFolder> backups_;
  TestSite hq_;
  Client clerk_;
  TestSite eame_;
};

TEST_F(ErasureMethodsTest, TheHistoryTellsWhoErasedWhenAndWhyAndNotWhat) {
  MakeSecret();
  ASSERT_TRUE(InFilesOfHq("S3cr3t-in-no-file"));
  clock_.Advance(absl::Seconds(1));
  const auto erased = Erase(clerk_, Request("apac/1/0"));
  ASSERT_TRUE(erased.ok()) << erased.status();
  EXPECT_EQ(erased->entry(), "apac/1/0");
  EXPECT_EQ(erased->erasure(), "hq/1/0");
  EXPECT_THAT(erased->records(), ElementsAre("countries/JP"));
  EXPECT_THAT(erased->copies(), IsEmpty());
  EXPECT_EQ(GetCountry(clerk_, "JP").display_name(), "");
  EXPECT_EQ(GetCountry(clerk_, "JP").region(), v1::REGION_UNSPECIFIED);

  apac_.Receive(hq_);
  for (const Client* caller : {&officer_, &clerk_}) {
    const v1::ListRevisionsResponse history = History(*caller);
    ASSERT_THAT(history.revisions(), SizeIs(2));
    EXPECT_EQ(history.revisions(0).entry(), "hq/1/0");
    EXPECT_EQ(history.revisions(0).actor(), "hq/records/clerk");
    EXPECT_EQ(history.revisions(0).erases(), "apac/1/0");
    EXPECT_THAT(history.revisions(0).changes(), IsEmpty());
    const v1::Revision& gone = history.revisions(1);
    EXPECT_EQ(gone.entry(), "apac/1/0");
    EXPECT_EQ(gone.site(), "apac");
    EXPECT_THAT(gone.changes(), IsEmpty());
    EXPECT_EQ(gone.erasure().actor(), "hq/records/clerk");
    EXPECT_EQ(gone.erasure().site(), "hq");
    EXPECT_EQ(gone.erasure().reason(), "named a private person");
    EXPECT_EQ(gone.erasure().authority(), "ruling 7");
    EXPECT_EQ(gone.erasure().time().seconds(), absl::ToUnixSeconds(clock_.Now()));
    EXPECT_THAT(history.ShortDebugString(), testing::Not(HasSubstr("S3cr3t")));
  }
  // The entry is evidence still.
  v1::GetReceiptRequest receipt;
  receipt.set_entry("apac/1/0");
  const auto proof = officer_.Call<v1::Receipt>("LogService/GetReceipt", receipt);
  ASSERT_TRUE(proof.ok()) << proof.status();
  EXPECT_FALSE(proof->log_entry().has_payload());
  EXPECT_TRUE(proof->log_entry().erased());
  // hq's files are rid of it within a round.
  const absl::Time deadline = absl::Now() + kPatience;
  while (InFilesOfHq("S3cr3t-in-no-file") && absl::Now() < deadline) {
  }
  EXPECT_FALSE(InFilesOfHq("S3cr3t-in-no-file"));
}

TEST_F(ErasureMethodsTest, SitesAndBackupsThatMayHoldItAreListed) {
  MakeSecret();
  clock_.Advance(absl::Seconds(1));
  const auto before = backups_->Create(hq_.node().store(), clock_.Now(), clock_.RequestId());
  ASSERT_TRUE(before.ok()) << before.status();
  clock_.Advance(absl::Seconds(2));
  ASSERT_TRUE(Erase(clerk_, Request("apac/1/0")).ok());
  clock_.Advance(absl::Seconds(2));
  const auto after = backups_->Create(hq_.node().store(), clock_.Now(), clock_.RequestId());
  ASSERT_TRUE(after.ok()) << after.status();
  apac_.Receive(hq_);
  auto erasure = Get(clerk_, "apac/1/0");
  ASSERT_TRUE(erasure.ok()) << erasure.status();
  EXPECT_THAT(erasure->outstanding_backups(), ElementsAre("backups/" + before->id));
  const absl::Time deadline = absl::Now() + kPatience;
  while (erasure.ok() && erasure->purged_sites_size() < 2 && absl::Now() < deadline) {
    clock_.Advance(absl::Seconds(1));
    hq_.HearCosignatures(apac_);
    erasure = Get(clerk_, "apac/1/0");
  }
  ASSERT_TRUE(erasure.ok());
  EXPECT_THAT(erasure->purged_sites(), ElementsAre("apac", "hq"));
  EXPECT_THAT(erasure->outstanding_sites(), ElementsAre("eame"));

  const auto list = clerk_.Call<v1::ListErasuresResponse>("RecordService/ListErasures", v1::ListErasuresRequest());
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_THAT(list->erasures(), SizeIs(1));
  EXPECT_EQ(list->erasures(0).entry(), "apac/1/0");
  EXPECT_THAT(list->erasures(0).outstanding_sites(), ElementsAre("eame"));
}

TEST_F(ErasureMethodsTest, WhatIsErasedAlreadyWaitsForReplicasToo) {
  MakeSecret();
  ASSERT_TRUE(Erase(clerk_, Request("apac/1/0")).ok());
  const auto replicated = [&] {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(1)));
    context.AddMetadata(kDurabilityMetadata, "replicated:1");
    return clerk_.Call<v1::Erasure>("RecordService/EraseRevision", Request("apac/1/0"), &context);
  };
  EXPECT_THAT(replicated(), FailsWith("REPLICATION_TIMEOUT"));
  apac_.Receive(hq_);
  const absl::Time deadline = absl::Now() + kPatience;
  absl::StatusOr<v1::Erasure> held = absl::UnknownError("");
  while (!held.ok() && absl::Now() < deadline) {
    clock_.Advance(absl::Seconds(1));
    hq_.HearCosignatures(apac_);
    held = replicated();
  }
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(held->erasure(), "hq/1/0");
  EXPECT_EQ(hq_.node().Applied().Get(hq_.node().own_log()), Seq(1)) << "nothing is written again";
}

TEST_F(ErasureMethodsTest, ListsByThePage) {
  for (const char* code : {"JP", "KR", "PH"}) MakeCountry(code, code);
  for (const auto& [entry, name] : {std::pair("apac/1/2", "countries/PH"), {"apac/1/0", "countries/JP"}, {"apac/1/1", "countries/KR"}}) {
    v1::EraseRevisionRequest request = Request(entry);
    request.set_name(name);
    ASSERT_TRUE(Erase(officer_, request).ok());
  }
  v1::ListErasuresRequest request;
  request.set_page_size(2);
  std::vector<std::string> entries;
  do {
    const auto page = officer_.Call<v1::ListErasuresResponse>("RecordService/ListErasures", request);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Erasure& erasure : page->erasures()) entries.push_back(erasure.entry());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(entries, ElementsAre("apac/1/0", "apac/1/1", "apac/1/2"));
}

TEST_F(ErasureMethodsTest, ACopyOfTheRequestIsNamed) {
  v1::CreateCountryRequest create;
  create.set_country_id("JP");
  create.mutable_country()->set_display_name("S3cr3t");
  create.mutable_country()->set_region(v1::REGION_APAC);
  create.set_request_id(clock_.RequestId());
  ASSERT_TRUE(officer_.Call<v1::Country>("ReferenceService/CreateCountry", create).ok());
  ASSERT_TRUE(hq_.As("officer/apac/watch").Call<v1::Country>("ReferenceService/CreateCountry", create).ok());
  hq_.Receive(apac_);
  const auto erased = Erase(clerk_, Request("apac/1/0"));
  ASSERT_TRUE(erased.ok()) << erased.status();
  EXPECT_THAT(erased->copies(), ElementsAre("hq/1/0"));
  EXPECT_EQ(GetCountry(clerk_, "JP").display_name(), "");
  EXPECT_THAT(Erase(clerk_, Request("hq/1/0"))->copies(), IsEmpty());
}

TEST_F(ErasureMethodsTest, WhatIsAskedForIsChecked) {
  MakeSecret();
  const auto with = [](const std::function<void(v1::EraseRevisionRequest*)>& change) {
    v1::EraseRevisionRequest request = Request("apac/1/0");
    change(&request);
    return request;
  };
  EXPECT_THAT(Erase(clerk_, with([](auto* r) { r->clear_name(); })), FailsWith("FIELD_REQUIRED", "name"));
  EXPECT_THAT(Erase(clerk_, with([](auto* r) { r->set_name("nothing"); })), FailsWith("FIELD_INVALID", "name"));
  EXPECT_THAT(Erase(clerk_, with([](auto* r) { r->clear_entry(); })), FailsWith("FIELD_REQUIRED", "entry"));
  EXPECT_THAT(Erase(clerk_, with([](auto* r) { r->set_entry("apac/1/x"); })), FailsWith("FIELD_INVALID", "entry"));
  EXPECT_THAT(Erase(clerk_, with([](auto* r) { r->clear_reason(); })), FailsWith("FIELD_REQUIRED", "reason"));
  EXPECT_THAT(Erase(clerk_, with([](auto* r) { r->set_reason(std::string(1001, 'x')); })), FailsWith("FIELD_TOO_LARGE", "reason"));
  EXPECT_THAT(Erase(clerk_, with([](auto* r) { r->clear_authority(); })), FailsWith("FIELD_REQUIRED", "authority"));
  EXPECT_THAT(Erase(clerk_, with([](auto* r) { r->set_entry("apac/1/9"); })), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_THAT(Erase(clerk_, with([](auto* r) { r->set_name("countries/KR"); })), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_THAT(Get(clerk_, "apac/1/0"), FailsWith("RECORD_NOT_FOUND"));
  eame_.Receive(apac_);
  EXPECT_THAT(Erase(eame_.As("officer/eame/watch"), Request("apac/1/0")), FailsWith("STATE_FORBIDS"));

  const auto preview = Erase(clerk_, with([](auto* r) { r->set_validate_only(true); }));
  ASSERT_TRUE(preview.ok()) << preview.status();
  EXPECT_EQ(preview->erasure(), "");
  EXPECT_THAT(preview->outstanding_sites(), ElementsAre("apac", "eame", "hq"));
  EXPECT_EQ(GetCountry(clerk_, "JP").display_name(), "S3cr3t-in-no-file");

  const auto request = with([this](auto* r) { r->set_request_id(clock_.RequestId()); });
  ASSERT_TRUE(Erase(clerk_, request).ok());
  EXPECT_EQ(Erase(clerk_, request)->erasure(), "hq/1/0") << "a retry";
  EXPECT_EQ(Erase(clerk_, Request("apac/1/0"))->erasure(), "hq/1/0") << "erased already";
  EXPECT_EQ(hq_.node().Applied().Get(hq_.node().own_log()), Seq(1));
  v1::EraseRevisionRequest again = Request("hq/1/0");
  EXPECT_THAT(Erase(clerk_, again), FailsWith("STATE_FORBIDS"));
}

}  // namespace
}  // namespace fairlead::rpc
