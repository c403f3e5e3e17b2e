#include "server/node/fold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "api/bytes.h"
#include "api/crypto.h"

namespace fairlead::node {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint32_t kType = 7;
constexpr uint32_t kTitle = 11;
constexpr uint32_t kTags = 12;
constexpr uint32_t kState = 16;
constexpr uint32_t kMarking = 5;
constexpr uint32_t kAudience = 6;
constexpr uint32_t kUnknown = 140;

MutationId Id(uint8_t n) {
  MutationId id{};
  id[0] = n;
  return id;
}

Op Add(uint32_t field, MergeKind kind, std::string value, std::vector<ValueId> replaces = {}) {
  Op op;
  op.field = field;
  op.kind = kind;
  op.has_value = true;
  op.value = std::move(value);
  op.replaces = std::move(replaces);
  return op;
}

std::string StateValue(uint64_t rank, uint64_t state) {
  std::string out;
  PutVarint(&out, rank);
  PutVarint(&out, state);
  return out;
}

std::string Sites(std::vector<std::string> names) {
  std::string out;
  for (const std::string& name : names) PutBytes(&out, name);
  return out;
}

Mutation Of(std::vector<Op> ops, std::vector<ValueId> seen = {}) {
  Mutation m;
  m.type = kType;
  m.record = "engagements/e";
  m.ops = std::move(ops);
  m.seen_seals = std::move(seen);
  return m;
}

Dot At(uint32_t log, uint64_t seq) { return {LogId(log), Seq(seq)}; }

std::vector<std::string> LiveBytes(const RecordState& state, uint32_t field) {
  std::vector<std::string> out;
  auto view = ViewOf(state);
  for (const auto& [id, value] : view[field].live) out.push_back(value->bytes);
  return out;
}

TEST(FoldTest, LaterWriterWhoHadReadReplaces) {
  RecordState state;
  Fold(Of({Add(kTitle, MergeKind::kRegister, "first")}), Id(1), Hlc(10), At(1, 0), &state);
  Fold(Of({Add(kTitle, MergeKind::kRegister, "second", {{Id(1), 0}})}), Id(2), Hlc(20), At(1, 1), &state);
  EXPECT_THAT(LiveBytes(state, kTitle), ElementsAre("second"));
}

TEST(FoldTest, WritersWhoHadNotReadEachOtherConflictAndTheLatestIsShownFirst) {
  RecordState state;
  Fold(Of({Add(kTitle, MergeKind::kRegister, "base")}), Id(1), Hlc(10), At(1, 0), &state);
  Fold(Of({Add(kTitle, MergeKind::kRegister, "late", {{Id(1), 0}})}), Id(2), Hlc(30), At(1, 1), &state);
  Fold(Of({Add(kTitle, MergeKind::kRegister, "early", {{Id(1), 0}})}), Id(3), Hlc(20), At(2, 0), &state);
  EXPECT_THAT(LiveBytes(state, kTitle), ElementsAre("late", "early"));
}

TEST(FoldTest, ATieInTimeGoesToTheLowerLog) {
  RecordState state;
  Fold(Of({Add(kTitle, MergeKind::kRegister, "of log 2")}), Id(1), Hlc(10), At(2, 0), &state);
  Fold(Of({Add(kTitle, MergeKind::kRegister, "of log 1")}), Id(9), Hlc(10), At(1, 0), &state);
  EXPECT_THAT(LiveBytes(state, kTitle), ElementsAre("of log 1", "of log 2"));
}

TEST(FoldTest, DifferentFieldsMerge) {
  RecordState state;
  Fold(Of({Add(kTitle, MergeKind::kRegister, "t"), Add(22, MergeKind::kRegister, "n")}), Id(1), Hlc(10), At(1, 0), &state);
  Fold(Of({Add(kTitle, MergeKind::kRegister, "t2", {{Id(1), 0}})}), Id(2), Hlc(20), At(1, 1), &state);
  Fold(Of({Add(22, MergeKind::kRegister, "n2", {{Id(1), 1}})}), Id(3), Hlc(20), At(2, 0), &state);
  EXPECT_THAT(LiveBytes(state, kTitle), ElementsAre("t2"));
  EXPECT_THAT(LiveBytes(state, 22), ElementsAre("n2"));
}

TEST(FoldTest, AnElementAddedConcurrentlySurvivesARemoval) {
  RecordState state;
  Fold(Of({Add(kTags, MergeKind::kSet, "x")}), Id(1), Hlc(10), At(1, 0), &state);
  Op remove;
  remove.field = kTags;
  remove.kind = MergeKind::kSet;
  remove.replaces = {{Id(1), 0}};
  Fold(Of({remove}), Id(2), Hlc(20), At(1, 1), &state);
  EXPECT_THAT(LiveBytes(state, kTags), IsEmpty());
  Fold(Of({Add(kTags, MergeKind::kSet, "x")}), Id(3), Hlc(15), At(2, 0), &state);
  EXPECT_THAT(LiveBytes(state, kTags), ElementsAre("x"));
}

TEST(FoldTest, AValueIsDeadBeforeItArrivesWhenItsReplacementCameFirst) {
  // One request accepted at two sites: the second copy must not bring back what was replaced since.
  RecordState state;
  Mutation original = Of({Add(kTitle, MergeKind::kRegister, "once")});
  Fold(original, Id(1), Hlc(10), At(1, 0), &state);
  Fold(Of({Add(kTitle, MergeKind::kRegister, "after", {{Id(1), 0}})}), Id(2), Hlc(20), At(1, 1), &state);
  Fold(original, Id(1), Hlc(12), At(2, 0), &state);
  EXPECT_THAT(LiveBytes(state, kTitle), ElementsAre("after"));

  RecordState other;
  Fold(original, Id(1), Hlc(12), At(2, 0), &other);
  Fold(original, Id(1), Hlc(10), At(1, 0), &other);
  Fold(Of({Add(kTitle, MergeKind::kRegister, "after", {{Id(1), 0}})}), Id(2), Hlc(20), At(1, 1), &other);
  EXPECT_EQ(EncodeState(state), EncodeState(other));
}

TEST(FoldTest, StatesAreOrderedByRankNotTime) {
  RecordState state;
  Fold(Of({Add(kState, MergeKind::kState, StateValue(30, 3))}), Id(1), Hlc(10), At(1, 0), &state);
  Fold(Of({Add(kState, MergeKind::kState, StateValue(90, 7), {{Id(1), 0}})}), Id(2), Hlc(20), At(1, 1), &state);
  Fold(Of({Add(kState, MergeKind::kState, StateValue(70, 8), {{Id(1), 0}})}), Id(3), Hlc(30), At(2, 0), &state);
  EXPECT_THAT(LiveBytes(state, kState), ElementsAre(StateValue(90, 7), StateValue(70, 8)));
}

TEST(FoldTest, ASealTurnsAConcurrentEditIntoAPendingAmendment) {
  Mutation create = Of({Add(kTitle, MergeKind::kRegister, "draft"), Add(kState, MergeKind::kState, StateValue(60, 6))});
  Op close = Add(kState, MergeKind::kState, StateValue(90, 7), {{Id(1), 1}});
  close.seals = true;
  close.sealed = {{Id(1), 0}};
  Mutation edit = Of({Add(kTitle, MergeKind::kRegister, "sneaked in", {{Id(1), 0}})});
  ValueFetcher fetch = [](const ValueId& id, Dot) -> std::optional<std::string> {
    return id == ValueId{Id(1), 0} ? std::optional<std::string>("draft") : std::nullopt;
  };

  RecordState close_first;
  Fold(create, Id(1), Hlc(10), At(1, 0), &close_first, fetch);
  Fold(Of({close}), Id(2), Hlc(20), At(1, 1), &close_first, fetch);
  Fold(edit, Id(3), Hlc(30), At(2, 0), &close_first, fetch);
  EXPECT_THAT(LiveBytes(close_first, kTitle), ElementsAre("draft"));
  auto view = ViewOf(close_first);
  ASSERT_THAT(view[kTitle].pending, SizeIs(1));
  EXPECT_EQ(view[kTitle].pending[0].second->bytes, "sneaked in");

  // The other order revives what the edit had replaced.
  RecordState edit_first;
  Fold(create, Id(1), Hlc(10), At(1, 0), &edit_first, fetch);
  Fold(edit, Id(3), Hlc(30), At(2, 0), &edit_first, fetch);
  EXPECT_THAT(LiveBytes(edit_first, kTitle), ElementsAre("sneaked in"));
  Fold(Of({close}), Id(2), Hlc(20), At(1, 1), &edit_first, fetch);
  EXPECT_EQ(EncodeState(close_first), EncodeState(edit_first));

  // An amendment by someone who had seen the seal takes effect and settles the pending one.
  Fold(Of({Add(kTitle, MergeKind::kRegister, "amended", {{Id(1), 0}, {Id(3), 0}})}, {{Id(2), 0}}), Id(4), Hlc(40), At(1, 2), &edit_first,
       fetch);
  EXPECT_THAT(LiveBytes(edit_first, kTitle), ElementsAre("amended"));
  EXPECT_THAT(ViewOf(edit_first)[kTitle].pending, IsEmpty());
}

TEST(FoldTest, ASealCoversTheHistoryOfWhatItLists) {
  // a was replaced by b before the close, which lists b alone: a stays dead.
  RecordState state;
  Fold(Of({Add(kTitle, MergeKind::kRegister, "a")}), Id(1), Hlc(10), At(1, 0), &state);
  Fold(Of({Add(kTitle, MergeKind::kRegister, "b", {{Id(1), 0}})}), Id(2), Hlc(20), At(1, 1), &state);
  Fold(Of({Add(kTitle, MergeKind::kRegister, "c", {{Id(2), 0}})}), Id(3), Hlc(30), At(1, 2), &state);
  EXPECT_THAT(SealableValues(state), ElementsAre(ValueId{Id(3), 0}));
  Op close = Add(kState, MergeKind::kState, StateValue(90, 7));
  close.seals = true;
  close.sealed = SealableValues(state);
  Fold(Of({close}), Id(4), Hlc(40), At(1, 3), &state);
  EXPECT_THAT(LiveBytes(state, kTitle), ElementsAre("c"));
  EXPECT_THAT(ViewOf(state)[kTitle].pending, IsEmpty());
}

TEST(FoldTest, ASealDoesNotHoldBackARestriction) {
  RecordState state;
  Op close = Add(kState, MergeKind::kState, StateValue(90, 7));
  close.seals = true;
  Fold(Of({close}), Id(1), Hlc(10), At(1, 0), &state);
  Fold(Of({Add(kMarking, MergeKind::kRestrictMax, std::string(1, 3))}), Id(2), Hlc(10), At(2, 0), &state);
  EXPECT_THAT(LiveBytes(state, kMarking), ElementsAre(std::string(1, 3)));
}

TEST(CheckFoldableTest, RefusesWhatItDoesNotUnderstand) {
  Mutation unknown = Of({Add(kTitle, static_cast<MergeKind>(9), "x")});
  EXPECT_EQ(CheckFoldable(unknown).code(), absl::StatusCode::kUnimplemented);

  // A type that is not known has these fields like all others.
  for (const uint32_t field : {kMarking, kAudience, uint32_t{7}}) {
    EXPECT_EQ(CheckFoldable(Of({Add(field, MergeKind::kSet, "")})).code(), absl::StatusCode::kInvalidArgument) << field;
  }

  // Its revisions would be read as those of another record.
  Mutation other_name = Of({Add(kTitle, MergeKind::kRegister, "x")});
  EXPECT_TRUE(CheckFoldable(other_name).ok());
  other_name.record += std::string("\0aaaaaaaabbbbcccccccc", 21);
  EXPECT_EQ(CheckFoldable(other_name).code(), absl::StatusCode::kInvalidArgument);
  other_name.record.clear();
  EXPECT_EQ(CheckFoldable(other_name).code(), absl::StatusCode::kInvalidArgument);
  // No site writes these.
  other_name.record = "countries/" + std::string(502, 'J');
  EXPECT_TRUE(CheckFoldable(other_name).ok());
  other_name.record += 'J';
  EXPECT_EQ(CheckFoldable(other_name).code(), absl::StatusCode::kInvalidArgument);
  Mutation no_type = Of({Add(kTitle, MergeKind::kRegister, "x")});
  no_type.type = 0;
  EXPECT_EQ(CheckFoldable(no_type).code(), absl::StatusCode::kInvalidArgument);

  EXPECT_EQ(CheckFoldable(Of({Add(kState, MergeKind::kState, "\x05")})).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckFoldable(Of({Add(kMarking, MergeKind::kRestrictMax, "")})).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckFoldable(Of({Add(kAudience, MergeKind::kRestrictIntersect, Sites({"hq", "apac"}))})).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(CheckFoldable(Of({Add(kAudience, MergeKind::kRestrictIntersect, Sites({"apac", "hq"}))})).ok());
  Op seal = Add(kTitle, MergeKind::kRegister, "x");
  seal.seals = true;
  EXPECT_EQ(CheckFoldable(Of({seal})).code(), absl::StatusCode::kInvalidArgument);
}

// Of a field that this program does not know, two sites may say different things. Which of them comes first depends on the replica.
TEST(FoldTest, OfTwoKindsNoneComesFirst) {
  const Mutation set = Of({Add(kUnknown, MergeKind::kSet, "of a set")});
  const Mutation text = Of({Add(kUnknown, MergeKind::kRegister, "of a register", {{Id(7), 0}})});
  RecordState one, other;
  Fold(set, Id(1), Hlc(10), At(1, 0), &one);
  EXPECT_THAT(LiveBytes(one, kUnknown), ElementsAre("of a set"));
  Fold(text, Id(2), Hlc(20), At(2, 0), &one);
  Fold(text, Id(2), Hlc(20), At(2, 0), &other);
  Fold(set, Id(1), Hlc(10), At(1, 0), &other);
  EXPECT_EQ(EncodeState(one), EncodeState(other));
  EXPECT_EQ(one, other);
  EXPECT_EQ(one.fields[kUnknown].kind, MergeKind::kRegister);
  EXPECT_THAT(LiveBytes(one, kUnknown), ElementsAre("of a register"));
  const auto decoded = DecodeState(EncodeState(one));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, one);
  // Without the entry that says otherwise, it is what it was.
  const auto fetch = [](const ValueId&, Dot) { return std::nullopt; };
  const RecordState without = Restrict(
      one, [](Dot dot) { return dot == At(1, 0); }, fetch);
  RecordState alone;
  Fold(set, Id(1), Hlc(10), At(1, 0), &alone);
  EXPECT_EQ(without, alone);
}

TEST(FoldTest, OfTwoTypesNoneComesFirst) {
  Mutation high = Of({Add(kUnknown, MergeKind::kRegister, "of the higher type"), Add(kUnknown + 1, MergeKind::kRegister, "alone")});
  high.type = kType + 1;
  const Mutation low = Of({Add(kUnknown, MergeKind::kRegister, "of the lower type")});
  RecordState one, other;
  Fold(high, Id(1), Hlc(10), At(1, 0), &one);
  EXPECT_EQ(one.type, kType + 1);
  EXPECT_THAT(LiveBytes(one, kUnknown + 1), ElementsAre("alone"));
  Fold(low, Id(2), Hlc(20), At(2, 0), &one);
  Fold(low, Id(2), Hlc(20), At(2, 0), &other);
  Fold(high, Id(1), Hlc(10), At(1, 0), &other);
  EXPECT_EQ(EncodeState(one), EncodeState(other));
  EXPECT_EQ(one.type, kType);
  EXPECT_THAT(LiveBytes(one, kUnknown), ElementsAre("of the lower type"));
  EXPECT_THAT(LiveBytes(one, kUnknown + 1), IsEmpty());
  const auto decoded = DecodeState(EncodeState(one));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, one);
  const auto fetch = [](const ValueId&, Dot) { return std::nullopt; };
  RecordState alone;
  Fold(high, Id(1), Hlc(10), At(1, 0), &alone);
  EXPECT_EQ(Restrict(
                one, [](Dot dot) { return dot == At(1, 0); }, fetch),
            alone);
}

