#include "server/node/materialise.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <random>

#include "api/bytes.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/options.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/node/replica_testing.h"

namespace fairlead::node {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using records::RecordType;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using v1::Engagement;

std::string Wire(int field, const std::string& bytes) {
  std::string wire;
  PutVarint(&wire, static_cast<uint64_t>(field) << 3 | 2);
  PutBytes(&wire, bytes);
  return wire;
}

// --- Random records ------------------------------------------------------------------------------------------------------------

class RandomRecords {
 public:
  explicit RandomRecords(uint32_t seed) : random_(seed) {}

  std::unique_ptr<Message> Next(const RecordType& type) {
    std::unique_ptr<Message> message(type.prototype->New());
    for (const FieldDescriptor* field : FoldedFields(*message)) {
      auto kind = field->options().GetExtension(v1::merge);
      if (field->is_repeated()) {
        std::set<int> chosen;
        for (int n = Below(6); n > 0; --n) chosen.insert(1 + Below(9));
        for (int element : chosen) AddElement(message.get(), field, element);
      } else if (kind == v1::MERGE_KIND_STATE || Below(4) != 0) {
        SetField(message.get(), field);
      }
    }
    return message;
  }

 private:
  int Below(int n) { return static_cast<int>(random_() % static_cast<uint32_t>(n)); }
  std::string Text() {
    std::string text;
    for (int n = Below(20); n > 0; --n) text += Below(5) == 0 ? "\xc3\xa9" : std::string(1, static_cast<char>('a' + Below(26)));
    return text;
  }
  void AddElement(Message* message, const FieldDescriptor* field, int element) {
    const Reflection* reflection = message->GetReflection();
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      reflection->AddString(message, field, "element" + std::to_string(element));
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      reflection->AddEnumValue(message, field, element);
    } else {
      Fill(reflection->AddMessage(message, field), element);
    }
  }
  // Elements are equal when their numbers are.
  static void Fill(Message* message, int element) {
    const Reflection* reflection = message->GetReflection();
    for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor* field = message->GetDescriptor()->field(i);
      const std::string text = field->name() + std::to_string(element);
      if (field->is_repeated() && field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
        reflection->AddEnumValue(message, field, element);
        continue;
      }
      if (field->is_repeated()) {
        ASSERT_EQ(field->cpp_type(), FieldDescriptor::CPPTYPE_STRING) << field->full_name();
        reflection->AddString(message, field, text);
        continue;
      }
      switch (field->cpp_type()) {
        case FieldDescriptor::CPPTYPE_STRING:
          reflection->SetString(message, field, text);
          break;
        case FieldDescriptor::CPPTYPE_INT32:
          reflection->SetInt32(message, field, element);
          break;
        case FieldDescriptor::CPPTYPE_UINT32:
          reflection->SetUInt32(message, field, static_cast<uint32_t>(element));
          break;
        case FieldDescriptor::CPPTYPE_INT64:
          reflection->SetInt64(message, field, element);
          break;
        case FieldDescriptor::CPPTYPE_BOOL:
          reflection->SetBool(message, field, element % 2 == 0);
          break;
        case FieldDescriptor::CPPTYPE_ENUM:
          reflection->SetEnumValue(message, field, field->enum_type()->value(element % field->enum_type()->value_count())->number());
          break;
        case FieldDescriptor::CPPTYPE_MESSAGE:
          Fill(reflection->MutableMessage(message, field), element);
          break;
        default:
          FAIL() << field->full_name();
      }
    }
  }
  void SetField(Message* message, const FieldDescriptor* field) {
    const Reflection* reflection = message->GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection->SetString(message, field, Text());
      case FieldDescriptor::CPPTYPE_BOOL:
        return reflection->SetBool(message, field, Below(2) == 1);
      case FieldDescriptor::CPPTYPE_UINT32:
        return reflection->SetUInt32(message, field, static_cast<uint32_t>(Below(100000)));
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection->SetInt32(message, field, Below(3000));
      case FieldDescriptor::CPPTYPE_INT64:
        return reflection->SetInt64(message, field, Below(100000));
      case FieldDescriptor::CPPTYPE_UINT64:
        return reflection->SetUInt64(message, field, static_cast<uint64_t>(Below(100000)));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return reflection->SetDouble(message, field, Below(180) / 7.0 - 90);
      case FieldDescriptor::CPPTYPE_ENUM:
        return reflection->SetEnumValue(message, field, 1 + Below(field->enum_type()->value_count() - 1));
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        Message* inner = reflection->MutableMessage(message, field);
        for (int i = 0; i < inner->GetDescriptor()->field_count(); ++i) SetField(inner, inner->GetDescriptor()->field(i));
        return;
      }
      default:
        FAIL() << field->full_name();
    }
  }

  std::mt19937 random_;
};

