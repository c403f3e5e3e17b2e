#include "server/rpc/search_methods.h"

#include <fmt/format.h>

#include "fairlead/v1/help_desk_service.pb.h"
#include "fairlead/v1/practice_service.pb.h"
#include "server/rpc/rpc_fixture.h"
#include "server/rpc/viewer.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class SearchMethodsTest : public SiteTest {
 protected:
  SearchMethodsTest() {
    MakeCountry("JP", "Japan");
    MakeCountry("GH", "Ghana");
  }

  static v1::SearchRequest Asking(const std::string& words) {
    v1::SearchRequest request;
    request.set_query(words);
    return request;
  }
  absl::StatusOr<v1::SearchResponse> Search(const v1::SearchRequest& request) const {
    return officer_.Call<v1::SearchResponse>("SearchService/Search", request);
  }
  // Once the index is at the journal's end.
  std::vector<std::string> Titles(const v1::SearchRequest& request) const {
    std::vector<std::string> titles;
    const absl::Time deadline = absl::Now() + kPatience;
    for (;;) {
      const auto found = Search(request);
      EXPECT_TRUE(found.ok()) << found.status();
      if (!found.ok()) return {};
      if (found->entries_behind() > 0 && absl::Now() < deadline) continue;
      EXPECT_EQ(found->entries_behind(), 0);
      for (const v1::SearchResult& result : found->results()) titles.push_back(result.title());
      return titles;
    }
  }
  std::vector<std::string> Titles(const std::string& words) const { return Titles(Asking(words)); }
  std::string TokenOf(const Client& caller) const {
    v1::GetCountryRequest request;
    request.set_name("countries/JP");
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    EXPECT_TRUE(caller.Call<v1::Country>("ReferenceService/GetCountry", request, &context).ok());
    const auto token = context.GetServerTrailingMetadata().find(kConsistencyMetadata);
    return std::string(token->second.data(), token->second.size());
  }
};

TEST_F(SearchMethodsTest, ARowIsTheRecordInShort) {
  apac_.StartSearch();
  v1::CreateEngagementRequest request;
  v1::Engagement& engagement = *request.mutable_engagement();
  engagement.set_kind(v1::ENGAGEMENT_KIND_PORT_VISIT);
  engagement.set_title("Visit to the breakwater");
  engagement.add_countries("countries/JP");
  engagement.set_region(v1::REGION_APAC);
  engagement.mutable_start_date()->set_year(2026);
  engagement.mutable_start_date()->set_month(5);
  engagement.set_notes("The breakwater was inspected at noon.");
  const auto created = officer_.Call<v1::Engagement>("EngagementService/CreateEngagement", request);
  ASSERT_TRUE(created.ok()) << created.status();
  ASSERT_THAT(Titles("inspection"), ElementsAre("Visit to the breakwater"));
  const auto found = Search(Asking("inspection"));
  ASSERT_TRUE(found.ok()) << found.status();
  const v1::SearchResult& row = found->results(0);
  EXPECT_EQ(row.name(), created->name());
  EXPECT_EQ(row.collection(), "engagements");
  EXPECT_THAT(row.countries(), ElementsAre("countries/JP"));
  EXPECT_THAT(row.regions(), ElementsAre(v1::REGION_APAC));
  EXPECT_EQ(row.state(), "DRAFT");
  EXPECT_EQ(row.kind(), "PORT_VISIT");
  EXPECT_EQ(row.date().month(), 5);
  EXPECT_EQ(row.date().day(), 0);
  EXPECT_EQ(row.update_time().seconds(), created->update_time().seconds());
  ASSERT_THAT(row.snippet(), SizeIs(3));
  EXPECT_EQ(row.snippet(0).text(), "The breakwater was ");
  EXPECT_EQ(row.snippet(1).text(), "inspected");
  EXPECT_TRUE(row.snippet(1).match());
}

