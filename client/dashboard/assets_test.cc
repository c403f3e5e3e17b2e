#include "client/dashboard/assets.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace fairlead::dashboard {
namespace {

class AssetsTest : public testing::Test {
 protected:
  AssetsTest() : folder_(std::filesystem::path(testing::TempDir()) / "dashboard_assets") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ / "assets");
  }
  ~AssetsTest() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, const std::string& content) { std::ofstream(folder_ / name) << content; }

  const std::filesystem::path folder_;
};

TEST_F(AssetsTest, NamesEveryFileByItsPath) {
  Write("index.html", "<!doctype html>");
  Write("assets/index-1.js", "1");
  const auto assets = LoadAssets(folder_);
  ASSERT_TRUE(assets.ok()) << assets.status();
  ASSERT_EQ(assets->size(), 2u);
  EXPECT_EQ(assets->at("/index.html").content, "<!doctype html>");
  EXPECT_EQ(assets->at("/index.html").content_type, "text/html; charset=utf-8");
  EXPECT_FALSE(assets->at("/index.html").immutable);
  EXPECT_EQ(assets->at("/assets/index-1.js").content_type, "text/javascript; charset=utf-8");
  EXPECT_TRUE(assets->at("/assets/index-1.js").immutable);
}

TEST_F(AssetsTest, AFolderWithoutAPageOrWithSomethingElseIsRefused) {
  EXPECT_EQ(LoadAssets(folder_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(LoadAssets(folder_ / "absent").status().code(), absl::StatusCode::kNotFound);
  Write("index.html", "");
  Write("tls.key", "");
  const auto odd = LoadAssets(folder_);
  EXPECT_EQ(odd.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(odd.status().message().find("tls.key"), absl::string_view::npos);
}

}  // namespace
}  // namespace fairlead::dashboard
