#include "server/rpc/read_methods.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "server/node/derived.h"
#include "server/rpc/record_access.h"
#include "server/rpc/wire_forms.h"
#include "storage/schema.h"

namespace fairlead::rpc {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

namespace {

constexpr int kPageDefault = 50;
constexpr int kPageMax = 1000;
constexpr size_t kPageBytesMax = 2 << 20;  // a page that grows larger ends early
constexpr int kScanPerRecord = 10;         // keys looked at for each record asked for, before a page ends early
constexpr int kScanMin = 1000;
constexpr std::string_view kPagePurpose = "page";
constexpr std::string_view kAnyParent = "-";

// The fields of a List request that are not filters.
const std::set<std::string>& PagingFields() {
  static const auto* const fields = new std::set<std::string>{"page_size", "page_token", "show_withdrawn"};
  return *fields;
}

std::vector<std::string_view> Split(std::string_view name) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t slash = name.find('/');
    parts.push_back(name.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    name.remove_prefix(slash + 1);
  }
}

// The first `n` segments of `name`, each with its slash.
std::string_view Head(std::string_view name, size_t n) {
  size_t end = 0;
  for (; n > 0; --n) end = name.find('/', end) + 1;
  return name.substr(0, end);
}

// Where to go on when `key` is not a name of `pattern`: past all that lies between, when it is known that no name of the pattern does.
// Empty: at the next key. nullopt: the key is such a name.
std::optional<std::string> SkipFrom(std::string_view key, const std::vector<std::string_view>& pattern) {
  const std::vector<std::string_view> parts = Split(key);
  for (size_t i = 0; i < std::min(parts.size(), pattern.size()); i += 2) {
    if (parts[i] == pattern[i]) continue;
    const std::string head(Head(key, i));
    if (parts[i] < pattern[i]) return head + std::string(pattern[i]) + "/";
    return storage::PrefixEnd(head);
  }
  if (parts.size() > pattern.size()) return storage::PrefixEnd(Head(key, pattern.size()));
  if (parts.size() < pattern.size()) return "";
  return std::nullopt;
}

const records::Index* FindIndex(const records::RecordType& type, const std::string& filter) {
  for (const records::Index& index : type.indexes) {
    if (index.filter == filter) return &index;
  }
  return nullptr;
}

std::string FilterValue(const Message& request, const FieldDescriptor* field) {
  const auto* reflection = request.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_ENUM:
      return std::to_string(reflection->GetEnumValue(request, field));
    case FieldDescriptor::CPPTYPE_INT32:
      return std::to_string(reflection->GetInt32(request, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetBool(request, field) ? "1" : "0";
    default:
      return reflection->GetString(request, field);
  }
}

struct Filter {
  const records::Index* index;
  std::string value;
};

// What a listing reads: keys [lower, upper) of a column family, and what each record must be.
struct Scan {
  storage::Cf cf = storage::Cf::kRecords;
  std::string lower;
  std::string upper;
  std::vector<Filter> checks;
};

absl::StatusOr<Scan> PlanScan(const node::Node& node, const storage::View& view, const records::RecordType& type, const Message& request) {
  const std::vector<std::string_view> pattern = Split(type.pattern);
  Scan scan;
  scan.lower = std::string(pattern[0]) + "/";
  std::vector<Filter> filters;
  for (int i = 0; i < request.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = request.GetDescriptor()->field(i);
    if (PagingFields().contains(field->name())) continue;
    if (field->name() == "parent") {
      const std::string parent = GetString(request, "parent");
      const records::RecordType* parent_type = node.registry().FindByName(parent);
      const bool fits = parent_type != nullptr && type.pattern.starts_with(parent_type->pattern + "/") &&
                        pattern.size() == Split(parent_type->pattern).size() + 2;
      if (parent.empty()) return FieldError(Reason::kFieldRequired, "parent", "is required");
      if (LastSegment(parent) == kAnyParent) {
        if (Split(parent).size() + 2 != pattern.size() || Split(parent)[0] != pattern[0]) {
          return FieldError(Reason::kFieldInvalid, "parent", "is not a parent of " + type.pattern);
        }
        continue;
      }
      if (!fits) return FieldError(Reason::kFieldInvalid, "parent", "is not a parent of " + type.pattern);
      if (absl::StatusOr<Loaded> found = LoadExisting(node, view, *parent_type, parent); !found.ok()) return found.status();
      if (const records::Index* index = FindIndex(type, "parent")) {
        filters.push_back({index, parent});
      } else {
        scan.lower = parent + "/" + type.collection() + "/";
      }
      continue;
    }
    if (!IsSet(request, field)) continue;
    Filter filter{FindIndex(type, field->name()), FilterValue(request, field)};
    if (filter.value.find('\0') != std::string::npos) return FieldError(Reason::kFieldInvalid, field->name(), "holds a zero byte");
    filters.push_back(std::move(filter));
  }
  const bool under_parent = scan.lower != std::string(pattern[0]) + "/";
  if (!filters.empty() && !under_parent) {
    scan.cf = storage::Cf::kIndexes;
    scan.lower = node::IndexPrefix(filters[0].index->number, filters[0].value);
    filters.erase(filters.begin());
  }
  scan.upper = storage::PrefixEnd(scan.lower);
  scan.checks = std::move(filters);
  return scan;
}

MessagePtr Decoded(const records::RecordType& type, const Shown& shown) {
  MessagePtr record(type.prototype->New());
  record->ParsePartialFromString(shown.bytes);  // it was written by this program
  return record;
}

bool Passes(const std::vector<Filter>& checks, const records::RecordType& type, const Shown& shown) {
  if (checks.empty()) return true;
  const MessagePtr decoded = Decoded(type, shown);
  const Message& record = *decoded;
  return std::all_of(checks.begin(), checks.end(), [&record](const Filter& check) {
    const std::vector<std::string> values = check.index->values(record);
    return std::find(values.begin(), values.end(), check.value) != values.end();
  });
}

}  // namespace

absl::StatusOr<int> PageSize(const Message& request) {
  const int size = request.GetReflection()->GetInt32(request, Field(request, "page_size"));
  if (size < 0) return FieldError(Reason::kFieldInvalid, "page_size", "must not be negative");
  return size == 0 ? kPageDefault : std::min(size, kPageMax);
}

std::string SealPageToken(const Sealer& sealer, std::string_view method, const Message& request, std::string_view position) {
  const std::array<uint8_t, 16> digest = RequestDigest(method, request, {"page_size", "page_token"});
  std::string content(digest.begin(), digest.end());
  return sealer.Seal(kPagePurpose, content.append(position));
}

absl::StatusOr<std::string> OpenPageToken(const Sealer& sealer, std::string_view method, const Message& request) {
  const std::string token = GetString(request, "page_token");
  if (token.empty()) return "";
  const std::array<uint8_t, 16> digest = RequestDigest(method, request, {"page_size", "page_token"});
  const std::optional<std::string> content = sealer.Open(kPagePurpose, token);
  if (!content || !std::string_view(*content).starts_with(std::string(digest.begin(), digest.end()))) {
    return FieldError(Reason::kPageTokenInvalid, "page_token", "is not of this listing");
  }
  return content->substr(digest.size());
}

bool ReadMethods::CanList(const records::RecordType& type, const google::protobuf::Descriptor& request) {
  for (int i = 0; i < request.field_count(); ++i) {
    const std::string& name = request.field(i)->name();
    if (name != "parent" && !PagingFields().contains(name) && FindIndex(type, name) == nullptr) return false;
  }
  return true;
}

absl::StatusOr<MessagePtr> ReadMethods::Get(const records::RecordType& type, const Message& request) const {
  const std::string name = GetString(request, "name");
  if (absl::Status named = CheckName(node_->registry(), type, name, "name"); !named.ok()) return named;
  const absl::StatusOr<std::shared_ptr<const Shown>> shown = shown_.Find(node_->store(), type, name);
  if (!shown.ok()) return shown.status();
  if (*shown == nullptr) return NotFound(name);
  return Decoded(type, **shown);
}

absl::StatusOr<MessagePtr> ReadMethods::List(const records::RecordType& type, const Call& call, const Message& request,
                                             const Message& response) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> position = OpenPageToken(*sealer_, call.method, request);
  if (!position.ok()) return position.status();
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  const absl::StatusOr<Scan> scan = PlanScan(*node_, *view, type, request);
  if (!scan.ok()) return scan.status();

