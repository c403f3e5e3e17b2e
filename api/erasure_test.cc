#include "api/erasure.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "api/bytes.h"

namespace fairlead {
namespace {

ValueId Id(uint8_t head, uint16_t op) {
  ValueId id;
  id.mutation[0] = head;
  id.op = op;
  return id;
}

Op Adds(uint32_t field, MergeKind kind, std::string value, std::vector<ValueId> replaces = {}) {
  Op op;
  op.field = field;
  op.kind = kind;
  op.has_value = true;
  op.value = std::move(value);
  op.replaces = std::move(replaces);
  return op;
}

Mutation Written() {
  Mutation mutation;
  mutation.type = 3;
  mutation.record = "engagements/e";
  mutation.seen_seals = {Id(9, 1)};
  Op removal;
  removal.field = 13;
  removal.kind = MergeKind::kSet;
  removal.replaces = {Id(2, 0)};
  Op closes = Adds(14, MergeKind::kState, std::string("\x05\x06"), {Id(3, 0)});
  closes.seals = true;
  closes.sealed = {Id(1, 0)};
  mutation.ops = {Adds(11, MergeKind::kRegister, "secret", {Id(1, 0)}),  Adds(13, MergeKind::kSet, "element"), removal, closes,
                  Adds(8, MergeKind::kRestrictMax, std::string("\x03")), Adds(7, MergeKind::kRegister, "flag")};
  return mutation;
}

TEST(ErasureTest, AShapeKeepsAllButContent) {
  const Mutation mutation = Written();
  const Mutation shape = ShapeOf(mutation, {7});
  EXPECT_EQ(shape.ops[0].value, "");
  EXPECT_EQ(shape.ops[1].value, "");
  EXPECT_EQ(shape.ops[3].value, mutation.ops[3].value);
  EXPECT_EQ(shape.ops[4].value, mutation.ops[4].value);
  EXPECT_EQ(shape.ops[5].value, "flag");
  EXPECT_EQ(shape.ops[0].replaces, mutation.ops[0].replaces);
  EXPECT_EQ(shape.ops[2], mutation.ops[2]);
  EXPECT_EQ(shape.seen_seals, mutation.seen_seals);
  EXPECT_TRUE(IsErased(shape.ops[0]));
  EXPECT_FALSE(IsErased(shape.ops[2]));
  EXPECT_FALSE(IsErased(shape.ops[3]));
  EXPECT_FALSE(IsErased(shape.ops[5]));
  EXPECT_TRUE(IsShapeOf(shape, mutation));
}

TEST(ErasureTest, AnotherShapeIsFound) {
  const Mutation mutation = Written();
  for (const auto& change :
       std::vector<void (*)(Mutation*)>{[](Mutation* m) { m->record = "engagements/f"; }, [](Mutation* m) { m->ops[0].replaces.clear(); },
                                        [](Mutation* m) { m->ops[0].value = "other"; }, [](Mutation* m) { m->ops[3].value.clear(); },
                                        [](Mutation* m) { m->ops[3].sealed.clear(); }, [](Mutation* m) { m->ops[0].has_value = false; },
                                        [](Mutation* m) { m->seen_seals.clear(); }, [](Mutation* m) { m->ops.pop_back(); }}) {
    Mutation shape = ShapeOf(mutation, {});
    change(&shape);
    EXPECT_FALSE(IsShapeOf(shape, mutation));
  }
}

Erasure Sample() {
  Erasure erasure;
  erasure.entry = {LogId(2), Seq(300)};
  erasure.reason = "named a person";
  erasure.authority = "data protection officer, ruling 7";
  for (uint8_t n : {1, 2}) {
    ErasedMutation& mutation = erasure.mutations.emplace_back();
    mutation.id[0] = n;
    if (n == 2) mutation.maker = "apac";
    mutation.shape = ShapeOf(Written(), {});
  }
  return erasure;
}

TEST(ErasureTest, IsReadAsItWasWritten) {
  Payload payload;
  payload.mutations = MutationsOf(Sample());
  ASSERT_EQ(payload.mutations.size(), 2u);
  EXPECT_EQ(payload.mutations[1].record, "engagements/e");
  EXPECT_TRUE(IsErasure(payload));
  const std::string bytes = EncodePayload(payload);
  EXPECT_EQ(bytes.find("secret"), std::string::npos);
  EXPECT_EQ(bytes.find("named a person"), bytes.rfind("named a person")) << "said once";
  const auto read = ErasureIn(*DecodePayload(bytes));
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(*read, Sample());
}

TEST(ErasureTest, WhatIsNotCanonicalIsRefused) {
  EXPECT_FALSE(IsErasure(Payload{.mutations = {Written()}}));
  const auto refused = [](const std::function<void(Payload*)>& change) {
    Payload payload;
    payload.mutations = MutationsOf(Sample());
    change(&payload);
    return !ErasureIn(payload).ok();
  };
  EXPECT_FALSE(refused([](Payload*) {}));
  EXPECT_TRUE(refused([](Payload* p) { p->mutations[1] = Written(); }));
  EXPECT_TRUE(refused([](Payload* p) { p->mutations[0].record = "engagements/f"; }));
  EXPECT_TRUE(refused([](Payload* p) { p->mutations[0].ops[0].value.pop_back(); }));
  EXPECT_TRUE(refused([](Payload* p) { p->mutations[0].ops[0].value.push_back('\0'); }));
  EXPECT_TRUE(refused([](Payload* p) { p->mutations[0].ops[0].value[0] = 2; }));
  EXPECT_TRUE(refused([](Payload* p) { p->mutations[0].ops[0].value[20] = 2; })) << "neither made nor not made";
  EXPECT_TRUE(refused([](Payload* p) { p->mutations[0].ops[0].field = 11; }));
  EXPECT_TRUE(refused([](Payload* p) { p->mutations[0].ops[0].replaces = {Id(1, 0)}; }));
  EXPECT_TRUE(refused([](Payload* p) { p->mutations[0].ops.push_back(p->mutations[0].ops[0]); }));
  EXPECT_TRUE(refused([](Payload* p) { std::swap(p->mutations[0], p->mutations[1]); })) << "the reason is the first one's";
  Erasure other = Sample();
  other.entry.seq = Seq(301);
  EXPECT_TRUE(refused([&](Payload* p) { p->mutations[1] = MutationsOf(other)[0]; }));
  Erasure long_reason = Sample();
  long_reason.reason.assign(kErasureTextBytesMax + 1, 'x');
  EXPECT_TRUE(refused([&](Payload* p) { p->mutations = MutationsOf(long_reason); }));
  Erasure nested = Sample();
  nested.mutations[0].shape = MutationsOf(Sample())[0];
  EXPECT_TRUE(refused([&](Payload* p) { p->mutations = MutationsOf(nested); }));
}

}  // namespace
}  // namespace fairlead
