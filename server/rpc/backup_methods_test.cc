#include "server/rpc/backup_methods.h"

#include <filesystem>
#include <thread>

#include "server/rpc/policy.h"
#include "server/rpc/rpc_fixture.h"
#include "storage/rocksdb_store.h"
#include "storage/scratch_directory.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

// apac on a store in files.
class BackupMethodsTest : public ::testing::Test {
 protected:
  BackupMethodsTest() {
    folder_ = *storage::BackupFolder::Open(scratch_.path() + "/backups");
    site_ = std::make_unique<TestSite>("apac", &clock_, absl::Seconds(15), *storage::OpenRocksDbStore({.path = scratch_.path() + "/data"}),
                                       folder_.get());
    officer_ = std::make_unique<Client>(site_->As("officer/apac/watch"));
    analyst_ = std::make_unique<Client>(site_->As("hq/analyst/desk"));
  }
  absl::StatusOr<v1::Backup> Create(const std::string& request_id = "") const {
    v1::CreateBackupRequest request;
    request.set_request_id(request_id);
    return officer_->Call<v1::Backup>("NodeService/CreateBackup", request);
  }
  absl::StatusOr<v1::VerifyBackupResponse> Verify(const std::string& name) const {
    v1::VerifyBackupRequest request;
    request.set_name(name);
    return officer_->Call<v1::VerifyBackupResponse>("NodeService/VerifyBackup", request);
  }
  absl::Status Delete(const std::string& name) const {
    v1::DeleteBackupRequest request;
    request.set_name(name);
    return analyst_->Call<v1::DeleteBackupResponse>("NodeService/DeleteBackup", request).status();
  }
  absl::StatusOr<v1::ListBackupsResponse> List(int page_size = 0, const std::string& page_token = "") const {
    v1::ListBackupsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(page_token);
    return officer_->Call<v1::ListBackupsResponse>("NodeService/ListBackups", request);
  }

  storage::ScratchDirectory scratch_;
  ManualClock clock_;
  std::unique_ptr<storage::BackupFolder> folder_;
  std::unique_ptr<TestSite> site_;
  std::unique_ptr<Client> officer_, analyst_;
};

