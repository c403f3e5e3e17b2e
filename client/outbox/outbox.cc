// The database, `outbox.db` in the folder. user_version is kVersion.
//
//   meta      key, value            network; actor; token: the consistency token of the newest answer
//   changes   position ascending    site, method (full name), record, request_id, request (protobuf), follows (0: creates), after (request
//                                   ids, commas), recorded (ms), state, ended (ms), error (google.rpc.Status), answer (protobuf of the
//                                   method's response), conflicts (names, newlines), unanswered
//   kept      name                  type (full name), record (protobuf), read (ms)

#include "client/outbox/outbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "api/errors.h"
#include "api/ids.h"

namespace fairlead::client {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

namespace {

constexpr int kVersion = 1;
constexpr char kDatabaseFile[] = "outbox.db";
constexpr char kTables[] = R"(
  CREATE TABLE meta (key BLOB PRIMARY KEY, value BLOB NOT NULL);
  CREATE TABLE changes (position INTEGER PRIMARY KEY AUTOINCREMENT, site BLOB NOT NULL, method BLOB NOT NULL, record BLOB NOT NULL,
    request_id BLOB NOT NULL UNIQUE, request BLOB NOT NULL, follows INTEGER NOT NULL, after BLOB NOT NULL, recorded INTEGER NOT NULL,
    state INTEGER NOT NULL, ended INTEGER NOT NULL, error BLOB NOT NULL, answer BLOB NOT NULL, conflicts BLOB NOT NULL,
    unanswered INTEGER NOT NULL);
  CREATE INDEX changes_by_record ON changes (record, position);
  CREATE TABLE kept (name BLOB PRIMARY KEY, type BLOB NOT NULL, record BLOB NOT NULL, read INTEGER NOT NULL);
)";
constexpr char kColumns[] =
    "position, site, method, record, request_id, request, follows, after, recorded, state, ended, error, answer, conflicts, unanswered";

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(separator, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// The names of the record's fields in conflict.
std::vector<std::string> ConflictFields(const Message& record) {
  std::vector<std::string> fields;
  const FieldDescriptor* conflicts = record.GetDescriptor()->FindFieldByName("conflicts");
  if (conflicts == nullptr || !conflicts->is_repeated() || conflicts->message_type() == nullptr) return fields;
  for (int i = 0; i < record.GetReflection()->FieldSize(record, conflicts); ++i) {
    fields.push_back(TextOf(record.GetReflection()->GetRepeatedMessage(record, conflicts, i), "field"));
  }
  return fields;
}

bool IsRecord(const Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  return type.FindFieldByName("name") != nullptr && type.FindFieldByName("etag") != nullptr;
}

absl::StatusOr<Change> ReadChange(const Statement& row) {
  Change change;
  change.position = row.Number(0);
  change.site = row.Bytes(1);
  change.method = MethodNamed(row.Bytes(2));
  if (change.method == nullptr) {
    return absl::FailedPreconditionError(
        fmt::format("change {} is a call that this version does not have: {}", change.position, row.Bytes(2)));
  }
  change.record = row.Bytes(3);
  change.request_id = row.Bytes(4);
  absl::StatusOr<MessagePtr> request = ParseMessage(*change.method->input_type(), row.Bytes(5));
  if (!request.ok()) return request.status();
  change.request = *std::move(request);
  if (row.Number(6) != 0) change.after = Split(row.Bytes(7), ',');
  change.recorded = absl::FromUnixMillis(row.Number(8));
  change.state = static_cast<ChangeState>(row.Number(9));
  change.ended = absl::FromUnixMillis(row.Number(10));
  google::rpc::Status error;
  if (!error.ParseFromString(row.Bytes(11))) return absl::DataLossError("the outbox holds an error that cannot be read");
  change.error = FromProto(error);
  if (change.state == ChangeState::kDone) {
    absl::StatusOr<MessagePtr> answer = ParseMessage(*change.method->output_type(), row.Bytes(12));
    if (!answer.ok()) return answer.status();
    change.answer = *std::move(answer);
  }
  change.conflicts = Split(row.Bytes(13), '\n');
  change.unanswered = static_cast<int>(row.Number(14));
  return change;
}

// The folder's own name is durable once the folder above it is.
absl::Status MakeFolder(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) return absl::OkStatus();
  std::filesystem::create_directories(folder, error);
  if (!error) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  if (error) return absl::InvalidArgumentError(fmt::format("cannot make {}: {}", folder.string(), error.message()));
  const std::filesystem::path above = std::filesystem::absolute(folder, error).parent_path();
  const int fd = open(above.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || fsync(fd) != 0) error = std::error_code(errno, std::generic_category());
  if (fd >= 0) close(fd);
  return error ? absl::InternalError(fmt::format("cannot sync {}: {}", above.string(), error.message())) : absl::OkStatus();
}

}  // namespace