TEST_F(SearchMethodsTest, ABadRequestNamesTheFieldAndTheRule) {
  apac_.StartSearch();
  const auto refused = [this](const auto& set) {
    v1::SearchRequest request = Asking("gate");
    set(&request);
    return Search(request).status();
  };
  EXPECT_THAT(refused([](auto* r) { r->set_query(" "); }), FailsWith("FIELD_REQUIRED", "query"));
  EXPECT_THAT(refused([](auto* r) { r->set_query("gate AND"); }), FailsWith("FIELD_INVALID", "query"));
  EXPECT_THAT(refused([](auto* r) { r->set_query(std::string(1001, 'x')); }), FailsWith("FIELD_TOO_LARGE", "query"));
  EXPECT_THAT(refused([](auto* r) { r->set_page_size(-1); }), FailsWith("FIELD_INVALID", "page_size"));
  EXPECT_THAT(refused([](auto* r) { r->set_page_token("mine"); }), FailsWith("PAGE_TOKEN_INVALID", "page_token"));
  EXPECT_THAT(refused([](auto* r) { r->add_collections("boats"); }), FailsWith("FIELD_INVALID", "collections"));
  EXPECT_THAT(refused([](auto* r) { r->add_collections("trafficFigures"); }), FailsWith("FIELD_INVALID", "collections"));
  EXPECT_THAT(refused([](auto* r) { r->add_countries("JP"); }), FailsWith("FIELD_INVALID", "countries"));
  EXPECT_THAT(refused([](auto* r) { r->add_regions(v1::REGION_UNSPECIFIED); }), FailsWith("FIELD_INVALID", "regions"));
  EXPECT_THAT(refused([](auto* r) { r->add_states("closed"); }), FailsWith("FIELD_INVALID", "states"));
  EXPECT_THAT(refused([](auto* r) { r->add_kinds("VISIT"); }), FailsWith("FIELD_INVALID", "kinds"));
  EXPECT_THAT(refused([](auto* r) { r->mutable_since()->set_month(13); }), FailsWith("FIELD_INVALID", "since"));
  const absl::Status backwards = refused([](auto* r) {
    r->mutable_since()->set_year(2026);
    r->mutable_until()->set_year(2025);
  });
  EXPECT_THAT(backwards, FailsWith("FIELD_INVALID", "until"));
  // A state must be one of a collection that is looked at; the message says which there are.
  const absl::Status state = refused([](auto* r) {
    r->add_collections("bestPractices");
    r->add_states("CLOSED");
  });
  EXPECT_THAT(state, FailsWith("FIELD_INVALID", "states"));
  EXPECT_THAT(std::string(state.message()), HasSubstr("DRAFT, PUBLISHED, RETIRED"));
}

TEST_F(SearchMethodsTest, PagesFollowOneAnother) {
  apac_.StartSearch();
  for (int i = 0; i < 7; ++i) MakeEngagement(fmt::format("Breakwater {}", i));
  ASSERT_THAT(Titles("breakwater"), SizeIs(7));
  v1::SearchRequest request = Asking("breakwater");
  request.set_page_size(3);
  std::vector<std::string> titles;
  std::vector<int> sizes;
  do {
    const auto page = Search(request);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::SearchResult& result : page->results()) titles.push_back(result.title());
    sizes.push_back(page->results_size());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(sizes, ElementsAre(3, 3, 1));
  EXPECT_EQ(titles, Titles("breakwater"));
  // A token is of its question.
  request = Asking("breakwater");
  request.set_page_size(3);
  const auto first = Search(request);
  ASSERT_TRUE(first.ok());
  request.set_query("harbour");
  request.set_page_token(first->next_page_token());
  EXPECT_THAT(Search(request), FailsWith("PAGE_TOKEN_INVALID", "page_token"));
}

TEST_F(SearchMethodsTest, WhoHasJustWrittenFindsIt) {
  apac_.StartSearch();
  for (int i = 0; i < 20; ++i) {
    const std::string title = fmt::format("Breakwater number{}", i);
    MakeEngagement(title);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    context.AddMetadata(kConsistencyMetadata, TokenOf(officer_));
    const auto found = officer_.Call<v1::SearchResponse>("SearchService/Search", Asking(fmt::format("number{}", i)), &context);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->entries_behind(), 0);
    ASSERT_THAT(found->results(), SizeIs(1)) << title;
    EXPECT_EQ(found->results(0).title(), title);
  }
}