TEST_F(BackupMethodsTest, ABackupIsMadeListedVerifiedAndDeleted) {
  v1::CreateCountryRequest country;
  country.set_country_id("JP");
  country.mutable_country()->set_display_name("Japan");
  country.mutable_country()->set_region(v1::REGION_APAC);
  ASSERT_TRUE(officer_->Call<v1::Country>("ReferenceService/CreateCountry", country).ok());
  const auto backup = Create();
  ASSERT_TRUE(backup.ok()) << backup.status();
  EXPECT_EQ(backup->name(), "backups/20270115-080000");
  EXPECT_EQ(backup->create_time().seconds(), 1'800'000'000);
  EXPECT_EQ(backup->journal_size(), 1);
  EXPECT_GT(backup->files(), 0);
  EXPECT_GT(backup->bytes(), 0);
  const auto verified = Verify(backup->name());
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(verified->backup().SerializeAsString(), backup->SerializeAsString());
  ASSERT_THAT(List()->backups(), SizeIs(1));
  EXPECT_EQ(List()->backups(0).SerializeAsString(), backup->SerializeAsString());
  EXPECT_TRUE(Delete(backup->name()).ok());
  EXPECT_THAT(List()->backups(), SizeIs(0));
  EXPECT_THAT(Verify(backup->name()), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_THAT(Delete(backup->name()), FailsWith("RECORD_NOT_FOUND"));
}

TEST_F(BackupMethodsTest, TheSameRequestMakesOneBackupAlsoAtOnce) {
  const std::string request_id = clock_.RequestId();
  std::vector<std::string> names(4);
  std::vector<std::thread> callers;
  for (std::string& name : names) callers.emplace_back([&] { name = Create(request_id).value_or(v1::Backup()).name(); });
  for (std::thread& caller : callers) caller.join();
  EXPECT_THAT(names, ElementsAre("backups/20270115-080000", names[0], names[0], names[0]));
  EXPECT_THAT(List()->backups(), SizeIs(1));
  EXPECT_THAT(Create("mine"), FailsWith("FIELD_INVALID", "request_id"));
}

TEST_F(BackupMethodsTest, PagesFollowOneAnother) {
  std::vector<std::string> made, listed;
  for (int i = 0; i < 5; ++i) {
    made.push_back(Create()->name());
    if (i % 2 == 0) clock_.Advance(absl::Seconds(1));
  }
  std::string token;
  do {
    const auto page = List(2, token);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->backups_size(), 2);
    for (const v1::Backup& backup : page->backups()) listed.push_back(backup.name());
    token = page->next_page_token();
    // A page goes on after a place, not after a backup.
    if (listed.size() == 2) {
      EXPECT_TRUE(Delete(listed[1]).ok());
    }
  } while (!token.empty());
  EXPECT_EQ(listed, made);
  EXPECT_THAT(List(2, "nonsense"), FailsWith("PAGE_TOKEN_INVALID"));
  EXPECT_THAT(List(-1), FailsWith("FIELD_INVALID"));
}

TEST_F(BackupMethodsTest, NamesAreNames) {
  EXPECT_THAT(Verify(""), FailsWith("FIELD_REQUIRED", "name"));
  EXPECT_THAT(Verify("20270115-080000"), FailsWith("FIELD_INVALID", "name"));
  EXPECT_THAT(Delete("backups/../data"), FailsWith("RECORD_NOT_FOUND"));
  EXPECT_TRUE(std::filesystem::exists(scratch_.path() + "/data"));
}

TEST_F(BackupMethodsTest, WithoutAFolderEachMethodSaysSo) {
  site_.reset();
  TestSite bare("apac", &clock_);
  officer_ = std::make_unique<Client>(bare.As("officer/apac/watch"));
  analyst_ = std::make_unique<Client>(bare.As("hq/analyst/desk"));
  EXPECT_THAT(Create(), FailsWith("STATE_FORBIDS"));
  EXPECT_THAT(List(), FailsWith("STATE_FORBIDS"));
  EXPECT_THAT(Verify("backups/x"), FailsWith("STATE_FORBIDS"));
  EXPECT_THAT(Delete("backups/x"), FailsWith("STATE_FORBIDS"));
  officer_.reset();
  analyst_.reset();
}

TEST_F(BackupMethodsTest, FiguresCountWhatHappened) {
  const Sealer sealer(TestCerts::Get().token_key());
  {
    BackupMethods methods(&site_->node(), &sealer, folder_.get());
    EXPECT_EQ(methods.figures().backups, 0);
    EXPECT_FALSE(methods.figures().newest.has_value());
  }
  ASSERT_TRUE(Create().ok());
  BackupMethods methods(&site_->node(), &sealer, folder_.get());
  EXPECT_EQ(methods.figures().backups, 1);
  EXPECT_EQ(methods.figures().newest, clock_.Now());
  EXPECT_GT(methods.figures().newest_bytes, 0);
  EXPECT_EQ(methods.figures().made, 0);  // by another

  // One that makes one, is asked for it again, and cannot make a third.
  Dispatcher dispatcher({.network = kTestNetwork, .authorize = Authorize});
  methods.Register(&dispatcher);
  auto server = Server::Start({.address = "127.0.0.1:0", .credentials = &TestCerts::Get().Live("node/apac")}, &dispatcher, {});
  ASSERT_TRUE(server.ok()) << server.status();
  officer_ = std::make_unique<Client>((*server)->port(), TestCerts::Get().Of("officer/apac/watch"));
  const std::string request_id = clock_.RequestId();
  const auto made = Create(request_id);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(Create(request_id)->name(), made->name());
  EXPECT_EQ(methods.figures().made, 1);
  EXPECT_EQ(methods.figures().backups, 2);
  std::filesystem::resize_file(scratch_.path() + "/" + made->name() + "/store/CURRENT", 1);
  EXPECT_THAT(Verify(made->name()), FailsWith("STORE_DAMAGED"));
  EXPECT_EQ(methods.figures().failed, 1);
  methods.Stop();
  EXPECT_THAT(Create(), FailsWith("SHUTTING_DOWN"));
  (*server)->Shutdown(kPatience);
}

}  // namespace
}  // namespace fairlead::rpc