// What must be shown for `written`: what the node computes taken from `shown`, the default marking in place.
void ExpectShown(const Message& shown, const Message& written) {
  std::unique_ptr<Message> expected(written.New());
  expected->CopyFrom(written);
  const Reflection* reflection = expected->GetReflection();
  for (const char* computed : {"name", "etag"}) {
    reflection->SetString(expected.get(), FieldOf(shown, computed), reflection->GetString(shown, FieldOf(shown, computed)));
  }
  for (const char* computed : {"create_time", "update_time"}) {
    reflection->MutableMessage(expected.get(), FieldOf(shown, computed))->CopyFrom(reflection->GetMessage(shown, FieldOf(shown, computed)));
  }
  const FieldDescriptor* marking = FieldOf(shown, "marking");
  if (reflection->GetEnumValue(*expected, marking) == 0) reflection->SetEnumValue(expected.get(), marking, v1::MARKING_OFFICIAL);
  google::protobuf::util::MessageDifferencer differencer;
  differencer.set_repeated_field_comparison(google::protobuf::util::MessageDifferencer::AS_SET);
  std::string difference;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(*expected, shown)) << difference;
}

TEST(Materialise, RoundTripsRandomRecordsOfEveryType) {
  for (const RecordType& type : records::TheRegistry().types()) {
    SCOPED_TRACE(type.singular());
    for (uint32_t seed = 0; seed < 50; ++seed) {
      SCOPED_TRACE(seed);
      RandomRecords random(seed);
      Replica replica(1, "records/x");
      for (int revision = 0; revision < 4; ++revision) {
        std::unique_ptr<Message> written = random.Next(type);
        replica.Write(*written);
        absl::StatusOr<RecordState> stored = DecodeState(EncodeState(replica.state()));
        ASSERT_EQ(stored.status(), absl::OkStatus());
        std::unique_ptr<Message> shown = Materialise(type, "records/x", *stored);
        ExpectShown(*shown, *written);
        // What is shown, written back, changes nothing.
        EXPECT_THAT(MutationFor(type, "records/x", &*stored, *shown, FoldedFields(*shown)).ops, IsEmpty());
        EXPECT_THAT(MutationFor(type, "records/x", &*stored, *written, FoldedFields(*written)).ops, IsEmpty());
      }
    }
  }
}

// --- What the node computes ----------------------------------------------------------------------------------------------------

TEST(Materialise, ComputesNameEtagAndTimes) {
  Replica replica(1, "engagements/e");
  Written first = replica.Write(Base());
  Written second = replica.Write(With(Base(), [](Engagement* e) { e->set_title("Exercises"); }), {"title"});
  Engagement shown = replica.Read<Engagement>();
  EXPECT_EQ(shown.name(), "engagements/e");
  EXPECT_EQ(shown.etag(), EtagOf(replica.state()));
  EXPECT_EQ(shown.create_time().seconds(), static_cast<int64_t>(first.time.millis() / 1000));
  EXPECT_EQ(shown.create_time().nanos(), static_cast<int32_t>(first.time.millis() % 1000 * 1'000'000));
  EXPECT_EQ(shown.update_time().nanos(), static_cast<int32_t>(second.time.millis() % 1000 * 1'000'000));
  EXPECT_THAT(shown.conflicts(), IsEmpty());
}

