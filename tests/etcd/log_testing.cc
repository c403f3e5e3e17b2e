#include "tests/etcd/log_testing.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <utility>

#include "api/crypto.h"
#include "api/entry.h"
#include "api/tls.h"
#include "server/etcd/txn.h"
#include "server/node/log_book.h"
#include "tests/framework/eventually.h"

namespace fairlead::etcd {

namespace {

using storage::Cf;

const bool kTls13 = (RequireTls13(), true);  // as in a node

std::unique_ptr<framework::EtcdCluster> shared_cluster;

class Shared : public testing::Environment {
 public:
  void SetUp() override {
    if (!framework::EtcdCluster::Installed()) return;
    auto started = framework::EtcdCluster::Start();
    ASSERT_TRUE(started.ok()) << started.status();
    shared_cluster = *std::move(started);
    EtcdClient etcd(OptionsOf(*shared_cluster));
    const absl::Status answered = AwaitAnswer(&etcd);
    ASSERT_TRUE(answered.ok()) << shared_cluster->WithLog(answered);
  }
  void TearDown() override { shared_cluster.reset(); }
};

const auto* const kShared = testing::AddGlobalTestEnvironment(new Shared);

}  // namespace

framework::EtcdCluster* SharedCluster() { return shared_cluster.get(); }

std::string NewPrefix() {
  static int n = 0;
  return fmt::format("fairlead/test.example/site{}/", ++n);
}

EtcdOptions OptionsOf(const framework::EtcdCluster& cluster) {
  const bench::PeerHome& home = cluster.home();
  return {.endpoints = cluster.endpoints(),
          .credentials = [ca = home.ca_file(), certificate = home.certificate_file(), key = home.key_file()] {
            return EtcdCredentials(ca, certificate, key);
          }};
}

absl::Status AwaitAnswer(EtcdClient* etcd) {
  pb::TxnRequest txn;
  *txn.add_success() = Get("any");
  absl::Status answered;
  framework::Eventually(
      [&] {
        answered = etcd->Txn(txn).status();
        return answered.ok();
      },
      bench::kPeerStartTimeout);
  return answered;
}

node::JournalItem Entry(uint64_t seq, std::optional<size_t> bytes) {
  Header header;
  header.log = LogId(7);
  header.seq = Seq(seq);
  header.time = Hlc::FromMillis(1'700'000'000'000 + seq);
  std::string payload;
  if (bytes) {
    payload = fmt::format("payload {} ", seq);
    payload.resize(std::max(payload.size(), *bytes), static_cast<char>('a' + seq % 26));
  }
  header.payload_digest = Sha256(payload);
  return {{header.log, header.seq}, EncodeHeader(header), bytes ? std::optional(payload) : std::nullopt};
}

std::vector<node::JournalItem> Entries(uint64_t first_seq, size_t n, size_t bytes) {
  std::vector<node::JournalItem> items;
  for (size_t i = 0; i < n; ++i) items.push_back(Entry(first_seq + i, bytes));
  return items;
}

std::unique_ptr<storage::Batch> Fold(const storage::Store& store, Position first, const std::vector<node::JournalItem>& items) {
  auto batch = store.NewBatch();
  for (const node::JournalItem& item : items) {
    const std::string key = storage::DotKey(item.dot);
    batch->Put(Cf::kJournal, storage::JournalKey(first), key);
    if (!item.header.empty()) batch->Put(Cf::kHeaders, key, item.header);
    if (item.payload) batch->Put(Cf::kPayloads, key, *item.payload);
    ++first;
  }
  return batch;
}

absl::Status Append(node::CommitLog* log, storage::Store* store, Position expected, const std::vector<node::JournalItem>& items) {
  return log->Append(expected, expected + items.size(), items, Fold(*store, expected, items).get());
}

uint64_t JournalEnd(const storage::Store& store) {
  const auto end = node::LogBook(store).JournalEnd();
  EXPECT_TRUE(end.ok()) << end.status();
  return end.ok() ? end->value() : 0;
}

void PutInstance(storage::Store* store, const std::string& instance) {
  auto batch = store->NewBatch();
  batch->Put(Cf::kMeta, storage::kMetaJournalInstance, instance);
  const absl::Status written = store->Write(batch.get(), storage::Sync::kYes);
  EXPECT_TRUE(written.ok()) << written;
}

absl::StatusOr<pb::TxnResponse> LossyEtcd::Txn(const pb::TxnRequest& request) {
  if (down_) return Down();
  bool changes = false;
  for (const pb::RequestOp& op : request.success()) changes |= !op.has_request_range();
  if (!changes) return etcd_->Txn(request);
  ++attempts_;
  Fate fate = Fate::kDone;
  if (!fates_.empty()) {
    fate = fates_.front();
    fates_.pop_front();
  }
  const absl::Status lost = absl::UnavailableError("etcdserver: request timed out");
  switch (fate) {
    case Fate::kDone:
      return etcd_->Txn(request);
    case Fate::kAnswerLost: {
      const auto answer = etcd_->Txn(request);
      EXPECT_TRUE(answer.ok()) << answer.status();
      return lost;
    }
    case Fate::kLate:
      late_.push_back(request);
      return lost;
    case Fate::kLost:
      break;
  }
  return lost;
}

int LossyEtcd::Deliver() {
  int done = 0;
  for (; !late_.empty(); late_.pop_front()) {
    const auto answer = etcd_->Txn(late_.front());
    EXPECT_TRUE(answer.ok()) << answer.status();
    done += answer.ok() && answer->succeeded() ? 1 : 0;
  }
  return done;
}

}  // namespace fairlead::etcd
