#include "server/search/finder.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>

#include "api/errors.h"
#include "fairlead/v1/help_desk.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/search/search_testing.h"

namespace fairlead::search {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class FinderTest : public IndexedNodeTest {
 protected:
  v1::Engagement Dated(const std::string& title, int year, int month, int day) {
    v1::Engagement engagement;
    engagement.set_title(title);
    engagement.mutable_start_date()->set_year(year);
    engagement.mutable_start_date()->set_month(month);
    engagement.mutable_start_date()->set_day(day);
    return engagement;
  }
  absl::Status Refused(const std::string& words) {
    return Find(node(), index(), Asking(words), std::nullopt, 10, [] { return false; }).status();
  }
};

TEST_F(FinderTest, WordsPhrasesAndOperatorsFindWhatTheySay) {
  PutEngagement("engagements/A", "Visit to the northern terminal", "The inspected fence is whole. Guards check badges.");
  PutEngagement("engagements/B", "Talks", "Inspections of the harbour's fence; a whole day.");
  PutEngagement("engagements/C", "Harbourmaster", "Nothing else.");
  CatchUp();
  EXPECT_THAT(Names("inspection fence"), UnorderedElementsAre("engagements/A", "engagements/B"));
  EXPECT_THAT(Names("\"fence is whole\""), ElementsAre("engagements/A"));
  EXPECT_THAT(Names("\"whole fence\""), IsEmpty());
  EXPECT_THAT(Names("guards OR harbourmaster"), UnorderedElementsAre("engagements/A", "engagements/C"));
  EXPECT_THAT(Names("fence -talks"), ElementsAre("engagements/A"));
  EXPECT_THAT(Names("harb*"), UnorderedElementsAre("engagements/B", "engagements/C"));
  EXPECT_THAT(Names("TERMINAL"), ElementsAre("engagements/A"));
  EXPECT_THAT(Names("absent"), IsEmpty());
  // A title and a text are not one phrase.
  EXPECT_THAT(Names("\"terminal the inspected\""), IsEmpty());
  Question typing = Asking("northern term");
  EXPECT_THAT(Names(typing), IsEmpty());
  typing.last_word_begins = true;
  EXPECT_THAT(Names(typing), ElementsAre("engagements/A"));
  typing.words = "northern te";  // too short to be a beginning
  EXPECT_THAT(Names(typing), IsEmpty());
}

TEST_F(FinderTest, ABadQuestionIsRefusedByName) {
  CatchUp();
  for (const auto& [words, reason, why] :
       {std::tuple("", "FIELD_REQUIRED", "holds no word"), std::tuple("  ", "FIELD_REQUIRED", "holds no word"),
        std::tuple("gate AND", "FIELD_INVALID", "cannot be understood: Syntax: <expression> AND <expression>"),
        std::tuple("NOT gate", "FIELD_INVALID", "cannot be understood"),
        std::tuple("ga*", "FIELD_INVALID", "a * must follow 3 letters of a word at least"),
        std::tuple("* gate", "FIELD_INVALID", "a * must follow 3 letters")}) {
    const absl::Status refused = Refused(words);
    EXPECT_EQ(ReasonOf(refused), reason) << words << ": " << refused;
    EXPECT_EQ(FieldOf(refused), "query") << words;
    EXPECT_THAT(std::string(refused.message()), HasSubstr(why)) << words;
  }
  EXPECT_EQ(ReasonOf(Refused(std::string(1001, 'a'))), "FIELD_TOO_LARGE");
  // No text is a filter: there are no fields to name in it.
  EXPECT_THAT(Names("XTengagements"), IsEmpty());
  EXPECT_TRUE(Refused("\"unbalanced (gate é ☃ \xff").ok());
}

TEST_F(FinderTest, FiltersNarrow) {
  v1::Engagement japan = Dated("Terminal visit", 2026, 5, 3);
  japan.add_countries("countries/JP");
  japan.set_region(v1::REGION_APAC);
  japan.set_kind(v1::ENGAGEMENT_KIND_PORT_VISIT);
  japan.set_state(v1::ENGAGEMENT_STATE_DRAFT);
  Put("engagements/J", japan, {"title", "countries", "region", "kind", "state", "start_date"});
  v1::Engagement both = Dated("Terminal talks", 2025, 0, 0);
  both.add_countries("countries/JP");
  both.add_countries("countries/GH");
  both.set_region(v1::REGION_EAME);
  Put("engagements/B", both, {"title", "countries", "region", "start_date"});
  v1::Port port;
  port.set_display_name("Terminal City");
  port.set_country("countries/GH");
  Put("ports/GHTEM", port, {"display_name", "country"});
  CatchUp();
  EXPECT_THAT(Names("terminal"), SizeIs(3));
  EXPECT_THAT(Names("ghtem"), ElementsAre("ports/GHTEM"));
  const auto with = [this](const auto& set) {
    Question question = Asking("terminal");
    set(question);
    return Names(question);
  };
  EXPECT_THAT(with([](Question& q) { q.collections = {"ports"}; }), ElementsAre("ports/GHTEM"));
  EXPECT_THAT(with([](Question& q) { q.countries = {"countries/GH"}; }), UnorderedElementsAre("engagements/B", "ports/GHTEM"));
  EXPECT_THAT(with([](Question& q) { q.countries = {"countries/JP", "countries/GH"}; }), SizeIs(3));
  EXPECT_THAT(with([](Question& q) { q.regions = {v1::REGION_EAME}; }), ElementsAre("engagements/B"));
  EXPECT_THAT(with([](Question& q) { q.states = {"DRAFT"}; }), ElementsAre("engagements/J"));
  EXPECT_THAT(with([](Question& q) { q.kinds = {"PORT_VISIT", "TRAINING"}; }), ElementsAre("engagements/J"));
  // What is known to the year only may be any day of it.
  const auto between = [&](absl::CivilDay since, absl::CivilDay until) {
    return with([&](Question& q) {
      q.collections = {"engagements"};
      q.since = since;
      q.until = until;
    });
  };
  EXPECT_THAT(between(absl::CivilDay(2025, 12, 31), absl::CivilDay(2026, 5, 2)), ElementsAre("engagements/B"));
  EXPECT_THAT(between(absl::CivilDay(2026, 1, 1), absl::CivilDay(2026, 5, 2)), IsEmpty());
  EXPECT_THAT(between(absl::CivilDay(2026, 5, 3), absl::CivilDay(2026, 5, 3)), ElementsAre("engagements/J"));
  EXPECT_THAT(between(absl::CivilDay(2026, 5, 4), absl::CivilDay(2027, 1, 1)), IsEmpty());
}

TEST_F(FinderTest, TheHeavierComeFirstThenTheLater) {
  Put("engagements/A", Dated("Visit", 2026, 1, 1), {"title", "start_date"});
  PutEngagement("engagements/B", "Crane works", "crane crane");
  v1::Engagement once = Dated("Visit", 2026, 1, 2);
  once.set_notes("A crane.");
  Put("engagements/A", once, {"title", "start_date", "notes"});
  once.mutable_start_date()->set_day(9);
  Put("engagements/C", once, {"title", "start_date", "notes"});
  CatchUp();
  EXPECT_THAT(Names("crane"), ElementsAre("engagements/B", "engagements/C", "engagements/A"));
}

TEST_F(FinderTest, PagesAreTheWholeWhateverIsWrittenMeanwhile) {
  std::set<std::string> expected;
  for (int i = 0; i < 57; ++i) {
    const std::string name = fmt::format("engagements/E{:02}", i);
    PutEngagement(name, "Round", std::string(i % 3 == 0 ? "round round" : "round"));
    expected.insert(name);
  }
  CatchUp();
  std::vector<std::string> seen;
  std::optional<Place> after;
  int pages = 0;
  do {
    const Answer page = Ask(Asking("round"), after, 10);
    for (const Result& result : page.results) seen.push_back(result.name);
    after = page.next;
    // Something before all that is left, and something that goes.
    PutEngagement(fmt::format("engagements/N{}", pages), "Round round round", "round round round");
    ++pages;
    CatchUp();
  } while (after);
  EXPECT_EQ(pages, 6);
  EXPECT_THAT(seen, SizeIs(57));
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()), expected);
}