std::string Change::Basis() const {
  if (!after.has_value()) return "";
  return after->empty() ? "kept" : fmt::format("kept {}", fmt::join(*after, ","));
}

bool Outbox::Exists(const std::string& folder) {
  std::error_code error;
  return std::filesystem::exists(std::filesystem::path(folder) / kDatabaseFile, error);
}

absl::StatusOr<std::unique_ptr<Outbox>> Outbox::Open(OutboxOptions options) {
  if (absl::Status made = MakeFolder(options.folder); !made.ok()) return made;
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open((std::filesystem::path(options.folder) / kDatabaseFile).string());
  if (!database.ok()) return database.status();
  std::unique_ptr<Outbox> outbox(new Outbox(std::move(options), *std::move(database)));
  if (absl::Status prepared = outbox->Prepare(); !prepared.ok()) return prepared;
  return outbox;
}

absl::Status Outbox::Prepare() {
  int64_t found = 0;
  {
    Statement version = database_->Prepare("PRAGMA user_version");
    const absl::StatusOr<bool> row = version.Next();
    if (!row.ok()) return row.status();
    found = version.Number(0);
  }
  if (found == 0) {
    return database_->Transaction([this]() -> absl::Status {
      if (absl::Status made = database_->Execute(kTables); !made.ok()) return made;
      if (absl::Status set = SetMeta("network", options_.network); !set.ok()) return set;
      if (absl::Status set = SetMeta("actor", options_.actor); !set.ok()) return set;
      return database_->Execute(fmt::format("PRAGMA user_version = {}", kVersion));
    });
  }
  if (found != kVersion) {
    return absl::FailedPreconditionError(fmt::format("{} is of version {}; this program knows {}", options_.folder, found, kVersion));
  }
  const absl::StatusOr<std::string> network = Meta("network");
  if (!network.ok()) return network.status();
  const absl::StatusOr<std::string> actor = Meta("actor");
  if (!actor.ok()) return actor.status();
  if (*network == options_.network && *actor == options_.actor) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{} is the outbox of {} in {}, not of {} in {}", options_.folder, *actor, *network, options_.actor, options_.network));
}

absl::StatusOr<std::string> Outbox::Meta(const std::string& key) const {
  Statement select = database_->Prepare("SELECT value FROM meta WHERE key = ?");
  const absl::StatusOr<bool> row = select.Bind(key).Next();
  if (!row.ok()) return row.status();
  return *row ? select.Bytes(0) : std::string();
}

absl::Status Outbox::SetMeta(const std::string& key, const std::string& value) {
  return database_->Prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)").Bind(key).Bind(value).Run();
}

absl::StatusOr<std::string> Outbox::Token() const { return Meta("token"); }

// --- Changes ---------------------------------------------------------------------------------------------------------------------------

absl::StatusOr<std::vector<Change>> Outbox::Select(const std::string& where, const std::optional<std::string>& value) const {
  std::vector<Change> changes;
  Statement select = database_->Prepare(fmt::format("SELECT {} FROM changes WHERE {} ORDER BY position", kColumns, where));
  if (value.has_value()) select.Bind(*value);
  for (;;) {
    const absl::StatusOr<bool> row = select.Next();
    if (!row.ok()) return row.status();
    if (!*row) return changes;
    absl::StatusOr<Change> change = ReadChange(select);
    if (!change.ok()) return change.status();
    changes.push_back(*std::move(change));
  }
}

absl::StatusOr<std::vector<Change>> Outbox::Changes(bool with_done) const {
  return Select(with_done ? "true" : fmt::format("state <> {}", static_cast<int>(ChangeState::kDone)));
}

absl::StatusOr<std::vector<Change>> Outbox::OpenChangesOf(const std::string& record) const {
  return Select(fmt::format("state <> {} AND record = ?", static_cast<int>(ChangeState::kDone)), record);
}

