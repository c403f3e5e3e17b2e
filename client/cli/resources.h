// The resource types as the command line shows them: a noun and the verbs that their service offers.
//
// Verbs come from the service descriptors: a method of the API that takes or gives a type becomes a verb of its noun without more code.
// Only the noun and the columns of its table are written by hand.
//
// Thread safety: immutable after first use. Ownership: descriptors are the generated pool's.

#ifndef FAIRLEAD_CLIENT_CLI_RESOURCES_H_
#define FAIRLEAD_CLIENT_CLI_RESOURCES_H_

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>
#include <vector>

namespace fairlead::cli {

enum class VerbKind {
  kGet,
  kList,
  kCreate,
  kUpdate,
  kWithdraw,
  kImport,
  kTransition,  // a custom method that takes a name and an etag
};

struct Verb {
  std::string name;  // "schedule"
  VerbKind kind = VerbKind::kGet;
  const google::protobuf::MethodDescriptor* method = nullptr;
};

struct Column {
  std::string header;
  std::string field;
};

struct Resource {
  std::string noun;         // "follow-up"
  std::string collection;   // "followUps"
  std::string parent;       // the collection it lies under, "engagements"; empty at the top
  bool upper_case = false;  // its natural key is upper case
  const google::protobuf::Descriptor* type = nullptr;
  std::vector<Column> columns;
  std::vector<Verb> verbs;

  // Null when there is none.
  const Verb* Find(VerbKind kind) const;
  // The service assigns no id: the caller names the record.
  bool has_natural_key() const;
};

const std::vector<Resource>& Resources();

// The full name for what a person typed: "JPYOK" and "jpyok" give "ports/JPYOK", "E/O" gives "engagements/E/observations/O"; what has the
// form of a full name is left alone.
std::string FullName(const Resource& resource, const std::string& typed);
// The same in a collection that is no resource of the table: the id alone is completed.
std::string NameIn(const std::string& collection, const std::string& typed);

// The full name of the record that one of `resource` lies under; "-", for all, becomes that of every parent.
std::string FullParent(const Resource& resource, const std::string& typed);

// The same for a field that refers to a record, known by the field's name: "country" with "jp" gives "countries/JP".
std::string FullReference(std::string_view field, const std::string& typed);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_RESOURCES_H_