TEST(Materialise, MarkingIsOfficialUntilSet) {
  Replica replica(1, "engagements/e");
  replica.Write(Base());
  EXPECT_EQ(replica.Read<Engagement>().marking(), v1::MARKING_OFFICIAL);
  auto marked = [](v1::Marking marking) { return With(Base(), [=](Engagement* e) { e->set_marking(marking); }); };
  EXPECT_THAT(replica.Write(marked(v1::MARKING_OFFICIAL), {"marking"}).mutation.ops, IsEmpty());
  replica.Write(marked(v1::MARKING_PUBLIC), {"marking"});
  EXPECT_EQ(replica.Read<Engagement>().marking(), v1::MARKING_PUBLIC);
  replica.Write(marked(v1::MARKING_UNSPECIFIED), {"marking"});
  EXPECT_EQ(replica.Read<Engagement>().marking(), v1::MARKING_OFFICIAL);
}

TEST(Materialise, ShowsNothingOfBytesThatAreNotTheFields) {
  Mutation mutation{.type = 5, .record = "engagements/e"};
  auto add = [&mutation](uint32_t field, MergeKind kind, std::string value) {
    mutation.ops.push_back({.field = field, .kind = kind, .has_value = true, .value = std::move(value)});
  };
  add(11, MergeKind::kRegister, Wire(1, "engagements/forged"));      // another field's
  add(24, MergeKind::kRegister, Wire(24, "a") + Wire(2, "forged"));  // another field's after its own
  add(22, MergeKind::kRegister, Wire(22, "\xff"));                   // no UTF-8
  add(20, MergeKind::kRegister, "\xff");                             // no wire form
  add(12, MergeKind::kSet, Wire(13, "ports/JPYOK"));
  add(12, MergeKind::kSet, Wire(12, "countries/JP"));
  add(13, MergeKind::kRegister, Wire(13, "ports/JPYOK"));  // a set here
  add(999, MergeKind::kRegister, Wire(999, "of a later version"));
  RecordState state;
  Fold(mutation, {1}, Hlc::FromMillis(1), {}, &state);
  std::unique_ptr<Message> message = Materialise(TypeOf(Engagement()), "engagements/e", state);
  const auto& shown = static_cast<const Engagement&>(*message);
  EXPECT_EQ(shown.name(), "engagements/e");
  EXPECT_EQ(shown.etag(), EtagOf(state));
  EXPECT_EQ(shown.title() + shown.source() + shown.notes() + shown.objectives(), "");
  EXPECT_THAT(shown.countries(), ElementsAre("countries/JP"));
  EXPECT_THAT(shown.ports(), IsEmpty());
  EXPECT_TRUE(shown.GetReflection()->GetUnknownFields(shown).empty());
}

// --- Ops -----------------------------------------------------------------------------------------------------------------------

TEST(MutationFor, ValueBytesAreAsTheEntryFormatSays) {
  Engagement engagement = Base();
  engagement.set_marking(v1::MARKING_SENSITIVE);
  for (const char* site : {"hq", "apac"}) engagement.add_audience(site);
  engagement.mutable_start_date()->set_year(2025);
  engagement.add_topics(v1::TOPIC_TRAINING);
  Mutation mutation = MutationFor(TypeOf(engagement), "engagements/e", nullptr, engagement, FoldedFields(engagement));
  EXPECT_EQ(mutation.type, 5u);
  EXPECT_EQ(mutation.record, "engagements/e");
  EXPECT_THAT(mutation.seen_seals, IsEmpty());
  std::vector<std::tuple<uint32_t, MergeKind, std::string>> ops;
  for (const Op& op : mutation.ops) {
    EXPECT_TRUE(op.has_value);
    EXPECT_FALSE(op.seals);
    EXPECT_THAT(op.replaces, IsEmpty());
    ops.emplace_back(op.field, op.kind, HexEncode(op.value));
  }
  EXPECT_THAT(ops,
              ElementsAre(std::tuple(5, MergeKind::kRestrictMax, "03"),
                          std::tuple(6, MergeKind::kRestrictIntersect,
                                     HexEncode("\x04"
                                               "apac\x02hq")),
                          std::tuple(10, MergeKind::kRegister, "5007"), std::tuple(11, MergeKind::kRegister, HexEncode(Wire(11, "Drills"))),
                          std::tuple(12, MergeKind::kSet, HexEncode(Wire(12, "countries/JP"))),
                          std::tuple(12, MergeKind::kSet, HexEncode(Wire(12, "countries/KR"))),
                          std::tuple(16, MergeKind::kState, "3c06"),  // rank 60, REPORTED
                          std::tuple(17, MergeKind::kRegister, HexEncode(Wire(17, "\x08\xe9\x0f"))),
                          std::tuple(19, MergeKind::kSet, HexEncode(Wire(19, "\x06")))));
}