TEST_F(SearchMethodsTest, WithoutAnIndexTheAnswerSaysSo) {
  EXPECT_THAT(Search(Asking("japan")), FailsWith("INDEX_UNAVAILABLE"));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(500)));
  context.AddMetadata(kConsistencyMetadata, TokenOf(officer_));
  EXPECT_THAT(officer_.Call<v1::SearchResponse>("SearchService/Search", Asking("japan"), &context), FailsWith("CONSISTENCY_TIMEOUT"));
  const auto status = officer_.Call<v1::NodeStatus>("NodeService/GetNodeStatus", v1::GetNodeStatusRequest());
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->search().entries_behind(), status->journal_size());
  EXPECT_EQ(status->search().records(), 0);
  apac_.StartSearch();
  EXPECT_THAT(Titles("japan"), ElementsAre("Japan"));
  const auto after = officer_.Call<v1::NodeStatus>("NodeService/GetNodeStatus", v1::GetNodeStatusRequest());
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->search().entries_behind(), 0);
  EXPECT_EQ(after->search().records(), 2);
  EXPECT_FALSE(after->search().building());
}

TEST_F(SearchMethodsTest, OnlyWhatTheCallerMayReadIsFound) {
  apac_.StartSearch();
  v1::CreatePracticeContributionRequest contribute;
  contribute.mutable_practice_contribution()->set_engagement(MakeEngagement("Visit").name());
  contribute.mutable_practice_contribution()->set_country("countries/JP");
  contribute.mutable_practice_contribution()->set_title("Breakwater patrols");
  contribute.mutable_practice_contribution()->set_text("By boat.");
  ASSERT_TRUE(officer_.Call<v1::PracticeContribution>("PracticeService/CreatePracticeContribution", contribute).ok());
  v1::CreateBestPracticeRequest share;
  share.mutable_best_practice()->set_title("Patrols of a breakwater");
  share.mutable_best_practice()->set_text("By boat.");
  ASSERT_TRUE(officer_.Call<v1::BestPractice>("PracticeService/CreateBestPractice", share).ok());
  EXPECT_THAT(Titles("breakwater"), UnorderedElementsAre("Breakwater patrols", "Patrols of a breakwater"));

  const Client gateway = apac_.As("gateway/dashboard");
  const auto view = [&gateway](const v1::SearchRequest& request) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    context.AddMetadata(kViewerMetadata, "officer/apac/watch");
    return gateway.Call<v1::SearchResponse>("SearchService/Search", request, &context);
  };
  const auto seen = view(Asking("breakwater"));
  ASSERT_TRUE(seen.ok()) << seen.status();
  ASSERT_THAT(seen->results(), SizeIs(1));
  EXPECT_EQ(seen->results(0).title(), "Patrols of a breakwater");
  EXPECT_EQ(seen->next_page_token(), "");
  v1::SearchRequest of_contributions = Asking("breakwater");
  of_contributions.add_collections("practiceContributions");
  EXPECT_THAT(view(of_contributions), FailsWith("PERMISSION_DENIED"));
  // A page of one is the last one: what follows does not exist for this caller.
  v1::SearchRequest one = Asking("breakwater");
  one.set_page_size(1);
  const auto page = view(one);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->next_page_token(), "");
  for (const char* other : {"partner/JP/registry", "node/eame"}) {
    EXPECT_THAT(apac_.As(other).Call<v1::SearchResponse>("SearchService/Search", Asking("breakwater")), FailsWith("PERMISSION_DENIED"));
  }
}

TEST_F(SearchMethodsTest, WhatAnotherSiteWroteIsFoundAndWhatIsWithdrawnIsNot) {
  apac_.StartSearch();
  TestSite eame("eame", &clock_);
  eame.StartSearch();
  const v1::Engagement engagement = MakeEngagement("Breakwater talks");
  eame.Receive(apac_);
  const Client at_eame = eame.As("officer/eame/watch");
  const auto found_at_eame = [&] {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    context.AddMetadata(kConsistencyMetadata, TokenOf(officer_));
    const auto found = at_eame.Call<v1::SearchResponse>("SearchService/Search", Asking("breakwater"), &context);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() ? found->results_size() : -1;
  };
  EXPECT_EQ(found_at_eame(), 1);
  v1::WithdrawEngagementRequest withdraw;
  withdraw.set_name(engagement.name());
  withdraw.set_etag(engagement.etag());
  ASSERT_TRUE(officer_.Call<v1::Engagement>("EngagementService/WithdrawEngagement", withdraw).ok());
  EXPECT_THAT(Titles("breakwater"), IsEmpty());
  eame.Receive(apac_);
  EXPECT_EQ(found_at_eame(), 0);
}

}  // namespace
}  // namespace fairlead::rpc
