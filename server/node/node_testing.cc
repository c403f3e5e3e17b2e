#include "server/node/node_testing.h"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "api/bytes.h"
#include "api/note.h"
#include "server/node/materialise.h"

namespace fairlead::node {
namespace {

constexpr char kNetwork[] = "test.example";

}  // namespace

TestNetwork::TestNetwork(const std::vector<std::string>& sites, const std::vector<std::string>& other_streams) {
  for (const std::string& site : sites) {
    const SiteId id(static_cast<uint16_t>(sites_.size() + 1));
    const SigningKey& mirror_key = mirror_keys_.emplace(site, SigningKey::Generate()).first->second;
    sites_.push_back({id, site});
    AddLog(sites_.back(), 1, std::string(kMainStream));
    cosigners_.push_back({id, note::Verifier::Make(std::string(kNetwork) + "/" + site + "/mirror", note::kCosignatureV1,
                                                   *VerifyKey::FromRaw(mirror_key.public_raw()))});
  }
  for (const std::string& stream : other_streams) {
    for (const RosterSite& site : sites_) AddLog(site, 1, stream);
  }
  Sign();
}

void TestNetwork::AddLog(const RosterSite& site, uint32_t epoch, const std::string& stream) {
  const SigningKey& key = log_keys_[site.name].insert_or_assign(stream, SigningKey::Generate()).first->second;
  const std::string origin = std::string(kNetwork) + "/" + site.name + "/" + std::to_string(epoch) + "/" + stream;
  logs_.push_back({LogId(static_cast<uint32_t>(logs_.size() + 1)),
                   site.id,
                   site.name,
                   epoch,
                   stream,
                   note::Verifier::Make(origin, note::kEd25519, *VerifyKey::FromRaw(key.public_raw())),
                   {}});
}

void TestNetwork::Sign() {
  const std::string root_name = std::string(kNetwork) + "/root";
  const std::string text = Roster::Text(kNetwork, ++version_, sites_, logs_, cosigners_, headquarters_);
  auto roster = Roster::Open(note::Format({text, {note::Sign(root_name, root_key_, text)}}),
                             note::Verifier::Make(root_name, note::kEd25519, *VerifyKey::FromRaw(root_key_.public_raw())));
  EXPECT_TRUE(roster.ok()) << roster.status();
  roster_ = *std::move(roster);
}

void TestNetwork::SetHeadquarters(const std::string& site) {
  headquarters_ = site;
  Sign();
}

void TestNetwork::CloseLog(const std::string& site, Seq size, const Digest& root) {
  const RosterLog current = *roster_->FindLog(log(site));
  for (RosterLog& each : logs_) {
    if (each.id == current.id) each.closing = LogClosing{size, root};
  }
  for (const RosterLog* each : roster_->CurrentLogs(current.site)) AddLog(*roster_->FindSite(site), current.epoch + 1, each->stream);
  Sign();
}

void TestNetwork::ChangeMirrorKey(const std::string& site) {
  const SigningKey& key = mirror_keys_.insert_or_assign(site, SigningKey::Generate()).first->second;
  for (RosterCosigner& each : cosigners_) {
    if (each.site != roster_->FindSite(site)->id) continue;
    each.verifier = note::Verifier::Make(each.verifier.name(), note::kCosignatureV1, *VerifyKey::FromRaw(key.public_raw()));
  }
  Sign();
}

NodeOptions TestNetwork::OptionsOf(const std::string& site) const {
  NodeOptions options{.site = site, .roster = *roster_, .log_keys = log_keys_.at(site), .mirror_key = mirror_keys_.at(site)};
  options.registry = &records::TheRegistry();
  options.clock = &clock_;
  return options;
}

absl::StatusOr<TestNetwork::Site> TestNetwork::Open(const std::string& site, std::unique_ptr<storage::MemoryStore> store,
                                                    LicenceFile* licence, std::vector<std::string> peers) const {
  NodeOptions options = OptionsOf(site);
  options.licence = licence;
  options.peers = std::move(peers);
  return Open(std::move(options), std::move(store));
}

absl::StatusOr<TestNetwork::Site> TestNetwork::Open(NodeOptions options, std::unique_ptr<storage::MemoryStore> store) {
  Site out;
  out.store = store.get();
  auto node = Node::Open(std::move(options), std::move(store));
  if (!node.ok()) return node.status();
  out.node = *std::move(node);
  return out;
}

TestNetwork::Site TestNetwork::Open(const std::string& site) const {
  auto opened = Open(site, std::make_unique<storage::MemoryStore>());
  EXPECT_TRUE(opened.ok()) << opened.status();
  return *std::move(opened);
}

class CountingStore::CountingIterator : public storage::Iterator {
 public:
  CountingIterator(std::atomic<int64_t>* reads, std::unique_ptr<storage::Iterator> inner) : reads_(reads), inner_(std::move(inner)) {}
  void SeekToFirst() override { Count(), inner_->SeekToFirst(); }
  void SeekToLast() override { Count(), inner_->SeekToLast(); }
  void Seek(std::string_view key) override { Count(), inner_->Seek(key); }
  void Next() override { Count(), inner_->Next(); }
  void Prev() override { Count(), inner_->Prev(); }
  bool Valid() const override { return inner_->Valid(); }
  std::string_view key() const override { return inner_->key(); }
  std::string_view value() const override { return inner_->value(); }
  absl::Status status() const override { return inner_->status(); }