// A caller of a later version may mean another type by a number that is known here.
TEST(MutationFor, WritesNothingOfWhatIsNotUnderstood) {
  Engagement engagement = Base();
  const Mutation mutation = MutationFor(TypeOf(engagement), "engagements/e", nullptr, engagement, FoldedFields(engagement));
  for (const char* field : {"title", "notes", "objectives"}) {
    engagement.GetReflection()->MutableUnknownFields(&engagement)->AddVarint(FieldOf(engagement, field)->number(), 7);
  }
  engagement.GetReflection()->MutableUnknownFields(&engagement)->AddLengthDelimited(999, "of a later version");
  EXPECT_EQ(MutationFor(TypeOf(engagement), "engagements/e", nullptr, engagement, FoldedFields(engagement)), mutation);
}

TEST(MutationFor, OrderOfArgumentsDoesNotMatter) {
  Engagement one = Base();
  Engagement other = Base();
  std::swap(*other.mutable_countries(0), *other.mutable_countries(1));
  std::vector<const FieldDescriptor*> fields = FoldedFields(one);
  std::vector<const FieldDescriptor*> reversed(fields.rbegin(), fields.rend());
  reversed.push_back(fields[0]);
  EXPECT_EQ(MutationFor(TypeOf(one), "engagements/e", nullptr, one, fields),
            MutationFor(TypeOf(one), "engagements/e", nullptr, other, reversed));
}

TEST(MutationFor, WritesOnlyTheFieldsThatAreNamed) {
  Replica replica(1, "engagements/e");
  replica.Write(Base());
  Engagement next;
  next.set_notes("new");
  Written written = replica.Write(next, {"notes"});
  ASSERT_THAT(written.mutation.ops, SizeIs(1));
  EXPECT_EQ(written.mutation.ops[0].field, 22u);
  EXPECT_EQ(replica.Read<Engagement>().title(), "Drills");
}

TEST(MutationFor, RegisterReplacesWhatWasRead) {
  Replica replica(1, "engagements/e");
  Written first = replica.Write(Base());
  Written second = replica.Write(With(Base(), [](Engagement* e) { e->set_title("x"); }), {"title"});
  ASSERT_THAT(second.mutation.ops, SizeIs(1));
  uint16_t title_op = 0;
  while (first.mutation.ops[title_op].field != 11) ++title_op;
  EXPECT_THAT(second.mutation.ops[0].replaces, ElementsAre(ValueId{first.id, title_op}));
}

TEST(MutationFor, ClearedRegisterIsTheEmptyValue) {
  Replica replica(1, "engagements/e");
  replica.Write(Base());
  Written written = replica.Write(With(Base(), [](Engagement* e) { e->clear_title(); }), {"title"});
  ASSERT_THAT(written.mutation.ops, SizeIs(1));
  EXPECT_TRUE(written.mutation.ops[0].has_value);
  EXPECT_EQ(written.mutation.ops[0].value, "");
  EXPECT_EQ(replica.Read<Engagement>().title(), "");
  EXPECT_THAT(replica.Write(With(Base(), [](Engagement* e) { e->clear_title(); }), {"title"}).mutation.ops, IsEmpty());
}

// --- Merging -------------------------------------------------------------------------------------------------------------------

