// That a best practice never tells where it came from: what a gateway's viewer and a partner nation are answered, on the wire and in
// history, is the same, byte for byte, whatever the country that the practice was seen in.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "fairlead/v1/exchange_service.pb.h"
#include "fairlead/v1/practice_service.pb.h"
#include "fairlead/v1/release_service.pb.h"
#include "fairlead/v1/search_service.pb.h"
#include "server/rpc/rpc_fixture.h"
#include "server/rpc/viewer.h"

namespace fairlead::rpc {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// A practice that was seen in one country, with all that staff wrote about that: a review, notes in conflict, an erasure. Request ids are
// counted, so that two worlds differ in the country alone.
class World {
 public:
  explicit World(const std::string& code, const std::string& country)
      : apac_("apac", &clock_, absl::Milliseconds(200)),
        officer_(apac_.As("officer/apac/watch")),
        hq_(apac_.As("hq/release/desk")),
        gateway_(apac_.As("gateway/dashboard")),
        partner_(apac_.As("partner/AU/registry")) {
    apac_.StartSearch();
    for (const char* each : {"JP", "GH", "AU"}) {
      v1::CreateCountryRequest request;
      request.set_country_id(each);
      request.set_request_id(NextId());
      request.mutable_country()->set_display_name(
          std::map<std::string, std::string>{{"JP", "Japan"}, {"GH", "Ghana"}, {"AU", "Australia"}}[each]);
      request.mutable_country()->set_region(v1::REGION_APAC);
      Must<v1::Country>(officer_, "ReferenceService/CreateCountry", request);
    }
    v1::CreateEngagementRequest visit;
    visit.set_request_id(NextId());
    visit.mutable_engagement()->set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
    visit.mutable_engagement()->set_title("Visit to " + country);
    visit.mutable_engagement()->add_countries("countries/" + code);
    visit.mutable_engagement()->set_region(v1::REGION_APAC);
    engagement_ = Must<v1::Engagement>(officer_, "EngagementService/CreateEngagement", visit).name();

    v1::CreatePracticeContributionRequest contribute;
    contribute.set_request_id(NextId());
    contribute.mutable_practice_contribution()->set_engagement(engagement_);
    contribute.mutable_practice_contribution()->set_country("countries/" + code);
    contribute.mutable_practice_contribution()->set_title("Gate checks in pairs");
    contribute.mutable_practice_contribution()->set_text("Two guards check each badge at the gate.");
    contribute.mutable_practice_contribution()->set_notes("As the authority of " + country + " does.");
    v1::PracticeContribution contribution =
        Must<v1::PracticeContribution>(officer_, "PracticeService/CreatePracticeContribution", contribute);
    contribution_ = contribution.name();
    v1::SubmitPracticeContributionRequest submit;
    submit.set_request_id(NextId());
    submit.set_name(contribution_);
    submit.set_etag(contribution.etag());
    contribution = Must<v1::PracticeContribution>(officer_, "PracticeService/SubmitPracticeContribution", submit);
    Dispute(country);
    Erase(country);

    v1::CreateBestPracticeRequest share;
    share.set_request_id(NextId());
    share.mutable_best_practice()->set_title("Gate checks in pairs");
    share.mutable_best_practice()->set_text("Two guards check each badge at the gate.");
    v1::BestPractice practice = Must<v1::BestPractice>(officer_, "PracticeService/CreateBestPractice", share);
    practice_ = practice.name();
    v1::PublishBestPracticeRequest publish;
    publish.set_request_id(NextId());
    publish.set_name(practice_);
    publish.set_etag(practice.etag());
    practice = Must<v1::BestPractice>(hq_, "PracticeService/PublishBestPractice", publish);
    v1::UpdateBestPracticeRequest update;
    update.set_request_id(NextId());
    *update.mutable_best_practice() = practice;
    update.mutable_best_practice()->set_text("Two guards check each badge and each seal at the gate.");
    update.mutable_best_practice()->set_version(2);
    Must<v1::BestPractice>(officer_, "PracticeService/UpdateBestPractice", update);
    Release();
  }

  const Client& officer() const { return officer_; }
  const Client& gateway() const { return gateway_; }
  const std::string& engagement() const { return engagement_; }
  const std::string& contribution() const { return contribution_; }
  const std::string& practice() const { return practice_; }
  const std::string& erased() const { return erased_; }

  // Through the gateway, for one of headquarters' analysts.
  template <class Response, class Request>
  absl::StatusOr<Response> View(const std::string& method, const Request& request) const {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    context.AddMetadata(kViewerMetadata, "hq/analyst/desk");
    return gateway_.Call<Response>(method, request, &context);
  }

  // The snapshot of every collection that the feed sends a caller.
  std::vector<v1::WatchRecordsResponse> Feed(const Client& caller, const std::string& viewer) const {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    if (!viewer.empty()) context.AddMetadata(kViewerMetadata, viewer);
    v1::WatchRecordsRequest request;
    request.set_snapshot(true);
    const auto stub = v1::RecordService::NewStub(caller.channel());
    const auto reader = stub->WatchRecords(&context, request);
    std::vector<v1::WatchRecordsResponse> events;
    v1::WatchRecordsResponse event;
    while (reader->Read(&event) && !event.collection().empty()) {
      event.clear_resume_token();  // of this world's journal
      events.push_back(event);
    }
    context.TryCancel();
    (void)reader->Finish();
    return events;
  }

