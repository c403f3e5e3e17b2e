#include "tests/framework/process.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "certs/files.h"
#include "storage/scratch_directory.h"
#include "tests/framework/eventually.h"

namespace fairlead::framework {
namespace {

TEST(ProcessTest, SaysHowItEnded) {
  const auto ended = RunToEnd({"/bin/sh", "-c", "echo out; echo err >&2; exit 7"}, kPatience);
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(ended->exit, (Exit{.code = 7}));
  EXPECT_EQ(ended->output, "out\nerr\n");
  const auto absent = RunToEnd({"/nowhere/program"}, kPatience);
  ASSERT_TRUE(absent.ok()) << absent.status();
  EXPECT_EQ(absent->exit, (Exit{.code = 127}));
}

TEST(ProcessTest, SignalsAndWaitsWithADeadline) {
  const storage::ScratchDirectory scratch;
  auto process = Process::Start({"/bin/sleep", "1000"}, scratch.path() + "/output");
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_FALSE((*process)->Wait(absl::Milliseconds(20)).has_value());
  (*process)->Signal(SIGTERM);
  const auto exit = (*process)->Wait(kPatience);
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(*exit, (Exit{.signal = SIGTERM}));
  EXPECT_EQ(ToString(*exit), "signal 15");
}

TEST(ProcessTest, KillsItsWholeGroupWhenItGoes) {
  const storage::ScratchDirectory scratch;
  const std::string file = scratch.path() + "/child";
  auto process = Process::Start({"/bin/sh", "-c", "sleep 1000 & echo $! >\"$0\"; wait", file}, scratch.path() + "/output");
  ASSERT_TRUE(process.ok()) << process.status();
  pid_t child = 0;
  ASSERT_TRUE(Eventually([&] {
    const auto text = certs::ReadFile(file);
    return text.ok() && text->ends_with('\n') && (child = std::stoi(*text)) > 0;
  }));
  process->reset();
  // A killed orphan is gone, or waits to be reaped by whoever inherited it.
  EXPECT_TRUE(Eventually([&] {
    const auto stat = certs::ReadFile("/proc/" + std::to_string(child) + "/stat");
    return !stat.ok() || stat->find(") Z ") != std::string::npos;
  }));
}

}  // namespace
}  // namespace fairlead::framework