  const bool show_withdrawn = GetBool(request, "show_withdrawn");
  const std::vector<std::string_view> pattern = Split(type.pattern);
  MessagePtr page(response.New());
  const auto* reflection = page->GetReflection();
  const FieldDescriptor* records = FieldOfType(*page->GetDescriptor(), type, /*repeated=*/true);
  // The least key after the last one seen.
  const std::string start = position->empty() ? scan->lower : *position + '\0';
  const std::unique_ptr<storage::Iterator> it = view->Iterate(scan->cf, start, scan->upper);
  std::string last;       // key of the last record taken
  std::string last_seen;  // key looked at last
  size_t bytes = 0;
  int budget = std::max(kScanMin, *page_size * kScanPerRecord);
  int taken = 0;
  bool more = false;
  for (it->SeekToFirst(); it->Valid();) {
    if (budget-- == 0 || call.cancelled()) {
      more = true;
      last = last_seen;
      break;
    }
    const std::string key(it->key());
    std::string name = key;
    if (scan->cf == storage::Cf::kRecords) {
      if (std::optional<std::string> skip = SkipFrom(key, pattern)) {
        last_seen = key;
        skip->empty() ? it->Next() : it->Seek(*skip);
        continue;
      }
    } else {
      name = key.substr(key.rfind('\0') + 1);
    }
    const absl::StatusOr<std::shared_ptr<const Shown>> shown = shown_.Find(*view, type, name);
    if (!shown.ok()) return shown.status();
    if (*shown != nullptr && (show_withdrawn || !(*shown)->withdrawn) && Passes(scan->checks, type, **shown)) {
      const size_t size = (*shown)->bytes.size();
      if (taken == *page_size || (taken > 0 && bytes + size > kPageBytesMax)) {
        more = true;
        break;
      }
      AddEncoded(records, (*shown)->bytes, page.get());
      bytes += size;
      ++taken;
      last = key;
    }
    last_seen = key;
    it->Next();
  }
  if (!it->status().ok()) return it->status();
  if (more) {
    reflection->SetString(page.get(), Field(*page, "next_page_token"), SealPageToken(*sealer_, call.method, request, last));
  }
  return page;
}

}  // namespace fairlead::rpc