  // All that the viewer is answered about practices, refusals included.
  std::vector<std::string> Shared() const {
    std::vector<std::string> answers;
    const auto add = [&answers](const auto& answer) {
      answers.push_back(answer.ok() ? answer->DebugString() : answer.status().ToString());
    };
    v1::GetBestPracticeRequest get;
    get.set_name(practice_);
    add(View<v1::BestPractice>("PracticeService/GetBestPractice", get));
    add(View<v1::ListBestPracticesResponse>("PracticeService/ListBestPractices", v1::ListBestPracticesRequest()));
    v1::ListRevisionsRequest history;
    for (const std::string& name : {practice_, contribution_}) {
      history.set_name(name);
      add(View<v1::ListRevisionsResponse>("RecordService/ListRevisions", history));
    }
    add(View<v1::ListConflictsResponse>("RecordService/ListConflicts", v1::ListConflictsRequest()));
    v1::GetConflictRequest conflict;
    conflict.set_name(contribution_ + "/conflicts/notes");
    add(View<v1::Conflict>("RecordService/GetConflict", conflict));
    v1::ResolveConflictRequest resolve;
    resolve.set_name(conflict.name());
    resolve.set_etag("any");
    resolve.set_value("\"mine\"");
    add(View<v1::ResolveConflictResponse>("RecordService/ResolveConflict", resolve));
    add(View<v1::ListErasuresResponse>("RecordService/ListErasures", v1::ListErasuresRequest()));
    v1::GetErasureRequest erasure;
    erasure.set_entry(erased_);
    add(View<v1::Erasure>("RecordService/GetErasure", erasure));
    v1::GetPracticeContributionRequest source;
    source.set_name(contribution_);
    add(View<v1::PracticeContribution>("PracticeService/GetPracticeContribution", source));
    for (const char* words : {"gate", "japan OR ghana", "authority"}) {
      for (const char* collection : {"bestPractices", "practiceContributions", ""}) {
        v1::SearchRequest search;
        search.set_query(words);
        if (*collection != '\0') search.add_collections(collection);
        auto found = View<v1::SearchResponse>("SearchService/Search", search);
        // Visits say where they went, to all who may read them.
        if (found.ok()) {
          auto& results = *found->mutable_results();
          results.erase(
              std::remove_if(results.begin(), results.end(),
                             [](const auto& result) { return result.collection() == "engagements" || result.collection() == "countries"; }),
              results.end());
        }
        add(found);
      }
    }
    for (const v1::WatchRecordsResponse& event : Feed(gateway_, "hq/analyst/desk")) {
      if (event.collection() != "engagements" && event.collection() != "countries") answers.push_back(event.DebugString());
    }
    add(partner_.Call<v1::ListReleasedRecordsResponse>("ExchangeService/ListReleasedRecords", v1::ListReleasedRecordsRequest()));
    return answers;
  }

 private:
  template <class Response, class Request>
  static Response Must(const Client& caller, const std::string& method, const Request& request) {
    const auto response = caller.Call<Response>(method, request);
    EXPECT_TRUE(response.ok()) << method << ": " << response.status();
    return response.value_or(Response());
  }

  std::string NextId() {
    const auto ms = static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now()));
    return fmt::format("{:08x}-{:04x}-7000-8000-{:012x}", ms >> 16, ms & 0xffff, ++ids_);
  }

  void Note(const Client& caller, const std::string& notes) {
    v1::GetPracticeContributionRequest get;
    get.set_name(contribution_);
    v1::UpdatePracticeContributionRequest update;
    update.set_request_id(NextId());
    *update.mutable_practice_contribution() = Must<v1::PracticeContribution>(caller, "PracticeService/GetPracticeContribution", get);
    update.mutable_practice_contribution()->set_notes(notes);
    update.mutable_update_mask()->add_paths("notes");
    Must<v1::PracticeContribution>(caller, "PracticeService/UpdatePracticeContribution", update);
  }

  // Two sites write the notes without having seen each other.
  void Dispute(const std::string& country) {
    TestSite eame("eame", &clock_);
    eame.Receive(apac_);
    Note(officer_, "Seen in " + country + ".");
    Note(eame.As("officer/eame/watch"), "The port of " + country + ".");
    apac_.Receive(eame);
  }

  // The contribution's first revision, for a reason that names the country.
  void Erase(const std::string& country) {
    v1::ListRevisionsRequest history;
    history.set_name(contribution_);
    const auto revisions = Must<v1::ListRevisionsResponse>(officer_, "RecordService/ListRevisions", history);
    v1::EraseRevisionRequest erase;
    erase.set_request_id(NextId());
    erase.set_name(contribution_);
    for (const v1::Revision& revision : revisions.revisions()) {
      if (revision.method().ends_with("CreatePracticeContribution")) erased_ = revision.entry();
    }
    erase.set_entry(erased_);
    erase.set_reason("named an official of " + country);
    erase.set_authority("ruling 7");
    Must<v1::Erasure>(officer_, "RecordService/EraseRevision", erase);
  }

  void Release() {
    v1::PreviewReleaseRequest preview;
    preview.mutable_draft()->set_record(practice_);
    preview.mutable_draft()->set_purpose("A joint drill.");
    preview.mutable_draft()->add_nations("countries/AU");
    v1::CreateReleaseRequest propose;
    propose.set_request_id(NextId());
    *propose.mutable_release() = Must<v1::PreviewReleaseResponse>(officer_, "ReleaseService/PreviewRelease", preview).release();
    const v1::Release release = Must<v1::Release>(officer_, "ReleaseService/CreateRelease", propose);
    v1::ApproveReleaseRequest approve;
    approve.set_request_id(NextId());
    approve.set_name(release.name());
    approve.set_etag(release.etag());
    Must<v1::Release>(hq_, "ReleaseService/ApproveRelease", approve);
  }

  ManualClock clock_;
  int ids_ = 0;
  TestSite apac_;
  const Client officer_, hq_, gateway_, partner_;
  std::string engagement_, contribution_, practice_, erased_;
};

