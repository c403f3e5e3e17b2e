// The registration of a resource type: everything the node needs to know about it.
//
// A new type costs one proto message (its fields carry their merge kinds as options), its methods in a service proto, and one file beside
// this one that returns a RecordType, listed in registry.cc. The standard methods (Get, List, Create, Update, Withdraw, Import) and the
// lifecycle methods are served from this registration by rpc/; nothing else in the node changes.
//
// Thread safety: immutable after construction; the functions are pure and may be called from any thread. Ownership: the Registry owns
// types.

#ifndef FAIRLEAD_SERVER_RECORDS_RECORD_TYPE_H_
#define FAIRLEAD_SERVER_RECORDS_RECORD_TYPE_H_

#include <absl/status/status.h>
#include <absl/time/time.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::records {

// Other records, as a validator may look them up.
class RecordReader {
 public:
  virtual ~RecordReader() = default;
  // Null when there is no such record (or it cannot be read).
  virtual std::unique_ptr<google::protobuf::Message> Find(std::string_view name) const = 0;
  // Whether Find finds it.
  virtual bool Has(std::string_view name) const { return Find(name) != nullptr; }
};

// Index numbers from here on are the node's own, for indexes over records of every type.
inline constexpr uint16_t kSharedIndexes = 0xff00;

// An ordered index that serves one filter field of the List method.
struct Index {
  uint16_t number = 0;  // permanent, unique over all types, below kSharedIndexes
  std::string filter;   // the name of the filter field in the List request, such as "country"; "parent" serves the parent
  // The values the record is listed under: enums by their number in decimal.
  std::function<std::vector<std::string>(const google::protobuf::Message&)> values;
  // What records of one value are ordered by before their name; null: by name alone.
  std::function<std::string(const google::protobuf::Message&)> sort;
};

// An amount the record adds to a named figure.
struct Contribution {
  std::string key;  // such as "engagement/1/3/7"; see records/figures.h
  int64_t amount = 0;
  friend bool operator==(const Contribution&, const Contribution&) = default;
};

// A custom method that moves the lifecycle. Fields of its request with the name of a field of the record (other than name, etag and
// request_id) are written when set.
struct Transition {
  std::string method;     // "ScheduleEngagement"
  std::vector<int> from;  // states (enum numbers) it is allowed from
  int to = 0;
  bool by_other_role = false;  // refused to whoever calls in the role of the record's author
};

struct RecordType {
  uint16_t number = 0;                                   // permanent, in every entry
  const google::protobuf::Message* prototype = nullptr;  // the generated default instance
  std::string pattern;                                   // "ports/{port}", "engagements/{engagement}/observations/{observation}"
  // Checks a natural key. Null: the service assigns the id.
  std::function<absl::Status(std::string_view id)> check_id;
  // Checks a whole record before it is written: `next` as it would be, `previous` null on create. Errors are FieldErrors with field paths
  // relative to the record, such as "start_date". Every reference is looked up in `reader`.
  std::function<absl::Status(const google::protobuf::Message& next, const google::protobuf::Message* previous, const RecordReader& reader)>
      validate;
  // Fills in fields that the caller left empty and that follow from the others, before a record is validated and written; null for none. At
  // the origin only, so that what it fills in is stored: nothing that a replica folds depends on the clock.
  std::function<void(google::protobuf::Message* next, const google::protobuf::Message* previous, const RecordReader& reader,
                     absl::Time now)>
      complete;
  // The lifecycle field ("state") and its first state; empty when the type has none.
  std::string state_field;
  int initial_state = 0;
  std::vector<Transition> transitions;
  std::vector<Index> indexes;
  // Whether its records are counted among those of a site. Not so of what the node writes about its callers.
  bool counted = true;
  // Figures beside the generic ones; null for none. Not called for withdrawn records.
  std::function<std::vector<Contribution>(const google::protobuf::Message&)> contribute;

  // "ports", "observations": the last literal of the pattern.
  std::string collection() const;
  // "Port", the message's name.
  std::string singular() const { return prototype->GetDescriptor()->name(); }
};

// All types of the program.
class Registry {
 public:
  // REQUIRES: numbers, patterns, messages and index numbers are unique, and every field's merge option fits its type; checked, and the
  // process ends with a message when not.
  explicit Registry(std::vector<RecordType> types);
  const std::vector<RecordType>& types() const { return types_; }
  // Null when there is none.
  const RecordType* FindByNumber(uint32_t number) const;
  const RecordType* FindByMessage(std::string_view message_name) const;  // "Port"
  const RecordType* FindByName(std::string_view record_name) const;      // "ports/JPYOK"
  const RecordType* FindByCollection(std::string_view collection) const;

 private:
  std::vector<RecordType> types_;
};

// The types of this release, in the order of their numbers.
const Registry& TheRegistry();

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_RECORD_TYPE_H_
