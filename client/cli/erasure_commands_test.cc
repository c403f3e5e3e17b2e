#include "client/cli/erasure_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "client/cli/run.h"
#include "client/test_node.h"

namespace fairlead::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class ErasureCommandsTest : public testing::Test {
 protected:
  struct Result {
    int code;
    std::string out;
    std::string err;
  };

  ErasureCommandsTest() {
    config_ = (std::filesystem::path(testing::TempDir()) / "erasure_commands.toml").string();
    std::ofstream(config_) << "network = \"demo.example\"\ncertificate = \"c\"\nkey = \"k\"\nca = \"a\"\n[[node]]\nsite = \"apac\"\n"
                           << "address = \"" << node_.address() << "\"\n";
    environment_.variable = [this](const char* name) { return std::string(name) == "FAIRLEAD_CONFIG" ? config_ : std::string(); };
    environment_.connect = [this](client::ClientOptions options) -> absl::StatusOr<std::unique_ptr<client::Client>> {
      options.retry = client::FastRetries();
      return std::make_unique<client::Client>(options, std::vector<std::shared_ptr<grpc::Channel>>{node_.Channel()});
    };
  }
  Result Do(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    environment_.out = &out;
    environment_.err = &err;
    const int code = cli::Run(arguments, environment_);
    return {code, out.str(), err.str()};
  }

  client::TestNode node_{"apac"};
  std::string config_;
  Environment environment_;
};

TEST_F(ErasureCommandsTest, NothingIsErasedWithoutYes) {
  const std::vector<std::string> erase = {"erase", "ports/JPYOK", "apac/1/7", "--reason", "a person's name", "--authority", "ruling 7"};
  const Result shown = Do(erase);
  EXPECT_EQ(shown.code, kExitUsage);
  EXPECT_THAT(shown.out, AllOf(HasSubstr("entry        apac/1/7\n"), HasSubstr("outstanding  eame\n")));
  EXPECT_THAT(shown.err, HasSubstr("nothing was erased: this cannot be undone; add --yes"));
  ASSERT_THAT(node_.erasures(), SizeIs(1));
  EXPECT_TRUE(node_.erasures()[0].validate_only());
  EXPECT_EQ(Do({"erasures", "show", "apac/1/7"}).code, kExitNotFound);

  std::vector<std::string> confirmed = erase;
  confirmed.emplace_back("--yes");
  const Result done = Do(confirmed);
  EXPECT_EQ(done.code, kExitOk) << done.err;
  EXPECT_EQ(done.out,
            "entry        apac/1/7\nrecords      ports/JPYOK\n"
            "erased       2026-05-01T12:00:00Z by hq/records/clerk at hq, entry hq/1/3\n"
            "reason       a person's name\nauthority    ruling 7\ndone at      hq\noutstanding  eame\n"
            "backups      backups/b1 (of this node, made before: delete them)\n"
            "copies       csa/1/4 (the same request, accepted there too: erase each)\n");
  ASSERT_THAT(node_.erasures(), SizeIs(2));
  EXPECT_FALSE(node_.erasures()[1].validate_only());
  EXPECT_EQ(node_.erasures()[1].name(), "ports/JPYOK");
  EXPECT_EQ(node_.erasures()[1].reason(), "a person's name");
  EXPECT_EQ(node_.erasures()[1].authority(), "ruling 7");

  EXPECT_EQ(Do({"erasures", "show", "apac/1/7"}).out, done.out);
  EXPECT_THAT(Do({"erasures", "list"}).out, AllOf(HasSubstr("OUTSTANDING"), HasSubstr("apac/1/7"), HasSubstr("a person's name")));
}

TEST_F(ErasureCommandsTest, AReasonAndAnAuthorityAreAskedFor) {
  EXPECT_EQ(Do({"erase", "ports/JPYOK", "apac/1/7", "--reason", "x", "--yes"}).code, kExitUsage);
  EXPECT_EQ(Do({"erase", "ports/JPYOK", "apac/1/7", "--authority", "x", "--yes"}).code, kExitUsage);
  EXPECT_THAT(node_.erasures(), SizeIs(0));
}

}  // namespace
}  // namespace fairlead::cli
