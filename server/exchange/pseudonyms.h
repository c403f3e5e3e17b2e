// The names by which a nation knows what is released to it.
//
// A pseudonym is the subject of a record (records::SubjectOf, 128 bits) under AES-128 with a key of the nation's own, which follows from a
// secret of the network. So every site gives a nation the same name for a record, two nations cannot compare theirs, a name is of one
// length, and one that was made up stands for a subject that there is not.
//
// Thread safety: immutable. Ownership: values.

#ifndef FAIRLEAD_SERVER_EXCHANGE_PSEUDONYMS_H_
#define FAIRLEAD_SERVER_EXCHANGE_PSEUDONYMS_H_

#include <string>
#include <string_view>

namespace fairlead::exchange {

class Pseudonyms {
 public:
  // `key` is the network's.
  explicit Pseudonyms(std::string key) : key_(std::move(key)) {}
  // 32 hex digits of either. REQUIRES: `subject` is a subject.
  std::string Of(std::string_view nation, std::string_view subject) const;
  // What the pseudonym stands for, whether or not there is such a record; empty when it is no pseudonym.
  std::string SubjectOf(std::string_view nation, std::string_view pseudonym) const;

 private:
  std::string KeyOf(std::string_view nation) const;

  const std::string key_;
};

}  // namespace fairlead::exchange

#endif  // FAIRLEAD_SERVER_EXCHANGE_PSEUDONYMS_H_