absl::StatusOr<Change> Outbox::Find(int64_t position) const {
  absl::StatusOr<std::vector<Change>> found = Select(fmt::format("position = {}", position));
  if (!found.ok()) return found.status();
  if (found->empty()) return absl::NotFoundError(fmt::format("the outbox has no change {}", position));
  return std::move(found->front());
}

absl::StatusOr<int64_t> Outbox::Waiting() const {
  Statement count = database_->Prepare("SELECT count(*) FROM changes WHERE state <> ?");
  const absl::StatusOr<bool> row = count.Bind(static_cast<int64_t>(ChangeState::kDone)).Next();
  if (!row.ok()) return row.status();
  return count.Number(0);
}

absl::StatusOr<absl::Duration> Outbox::OldestAge() const {
  const absl::StatusOr<std::vector<Change>> changes = Changes(/*with_done=*/false);
  if (!changes.ok()) return changes.status();
  int64_t oldest_ms = absl::ToUnixMillis(options_.now());
  for (const Change& change : *changes) oldest_ms = std::min(oldest_ms, RequestIdMillis(change.request_id));
  return options_.now() - absl::FromUnixMillis(oldest_ms);
}

absl::Status Outbox::Store(const Change& change) {
  const std::string error = ToProto(change.error).SerializeAsString();
  return database_
      ->Prepare(
          "UPDATE changes SET record = ?, request_id = ?, request = ?, after = ?, state = ?, ended = ?, error = ?, answer = ?, "
          "conflicts = ?, unanswered = ? WHERE position = ?")
      .Bind(change.record)
      .Bind(change.request_id)
      .Bind(change.request->SerializeAsString())
      .Bind(fmt::format("{}", fmt::join(change.after.value_or(std::vector<std::string>()), ",")))
      .Bind(static_cast<int64_t>(change.state))
      .Bind(absl::ToUnixMillis(change.ended))
      .Bind(error)
      .Bind(change.answer == nullptr ? std::string() : change.answer->SerializeAsString())
      .Bind(fmt::format("{}", fmt::join(change.conflicts, "\n")))
      .Bind(change.unanswered)
      .Bind(change.position)
      .Run();
}

absl::StatusOr<Change> Outbox::Record(const MethodDescriptor& method, const Message& request, const std::string& record,
                                      const std::string& site) {
  Change change;
  change.site = site;
  change.method = &method;
  change.request.reset(request.New());
  change.request->CopyFrom(request);
  Message* etag_holder = EtagHolder(method, change.request.get());
  if (method.input_type()->FindFieldByName("request_id") == nullptr || (!Creates(method) && etag_holder == nullptr)) {
    return absl::InvalidArgumentError(fmt::format("{} cannot be done offline", method.name()));
  }
  change.recorded = options_.now();
  change.request_id = TextOf(request, "request_id");
  if (change.request_id.empty()) change.request_id = NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(change.recorded)));
  if (RequestIdMillis(change.request_id) < 0) return absl::InvalidArgumentError("the request id is no UUID of version 7");
  SetText(change.request.get(), "request_id", change.request_id);
  change.record = record;
  if (record.ends_with('/')) {
    change.record += CreatedRecordId(options_.network, options_.actor, fmt::format("{}/{}", method.service()->full_name(), method.name()),
                                     change.request_id);
  }

  absl::StatusOr<std::vector<Change>> same_id = Select("request_id = ?", change.request_id);
  if (!same_id.ok()) return same_id.status();
  if (!same_id->empty()) {
    Change& earlier = same_id->front();
    if (earlier.method == &method && earlier.record == change.record) return std::move(earlier);
    return absl::InvalidArgumentError(fmt::format("change {} has this request id", earlier.position));
  }
  const absl::StatusOr<std::vector<Change>> before = OpenChangesOf(change.record);
  if (!before.ok()) return before.status();
  std::vector<std::string> open;
  for (const Change& earlier : *before) open.push_back(earlier.request_id);
  const absl::StatusOr<std::optional<KeptRecord>> kept = FindKept(change.record);
  if (!kept.ok()) return kept.status();
  if (Creates(method)) {
    if (kept->has_value() || !open.empty()) return absl::AlreadyExistsError(fmt::format("{} is there already", change.record));
  } else {
    const bool has_etag = !TextOf(*etag_holder, "etag").empty();
    if (!has_etag && !kept->has_value() && open.empty()) {
      return absl::NotFoundError(fmt::format("{} has not been kept for offline work", change.record));
    }
    if (open.size() >= kChangesOfRecordMax) {
      return absl::ResourceExhaustedError(fmt::format("{} changes of {} wait: sync first", open.size(), change.record));
    }
    if (!has_etag && kept->has_value()) SetText(etag_holder, "etag", TextOf(*(*kept)->record, "etag"));
    change.after = std::move(open);
  }
  if (change.request->ByteSizeLong() > kRequestBytesMax) {
    return absl::ResourceExhaustedError(fmt::format("the request has more than {} bytes", kRequestBytesMax));
  }
  const absl::Status stored = database_->Transaction([&]() -> absl::Status {
    const std::string sql = fmt::format("INSERT INTO changes ({}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '', '', '', 0)", kColumns);
    if (absl::Status inserted = database_->Prepare(sql)
                                    .Bind(change.site)
                                    .Bind(method.full_name())
                                    .Bind(change.record)
                                    .Bind(change.request_id)
                                    .Bind(change.request->SerializeAsString())
                                    .Bind(change.after.has_value() ? 1 : 0)
                                    .Bind(fmt::format("{}", fmt::join(change.after.value_or(std::vector<std::string>()), ",")))
                                    .Bind(absl::ToUnixMillis(change.recorded))
                                    .Bind(static_cast<int64_t>(change.state))
                                    .Run();
        !inserted.ok()) {
      return inserted;
    }
    change.position = database_->LastInserted();
    return absl::OkStatus();
  });
  if (!stored.ok()) return stored;
  return change;
}

