#include "client/outbox/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "api/errors.h"
#include "api/ids.h"
#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/reference_service.pb.h"

namespace fairlead::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kCreateEngagement[] = "fairlead.v1.EngagementService.CreateEngagement";
constexpr char kCreateObservation[] = "fairlead.v1.EngagementService.CreateObservation";
constexpr char kProposeEngagement[] = "fairlead.v1.EngagementService.ProposeEngagement";
constexpr char kUpdatePort[] = "fairlead.v1.ReferenceService.UpdatePort";
constexpr char kWithdrawPort[] = "fairlead.v1.ReferenceService.WithdrawPort";
constexpr char kGetPort[] = "fairlead.v1.ReferenceService.GetPort";

class OutboxTest : public testing::Test {
 protected:
  OutboxTest() { Reopen(); }
  ~OutboxTest() override { std::filesystem::remove_all(folder_); }

  OutboxOptions Options() const {
    OutboxOptions options;
    options.folder = folder_.string();
    options.network = "demo.example";
    options.actor = "officer/apac/watch";
    options.now = [this] { return now_; };
    return options;
  }
  void Reopen() {
    outbox_.reset();
    absl::StatusOr<std::unique_ptr<Outbox>> opened = Outbox::Open(Options());
    ASSERT_TRUE(opened.ok()) << opened.status();
    outbox_ = *std::move(opened);
  }
  absl::StatusOr<Change> Record(const std::string& method, const google::protobuf::Message& request, const std::string& record) {
    return outbox_->Record(*MethodNamed(method), request, record, "apac");
  }
  static v1::Port Port(const std::string& etag, const std::string& display_name) {
    v1::Port port;
    port.set_name("ports/JPYOK");
    port.set_etag(etag);
    port.set_display_name(display_name);
    return port;
  }
  static v1::UpdatePortRequest Renaming(const std::string& display_name) {
    v1::UpdatePortRequest request;
    request.mutable_port()->set_name("ports/JPYOK");
    request.mutable_port()->set_display_name(display_name);
    request.mutable_update_mask()->add_paths("display_name");
    return request;
  }
  static v1::CreateEngagementRequest Visit(const std::string& title) {
    v1::CreateEngagementRequest request;
    request.mutable_engagement()->set_title(title);
    return request;
  }
  Change Find(int64_t position) { return outbox_->Find(position).value(); }

  const std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / "outbox_test";
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  std::unique_ptr<Outbox> outbox_;
};

TEST_F(OutboxTest, AChangeIsThereAfterItIsOpenedAgainAsItWasMade) {
  const auto recorded = Record(kCreateEngagement, Visit("Visit"), "engagements/");
  ASSERT_TRUE(recorded.ok()) << recorded.status();
  EXPECT_EQ(recorded->record, "engagements/" + CreatedRecordId("demo.example", "officer/apac/watch",
                                                               "fairlead.v1.EngagementService/CreateEngagement", recorded->request_id));
  EXPECT_EQ(RequestIdMillis(recorded->request_id), absl::ToUnixMillis(now_));
  Reopen();
  const auto changes = outbox_->Changes(/*with_done=*/false);
  ASSERT_TRUE(changes.ok()) << changes.status();
  ASSERT_THAT(*changes, SizeIs(1));
  const Change& change = changes->front();
  EXPECT_EQ(change.position, recorded->position);
  EXPECT_EQ(change.record, recorded->record);
  EXPECT_EQ(change.site, "apac");
  EXPECT_EQ(change.method->full_name(), kCreateEngagement);
  EXPECT_EQ(change.request->SerializeAsString(), recorded->request->SerializeAsString());
  EXPECT_EQ(change.request_id, TextOf(*change.request, "request_id"));
  EXPECT_EQ(change.state, ChangeState::kWaiting);
  EXPECT_EQ(change.recorded, now_);
  EXPECT_EQ(change.Basis(), "");
}

