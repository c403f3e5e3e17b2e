#include "client/retry.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "api/errors.h"
#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/node_service.pb.h"
#include "fairlead/v1/overview_service.pb.h"
#include "fairlead/v1/record_service.pb.h"
#include "fairlead/v1/reference_service.pb.h"

namespace fairlead::client {
namespace {

TEST(RetryTest, ReadsImportsAndIdentifiedWritesAreIdempotent) {
  int services = 0;
  for (const auto* file :
       {fairlead::v1::GetPortRequest::descriptor()->file(), fairlead::v1::GetEngagementRequest::descriptor()->file(),
        fairlead::v1::GetOverviewRequest::descriptor()->file(), fairlead::v1::ListRevisionsRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i, ++services) {
      for (int k = 0; k < file->service(i)->method_count(); ++k) {
        const auto& method = *file->service(i)->method(k);
        // A stream is resumed by its token, not called again.
        EXPECT_EQ(IsIdempotent(method), !method.server_streaming()) << method.full_name();
      }
    }
  }
  EXPECT_EQ(services, 4);
}

TEST(RetryTest, BackupsStayAtTheirNode) {
  std::vector<std::string> stay;
  for (const auto* file : {fairlead::v1::CreateBackupRequest::descriptor()->file(), fairlead::v1::GetPortRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int k = 0; k < file->service(i)->method_count(); ++k) {
        if (StaysAtItsNode(*file->service(i)->method(k))) stay.push_back(file->service(i)->method(k)->name());
      }
    }
  }
  EXPECT_EQ(stay, (std::vector<std::string>{"CreateBackup", "ListBackups", "VerifyBackup", "DeleteBackup"}));
}

TEST(RetryTest, AnotherWritersEtagIsNeverRetried) {
  const absl::Status mismatch = Error(Reason::kEtagMismatch, "changed");
  EXPECT_EQ(StepAfter(mismatch, true, true), NextStep::kStop);
  EXPECT_EQ(StepAfter(mismatch, true, false), NextStep::kStop);
}

TEST(RetryTest, WhatPassesIsRetriedAndWhatLastsIsNot) {
  const absl::Status gone = absl::UnavailableError("connection refused");
  EXPECT_EQ(StepAfter(gone, true, false), NextStep::kSameNode);
  EXPECT_EQ(StepAfter(gone, true, true), NextStep::kOtherNode);
  EXPECT_EQ(StepAfter(gone, false, true), NextStep::kStop);
  EXPECT_EQ(StepAfter(Error(Reason::kShuttingDown, ""), true, false), NextStep::kSameNode);
  EXPECT_EQ(StepAfter(Error(Reason::kNodeReadOnly, ""), true, false), NextStep::kStop);
  EXPECT_EQ(StepAfter(Error(Reason::kNodeReadOnly, ""), true, true), NextStep::kOtherNode);
  EXPECT_EQ(StepAfter(Error(Reason::kClockDrift, ""), true, false), NextStep::kStop);
  EXPECT_EQ(StepAfter(Error(Reason::kOverloaded, ""), true, true), NextStep::kSameNode);
  EXPECT_EQ(StepAfter(Error(Reason::kStorageFull, ""), true, true), NextStep::kStop);
  EXPECT_EQ(StepAfter(Error(Reason::kLimitReached, ""), true, true), NextStep::kSameNode);
  EXPECT_EQ(StepAfter(Error(Reason::kLimitReached, ""), false, true), NextStep::kStop);
  EXPECT_EQ(StepAfter(absl::DeadlineExceededError(""), true, true), NextStep::kOtherNode);
  EXPECT_EQ(StepAfter(absl::DeadlineExceededError(""), true, false), NextStep::kStop);
  // It is written at that node: it waits there again, and only there.
  EXPECT_EQ(StepAfter(Error(Reason::kReplicationTimeout, ""), true, true), NextStep::kSameNode);
  EXPECT_EQ(StepAfter(Error(Reason::kReplicationTimeout, ""), true, false), NextStep::kStop);
  EXPECT_EQ(StepAfter(absl::OkStatus(), true, true), NextStep::kStop);
}

TEST(RetryTest, OnlyUnavailableOverloadedLimitedAndLateAreRetriedOfAllReasons) {
  for (const Reason reason : AllReasons()) {
    const NextStep step = StepAfter(Error(reason, ""), true, true);
    const absl::StatusCode code = ReasonCode(reason);
    const bool again = code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kDeadlineExceeded ||
                       reason == Reason::kOverloaded || reason == Reason::kLimitReached;
    EXPECT_EQ(step != NextStep::kStop, again) << ReasonName(reason);
  }
}

TEST(RetryTest, BackoffGrowsToItsBoundAndIsAtLeastHalf) {
  const RetryOptions options{absl::Milliseconds(100), absl::Milliseconds(350)};
  EXPECT_EQ(Backoff(options, 1, 0), absl::Milliseconds(50));
  EXPECT_EQ(Backoff(options, 1, 0.5), absl::Milliseconds(75));
  EXPECT_EQ(Backoff(options, 2, 0), absl::Milliseconds(100));
  EXPECT_EQ(Backoff(options, 3, 0), absl::Milliseconds(175));
  EXPECT_EQ(Backoff(options, 1000, 0), absl::Milliseconds(175));
  EXPECT_LT(Backoff(options, 1000, 0.999), absl::Milliseconds(350));
}

}  // namespace
}  // namespace fairlead::client