TEST_F(FinderTest, AResultIsWhatTheRecordSaysNowAndTheIndexOnlySaysWhereToLook) {
  PutEngagement("engagements/A", "Visit", "The lamplighter came.");
  PutEngagement("engagements/B", "Visit", "A lamplighter left.");
  PutEngagement("engagements/C", "Visit", "One lamplighter stays.");
  const Dot erased = PutEngagement("engagements/D", "Visit", "The lamplighter's name.");
  CatchUp();
  ASSERT_THAT(Names("lamplighter"), SizeIs(4));
  PutEngagement("engagements/A", "Visit", "Nobody came.");
  Withdraw("engagements/B");
  Erase(erased);
  // The index has not heard of it.
  const Answer answer = Ask(Asking("lamplighter"));
  EXPECT_LT(answer.indexed, node().JournalEnd());
  ASSERT_THAT(answer.results, SizeIs(1));
  EXPECT_EQ(answer.results[0].name, "engagements/C");
  // Every one of a page may be left out, and the next page be full.
  Question narrow = Asking("lamplighter");
  EXPECT_THAT(Ask(narrow, std::nullopt, 1).results, SizeIs(1));
  CatchUp();
  EXPECT_THAT(Names("lamplighter"), ElementsAre("engagements/C"));
  EXPECT_THAT(Names("nobody"), ElementsAre("engagements/A"));
  Withdraw("engagements/B", false);
  CatchUp();
  EXPECT_THAT(Names("lamplighter"), UnorderedElementsAre("engagements/B", "engagements/C"));
}