// --- Sending ---------------------------------------------------------------------------------------------------------------------------

absl::Status Outbox::MarkSent(int64_t position) {
  absl::StatusOr<Change> change = Find(position);
  if (!change.ok()) return change.status();
  change->state = ChangeState::kSent;
  ++change->unanswered;
  return Store(*change);
}

absl::Status Outbox::MarkDone(int64_t position, const Message& answer, const std::string& token) {
  absl::StatusOr<Change> change = Find(position);
  if (!change.ok()) return change.status();
  change->state = ChangeState::kDone;
  change->unanswered = 0;
  change->ended = options_.now();
  change->error = absl::OkStatus();
  change->answer.reset(answer.New());
  change->answer->CopyFrom(answer);
  const bool is_record = IsRecord(answer);
  if (is_record) {
    const absl::StatusOr<std::optional<KeptRecord>> kept = FindKept(TextOf(answer, "name"));
    if (!kept.ok()) return kept.status();
    const std::vector<std::string> before = kept->has_value() ? ConflictFields(*(*kept)->record) : std::vector<std::string>();
    for (const std::string& field : ConflictFields(answer)) {
      if (std::find(before.begin(), before.end(), field) == before.end()) {
        change->conflicts.push_back(fmt::format("{}/conflicts/{}", TextOf(answer, "name"), field));
      }
    }
  }
  return database_->Transaction([&]() -> absl::Status {
    if (absl::Status stored = Store(*change); !stored.ok()) return stored;
    if (!token.empty()) {
      if (absl::Status set = SetMeta("token", token); !set.ok()) return set;
    }
    return is_record ? StoreKept(answer) : absl::OkStatus();
  });
}

absl::Status Outbox::MarkRefused(int64_t position, const absl::Status& error) {
  absl::StatusOr<Change> change = Find(position);
  if (!change.ok()) return change.status();
  change->state = ChangeState::kRefused;
  // A node that remembered the request would have answered it, unless it is too old to be remembered: then only the last attempt is known.
  const bool expired = ReasonOf(error) == ReasonName(Reason::kRequestIdExpired);
  change->unanswered = expired ? std::max(0, change->unanswered - 1) : 0;
  change->ended = options_.now();
  change->error = error;
  return Store(*change);
}

// --- Records ---------------------------------------------------------------------------------------------------------------------------

absl::Status Outbox::StoreKept(const Message& record) {
  return database_->Prepare("INSERT OR REPLACE INTO kept (name, type, record, read) VALUES (?, ?, ?, ?)")
      .Bind(TextOf(record, "name"))
      .Bind(record.GetDescriptor()->full_name())
      .Bind(record.SerializeAsString())
      .Bind(absl::ToUnixMillis(options_.now()))
      .Run();
}