 private:
  void Count() { ++*reads_; }
  std::atomic<int64_t>* const reads_;
  const std::unique_ptr<storage::Iterator> inner_;
};

class CountingStore::CountingSnapshot : public storage::Snapshot {
 public:
  CountingSnapshot(std::atomic<int64_t>* reads, std::unique_ptr<storage::Snapshot> inner) : reads_(reads), inner_(std::move(inner)) {}
  absl::StatusOr<std::optional<std::string>> Get(storage::Cf cf, std::string_view key) const override {
    ++*reads_;
    return inner_->Get(cf, key);
  }
  std::unique_ptr<storage::Iterator> Iterate(storage::Cf cf, std::string_view lower, std::string_view upper) const override {
    return std::make_unique<CountingIterator>(reads_, inner_->Iterate(cf, lower, upper));
  }
  uint64_t version() const override { return inner_->version(); }

 private:
  std::atomic<int64_t>* const reads_;
  const std::unique_ptr<storage::Snapshot> inner_;
};

CountingStore::CountingStore(const storage::MemoryStore& other) {
  const std::unique_ptr<storage::Batch> all = NewBatch();
  for (size_t cf = 0; cf < storage::kCfCount; ++cf) {
    const auto family = static_cast<storage::Cf>(cf);
    const std::unique_ptr<storage::Iterator> it = other.Iterate(family, "", "");
    for (it->SeekToFirst(); it->Valid(); it->Next()) all->Put(family, it->key(), it->value());
  }
  EXPECT_TRUE(Write(all.get(), storage::Sync::kYes).ok());
}
absl::StatusOr<std::optional<std::string>> CountingStore::Get(storage::Cf cf, std::string_view key) const {
  ++reads_;
  return MemoryStore::Get(cf, key);
}
std::unique_ptr<storage::Iterator> CountingStore::Iterate(storage::Cf cf, std::string_view lower, std::string_view upper) const {
  return std::make_unique<CountingIterator>(&reads_, MemoryStore::Iterate(cf, lower, upper));
}
std::unique_ptr<storage::Snapshot> CountingStore::NewSnapshot() const {
  return std::make_unique<CountingSnapshot>(&reads_, MemoryStore::NewSnapshot());
}

void RunNode(Node& node) {
  while (node.CommitOnce()) {
  }
  while (node.RunCompletions()) {
  }
}

WriteRequest RequestFor(const Node& node, const std::string& record, const google::protobuf::Message& next,
                        const std::vector<std::string>& fields, const std::string& request_id) {
  const records::RecordType& type = *node.registry().FindByName(record);
  auto state = node.GetState(node.store(), record);
  EXPECT_TRUE(state.ok()) << state.status();
  const RecordState* read = state.ok() && state->has_value() ? &**state : nullptr;
  std::vector<const google::protobuf::FieldDescriptor*> named;
  for (const std::string& field : fields) named.push_back(next.GetDescriptor()->FindFieldByName(field));
  WriteRequest request;
  request.actor = "officer/apac/watch";
  request.request_id = request_id;
  request.method = "fairlead.v1.ReferenceService/UpdateCountry";
  request.mutations = {MutationFor(type, record, read, next, named)};
  request.expectations = {{record, read == nullptr ? "" : EtagOf(*read)}};
  return request;
}

absl::StatusOr<WriteResult> Write(Node& node, WriteRequest request) {
  absl::StatusOr<WriteResult> out = absl::UnknownError("not called");
  int calls = 0;
  node.Write(std::move(request), [&](absl::StatusOr<WriteResult> result) {
    out = std::move(result);
    ++calls;
  });
  RunNode(node);
  EXPECT_EQ(calls, 1);
  return out;
}

replication::RemoteBatch Missing(const Node& from, const Node& to) {
  replication::RemoteBatch batch;
  batch.peer = from.options().site;
  batch.journal_instance = from.JournalInstance();
  batch.journal_position = from.JournalEnd();
  const VersionVector have = to.Applied();
  auto journal = from.ReadJournal(Position(0), batch.journal_position.value());
  EXPECT_TRUE(journal.ok()) << journal.status();
  for (const Dot& dot : *journal) {
    if (dot.seq < have.Get(dot.log) || from.roster().Voids(dot)) continue;
    replication::VerifiedEntry entry;
    entry.dot = dot;
    entry.header_bytes = (*from.ReadHeaders(dot.log, dot.seq, dot.seq + 1))[0];
    entry.header = *DecodeHeader(entry.header_bytes);
    if (entry.header.audience.Includes(to.site())) entry.payload = *from.ReadPayload(dot);
    batch.entries.push_back(std::move(entry));
  }
  for (const RosterLog& log : from.roster().logs()) {
    const std::optional<std::string> note = from.CheckpointNote(log.id);
    if (!note) continue;
    auto checkpoint = note::ParseCheckpoint(note::Parse(*note)->text);
    batch.checkpoints.push_back({log.id, Seq(checkpoint->size), checkpoint->root, *note});
  }
  return batch;
}

void MakeUnknown(replication::RemoteBatch& batch, size_t index) {
  Payload later = *DecodePayload(*batch.entries[index].payload);
  later.mutations[0].ops[0].kind = static_cast<MergeKind>(99);
  batch.entries[index].payload = EncodePayload(later);
  batch.checkpoints.clear();
}

replication::ApplyResult Apply(Node& to, replication::RemoteBatch batch) {
  replication::ApplyResult out{0, absl::UnknownError("not called")};
  to.ApplyRemote(std::move(batch), [&](replication::ApplyResult result) { out = std::move(result); });
  RunNode(to);
  return out;
}

void Sync(const Node& from, Node& to) {
  replication::ApplyResult result = Apply(to, Missing(from, to));
  EXPECT_TRUE(result.status.ok()) << result.status;
}

std::vector<std::string> Digests(const Node& node) {
  std::vector<std::string> out;
  for (const ClassDigestInfo& info : node.StateDigests().second) out.push_back(info.audience + ":" + HexEncode(AsView(info.digest)));
  return out;
}

}  // namespace fairlead::node