TEST(Merge, DifferentFieldsEditedAtTwoSitesAreBothKept) {
  Pair pair(Base());
  Written at_a = pair.a.Write(With(Base(), [](Engagement* e) { e->set_title("Exercises"); }), {"title"});
  Written at_b = pair.b.Write(With(Base(), [](Engagement* e) { e->set_notes("bring charts"); }), {"notes"});
  pair.a.Apply(at_b);
  pair.b.Apply(at_a);
  Engagement shown = pair.a.Read<Engagement>();
  EXPECT_EQ(shown.title(), "Exercises");
  EXPECT_EQ(shown.notes(), "bring charts");
  EXPECT_THAT(shown.conflicts(), IsEmpty());
  EXPECT_EQ(shown.SerializeAsString(), pair.b.Read<Engagement>().SerializeAsString());
}

TEST(Merge, RegisterConflictIsShownAndSettledByNamingTheField) {
  Pair pair(Base());
  pair.Concurrently(With(Base(), [](Engagement* e) { e->set_title("from \"a\""); }),
                    With(Base(), [](Engagement* e) { e->set_title("from b"); }), {"title"});
  Engagement shown = pair.a.Read<Engagement>();
  EXPECT_EQ(shown.title(), "from b");  // the later one
  ASSERT_THAT(shown.conflicts(), SizeIs(1));
  EXPECT_EQ(shown.conflicts(0).field(), "title");
  EXPECT_THAT(shown.conflicts(0).other_values(), ElementsAre("\"from \\\"a\\\"\""));

  Written settled = pair.a.Write(shown, {"title"});
  ASSERT_THAT(settled.mutation.ops, SizeIs(1));
  EXPECT_THAT(settled.mutation.ops[0].replaces, SizeIs(2));
  pair.b.Apply(settled);
  EXPECT_EQ(pair.b.Read<Engagement>().title(), "from b");
  EXPECT_THAT(pair.b.Read<Engagement>().conflicts(), IsEmpty());
}

TEST(Merge, SameValueWrittenTwiceIsNoConflict) {
  Pair pair(Base());
  Engagement same = With(Base(), [](Engagement* e) { e->set_title("same"); });
  pair.Concurrently(same, same, {"title"});
  EXPECT_THAT(pair.a.Read<Engagement>().conflicts(), IsEmpty());
  EXPECT_THAT(pair.a.Write(same, {"title"}).mutation.ops, IsEmpty());
}

TEST(Merge, ClearingAgainstAnEditIsAConflict) {
  Pair pair(Base());
  pair.Concurrently(With(Base(), [](Engagement* e) { e->clear_title(); }), With(Base(), [](Engagement* e) { e->set_title("kept"); }),
                    {"title"});
  Engagement shown = pair.a.Read<Engagement>();
  EXPECT_EQ(shown.title(), "kept");
  ASSERT_THAT(shown.conflicts(), SizeIs(1));
  EXPECT_THAT(shown.conflicts(0).other_values(), ElementsAre("\"\""));
}

TEST(Merge, SetAddsWinOverRemovesThatHadNotSeenThem) {
  Pair pair(Base());
  // a removes KR and adds FR; b removes JP and adds FR and CN.
  auto countries = [](std::vector<std::string> names) {
    Engagement engagement = Base();
    engagement.clear_countries();
    for (const std::string& name : names) engagement.add_countries("countries/" + name);
    return engagement;
  };
  pair.Concurrently(countries({"JP", "FR"}), countries({"KR", "FR", "CN"}), {"countries"});
  Engagement shown = pair.a.Read<Engagement>();
  EXPECT_THAT(shown.countries(), ElementsAre("countries/CN", "countries/FR"));
  EXPECT_THAT(shown.conflicts(), IsEmpty());

  // One removal takes both values of FR.
  Written removed = pair.a.Write(countries({"CN"}), {"countries"});
  ASSERT_THAT(removed.mutation.ops, SizeIs(1));
  EXPECT_FALSE(removed.mutation.ops[0].has_value);
  EXPECT_THAT(removed.mutation.ops[0].replaces, SizeIs(2));
  // Added again where the removal had not been seen: nothing to do there, so the removal stands.
  EXPECT_THAT(pair.b.Write(countries({"CN", "FR"}), {"countries"}).mutation.ops, IsEmpty());
  pair.b.Apply(removed);
  EXPECT_THAT(pair.b.Read<Engagement>().countries(), ElementsAre("countries/CN"));
  // Added again where it had been seen: it is there again.
  pair.b.Write(countries({"CN", "FR"}), {"countries"});
  EXPECT_THAT(pair.b.Read<Engagement>().countries(), ElementsAre("countries/CN", "countries/FR"));
}