absl::Status Outbox::Keep(const Message& record) {
  if (!IsRecord(record)) return absl::InvalidArgumentError(fmt::format("{} is no record", record.GetDescriptor()->full_name()));
  return StoreKept(record);
}

absl::Status Outbox::Unkeep(const std::string& name) {
  absl::StatusOr<std::optional<KeptRecord>> kept = FindKept(name);
  if (!kept.ok()) return kept.status();
  if (!kept->has_value()) return absl::NotFoundError(fmt::format("{} is not kept", name));
  return database_->Prepare("DELETE FROM kept WHERE name = ?").Bind(name).Run();
}

static absl::StatusOr<KeptRecord> ReadKept(const Statement& row) {
  const Descriptor* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(row.Bytes(0));
  if (type == nullptr)
    return absl::FailedPreconditionError(fmt::format("a kept record is of a type that this version does not have: {}", row.Bytes(0)));
  absl::StatusOr<MessagePtr> record = ParseMessage(*type, row.Bytes(1));
  if (!record.ok()) return record.status();
  return KeptRecord{*std::move(record), absl::FromUnixMillis(row.Number(2))};
}

absl::StatusOr<std::optional<KeptRecord>> Outbox::FindKept(const std::string& name) const {
  Statement select = database_->Prepare("SELECT type, record, read FROM kept WHERE name = ?");
  const absl::StatusOr<bool> row = select.Bind(name).Next();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  absl::StatusOr<KeptRecord> kept = ReadKept(select);
  if (!kept.ok()) return kept.status();
  return *std::move(kept);
}

absl::StatusOr<std::vector<KeptRecord>> Outbox::Kept() const {
  std::vector<KeptRecord> records;
  Statement select = database_->Prepare("SELECT type, record, read FROM kept ORDER BY name");
  for (;;) {
    const absl::StatusOr<bool> row = select.Next();
    if (!row.ok()) return row.status();
    if (!*row) return records;
    absl::StatusOr<KeptRecord> kept = ReadKept(select);
    if (!kept.ok()) return kept.status();
    records.push_back(*std::move(kept));
  }
}

absl::StatusOr<ExpectedRecord> Outbox::Expected(std::optional<KeptRecord> kept, const std::vector<Change>& open,
                                                const std::string& name) const {
  ExpectedRecord expected;
  if (kept.has_value()) {
    expected.record = std::move(kept->record);
    expected.read = kept->read;
  }
  for (const Change& change : open) {
    if (change.record != name) continue;
    if (expected.record == nullptr) expected.record = NewMessage(*change.method->output_type());
    if (expected.record->GetDescriptor() != change.method->output_type()) continue;
    ShowChange(*change.method, *change.request, expected.record.get());
    expected.changes.push_back(change.position);
  }
  if (expected.record == nullptr) return absl::NotFoundError(fmt::format("{} has not been kept for offline work", name));
  SetText(expected.record.get(), "name", name);
  return expected;
}

absl::StatusOr<ExpectedRecord> Outbox::Expect(const std::string& name) const {
  absl::StatusOr<std::optional<KeptRecord>> kept = FindKept(name);
  if (!kept.ok()) return kept.status();
  const absl::StatusOr<std::vector<Change>> open = OpenChangesOf(name);
  if (!open.ok()) return open.status();
  return Expected(*std::move(kept), *open, name);
}

absl::StatusOr<std::vector<ExpectedRecord>> Outbox::ExpectAll(const Descriptor& type) const {
  absl::StatusOr<std::vector<KeptRecord>> kept = Kept();
  if (!kept.ok()) return kept.status();
  const absl::StatusOr<std::vector<Change>> open = Changes(/*with_done=*/false);
  if (!open.ok()) return open.status();
  std::map<std::string, std::optional<KeptRecord>> records;
  for (KeptRecord& record : *kept) {
    if (record.record->GetDescriptor() == &type) records.emplace(TextOf(*record.record, "name"), std::move(record));
  }
  for (const Change& change : *open) {
    if (Creates(*change.method) && change.method->output_type() == &type) records.try_emplace(change.record);
  }
  std::vector<ExpectedRecord> all;
  for (auto& [name, record] : records) {
    absl::StatusOr<ExpectedRecord> expected = Expected(std::move(record), *open, name);
    if (!expected.ok()) return expected.status();
    all.push_back(*std::move(expected));
  }
  return all;
}

}  // namespace fairlead::client
