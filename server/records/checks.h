// What validators are written with: rules over fields, which collect every violation of a record.
//
// Thread safety: none; a Checks lives for one validation. Ownership: borrows the reader.

#ifndef FAIRLEAD_SERVER_RECORDS_CHECKS_H_
#define FAIRLEAD_SERVER_RECORDS_CHECKS_H_

#include <absl/status/status.h>
#include <google/protobuf/message.h>
#include <google/protobuf/repeated_ptr_field.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/errors.h"
#include "google/type/date.pb.h"
#include "google/type/latlng.pb.h"
#include "server/records/record_type.h"

namespace fairlead::records {

inline constexpr size_t kShortCharsMax = 200;  // names, posts, titles
inline constexpr size_t kSourceCharsMax = 500;
inline constexpr size_t kReasonCharsMax = 1000;
inline constexpr size_t kProseCharsMax = 4000;
inline constexpr size_t kNotesCharsMax = 16000;
inline constexpr int kElementsMax = 500;  // of any repeated field

// A collection whose ids are natural keys.
struct Collection {
  std::string_view name;  // "ports"
  bool (*is_id)(std::string_view id);
  std::string_view rule;  // what an id is, with its source
};
extern const Collection kCountries;
extern const Collection kPorts;
extern const Collection kPortFacilities;
extern const Collection kLiaisonOfficers;

// INVALID_ARGUMENT on "name" when `id` is no key of the collection.
absl::Status CheckId(const Collection& collection, std::string_view id);

enum class Need { kOptional, kRequired };

class Checks {
 public:
  explicit Checks(const RecordReader& reader) : reader_(reader) {}

  // Records a violation. The first decides the status's reason.
  void Fail(Reason reason, std::string_view field, std::string_view message);
  // What holds for every record: texts are UTF-8 without control characters, enum values are known, sets hold no element twice
  // and no more than kElementsMax, the audience names sites.
  void Common(const google::protobuf::Message& record);

  // Text of one line, or of several; at most `max` characters.
  void Line(std::string_view field, std::string_view text, Need need, size_t max);
  void Prose(std::string_view field, std::string_view text, Need need, size_t max);
  // An optional code in a format; `rule` says which.
  void Code(std::string_view field, std::string_view text, bool (*is_code)(std::string_view), std::string_view rule);
  // An enum or number that may not be 0; `rule` says why.
  void NotZero(std::string_view field, int value, std::string_view rule);
  void Date(std::string_view field, bool present, const google::type::Date& date);
  void Position(std::string_view field, bool present, const google::type::LatLng& position);
  // The name of an existing record of a collection.
  void Reference(std::string_view field, std::string_view name, const Collection& collection, Need need);
  void References(std::string_view field, const google::protobuf::RepeatedPtrField<std::string>& names, const Collection& collection);
  // The record's own name; its id, empty when the name is none of the collection.
  std::string_view OwnId(std::string_view name, const Collection& collection);

  const RecordReader& reader() const { return reader_; }
  const absl::Status& status() const { return status_; }

 private:
  void Text(std::string_view field, std::string_view text, Need need, size_t max, bool lines);
  void Walk(const google::protobuf::Message& message, const std::string& prefix);
  void Repeated(const google::protobuf::Message& message, const google::protobuf::FieldDescriptor* field, const std::string& path);

  const RecordReader& reader_;
  absl::Status status_;
};

// Adapts a function of one message to one of any. REQUIRES: it is called with that message.
template <class M, class Fn>
auto On(Fn fn) {
  return [fn](const google::protobuf::Message& message) { return fn(static_cast<const M&>(message)); };
}

// Adapts `void fn(const M& next, Checks* checks)`, after the rules for every record, to RecordType::validate.
template <class M, class Fn>
auto ValidateWith(Fn fn) {
  return [fn](const google::protobuf::Message& next, const google::protobuf::Message*, const RecordReader& reader) {
    Checks checks(reader);
    checks.Common(next);
    fn(static_cast<const M&>(next), &checks);
    return checks.status();
  };
}

// The same with the record as it was, null on create: `void fn(const M& next, const M* previous, Checks* checks)`.
template <class M, class Fn>
auto ValidateChange(Fn fn) {
  return [fn](const google::protobuf::Message& next, const google::protobuf::Message* previous, const RecordReader& reader) {
    Checks checks(reader);
    checks.Common(next);
    fn(static_cast<const M&>(next), static_cast<const M*>(previous), &checks);
    return checks.status();
  };
}

// Adapts `void fn(M* next, const M* previous, const RecordReader&, absl::Time now)` to RecordType::complete.
template <class M, class Fn>
auto CompleteWith(Fn fn) {
  return [fn](google::protobuf::Message* next, const google::protobuf::Message* previous, const RecordReader& reader, absl::Time now) {
    fn(static_cast<M*>(next), static_cast<const M*>(previous), reader, now);
  };
}

// What an index lists a record under.
using Values = std::vector<std::string>;
inline std::string DecimalOf(int value) { return std::to_string(value); }

// The name without its last two segments: "engagements/abc" of "engagements/abc/observations/xyz"; empty when there are no more.
std::string_view ParentOf(std::string_view name);

// The record named `name`; null when there is none or it is of another type.
template <class M>
std::unique_ptr<M> FindAs(const RecordReader& reader, std::string_view name) {
  std::unique_ptr<google::protobuf::Message> found = reader.Find(name);
  if (found == nullptr || found->GetDescriptor() != M::descriptor()) return nullptr;
  return std::unique_ptr<M>(static_cast<M*>(found.release()));
}

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_CHECKS_H_