TEST_F(FinderTest, TheSnippetShowsTheWordsWithoutMarkup) {
  PutEngagement("engagements/A", "Visit", "Before all of it: <b>gate & \"fence\"</b> inspected at noon.");
  CatchUp();
  const Answer answer = Ask(Asking("inspection gate"));
  ASSERT_THAT(answer.results, SizeIs(1));
  std::string text;
  std::vector<std::string> matches;
  for (const Part& part : answer.results[0].snippet) {
    text += part.text;
    if (part.match) matches.push_back(part.text);
  }
  EXPECT_THAT(text, HasSubstr("<b>gate & \"fence\"</b> inspected at noon."));
  EXPECT_THAT(matches, ElementsAre("gate", "inspected"));
}

TEST_F(FinderTest, WhatTheCallerMayNotSeeChangesNothing) {
  v1::Inquiry inquiry;
  inquiry.set_subject("Derrick");
  Put("inquiries/I", inquiry, {"subject"});
  PutEngagement("engagements/A", "Derrick", "derrick boom");
  PutEngagement("engagements/B", "Boom", "derrick boom boom");
  CatchUp();
  Question question = Asking("derrick boom OR derr*");
  question.collections = {"engagements"};
  const std::vector<std::string> before = Names(question);
  ASSERT_THAT(before, SizeIs(2));
  const auto place = Ask(question, std::nullopt, 1).next;
  ASSERT_TRUE(place);
  for (int i = 0; i < 30; ++i) {
    inquiry.set_subject(fmt::format("Derrick derrick{} boom", i));
    Put(fmt::format("inquiries/N{}", i), inquiry, {"subject"});
  }
  CatchUp();
  EXPECT_EQ(Names(question), before);
  const auto again = Ask(question, std::nullopt, 1).next;
  ASSERT_TRUE(again);
  EXPECT_EQ(again->weight, place->weight);
  EXPECT_EQ(again->order, place->order);
}

// Random histories: after each, a word finds exactly the records that hold it.
TEST_F(FinderTest, AWordFindsExactlyTheRecordsThatHoldIt) {
  constexpr const char* kWords[] = {"anchor", "ballast", "capstan", "davit", "fender", "gunwale", "hawser", "keel"};
  std::mt19937 random(20261121);
  const auto pick = [&random](size_t n) { return static_cast<size_t>(random() % n); };
  struct Truth {
    std::set<std::string> words;
    bool withdrawn = false;
    Dot newest;
  };
  std::map<std::string, Truth> truth;
  int texts = 0;
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 20; ++i) {
      const std::string name = fmt::format("engagements/E{}", pick(15));
      Truth& record = truth[name];
      switch (truth[name].newest.seq == Seq(0) && record.words.empty() ? 0 : pick(6)) {
        case 4:
          record.withdrawn = !record.withdrawn;
          Withdraw(name, record.withdrawn);
          break;
        case 5:
          if (record.words.empty()) break;
          Erase(record.newest);
          record.words.clear();
          break;
        default: {
          record.words.clear();
          std::string text = fmt::format("{} ", ++texts);  // never what it was
          for (size_t n = pick(4) + 1; n > 0; --n) {
            const char* word = kWords[pick(std::size(kWords))];
            record.words.insert(word);
            text += fmt::format("{} ", word);
          }
          record.newest = PutEngagement(name, "Visit", text);
        }
      }
    }
    if (pick(3) == 0) Reopen();
    if (pick(5) == 0) std::filesystem::remove_all(folder());
    Reopen();
    CatchUp();
    for (const char* word : kWords) {
      std::set<std::string> expected;
      for (const auto& [name, record] : truth) {
        if (!record.withdrawn && record.words.contains(word)) expected.insert(name);
      }
      const std::vector<std::string> found = Names(word);
      EXPECT_EQ(std::set<std::string>(found.begin(), found.end()), expected) << word << ", round " << round;
      EXPECT_EQ(found.size(), expected.size());
    }
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace fairlead::search