TEST(Merge, SetsOfMessagesMergeByElement) {
  Pair pair(Base());
  auto with = [](const char* counterpart) {
    return With(Base(), [=](Engagement* e) { e->add_participants()->set_counterpart(counterpart); });
  };
  pair.Concurrently(with("one"), with("another"), {"participants"});
  ASSERT_THAT(pair.a.Read<Engagement>().participants(), SizeIs(2));
}

TEST(Merge, HigherRankOfStateWinsWhateverItsTime) {
  Engagement scheduled = With(Base(), [](Engagement* e) { e->set_state(v1::ENGAGEMENT_STATE_SCHEDULED); });
  Pair pair(scheduled);
  pair.Concurrently(With(scheduled, [](Engagement* e) { e->set_state(v1::ENGAGEMENT_STATE_REFUSED); }),
                    With(scheduled, [](Engagement* e) { e->set_state(v1::ENGAGEMENT_STATE_IN_PROGRESS); }), {"state"});
  Engagement shown = pair.b.Read<Engagement>();
  EXPECT_EQ(shown.state(), v1::ENGAGEMENT_STATE_REFUSED);
  ASSERT_THAT(shown.conflicts(), SizeIs(1));
  EXPECT_EQ(shown.conflicts(0).field(), "state");
  EXPECT_THAT(shown.conflicts(0).other_values(), ElementsAre("\"ENGAGEMENT_STATE_IN_PROGRESS\""));
}

TEST(Merge, LargerMarkingWins) {
  Pair pair(Base());
  pair.Concurrently(With(Base(), [](Engagement* e) { e->set_marking(v1::MARKING_SENSITIVE); }),
                    With(Base(), [](Engagement* e) { e->set_marking(v1::MARKING_PUBLIC); }), {"marking"});
  EXPECT_EQ(pair.a.Read<Engagement>().marking(), v1::MARKING_SENSITIVE);
  EXPECT_THAT(pair.a.Read<Engagement>().conflicts(), IsEmpty());
  pair.Concurrently(With(Base(), [](Engagement* e) { e->set_marking(v1::MARKING_PUBLIC); }),
                    With(Base(), [](Engagement* e) { e->set_marking(v1::MARKING_OFFICIAL); }), {"marking"});
  EXPECT_EQ(pair.a.Read<Engagement>().marking(), v1::MARKING_OFFICIAL);
  // Someone who has read it may lower it.
  pair.a.Write(With(Base(), [](Engagement* e) { e->set_marking(v1::MARKING_PUBLIC); }), {"marking"});
  EXPECT_EQ(pair.a.Read<Engagement>().marking(), v1::MARKING_PUBLIC);
}

TEST(Merge, AudiencesIntersect) {
  auto to = [](std::vector<std::string> sites) {
    return With(Base(), [&](Engagement* e) {
      for (const std::string& site : sites) e->add_audience(site);
    });
  };
  Pair pair(Base());
  EXPECT_THAT(pair.a.Read<Engagement>().audience(), IsEmpty());
  pair.Concurrently(to({"hq", "apac", "csa"}), to({"csa", "eame", "apac"}), {"audience"});
  EXPECT_THAT(pair.a.Read<Engagement>().audience(), ElementsAre("apac", "csa"));
  EXPECT_THAT(pair.a.Write(to({"csa", "apac"}), {"audience"}).mutation.ops, IsEmpty());

  pair.Concurrently(to({"apac"}), to({"csa"}), {"audience"});
  EXPECT_THAT(pair.a.Read<Engagement>().audience(), ElementsAre(kNobody));  // and not: every site
  Written widened = pair.a.Write(to({}), {"audience"});
  ASSERT_THAT(widened.mutation.ops, SizeIs(1));
  EXPECT_FALSE(widened.mutation.ops[0].has_value);
  EXPECT_THAT(pair.a.Read<Engagement>().audience(), IsEmpty());
}