TEST(StateCodecTest, DamagedBytesAreRefused) {
  RecordState state;
  Op close = Add(kState, MergeKind::kState, StateValue(90, 7));
  close.seals = true;
  close.sealed = {{Id(1), 0}};
  Fold(Of({Add(kTitle, MergeKind::kRegister, "a"), Add(kTags, MergeKind::kSet, "b")}), Id(1), Hlc(10), At(1, 0), &state);
  Fold(Of({close, Add(kTitle, MergeKind::kRegister, "c", {{Id(1), 0}, {Id(8), 3}})}), Id(2), Hlc(10), At(1, 1), &state);
  std::string bytes = EncodeState(state);
  auto decoded = DecodeState(bytes);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, state);
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(DecodeState(bytes.substr(0, n)).ok()) << n;
  EXPECT_FALSE(DecodeState(bytes + "x").ok());

  // One mutation with two origins.
  const auto text = [](const MutationId& id) { return std::string(reinterpret_cast<const char*>(id.data()), id.size()); };
  const size_t second = bytes.find(text(Id(2)));
  ASSERT_NE(second, std::string::npos);
  EXPECT_FALSE(DecodeState(bytes.replace(second, text(Id(1)).size(), text(Id(1)))).ok());
}

// The fold restated as a set: every value, every edge, every seal, then the definitions of fold.h, word for word. Slow.
std::map<uint32_t, std::set<std::pair<ValueId, bool>>> Reference(const std::vector<std::pair<MutationId, Mutation>>& all) {
  struct Value {
    uint32_t type, field;
    MergeKind kind;
    bool adds;
    std::vector<ValueId> seen, replaces;
  };
  std::map<ValueId, Value> values;
  std::map<ValueId, std::set<ValueId>> seals;
  for (const auto& [id, mutation] : all) {
    for (size_t i = 0; i < mutation.ops.size(); ++i) {
      const Op& op = mutation.ops[i];
      ValueId v{id, static_cast<uint16_t>(i)};
      values[v] = {mutation.type, op.field, op.kind, op.has_value, mutation.seen_seals, op.replaces};
      if (op.seals) seals[v].insert(op.sealed.begin(), op.sealed.end());
    }
  }
  auto covers = [&](const ValueId& seal, const ValueId& v) {
    std::set<ValueId> covered = seals[seal];
    for (bool grew = true; grew;) {
      grew = false;
      for (const auto& [by, value] : values) {
        if (!covered.contains(by)) continue;
        for (const ValueId& r : value.replaces) grew |= covered.insert(r).second;
      }
    }
    return covered.contains(v);
  };
  auto pending = [&](const ValueId& v) {
    const Value& value = values[v];
    if (value.kind != MergeKind::kRegister && value.kind != MergeKind::kSet) return false;
    for (const auto& [seal, listed] : seals) {
      if (seal.mutation == v.mutation || covers(seal, v)) continue;
      if (std::count(value.seen.begin(), value.seen.end(), seal) == 0) return true;
    }
    return false;
  };
  uint32_t type = values.begin()->second.type;
  std::map<uint32_t, MergeKind> kinds;
  for (const auto& [v, value] : values) {
    type = std::min(type, value.type);
    MergeKind& kind = kinds.try_emplace(value.field, value.kind).first->second;
    kind = std::min(kind, value.kind);
  }
  std::map<uint32_t, std::set<std::pair<ValueId, bool>>> out;
  for (const auto& [v, value] : values) {
    if (value.type != type || value.kind != kinds[value.field]) continue;
    bool dead = false;
    for (const auto& [by, replacer] : values) {
      dead |= !pending(by) && std::count(replacer.replaces.begin(), replacer.replaces.end(), v) > 0;
    }
    if (!dead && value.adds) out[value.field].emplace(v, pending(v));
  }
  return out;
}

