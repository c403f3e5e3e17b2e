#include "server/rpc/import_run.h"

#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <grpcpp/alarm.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/ids.h"
#include "fairlead/v1/reference_service.pb.h"
#include "server/rpc/record_change.h"

namespace fairlead::rpc {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

namespace {

constexpr size_t kChunkBytesMax = 64 << 10;  // of an import's mutations in one entry
constexpr size_t kChunkRecordsMax = 512;
constexpr int kImportRounds = 8;
// What an op costs beside its value: numbers, and one replaced value id.
constexpr size_t kOpBytes = 32;

class ImportRun : public std::enable_shared_from_this<ImportRun> {
 public:
  ImportRun(node::Node* node, Durability* durability, const records::RecordType& type, std::shared_ptr<Call> call, const Message& request,
            Reply reply, std::shared_ptr<void> running)
      : running_(std::move(running)),
        node_(node),
        durability_(durability),
        type_(type),
        call_(std::move(call)),
        request_(Clone(request)),
        records_(FieldOfType(*request.GetDescriptor(), type, /*repeated=*/true)),
        reply_(std::move(reply)) {}

  void Start() {
    const int n = request_->GetReflection()->FieldSize(*request_, records_);
    if (n == 0) return reply_(FieldError(Reason::kFieldRequired, records_->name(), "is required"));
    if (n > kImportRecordsMax) {
      return reply_(FieldError(Reason::kFieldTooLarge, records_->name(), "holds more than " + std::to_string(kImportRecordsMax)));
    }
    std::set<std::string> names;
    for (int i = 0; i < n; ++i) {
      if (const std::string name = GetString(Record(i), "name"); !name.empty() && !names.insert(name).second) {
        refusals_[i] = FieldError(Reason::kFieldInvalid, "name", "occurs twice in this import");
      } else {
        pending_.push_back(i);
      }
    }
    Round();
  }

 private:
  struct Row {
    int index;
    bool creates;
  };
  struct Chunk {
    std::vector<Row> rows;
    node::WriteRequest write;
    size_t bytes = 0;
  };

  const Message& Record(int i) const { return request_->GetReflection()->GetRepeatedMessage(*request_, records_, i); }

  absl::StatusOr<Change> PlanRow(const storage::View& view, const Message& record) const {
    const std::string name = GetString(record, "name");
    if (absl::Status named = CheckName(node_->registry(), type_, name, "name"); !named.ok()) return named;
    if (absl::Status id = CheckId(type_, std::string(LastSegment(name)), "name"); !id.ok()) return id;
    absl::StatusOr<std::optional<Loaded>> read = Load(*node_, view, type_, name);
    if (!read.ok()) return read.status();
    absl::StatusOr<Change> change = PlanOf(view, name, *std::move(read), record);
    if (!change.ok() || change->mutation.ops.empty()) return change;
    if (absl::Status may = CheckMayPublish(*call_, node_->roster(), *change->next); !may.ok()) return may;
    return change;
  }
  absl::StatusOr<Change> PlanOf(const storage::View& view, const std::string& name, std::optional<Loaded> read,
                                const Message& record) const {
    if (!read.has_value()) return PlanNew(*node_, view, type_, name, record);
    if (IsWithdrawn(*read->message)) return RecordWithdrawn(name);
    const Fields fields = ChangedFields(PopulatedFields(type_, record), *read->message, record);
    MessagePtr next = Clone(*read->message);
    CopyFields(record, fields, next.get());
    return PlanChange(*node_, view, type_, name, *read, std::move(next), fields);
  }

  // One entry has one audience, so a chunk holds records of one audience only.
  static std::string AudienceOf(const Message& record) {
    const FieldDescriptor* field = Field(record, "audience");
    std::set<std::string> sites;
    for (int i = 0; i < record.GetReflection()->FieldSize(record, field); ++i) {
      sites.insert(record.GetReflection()->GetRepeatedString(record, field, i));
    }
    std::string key;
    for (const std::string& site : sites) key += site + ",";
    return key;
  }

  Chunk NewChunk() const {
    Chunk chunk;
    chunk.write.actor = call_->identity.path;
    chunk.write.method = call_->method;
    chunk.write.request_id = NewRequestId(static_cast<uint64_t>(absl::ToUnixMillis(node_->options().clock->Now())));
    return chunk;
  }