TEST_F(OutboxTest, AChangeKeepsTheRevisionThatWasReadAndTheAuthorsOwnChangesSince) {
  EXPECT_EQ(Record(kUpdatePort, Renaming("a"), "ports/JPYOK").status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(outbox_->Keep(Port("e1", "Yokohama")).ok());
  const auto first = Record(kUpdatePort, Renaming("a"), "ports/JPYOK");
  const auto second = Record(kUpdatePort, Renaming("b"), "ports/JPYOK");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(static_cast<const v1::UpdatePortRequest&>(*first->request).port().etag(), "e1");
  EXPECT_EQ(first->Basis(), "kept");
  EXPECT_EQ(static_cast<const v1::UpdatePortRequest&>(*second->request).port().etag(), "e1");
  EXPECT_EQ(second->Basis(), "kept " + first->request_id);

  // The first is answered, with what others wrote: the second's basis is as it was, the third's is what has now been read.
  ASSERT_TRUE(outbox_->MarkSent(first->position).ok());
  ASSERT_TRUE(outbox_->MarkDone(first->position, Port("e2", "a"), "token").ok());
  EXPECT_EQ(Find(second->position).Basis(), "kept " + first->request_id);
  v1::WithdrawPortRequest withdraw;
  withdraw.set_name("ports/JPYOK");
  const auto third = Record(kWithdrawPort, withdraw, "ports/JPYOK");
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_EQ(static_cast<const v1::WithdrawPortRequest&>(*third->request).etag(), "e2");
  EXPECT_EQ(third->Basis(), "kept " + second->request_id);
  EXPECT_EQ(outbox_->Token().value(), "token");
}

TEST_F(OutboxTest, ARecordThatIsMadeOfflineCanBeChangedAndNamedAtOnce) {
  const auto visit = Record(kCreateEngagement, Visit("Visit"), "engagements/");
  ASSERT_TRUE(visit.ok());
  v1::ProposeEngagementRequest propose;
  propose.set_name(visit->record);
  const auto proposed = Record(kProposeEngagement, propose, visit->record);
  ASSERT_TRUE(proposed.ok()) << proposed.status();
  EXPECT_EQ(proposed->Basis(), "kept " + visit->request_id);
  EXPECT_EQ(static_cast<const v1::ProposeEngagementRequest&>(*proposed->request).etag(), "");
  v1::CreateObservationRequest observe;
  observe.set_parent(visit->record);
  const auto observed = Record(kCreateObservation, observe, visit->record + "/observations/");
  ASSERT_TRUE(observed.ok());
  EXPECT_THAT(observed->record, testing::StartsWith(visit->record + "/observations/"));
  const auto expected = outbox_->Expect(visit->record);
  ASSERT_TRUE(expected.ok()) << expected.status();
  EXPECT_EQ(TextOf(*expected->record, "title"), "Visit");
  EXPECT_EQ(TextOf(*expected->record, "name"), visit->record);
  EXPECT_EQ(expected->read, std::nullopt);
  EXPECT_THAT(expected->changes, ElementsAre(visit->position, proposed->position));
}

TEST_F(OutboxTest, WhatIsKeptIsShownWithWhatWaits) {
  v1::Port kept = Port("e1", "Yokohama");
  kept.set_subdivision("14");
  ASSERT_TRUE(outbox_->Keep(kept).ok());
  v1::UpdatePortRequest update = Renaming("Yokohama-ko");
  update.mutable_update_mask()->add_paths("subdivision");  // cleared
  const auto change = Record(kUpdatePort, update, "ports/JPYOK");
  ASSERT_TRUE(change.ok());
  const auto all = outbox_->ExpectAll(*v1::Port::descriptor());
  ASSERT_TRUE(all.ok());
  ASSERT_THAT(*all, SizeIs(1));
  EXPECT_EQ(TextOf(*all->front().record, "display_name"), "Yokohama-ko");
  EXPECT_EQ(TextOf(*all->front().record, "subdivision"), "");
  EXPECT_EQ(all->front().read, now_);
  EXPECT_THAT(all->front().changes, ElementsAre(change->position));
  ASSERT_TRUE(outbox_->Drop(change->position, false).ok());
  EXPECT_EQ(TextOf(*outbox_->Expect("ports/JPYOK")->record, "display_name"), "Yokohama");
  ASSERT_TRUE(outbox_->Unkeep("ports/JPYOK").ok());
  EXPECT_EQ(outbox_->Expect("ports/JPYOK").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(OutboxTest, OneRequestIdIsOneChange) {
  v1::CreateEngagementRequest request = Visit("Visit");
  request.set_request_id(NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(now_))));
  const auto first = Record(kCreateEngagement, request, "engagements/");
  const auto again = Record(kCreateEngagement, request, "engagements/");
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(first->position, again->position);
  EXPECT_EQ(outbox_->Waiting().value(), 1);
  v1::UpdatePortRequest other = Renaming("a");
  other.set_request_id(request.request_id());
  EXPECT_EQ(Record(kUpdatePort, other, "ports/JPYOK").status().code(), absl::StatusCode::kInvalidArgument);
  request.set_request_id("first");
  EXPECT_EQ(Record(kCreateEngagement, request, "engagements/").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(OutboxTest, WhatCannotWaitIsRefused) {
  v1::GetPortRequest get;
  get.set_name("ports/JPYOK");
  const auto refused = Record(kGetPort, get, "ports/JPYOK");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), HasSubstr("GetPort cannot be done offline"));
  ASSERT_TRUE(outbox_->Keep(Port("e1", "Yokohama")).ok());
  v1::CreatePortRequest create;
  create.set_port_id("JPYOK");
  EXPECT_EQ(Record("fairlead.v1.ReferenceService.CreatePort", create, "ports/JPYOK").status().code(), absl::StatusCode::kAlreadyExists);
  for (size_t i = 0; i < kChangesOfRecordMax; ++i) ASSERT_TRUE(Record(kUpdatePort, Renaming("a"), "ports/JPYOK").ok());
  EXPECT_EQ(Record(kUpdatePort, Renaming("a"), "ports/JPYOK").status().code(), absl::StatusCode::kResourceExhausted);
  v1::CreateEngagementRequest large = Visit(std::string(kRequestBytesMax, 'x'));
  EXPECT_EQ(Record(kCreateEngagement, large, "engagements/").status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(OutboxTest, ADroppedChangeIsNoLongerWhatOthersFollow) {
  ASSERT_TRUE(outbox_->Keep(Port("e1", "Yokohama")).ok());
  const auto first = Record(kUpdatePort, Renaming("a"), "ports/JPYOK");
  const auto second = Record(kUpdatePort, Renaming("b"), "ports/JPYOK");
  ASSERT_TRUE(outbox_->Drop(first->position, false).ok());
  EXPECT_EQ(Find(second->position).Basis(), "kept");
  // The number of a change is not used again.
  ASSERT_TRUE(outbox_->Drop(second->position, false).ok());
  EXPECT_GT(Record(kUpdatePort, Renaming("c"), "ports/JPYOK")->position, second->position);
  EXPECT_EQ(outbox_->Drop(first->position, false).code(), absl::StatusCode::kNotFound);
}

TEST_F(OutboxTest, WhatOthersNeedOrTheNodeMayHaveTakenIsNotDropped) {
  const auto visit = Record(kCreateEngagement, Visit("Visit"), "engagements/");
  v1::CreateObservationRequest observe;
  observe.set_parent(visit->record);
  const auto observed = Record(kCreateObservation, observe, visit->record + "/observations/");
  const absl::Status needed = outbox_->Drop(visit->position, false);
  EXPECT_EQ(needed.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(needed.message(), HasSubstr("change 2 needs"));
  ASSERT_TRUE(outbox_->MarkSent(observed->position).ok());
  EXPECT_THAT(outbox_->Drop(observed->position, false).message(), HasSubstr("may have taken it"));
  EXPECT_TRUE(outbox_->Drop(observed->position, true).ok());
  EXPECT_TRUE(outbox_->Drop(visit->position, false).ok());
  EXPECT_EQ(outbox_->Waiting().value(), 0);
}

TEST_F(OutboxTest, ARefusedChangeIsMendedUnderItsRequestId) {
  const auto visit = Record(kCreateEngagement, Visit(""), "engagements/");
  const absl::Status error = FieldError(Reason::kFieldRequired, "engagement.title", "is required");
  EXPECT_EQ(outbox_->Retry(visit->position).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(outbox_->MarkSent(visit->position).ok());
  ASSERT_TRUE(outbox_->MarkRefused(visit->position, error).ok());
  Reopen();
  Change refused = Find(visit->position);
  EXPECT_EQ(refused.state, ChangeState::kRefused);
  EXPECT_EQ(FieldOf(refused.error), "engagement.title");
  EXPECT_EQ(ReasonOf(refused.error), "FIELD_REQUIRED");
  ASSERT_TRUE(outbox_->Replace(visit->position, Visit("Visit")).ok());
  const Change mended = Find(visit->position);
  EXPECT_EQ(mended.state, ChangeState::kWaiting);
  EXPECT_EQ(mended.request_id, visit->request_id);
  EXPECT_EQ(TextOf(*mended.request, "request_id"), visit->request_id);
  EXPECT_EQ(static_cast<const v1::CreateEngagementRequest&>(*mended.request).engagement().title(), "Visit");
  ASSERT_TRUE(outbox_->MarkSent(visit->position).ok());
  EXPECT_THAT(outbox_->Replace(visit->position, Visit("Other")).message(), HasSubstr("may have taken it"));
}

TEST_F(OutboxTest, ARebasedChangeIsMadeUponWhatIsKeptNow) {
  ASSERT_TRUE(outbox_->Keep(Port("e1", "Yokohama")).ok());
  const auto first = Record(kUpdatePort, Renaming("a"), "ports/JPYOK");
  ASSERT_TRUE(outbox_->MarkSent(first->position).ok());
  ASSERT_TRUE(outbox_->MarkRefused(first->position, Error(Reason::kEtagMismatch, "no such revision")).ok());
  ASSERT_TRUE(outbox_->Keep(Port("e9", "Yokohama Ko")).ok());
  ASSERT_TRUE(outbox_->Rebase(first->position).ok());
  EXPECT_EQ(static_cast<const v1::UpdatePortRequest&>(*Find(first->position).request).port().etag(), "e9");
  EXPECT_EQ(Find(first->position).state, ChangeState::kWaiting);
  EXPECT_EQ(Find(first->position).Basis(), "kept");
}

TEST_F(OutboxTest, ARenewedCreateHasANewNameWhereverItIsUsed) {
  const auto visit = Record(kCreateEngagement, Visit("Visit"), "engagements/");
  v1::ProposeEngagementRequest propose;
  propose.set_name(visit->record);
  const auto proposed = Record(kProposeEngagement, propose, visit->record);
  v1::CreateObservationRequest observe;
  observe.set_parent(visit->record);
  const auto observed = Record(kCreateObservation, observe, visit->record + "/observations/");
  now_ += absl::Hours(24 * 31);
  EXPECT_EQ(outbox_->OldestAge().value(), absl::Hours(24 * 31));
  const auto renewed = outbox_->Renew(visit->position, false);
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_NE(renewed->record, visit->record);
  EXPECT_EQ(RequestIdMillis(renewed->request_id), absl::ToUnixMillis(now_));
  EXPECT_EQ(renewed->record, "engagements/" + CreatedRecordId("demo.example", "officer/apac/watch",
                                                              "fairlead.v1.EngagementService/CreateEngagement", renewed->request_id));
  const Change after = Find(proposed->position);
  EXPECT_EQ(after.record, renewed->record);
  EXPECT_EQ(TextOf(*after.request, "name"), renewed->record);
  EXPECT_EQ(after.Basis(), "kept " + renewed->request_id);
  EXPECT_EQ(TextOf(*Find(observed->position).request, "parent"), renewed->record);
  EXPECT_THAT(Find(observed->position).record, testing::StartsWith(renewed->record + "/observations/"));
  // What may have been taken under its old id is not sent under another unless a person says so.
  ASSERT_TRUE(outbox_->MarkSent(observed->position).ok());
  ASSERT_TRUE(outbox_->MarkSent(observed->position).ok());
  ASSERT_TRUE(outbox_->MarkRefused(observed->position, FieldError(Reason::kRequestIdExpired, "request_id", "is too old")).ok());
  EXPECT_EQ(outbox_->Renew(observed->position, false).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(outbox_->Renew(observed->position, true).ok());
}

TEST_F(OutboxTest, WhatIsDoneIsForgottenOnceItIsOld) {
  ASSERT_TRUE(outbox_->Keep(Port("e1", "Yokohama")).ok());
  const auto change = Record(kUpdatePort, Renaming("a"), "ports/JPYOK");
  ASSERT_TRUE(outbox_->MarkSent(change->position).ok());
  v1::Port answer = Port("e2", "a");
  answer.add_conflicts()->set_field("display_name");
  ASSERT_TRUE(outbox_->MarkDone(change->position, answer, "").ok());
  EXPECT_THAT(Find(change->position).conflicts, ElementsAre("ports/JPYOK/conflicts/display_name"));
  EXPECT_EQ(TextOf(*Find(change->position).answer, "etag"), "e2");
  EXPECT_THAT(outbox_->Changes(false).value(), IsEmpty());
  EXPECT_EQ(outbox_->Forget(now_).value(), 0);
  EXPECT_EQ(outbox_->Forget(now_ + absl::Seconds(1)).value(), 1);
  EXPECT_THAT(outbox_->Changes(true).value(), IsEmpty());
}

TEST_F(OutboxTest, AnOutboxIsOnesOwnAndOpenOnce) {
  const auto second = Outbox::Open(Options());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(second.status().message(), HasSubstr("in use by another process"));
  outbox_.reset();
  OutboxOptions other = Options();
  other.actor = "officer/eame/watch";
  const auto foreign = Outbox::Open(other);
  EXPECT_EQ(foreign.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(foreign.status().message(), HasSubstr("is the outbox of officer/apac/watch"));
  EXPECT_EQ(std::filesystem::status(folder_).permissions(), std::filesystem::perms::owner_all);
}

TEST_F(OutboxTest, WhatIsNoOutboxIsSaidToBeNone) {
  outbox_.reset();
  FILE* file = fopen((folder_ / "outbox.db").c_str(), "w");
  ASSERT_NE(file, nullptr);
  const std::string text(8192, 'x');
  ASSERT_EQ(fwrite(text.data(), 1, text.size(), file), text.size());
  fclose(file);
  EXPECT_EQ(Outbox::Open(Options()).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace fairlead::client
