#include "server/rpc/void_methods.h"

#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class VoidMethodsTest : public SiteTest {
 protected:
  VoidMethodsTest() : eame_("eame", &clock_), analyst_(apac_.As("hq/analyst/desk")) {
    MakeCountry(eame_.As("officer/eame/watch"), "FR", "France", v1::REGION_EAME);
    MakeCountry(eame_.As("officer/eame/watch"), "DE", "Germany", v1::REGION_EAME);
    // The first of them is not understood at apac.
    replication::RemoteBatch batch = node::Missing(eame_.node(), apac_.node());
    node::MakeUnknown(batch, 0);
    absl::Notification done;
    apac_.node().ApplyRemote(std::move(batch), [&done](const replication::ApplyResult& result) {
      EXPECT_TRUE(result.status.ok()) << result.status;
      done.Notify();
    });
    done.WaitForNotification();
  }
  absl::StatusOr<v1::EntryVoid> Discard(const Client& caller, const std::string& entry, const std::string& reason = "faulty program") {
    v1::VoidEntryRequest request;
    request.set_entry(entry);
    request.set_reason(reason);
    return caller.Call<v1::EntryVoid>("NodeService/VoidEntry", request);
  }

  TestSite eame_;
  Client analyst_;
};

TEST_F(VoidMethodsTest, AnOpaqueEntryIsDiscardedWithAReasonAndListed) {
  ASSERT_EQ(apac_.node().OpaqueCount(), 1);
  EXPECT_THAT(Discard(officer_, "eame/1/0"), FailsWith("PERMISSION_DENIED"));
  EXPECT_THAT(Discard(analyst_, ""), FailsWith("FIELD_REQUIRED", "entry"));
  EXPECT_THAT(Discard(analyst_, "eame/1"), FailsWith("FIELD_INVALID", "entry"));
  EXPECT_THAT(Discard(analyst_, "nowhere/1/0"), FailsWith("FIELD_INVALID", "entry"));
  EXPECT_THAT(Discard(analyst_, "eame/1/0", ""), FailsWith("FIELD_REQUIRED", "reason"));
  EXPECT_THAT(Discard(analyst_, "eame/1/0", std::string(1001, 'x')), FailsWith("FIELD_TOO_LARGE", "reason"));
  EXPECT_THAT(Discard(analyst_, "eame/1/1"), FailsWith("STATE_FORBIDS"));
  EXPECT_THAT(Discard(analyst_, "eame/1/7"), FailsWith("RECORD_NOT_FOUND"));

  const auto discarded = Discard(analyst_, "eame/1/0");
  ASSERT_TRUE(discarded.ok()) << discarded.status();
  EXPECT_EQ(discarded->name(), "voids/2-0");
  EXPECT_EQ(discarded->entry(), "eame/1/0");
  EXPECT_EQ(discarded->reason(), "faulty program");
  EXPECT_EQ(apac_.node().OpaqueCount(), 0);
  const auto again = Discard(analyst_, "eame/1/0", "another reason");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->etag(), discarded->etag());

  const auto list = officer_.Call<v1::ListVoidEntriesResponse>("NodeService/ListVoidEntries", v1::ListVoidEntriesRequest());
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_THAT(list->void_entries(), SizeIs(1));
  EXPECT_EQ(list->void_entries(0).entry(), "eame/1/0");
  EXPECT_EQ(list->void_entries(0).cause(), "DISCARDED");
  EXPECT_THAT(list->void_entries(0).records(), ElementsAre("countries/FR"));
  const auto status = officer_.Call<v1::NodeStatus>("NodeService/GetNodeStatus", v1::GetNodeStatusRequest());
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->opaque_entries(), 0);
  EXPECT_EQ(status->roster_version(), 1);
  EXPECT_EQ(status->unauthorised_changes(), 0);
  EXPECT_EQ(status->clock_disagreement(), "");
  v1::ListRevisionsRequest history;
  history.set_name("voids/2-0");
  const auto revisions = officer_.Call<v1::ListRevisionsResponse>("RecordService/ListRevisions", history);
  ASSERT_TRUE(revisions.ok()) << revisions.status();
  ASSERT_THAT(revisions->revisions(), SizeIs(1));
  EXPECT_EQ(revisions->revisions(0).actor(), "hq/analyst/desk");
}

TEST_F(VoidMethodsTest, OnlyWhatIsVoidIsReissued) {
  v1::ReissueEntriesRequest request;
  const auto reissue = [&] { return analyst_.Call<v1::ReissueEntriesResponse>("NodeService/ReissueEntries", request); };
  EXPECT_THAT(reissue(), FailsWith("FIELD_REQUIRED", "entries"));
  request.add_entries("eame/1/1");
  EXPECT_THAT(reissue(), FailsWith("STATE_FORBIDS"));
  // What it could not keep it does not take.
  grpc::ClientContext context;
  context.AddMetadata(kDurabilityMetadata, "replicated:1");
  EXPECT_THAT(analyst_.Call<v1::ReissueEntriesResponse>("NodeService/ReissueEntries", request, &context),
              FailsWith("FIELD_INVALID", kDurabilityMetadata));
  const auto list =
      officer_.Call<v1::ListUnauthorisedChangesResponse>("NodeService/ListUnauthorisedChanges", v1::ListUnauthorisedChangesRequest());
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_THAT(list->changes(), IsEmpty());
}

}  // namespace
}  // namespace fairlead::rpc