  void Round() {
    if (call_->cancelled()) return Finish();
    std::vector<Chunk> full;
    std::map<std::string, Chunk> open;  // by audience
    {
      const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
      for (int i : pending_) {
        absl::StatusOr<Change> change = PlanRow(*view, Record(i));
        if (!change.ok()) {
          refusals_[i] = change.status();
          continue;
        }
        if (call_->replicas > 0) {
          const Holding written = EverythingWritten(*node_, *change->next);
          if (absl::Status possible = durability_->Check({written}, call_->replicas); !possible.ok()) {
            refusals_[i] = possible;
            continue;
          }
          if (change->mutation.ops.empty()) Hold(written);
        }
        if (change->mutation.ops.empty()) {
          ++unchanged_;
          continue;
        }
        size_t bytes = change->mutation.record.size() + kOpBytes;
        for (const Op& op : change->mutation.ops) bytes += kOpBytes + op.value.size();
        auto [chunk, added] = open.try_emplace(AudienceOf(*change->next));
        if (added) chunk->second = NewChunk();
        if (!chunk->second.rows.empty() &&
            (chunk->second.bytes + bytes > kChunkBytesMax || chunk->second.rows.size() == kChunkRecordsMax)) {
          full.push_back(std::exchange(chunk->second, NewChunk()));
        }
        chunk->second.rows.push_back({i, change->creates});
        chunk->second.bytes += bytes;
        chunk->second.write.mutations.push_back(std::move(change->mutation));
        chunk->second.write.expectations.push_back(std::move(change->expectation));
        if (!change->end_of_publication) continue;
        AddEndOfPublication(*node_, std::move(change->end_of_publication), &chunk->second.write);
        full.push_back(std::move(chunk->second));
        open.erase(chunk);
      }
    }
    pending_.clear();
    for (auto& [audience, chunk] : open) full.push_back(std::move(chunk));
    if (full.empty()) return Finish();
    {
      absl::MutexLock lock(&mu_);
      outstanding_ = full.size();
    }
    for (Chunk& chunk : full) {
      node_->Write(std::move(chunk.write), [self = shared_from_this(), rows = std::move(chunk.rows)](
                                               const absl::StatusOr<node::WriteResult>& result) { self->OnWritten(rows, result); });
    }
  }

  // Has to be held by other sites before the answer: of each audience, the longest head of the log.
  void Hold(const Holding& written) {
    if (written.size == Seq(0)) return;
    for (Holding& held : holdings_) {
      if (held.log != written.log || held.audience != written.audience) continue;
      held.size = std::max(held.size, written.size);
      return;
    }
    holdings_.push_back(written);
  }

  void OnWritten(const std::vector<Row>& rows, const absl::StatusOr<node::WriteResult>& result) {
    absl::Status status = result.status();
    absl::StatusOr<Audience> audience;
    if (result.ok() && call_->replicas > 0) {
      audience = node_->AudienceOf(result->dot);
      status = audience.status();
    }
    {
      absl::MutexLock lock(&mu_);
      if (audience.ok()) Hold({result->dot.log, result->dot.seq + 1, *audience});
      const bool lost_race = absl::IsAborted(status) || absl::IsAlreadyExists(status);
      for (const Row& row : rows) {
        if (status.ok()) {
          ++(row.creates ? created_ : updated_);
        } else if (lost_race) {
          pending_.push_back(row.index);
        }
      }
      if (!status.ok() && !lost_race) error_ = status;
      if (--outstanding_ > 0) return;
    }
    // The last write of the round: nobody else touches this object now. The next round leaves the node's completion thread.
    if (!error_.ok() || pending_.empty() || call_->cancelled()) return Finish();
    if (--rounds_ == 0) {
      for (int i : pending_) refusals_[i] = EtagMismatch(GetString(Record(i), "name"));
      return Finish();
    }
    std::sort(pending_.begin(), pending_.end());
    // An alarm keeps its function until it is destroyed, so the function may not own this run: the run owns itself until then.
    self_ = shared_from_this();
    hop_ = std::make_unique<grpc::Alarm>();
    hop_->Set(absl::ToChronoTime(absl::Now()), [this](bool) {
      const std::shared_ptr<ImportRun> self = std::move(self_);
      self->Round();
    });
  }

  void Finish() {
    if (!error_.ok()) return reply_(error_);
    if (holdings_.empty()) return Answer();
    const uint64_t wait =
        durability_->Await(holdings_, call_->replicas, call_->deadline, [self = shared_from_this()](const Durability::Report& report) {
          const absl::Status held = HeldStatus(report, {}, self->call_.get());
          held.ok() ? self->Answer() : self->reply_(held);
        });
    if (wait != 0) call_->OnEnd([durability = durability_, wait] { durability->Leave(wait); });
  }

  void Answer() {
    auto response = std::make_unique<v1::ImportResponse>();
    response->set_created(created_);
    response->set_updated(updated_);
    response->set_unchanged(unchanged_);
    for (const auto& [index, status] : refusals_) {
      v1::ImportRefusal* refusal = response->add_refusals();
      refusal->set_index(index);
      *refusal->mutable_status() = ToProto(status);
    }
    reply_(std::move(response));
  }

  const std::shared_ptr<void> running_;
  node::Node* const node_;
  Durability* const durability_;
  const records::RecordType& type_;
  const std::shared_ptr<Call> call_;
  const MessagePtr request_;
  const FieldDescriptor* const records_;
  const Reply reply_;

  absl::Mutex mu_;  // guards what follows while writes are outstanding
  size_t outstanding_ = 0;
  int created_ = 0;
  int updated_ = 0;
  int unchanged_ = 0;
  int rounds_ = kImportRounds;
  std::vector<int> pending_;
  std::map<int, absl::Status> refusals_;
  std::vector<Holding> holdings_;
  absl::Status error_;
  std::unique_ptr<grpc::Alarm> hop_;
  std::shared_ptr<ImportRun> self_;
};

}  // namespace

void StartImport(node::Node* node, Durability* durability, const records::RecordType& type, std::shared_ptr<Call> call,
                 const Message& request, Reply reply, std::shared_ptr<void> running) {
  std::make_shared<ImportRun>(node, durability, type, std::move(call), request, std::move(reply), std::move(running))->Start();
}

}  // namespace fairlead::rpc