// --- Seals ---------------------------------------------------------------------------------------------------------------------

TEST(Seal, LockingStateSealsWhatItsAuthorHadRead) {
  Replica replica(1, "engagements/e");
  Written first = replica.Write(Base());
  Written closed = replica.Write(Closed(Base()), {"state"});
  ASSERT_THAT(closed.mutation.ops, SizeIs(1));
  const Op& op = closed.mutation.ops[0];
  EXPECT_TRUE(op.seals);
  // Kind, title and two countries; not the state.
  EXPECT_EQ(op.sealed, (std::vector<ValueId>{{first.id, 0}, {first.id, 1}, {first.id, 2}, {first.id, 3}}));
  EXPECT_THAT(op.replaces, ElementsAre(ValueId{first.id, 4}));
  EXPECT_EQ(replica.Read<Engagement>().title(), "Drills");
}

TEST(Seal, OtherStatesDoNotSeal) {
  Replica replica(1, "engagements/e");
  replica.Write(Base());
  Written written = replica.Write(With(Base(), [](Engagement* e) { e->set_state(v1::ENGAGEMENT_STATE_CANCELLED); }), {"state"});
  ASSERT_THAT(written.mutation.ops, SizeIs(1));
  EXPECT_FALSE(written.mutation.ops[0].seals);
}

TEST(Seal, ConcurrentEditIsPendingListedAndTakenByNamingTheField) {
  Pair pair(Base());
  Written closed = pair.a.Write(Closed(Base()), {"state"});
  Engagement edit = With(Base(), [](Engagement* e) {
    e->set_title("Late title");
    e->add_countries("countries/FR");
  });
  Written edited = pair.b.Write(edit, {"title", "countries"});
  pair.a.Apply(edited);
  pair.b.Apply(closed);
  ASSERT_EQ(EncodeState(pair.a.state()), EncodeState(pair.b.state()));

  Engagement shown = pair.a.Read<Engagement>();
  EXPECT_EQ(shown.title(), "Drills");
  EXPECT_THAT(shown.countries(), ElementsAre("countries/JP", "countries/KR"));
  ASSERT_THAT(shown.conflicts(), SizeIs(2));
  EXPECT_EQ(shown.conflicts(0).field(), "title");
  EXPECT_THAT(shown.conflicts(0).other_values(), ElementsAre("\"Late title\""));
  EXPECT_EQ(shown.conflicts(1).field(), "countries");
  EXPECT_THAT(shown.conflicts(1).other_values(), ElementsAre("\"countries/FR\""));

  // One amendment is taken, the other turned down. Both are by someone who had seen the seal.
  Engagement amended = With(shown, [](Engagement* e) { e->set_title("Late title"); });
  Written amendment = pair.a.Write(amended, {"title", "countries"});
  EXPECT_THAT(amendment.mutation.seen_seals, ElementsAre(ValueId{closed.id, 0}));
  ASSERT_THAT(amendment.mutation.ops, SizeIs(2));
  EXPECT_FALSE(amendment.mutation.ops[1].has_value);
  pair.b.Apply(amendment);
  for (const Replica* replica : {&pair.a, &pair.b}) {
    Engagement after = replica->Read<Engagement>();
    EXPECT_EQ(after.title(), "Late title");
    EXPECT_THAT(after.countries(), ElementsAre("countries/JP", "countries/KR"));
    EXPECT_EQ(after.state(), v1::ENGAGEMENT_STATE_CLOSED);
    EXPECT_THAT(after.conflicts(), IsEmpty());
  }
}

