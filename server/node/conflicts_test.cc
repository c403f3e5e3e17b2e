#include "server/node/conflicts.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "server/node/replica_testing.h"

namespace fairlead::node {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using v1::Engagement;

const records::RecordType& Type() { return TypeOf(Engagement()); }
const google::protobuf::FieldDescriptor& Field(const std::string& name) { return *FieldOf(Engagement(), name); }
uint32_t NumberOf(const std::string& name) { return static_cast<uint32_t>(Field(name).number()); }

std::vector<std::string> InConflict(const Replica& replica) {
  std::vector<std::string> fields;
  for (const auto& [number, view] : ConflictsOf(Type(), replica.state())) {
    fields.push_back(Type().prototype->GetDescriptor()->FindFieldByNumber(static_cast<int>(number))->name());
  }
  return fields;
}

FieldView ViewOf(const Replica& replica, const std::string& field) { return ConflictsOf(Type(), replica.state()).at(NumberOf(field)); }
std::string EtagOf(const Replica& replica, const std::string& field) { return FieldEtagOf(replica.state(), NumberOf(field)); }

// The values of `ids` as JSON.
std::vector<std::string> Json(const std::vector<std::pair<ValueId, const FieldValue*>>& ids, const std::string& field) {
  std::vector<std::string> values;
  for (const auto& [id, value] : ids) values.push_back(ValueJson(Type(), &Field(field), value->bytes));
  return values;
}

Written Keep(Replica* at, const std::string& field, const std::vector<ValueId>& keep) {
  const absl::StatusOr<Mutation> kept = KeepValues(Type(), "engagements/e", at->state(), Field(field), keep);
  EXPECT_TRUE(kept.ok()) << kept.status();
  return at->Commit(*kept);
}

Engagement Titled(const std::string& title) {
  return With(Base(), [&title](Engagement* e) { e->set_title(title); });
}
Engagement InState(v1::EngagementState state) {
  return With(Base(), [state](Engagement* e) { e->set_state(state); });
}

TEST(Conflicts, EqualValuesAndDifferentFieldsAreNone) {
  Pair pair(Base());
  pair.Concurrently(Titled("Same"), Titled("Same"), {"title"});
  EXPECT_THAT(InConflict(pair.a), IsEmpty());
  const Written title = pair.a.Write(Titled("New"), {"title"});
  const Written notes = pair.b.Write(With(Base(), [](Engagement* e) { e->set_notes("New"); }), {"notes"});
  pair.a.Apply(notes);
  pair.b.Apply(title);
  EXPECT_THAT(InConflict(pair.a), IsEmpty());
  EXPECT_EQ(pair.a.Read<Engagement>().title(), "New");
  EXPECT_EQ(pair.a.Read<Engagement>().notes(), "New");
}

TEST(Conflicts, AnEtagStandsForTheValuesOfItsFieldAlone) {
  Pair pair(Base());
  pair.Concurrently(Titled("of a"), Titled("of b"), {"title"});
  const std::string etag = EtagOf(pair.a, "title");
  EXPECT_EQ(EtagOf(pair.b, "title"), etag);
  pair.a.Write(With(pair.a.Read<Engagement>(), [](Engagement* e) { e->set_notes("Something else"); }), {"notes"});
  EXPECT_EQ(EtagOf(pair.a, "title"), etag);
  // A third value, of a writer who had seen neither: the conflict is another one.
  Replica c(3, "engagements/e");
  pair.a.Apply(c.Write(Titled("of c"), {"title"}));
  EXPECT_NE(EtagOf(pair.a, "title"), etag);
  EXPECT_THAT(ViewOf(pair.a, "title").live, SizeIs(3));
}

TEST(Conflicts, AKeptValueReplacesExactlyWhatWasRead) {
  Pair pair(Base());
  pair.Concurrently(Titled("of a"), Titled("of b"), {"title"});
  const FieldView view = ViewOf(pair.a, "title");
  ASSERT_THAT(Json(view.live, "title"), ElementsAre("\"of b\"", "\"of a\""));
  const ValueId loser = view.live[1].first;

  // Somebody else writes meanwhile, without having seen the settlement: nothing of it is lost.
  const Written later = pair.b.Write(Titled("meanwhile"), {"title"});
  const Written settled = Keep(&pair.a, "title", {loser});
  ASSERT_THAT(settled.mutation.ops, SizeIs(1));
  EXPECT_THAT(settled.mutation.ops[0].replaces, SizeIs(2));
  EXPECT_EQ(pair.a.Read<Engagement>().title(), "of a");
  EXPECT_THAT(InConflict(pair.a), IsEmpty());
  pair.a.Apply(later);
  pair.b.Apply(settled);
  EXPECT_EQ(EncodeState(pair.a.state()), EncodeState(pair.b.state()));
  EXPECT_THAT(Json(ViewOf(pair.a, "title").live, "title"), ElementsAre("\"of a\"", "\"meanwhile\""));
}

TEST(Conflicts, TwoSettlementsThatDisagreeAreAConflictAndNoValueGoes) {
  Pair pair(Base());
  pair.Concurrently(Titled("of a"), Titled("of b"), {"title"});
  const ValueId of_b = ViewOf(pair.a, "title").live[0].first;
  const ValueId of_a = ViewOf(pair.a, "title").live[1].first;
  const Written at_a = Keep(&pair.a, "title", {of_a});
  const Written at_b = Keep(&pair.b, "title", {of_b});
  pair.a.Apply(at_b);
  pair.b.Apply(at_a);
  EXPECT_EQ(EncodeState(pair.a.state()), EncodeState(pair.b.state()));
  EXPECT_THAT(Json(ViewOf(pair.a, "title").live, "title"), ElementsAre("\"of b\"", "\"of a\""));
}

TEST(Conflicts, ConcurrentLifecycleMovesAreSettledByChoosingOne) {
  Pair pair(InState(v1::ENGAGEMENT_STATE_SCHEDULED));
  pair.Concurrently(InState(v1::ENGAGEMENT_STATE_IN_PROGRESS), InState(v1::ENGAGEMENT_STATE_CANCELLED), {"state"});
  EXPECT_THAT(InConflict(pair.a), ElementsAre("state"));
  const FieldView view = ViewOf(pair.a, "state");
  EXPECT_THAT(Json(view.live, "state"), ElementsAre("\"ENGAGEMENT_STATE_CANCELLED\"", "\"ENGAGEMENT_STATE_IN_PROGRESS\""));
  const Written settled = Keep(&pair.a, "state", {view.live[1].first});
  EXPECT_FALSE(settled.mutation.ops[0].seals);
  pair.b.Apply(settled);
  EXPECT_EQ(pair.b.Read<Engagement>().state(), v1::ENGAGEMENT_STATE_IN_PROGRESS);
  EXPECT_THAT(InConflict(pair.b), IsEmpty());
}

// Closed at a while b edits without knowing.
class Amended {
 public:
  Amended(const std::function<void(Engagement*)>& edit, const std::vector<std::string>& fields) : pair(Base()) {
    const Written closed = pair.a.Write(Closed(Base()), {"state"});
    const Written late = pair.b.Write(With(Base(), edit), fields);
    pair.a.Apply(late);
    pair.b.Apply(closed);
    EXPECT_EQ(EncodeState(pair.a.state()), EncodeState(pair.b.state()));
  }
  Pair pair;
};

TEST(Amendments, ALateValueIsAcceptedOrDropped) {
  for (const bool accept : {true, false}) {
    SCOPED_TRACE(accept);
    Amended amended([](Engagement* e) { e->set_title("Late"); }, {"title"});
    Replica& a = amended.pair.a;
    EXPECT_EQ(a.Read<Engagement>().title(), "Drills");
    const FieldView view = ViewOf(a, "title");
    ASSERT_THAT(view.live, SizeIs(1));
    ASSERT_THAT(view.pending, SizeIs(1));
    amended.pair.b.Apply(Keep(&a, "title", {accept ? view.pending[0].first : view.live[0].first}));
    EXPECT_EQ(amended.pair.b.Read<Engagement>().title(), accept ? "Late" : "Drills");
    EXPECT_THAT(InConflict(amended.pair.b), IsEmpty());
    EXPECT_EQ(amended.pair.b.Read<Engagement>().state(), v1::ENGAGEMENT_STATE_CLOSED);
  }
}

TEST(Amendments, ALateValueOfAnEmptyFieldIsDroppedByKeepingNone) {
  Amended amended([](Engagement* e) { e->set_notes("Late"); }, {"notes"});
  Replica& a = amended.pair.a;
  EXPECT_THAT(InConflict(a), ElementsAre("notes"));
  EXPECT_THAT(ViewOf(a, "notes").live, IsEmpty());
  Keep(&a, "notes", {});
  EXPECT_EQ(a.Read<Engagement>().notes(), "");
  EXPECT_THAT(InConflict(a), IsEmpty());
}

TEST(Amendments, LateElementsAreTakenOneByOne) {
  Amended amended(
      [](Engagement* e) {
        e->add_countries("countries/FR");
        e->add_countries("countries/DE");
      },
      {"countries"});
  Replica& a = amended.pair.a;
  const FieldView view = ViewOf(a, "countries");
  ASSERT_THAT(view.pending, SizeIs(2));
  const bool first_is_fr = Json(view.pending, "countries")[0] == "\"countries/FR\"";
  amended.pair.b.Apply(Keep(&a, "countries", {view.pending[first_is_fr ? 0 : 1].first}));
  EXPECT_THAT(amended.pair.b.Read<Engagement>().countries(), ElementsAre("countries/FR", "countries/JP", "countries/KR"));
  EXPECT_THAT(InConflict(amended.pair.b), IsEmpty());
}

// The removal of an element, by someone who had not seen the lock, used to be lost without a word.
TEST(Amendments, ALateRemovalIsListedAcceptedOrDropped) {
  for (const bool accept : {true, false}) {
    SCOPED_TRACE(accept);
    Amended amended([](Engagement* e) { e->mutable_countries()->RemoveLast(); }, {"countries"});
    Replica& a = amended.pair.a;
    EXPECT_THAT(InConflict(a), ElementsAre("countries"));
    ASSERT_THAT(a.Read<Engagement>().conflicts(), SizeIs(1));
    EXPECT_EQ(a.Read<Engagement>().conflicts(0).field(), "countries");
    EXPECT_THAT(a.Read<Engagement>().conflicts(0).other_values(), IsEmpty());
    const FieldView view = ViewOf(a, "countries");
    EXPECT_THAT(view.pending, IsEmpty());
    ASSERT_THAT(view.pending_removals, SizeIs(1));
    EXPECT_THAT(ReplacedBy(a.state().fields.at(NumberOf("countries")), view.pending_removals[0].first), SizeIs(1));
    amended.pair.b.Apply(Keep(&a, "countries", accept ? std::vector{view.pending_removals[0].first} : std::vector<ValueId>()));
    EXPECT_EQ(amended.pair.b.Read<Engagement>().countries_size(), accept ? 1 : 2);
    EXPECT_THAT(InConflict(amended.pair.b), IsEmpty());
  }
}

TEST(Amendments, NamingTheFieldDropsALateRemovalToo) {
  Amended amended([](Engagement* e) { e->mutable_countries()->RemoveLast(); }, {"countries"});
  Replica& a = amended.pair.a;
  amended.pair.b.Apply(a.Write(a.Read<Engagement>(), {"countries"}));
  EXPECT_THAT(InConflict(amended.pair.b), IsEmpty());
  EXPECT_THAT(amended.pair.b.Read<Engagement>().countries(), ElementsAre("countries/JP", "countries/KR"));
}

TEST(Conflicts, OnlyOneOfTheValuesCanBeKept) {
  Pair pair(Base());
  pair.Concurrently(Titled("of a"), Titled("of b"), {"title"});
  const FieldView view = ViewOf(pair.a, "title");
  const auto refused = [&](const std::vector<ValueId>& keep) {
    return KeepValues(Type(), "engagements/e", pair.a.state(), Field("title"), keep).status();
  };
  EXPECT_EQ(refused({}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refused({view.live[0].first, view.live[1].first}).code(), absl::StatusCode::kInvalidArgument);
  ValueId other = view.live[0].first;
  other.op += 1;
  EXPECT_EQ(refused({other}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refused({view.live[0].first}), absl::OkStatus());
}

TEST(Conflicts, AValueIdIsAHashAndAnOp) {
  ValueId id;
  id.mutation[0] = 0xab;
  id.op = 12;
  EXPECT_EQ(ValueIdText(id), "ab" + std::string(30, '0') + "-12");
}

}  // namespace
}  // namespace fairlead::node
