// Replicas of one record without a node: who wrote upon what is up to the test.
//
// Thread safety: one thread. Ownership: values.

#ifndef FAIRLEAD_SERVER_NODE_REPLICA_TESTING_H_
#define FAIRLEAD_SERVER_NODE_REPLICA_TESTING_H_

#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/options.pb.h"
#include "server/node/materialise.h"
#include "server/records/record_type.h"

namespace fairlead::node {

inline const records::RecordType& TypeOf(const google::protobuf::Message& message) {
  return *records::TheRegistry().FindByMessage(message.GetDescriptor()->name());
}

inline std::vector<const google::protobuf::FieldDescriptor*> FoldedFields(const google::protobuf::Message& message) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = message.GetDescriptor()->field(i);
    if (field->options().GetExtension(v1::merge) != v1::MERGE_KIND_UNSPECIFIED) fields.push_back(field);
  }
  return fields;
}

inline const google::protobuf::FieldDescriptor* FieldOf(const google::protobuf::Message& message, const std::string& name) {
  return message.GetDescriptor()->FindFieldByName(name);
}

// One committed mutation.
struct Written {
  Mutation mutation;
  MutationId id{};
  Hlc time;
  Dot dot;
};

// One site's copy of one record.
class Replica {
 public:
  explicit Replica(uint32_t log, std::string name) : log_(log), name_(std::move(name)) {}

  // Writes the fields (all when empty) as in `next`, by someone who has read this replica.
  Written Write(const google::protobuf::Message& next, const std::vector<std::string>& fields = {}) {
    std::vector<const google::protobuf::FieldDescriptor*> chosen;
    for (const std::string& field : fields) chosen.push_back(FieldOf(next, field));
    if (fields.empty()) chosen = FoldedFields(next);
    return Commit(MutationFor(TypeOf(next), name_, state_.fields.empty() ? nullptr : &state_, next, chosen));
  }
  Written Commit(Mutation mutation) {
    Written written;
    written.mutation = std::move(mutation);
    written.dot = {LogId(log_), Seq(seq_++)};
    written.time = Hlc::FromMillis(++now_ms_);
    written.id[0] = static_cast<uint8_t>(log_);
    written.id[1] = static_cast<uint8_t>(seq_ >> 8);
    written.id[2] = static_cast<uint8_t>(seq_);
    Apply(written);
    return written;
  }
  void Apply(const Written& written) {
    EXPECT_EQ(CheckFoldable(written.mutation), absl::OkStatus());
    Fold(written.mutation, written.id, written.time, written.dot, &state_, [this](const ValueId& id, Dot) -> std::optional<std::string> {
      return bytes_.contains(id) ? std::optional(bytes_[id]) : std::nullopt;
    });
    for (size_t i = 0; i < written.mutation.ops.size(); ++i) {
      bytes_[{written.id, static_cast<uint16_t>(i)}] = written.mutation.ops[i].value;
    }
    now_ms_ = std::max(now_ms_, written.time.millis());
  }
  template <class M>
  M Read() const {
    std::unique_ptr<google::protobuf::Message> message = Materialise(TypeOf(M::default_instance()), name_, state_);
    return static_cast<const M&>(*message);
  }
  const RecordState& state() const { return state_; }

 private:
  static inline uint64_t now_ms_ = 1'000'000;
  uint32_t log_;
  uint64_t seq_ = 0;
  std::string name_;
  RecordState state_;
  std::map<ValueId, std::string> bytes_;
};

// Two sites that hold the same engagement.
class Pair {
 public:
  explicit Pair(const v1::Engagement& first) { b.Apply(a.Write(first)); }
  // Writes at both without either having seen the other, then brings them together.
  void Concurrently(const v1::Engagement& at_a, const v1::Engagement& at_b, const std::vector<std::string>& fields) {
    Written from_a = a.Write(at_a, fields);
    Written from_b = b.Write(at_b, fields);
    a.Apply(from_b);
    b.Apply(from_a);
    ASSERT_EQ(EncodeState(a.state()), EncodeState(b.state()));
  }
  Replica a{1, "engagements/e"};
  Replica b{2, "engagements/e"};
};

inline v1::Engagement Base() {
  v1::Engagement engagement;
  engagement.set_kind(v1::ENGAGEMENT_KIND_TRAINING);
  engagement.set_title("Drills");
  engagement.add_countries("countries/JP");
  engagement.add_countries("countries/KR");
  engagement.set_state(v1::ENGAGEMENT_STATE_REPORTED);
  return engagement;
}

inline v1::Engagement With(v1::Engagement engagement, const std::function<void(v1::Engagement*)>& change) {
  change(&engagement);
  return engagement;
}

inline v1::Engagement Closed(const v1::Engagement& from) {
  return With(from, [](v1::Engagement* e) { e->set_state(v1::ENGAGEMENT_STATE_CLOSED); });
}

}  // namespace fairlead::node

#endif  // FAIRLEAD_SERVER_NODE_REPLICA_TESTING_H_