TEST(PracticeSecrecyTest, WhatIsSharedIsTheSameWhereverItWasSeen) {
  const World japan("JP", "Japan");
  const World ghana("GH", "Ghana");
  const std::vector<std::string> answers = japan.Shared();
  const std::vector<std::string> others = ghana.Shared();
  ASSERT_EQ(answers.size(), others.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i], others[i]);
    for (const std::string& secret : {std::string("Japan"), std::string("countries/JP"), japan.engagement(), std::string("authority of"),
                                      std::string("named an official")}) {
      EXPECT_THAT(answers[i], Not(HasSubstr(secret)));
    }
  }
  // The practice itself is there to be read.
  EXPECT_THAT(answers, Contains(HasSubstr("each badge and each seal")));
  EXPECT_THAT(answers.back(), HasSubstr("each badge and each seal")) << "the partner's";
}

TEST(PracticeSecrecyTest, WhatKnowsItsSourceIsForStaffWhoCallThemselves) {
  const World world("JP", "Japan");
  v1::ListRevisionsRequest history;
  history.set_name(world.contribution());
  EXPECT_THAT(world.View<v1::ListRevisionsResponse>("RecordService/ListRevisions", history), FailsWith("PERMISSION_DENIED"));
  const auto revisions = world.officer().Call<v1::ListRevisionsResponse>("RecordService/ListRevisions", history);
  ASSERT_TRUE(revisions.ok()) << revisions.status();
  EXPECT_THAT(revisions->DebugString(), HasSubstr("named an official of Japan"));
  // Whether or not there is such a record.
  history.set_name("practiceContributions/01ARZ3NDEKTSV4RRFFQ69G5FAV");
  EXPECT_THAT(world.View<v1::ListRevisionsResponse>("RecordService/ListRevisions", history), FailsWith("PERMISSION_DENIED"));

  const auto collections = [](const std::vector<v1::WatchRecordsResponse>& events) {
    std::map<std::string, int> counts;
    for (const v1::WatchRecordsResponse& event : events) ++counts[event.collection()];
    return counts;
  };
  auto officers = collections(world.Feed(world.officer(), ""));
  auto viewers = collections(world.Feed(world.gateway(), "officer/apac/watch"));
  EXPECT_EQ(officers["practiceContributions"], 1);
  EXPECT_EQ(viewers["practiceContributions"], 0);
  officers.erase("practiceContributions");
  viewers.erase("practiceContributions");
  EXPECT_EQ(viewers, officers);

  const auto conflicts = world.officer().Call<v1::ListConflictsResponse>("RecordService/ListConflicts", v1::ListConflictsRequest());
  ASSERT_TRUE(conflicts.ok()) << conflicts.status();
  EXPECT_THAT(conflicts->conflicts(), SizeIs(1));
  const auto shown = world.View<v1::ListConflictsResponse>("RecordService/ListConflicts", v1::ListConflictsRequest());
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_THAT(shown->conflicts(), SizeIs(0));
  v1::ListConflictsRequest of_collection;
  of_collection.set_collection("practiceContributions");
  EXPECT_THAT(world.View<v1::ListConflictsResponse>("RecordService/ListConflicts", of_collection), FailsWith("PERMISSION_DENIED"));

  v1::GetErasureRequest erasure;
  erasure.set_entry(world.erased());
  EXPECT_TRUE(world.officer().Call<v1::Erasure>("RecordService/GetErasure", erasure).ok());
  EXPECT_THAT(world.View<v1::Erasure>("RecordService/GetErasure", erasure), FailsWith("RECORD_NOT_FOUND"));
}

}  // namespace
}  // namespace fairlead::rpc