TEST(Seal, PendingValueIsTurnedDownByNamingTheFieldAsItIs) {
  Pair pair(Base());
  pair.a.Write(Closed(Base()), {"state"});
  pair.a.Apply(pair.b.Write(With(Base(), [](Engagement* e) { e->set_title("Late title"); }), {"title"}));
  ASSERT_THAT(pair.a.Read<Engagement>().conflicts(), SizeIs(1));
  Written kept = pair.a.Write(pair.a.Read<Engagement>(), {"title"});
  ASSERT_THAT(kept.mutation.ops, SizeIs(1));
  EXPECT_THAT(kept.mutation.ops[0].replaces, SizeIs(2));
  EXPECT_EQ(pair.a.Read<Engagement>().title(), "Drills");
  EXPECT_THAT(pair.a.Read<Engagement>().conflicts(), IsEmpty());
}

TEST(Seal, PendingElementCanBeTaken) {
  Pair pair(Base());
  Written closed = pair.a.Write(Closed(Base()), {"state"});
  Engagement edit = With(Base(), [](Engagement* e) { e->add_countries("countries/FR"); });
  pair.a.Apply(pair.b.Write(edit, {"countries"}));
  Written taken = pair.a.Write(edit, {"countries"});
  ASSERT_THAT(taken.mutation.ops, SizeIs(1));
  EXPECT_TRUE(taken.mutation.ops[0].has_value);
  EXPECT_THAT(taken.mutation.ops[0].replaces, SizeIs(1));
  EXPECT_THAT(pair.a.Read<Engagement>().countries(), ElementsAre("countries/FR", "countries/JP", "countries/KR"));
  EXPECT_THAT(pair.a.Read<Engagement>().conflicts(), IsEmpty());
}

TEST(Seal, ConcurrentRemovalIsPending) {
  Pair pair(Base());
  Written closed = pair.a.Write(Closed(Base()), {"state"});
  Written removed = pair.b.Write(With(Base(), [](Engagement* e) { e->mutable_countries()->RemoveLast(); }), {"countries"});
  EXPECT_THAT(pair.b.Read<Engagement>().countries(), ElementsAre("countries/JP"));
  pair.b.Apply(closed);
  pair.a.Apply(removed);
  ASSERT_EQ(EncodeState(pair.a.state()), EncodeState(pair.b.state()));
  EXPECT_THAT(pair.b.Read<Engagement>().countries(), ElementsAre("countries/JP", "countries/KR"));
}

// --- JSON ----------------------------------------------------------------------------------------------------------------------

TEST(ValueJson, ShowsOneValueOfEachKind) {
  const RecordType& type = TypeOf(Engagement());
  auto json = [&type](const std::string& field, const std::string& bytes) {
    return ValueJson(type, FieldOf(*type.prototype, field), bytes);
  };
  EXPECT_EQ(json("title", Wire(11, "a:b")), "\"a:b\"");
  EXPECT_EQ(json("title", ""), "\"\"");
  EXPECT_EQ(json("withdrawn", std::string("\x38\x01", 2)), "true");
  EXPECT_EQ(json("withdrawn", ""), "false");
  EXPECT_EQ(json("kind", ""), "\"ENGAGEMENT_KIND_UNSPECIFIED\"");
  EXPECT_EQ(json("start_date", Wire(17, "\x08\xe9\x0f\x10\x06")), "{\"year\":2025,\"month\":6}");
  EXPECT_EQ(json("start_date", ""), "null");
  EXPECT_EQ(json("countries", Wire(12, "countries/JP")), "\"countries/JP\"");
  EXPECT_EQ(json("topics", Wire(19, "\x06")), "\"TOPIC_TRAINING\"");
  EXPECT_EQ(json("participants", Wire(23, Wire(1, "liaisonOfficers/watch"))), "{\"officer\":\"liaisonOfficers/watch\"}");
  EXPECT_EQ(json("marking", "\x03"), "\"MARKING_SENSITIVE\"");
  EXPECT_EQ(json("audience",
                 "\x04"
                 "apac\x02hq"),
            "[\"apac\",\"hq\"]");
  EXPECT_EQ(json("state", "\x5a\x07"), "\"ENGAGEMENT_STATE_CLOSED\"");
  const RecordType& port = TypeOf(v1::Port());
  EXPECT_EQ(ValueJson(port, FieldOf(*port.prototype, "wpi_number"), ""), "0");
}

}  // namespace
}  // namespace fairlead::node