// Three sites write what they can know of; every causal order of the same entries gives the same bytes, and what the reference says.
TEST(FoldPropertyTest, EveryCausalOrderGivesTheSameState) {
  for (uint32_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    auto below = [&random](size_t n) { return static_cast<size_t>(random() % n); };
    struct Entry {
      Mutation mutation;
      MutationId id;
      Hlc time;
      Dot dot;
      std::set<size_t> deps;
    };
    std::vector<Entry> entries;
    std::map<ValueId, std::string> bytes_of;
    ValueFetcher fetch = [&bytes_of](const ValueId& id, Dot) -> std::optional<std::string> { return bytes_of.at(id); };
    std::array<std::set<size_t>, 3> applied;
    std::array<RecordState, 3> states;
    std::array<uint64_t, 3> next_seq{};
    auto apply = [&](RecordState* state, const Entry& e) { Fold(e.mutation, e.id, e.time, e.dot, state, fetch); };

    for (int step = 0; step < 40; ++step) {
      size_t site = below(3);
      if (below(2) == 0) {  // hear one entry whose deps are here
        for (size_t i = 0; i < entries.size(); ++i) {
          if (applied[site].contains(i) ||
              !std::includes(applied[site].begin(), applied[site].end(), entries[i].deps.begin(), entries[i].deps.end())) {
            continue;
          }
          applied[site].insert(i);
          apply(&states[site], entries[i]);
          break;
        }
        continue;
      }
      Entry e;
      e.id = Id(static_cast<uint8_t>(entries.size() + 1));
      e.time = Hlc(1000 + step / 2);
      e.dot = At(static_cast<uint32_t>(site + 1), next_seq[site]++);
      e.deps = applied[site];
      e.mutation.type = kType;
      e.mutation.record = "r";
      auto view = ViewOf(states[site]);
      auto live = [&view](uint32_t field) {
        std::vector<ValueId> ids;
        for (const auto& [id, value] : view[field].live) ids.push_back(id);
        std::sort(ids.begin(), ids.end());
        return ids;
      };
      for (const auto& [seal, listed] : states[site].seals) e.mutation.seen_seals.push_back(seal);
      std::string text = "v" + std::to_string(entries.size());
      switch (below(7)) {
        case 0:
          e.mutation.ops = {Add(kTitle, MergeKind::kRegister, text, live(kTitle))};
          break;
        case 1: {
          Op remove = Add(kTags, MergeKind::kSet, "", live(kTags));
          remove.has_value = false;
          e.mutation.ops = {remove, Add(kTags, MergeKind::kSet, text), Add(kTags, MergeKind::kSet, "same")};
          break;
        }
        case 2:
          e.mutation.ops = {Add(kMarking, MergeKind::kRestrictMax, std::string(1, static_cast<char>(1 + below(3))), live(kMarking))};
          break;
        case 3:
          e.mutation.ops = {Add(kState, MergeKind::kState, StateValue(10 + below(50), 1), live(kState))};
          break;
        case 4: {
          Op close = Add(kState, MergeKind::kState, StateValue(90, 7), live(kState));
          if (below(3) == 0) {
            close.seals = true;
            close.sealed = SealableValues(states[site]);
          }
          e.mutation.ops = {close, Add(kTitle, MergeKind::kRegister, text, live(kTitle))};
          break;
        }
        case 5: {  // what the program does not know
          const MergeKind kinds[] = {MergeKind::kRegister, MergeKind::kSet, MergeKind::kRestrictMax};
          e.mutation.type = kType + static_cast<uint32_t>(below(8) == 0);
          e.mutation.ops = {Add(kUnknown, kinds[below(3)], "\x01", live(kUnknown))};
          break;
        }
        case 6: {
          const std::string audiences[] = {Sites({"apac", "eame", "hq"}), Sites({"apac", "hq"}), Sites({"eame", "hq"})};
          e.mutation.ops = {Add(kAudience, MergeKind::kRestrictIntersect, audiences[below(3)], live(kAudience))};
          break;
        }
      }
      for (size_t i = 0; i < e.mutation.ops.size(); ++i) bytes_of[{e.id, static_cast<uint16_t>(i)}] = e.mutation.ops[i].value;
      applied[site].insert(entries.size());
      apply(&states[site], e);
      entries.push_back(e);
    }

    std::string expected;
    for (int order = 0; order < 6; ++order) {
      RecordState state;
      std::set<size_t> done;
      while (done.size() < entries.size()) {
        size_t i = below(entries.size());
        if (done.contains(i) || !std::includes(done.begin(), done.end(), entries[i].deps.begin(), entries[i].deps.end())) continue;
        apply(&state, entries[i]);
        if (below(4) == 0) apply(&state, entries[i]);  // idempotent
        done.insert(i);
      }
      std::string bytes = EncodeState(state);
      if (order == 0) expected = bytes;
      ASSERT_EQ(bytes, expected);
      auto decoded = DecodeState(bytes);
      ASSERT_TRUE(decoded.ok());
      ASSERT_EQ(*decoded, state);
      std::vector<std::pair<MutationId, Mutation>> all;
      for (const Entry& e : entries) all.emplace_back(e.id, e.mutation);
      auto reference = Reference(all);
      for (auto& [field, view] : ViewOf(state)) {
        std::set<std::pair<ValueId, bool>> seen;
        for (const auto& [id, value] : view.live) seen.emplace(id, false);
        for (const auto& [id, value] : view.pending) seen.emplace(id, true);
        ASSERT_EQ(seen, reference[field]) << "field " << field;
        reference.erase(field);
      }
      ASSERT_THAT(reference, IsEmpty());
    }
  }
}

}  // namespace
}  // namespace fairlead::node
