#include "server/node/contents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/erasure.h"
#include "api/errors.h"
#include "fairlead/v1/attachment.pb.h"
#include "fairlead/v1/engagement.pb.h"
#include "server/node/attachments.h"
#include "server/node/erasures.h"
#include "server/node/fsck.h"
#include "server/node/node_testing.h"

namespace fairlead::node {
namespace {

using storage::Cf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kOfficer[] = "officer/apac/watch";
constexpr size_t kNoLimit = 100;

std::string HashOf(const std::string& bytes) { return HexEncode(AsView(Sha256(bytes))); }

// Bytes of a little more than two chunks.
std::string Bytes(char fill = 'x') {
  std::string bytes(2 * kContentChunkBytes + 7, fill);
  bytes[kContentChunkBytes] = '-';  // no two chunks are alike
  return bytes;
}

std::string Chunk(const std::string& bytes, uint64_t index) {
  return bytes.substr(index * kContentChunkBytes, ChunkSize(bytes.size(), index));
}

std::string ReadAll(const storage::View& view, const std::string& sha256) {
  const auto content = FindContent(view, sha256);
  if (!content.ok() || !content->has_value()) return "absent";
  std::string all;
  const absl::Status read = VisitChunks(view, **content, [&all](std::string_view chunk) {
    all.append(chunk);
    return absl::OkStatus();
  });
  return read.ok() ? all : std::string(read.message());
}

// How many keys Cf::kContents has.
int Keys(const storage::View& view) {
  int keys = 0;
  const auto it = view.Iterate(Cf::kContents, {}, {});
  for (it->SeekToFirst(); it->Valid(); it->Next()) ++keys;
  return keys;
}

class ContentsTest : public ::testing::Test {
 protected:
  // Appends chunks [first, end).
  absl::Status Append(const Transfer& transfer, const std::string& bytes, uint64_t first, uint64_t end) {
    for (uint64_t i = first; i < end; ++i) {
      const auto appended = contents_->Append(transfer.id, i * kContentChunkBytes, Chunk(bytes, i));
      if (!appended.ok()) return appended.status();
    }
    return absl::OkStatus();
  }
  Transfer Begin(const std::string& bytes, const std::string& source = kOfficer) {
    const auto begun = contents_->Begin(source, HashOf(bytes), bytes.size(), kNoLimit);
    EXPECT_TRUE(begun.ok()) << begun.status();
    return begun.value_or(Transfer());
  }
  absl::Status Complete(const Transfer& transfer) { return contents_->Complete(**contents_->Find(transfer.id)); }
  // The power fails: what was not synced is gone.
  void Crash() {
    store_ = store_->Crash(0);
    contents_ = std::make_unique<Contents>(store_.get(), &clock_);
    ASSERT_TRUE(contents_->Load().ok());
  }
  std::vector<std::string> Faults() {
    std::vector<std::string> faults;
    EXPECT_TRUE(CheckContents(*store_, [&](const std::string&, const std::string& rule) { faults.push_back(rule); }).ok());
    return faults;
  }

  ManualClock clock_;
  std::unique_ptr<storage::MemoryStore> store_ = std::make_unique<storage::MemoryStore>();
  std::unique_ptr<Contents> contents_ = std::make_unique<Contents>(store_.get(), &clock_);
};

TEST_F(ContentsTest, AnUploadGoesOnAfterItsLastChunkWhateverFails) {
  const std::string bytes = Bytes();
  const Transfer begun = Begin(bytes);
  EXPECT_EQ(begun.offset, 0u);
  for (uint64_t chunk = 0; chunk < 3; ++chunk) {
    Crash();
    const Transfer found = Begin(bytes);
    EXPECT_EQ(found.id, begun.id);
    EXPECT_EQ(found.offset, chunk * kContentChunkBytes);
    EXPECT_EQ(ReadAll(*store_, HashOf(bytes)), "absent") << "nothing half-written is served";
    ASSERT_TRUE(Append(found, bytes, chunk, chunk + 1).ok());
  }
  Crash();
  EXPECT_EQ(Begin(bytes).offset, bytes.size());
  ASSERT_TRUE(Complete(begun).ok());
  Crash();
  EXPECT_EQ(ReadAll(*store_, HashOf(bytes)), bytes);
  EXPECT_EQ(contents_->bytes_held(), static_cast<int64_t>(bytes.size()));
  EXPECT_EQ(*contents_->Find(begun.id), std::nullopt);
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(ContentsTest, AChunkIsTakenWhereItIsDueAndNowhereElse) {
  const std::string bytes = Bytes();
  const Transfer begun = Begin(bytes);
  ASSERT_TRUE(Append(begun, bytes, 0, 1).ok());
  const auto again = contents_->Append(begun.id, 0, Chunk(bytes, 0));  // a retry
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->offset, kContentChunkBytes);

  const auto refused = [&](uint64_t offset, const std::string& data) {
    const auto appended = contents_->Append(begun.id, offset, data);
    return FieldOf(appended.status()) + ": " + std::string(appended.status().message());
  };
  EXPECT_THAT(refused(1, "x"), HasSubstr("offset: must be a multiple of 262144"));
  EXPECT_THAT(refused(2 * kContentChunkBytes, Chunk(bytes, 2)), HasSubstr("offset: 262144 of 524295 bytes are here"));
  EXPECT_THAT(refused(3 * kContentChunkBytes, "x"), HasSubstr("offset: "));
  EXPECT_THAT(refused(kContentChunkBytes, "short"), HasSubstr("data: must be 262144 bytes"));
  EXPECT_THAT(refused(kContentChunkBytes, std::string(kContentChunkBytes + 1, 'x')), HasSubstr("data: must be"));
  EXPECT_EQ(ReasonOf(contents_->Append(std::string(16, 'n'), 0, "x").status()), "RECORD_NOT_FOUND");
  EXPECT_EQ((*contents_->Find(begun.id))->offset, kContentChunkBytes) << "what was refused changed nothing";
}

TEST_F(ContentsTest, BytesOfAnotherHashAreDropped) {
  const std::string bytes = Bytes();
  const Transfer begun = Begin(bytes);
  ASSERT_TRUE(Append(begun, Bytes('y'), 0, 3).ok());
  const absl::Status wrong = Complete(begun);
  EXPECT_TRUE(absl::IsInvalidArgument(wrong)) << wrong;
  EXPECT_THAT(std::string(wrong.message()), HasSubstr(HashOf(Bytes('y'))));
  EXPECT_EQ(Keys(*store_), 0);
  EXPECT_EQ(contents_->bytes_held(), 0);
  EXPECT_EQ(Begin(bytes).offset, 0u) << "the next begins anew";
}

// What a fetch knows of its transfer is what Append has answered, by a clock that is finer than what is kept.
TEST_F(ContentsTest, WhoeverAppendedTheLastChunkMayCompleteIt) {
  contents_ = std::make_unique<Contents>(store_.get(), &SystemClock());
  const std::string bytes = Bytes();
  const Transfer begun = Begin(bytes);
  ASSERT_TRUE(Append(begun, bytes, 0, 2).ok());
  const auto appended = contents_->Append(begun.id, 2 * kContentChunkBytes, Chunk(bytes, 2));
  ASSERT_TRUE(appended.ok()) << appended.status();
  const absl::Status completed = contents_->Complete(*appended);
  EXPECT_TRUE(completed.ok()) << completed;
  EXPECT_EQ(ReadAll(*store_, HashOf(bytes)), bytes);
}

TEST_F(ContentsTest, AnUploadThatIsBegunAnewWhileItIsVerifiedIsNotComplete) {
  const std::string bytes = Bytes();
  const Transfer begun = Begin(bytes);
  ASSERT_TRUE(Append(begun, bytes, 0, 3).ok());
  int chunks = 0;
  const absl::Status completed = contents_->Complete(*contents_->Find(begun.id).value(), [&](std::string_view) {
    return ++chunks < 3 ? absl::OkStatus() : contents_->Begin(begun.source, HashOf(bytes), bytes.size() + 1, 2).status();
  });
  EXPECT_EQ(chunks, 3);
  EXPECT_EQ(ReasonOf(completed), "RECORD_NOT_FOUND") << completed;
  EXPECT_EQ(*FindContent(*store_, HashOf(bytes)), std::nullopt);
  const Transfer again = Begin(bytes);
  ASSERT_TRUE(Append(again, bytes, 0, 3).ok());
  ASSERT_TRUE(Complete(again).ok());
  EXPECT_EQ(ReadAll(*store_, HashOf(bytes)), bytes);
}

TEST_F(ContentsTest, WhatOneSourceSendsIsNotMixedWithWhatAnotherDoes) {
  const std::string bytes = Bytes();
  const Transfer liar = Begin(bytes, "node/eame");
  const Transfer honest = Begin(bytes, "node/hq");
  ASSERT_TRUE(Append(liar, Bytes('y'), 0, 2).ok());
  ASSERT_TRUE(Append(honest, bytes, 0, 3).ok());
  ASSERT_TRUE(Complete(honest).ok());
  EXPECT_EQ(ReadAll(*store_, HashOf(bytes)), bytes);
  EXPECT_EQ(*contents_->Find(liar.id), std::nullopt) << "the bytes are here: nobody else's are wanted";
  EXPECT_EQ(Keys(*store_), 4);  // a manifest and three chunks
}

TEST_F(ContentsTest, AnIdentityHasSoManyUnfinishedUploads) {
  for (char fill : {'a', 'b'}) ASSERT_TRUE(contents_->Begin(kOfficer, HashOf(Bytes(fill)), 10, 2).ok());
  EXPECT_EQ(ReasonOf(contents_->Begin(kOfficer, HashOf(Bytes('c')), 10, 2).status()), "LIMIT_REACHED");
  EXPECT_TRUE(contents_->Begin(kOfficer, HashOf(Bytes('a')), 10, 2).ok()) << "one that is there goes on";
  EXPECT_TRUE(contents_->Begin("officer/apac/other", HashOf(Bytes('c')), 10, 2).ok());
  clock_.Advance(absl::Hours(1));
  ASSERT_TRUE(contents_->Sweep(clock_.Now()).ok());  // all have been idle for an hour
  EXPECT_EQ(Keys(*store_), 0);
  EXPECT_TRUE(contents_->Begin(kOfficer, HashOf(Bytes('c')), 10, 2).ok());
}

TEST_F(ContentsTest, WhatNoRecordNeedsGoesWhenItIsOldUnlessItIsPinned) {
  const std::string bytes = Bytes();
  const Transfer begun = Begin(bytes);
  ASSERT_TRUE(Append(begun, bytes, 0, 3).ok());
  ASSERT_TRUE(Complete(begun).ok());
  ASSERT_TRUE(contents_->Sweep(clock_.Now() - absl::Seconds(1)).ok());
  EXPECT_EQ(ReadAll(*store_, HashOf(bytes)), bytes) << "its record may be on its way";
  clock_.Advance(absl::Hours(1));
  {
    const Contents::Pin pin(contents_.get(), HashOf(bytes));
    ASSERT_TRUE(contents_->Sweep(clock_.Now()).ok());
    EXPECT_EQ(ReadAll(*store_, HashOf(bytes)), bytes);
  }
  ASSERT_TRUE(contents_->Sweep(clock_.Now()).ok());
  EXPECT_EQ(Keys(*store_), 0);
  EXPECT_EQ(contents_->bytes_held(), 0);
}

TEST_F(ContentsTest, TheCheckFindsEveryDamage) {
  const std::string bytes = Bytes();
  const Transfer begun = Begin(bytes);
  ASSERT_TRUE(Append(begun, bytes, 0, 3).ok());
  ASSERT_TRUE(Complete(begun).ok());
  EXPECT_THAT(Faults(), IsEmpty());
  const auto put = [this](const std::string& key, const std::optional<std::string>& value) {
    auto batch = store_->NewBatch();
    value ? batch->Put(Cf::kContents, key, *value) : batch->Delete(Cf::kContents, key);
    ASSERT_TRUE(store_->Write(batch.get(), storage::Sync::kYes).ok());
  };
  std::string chunk = "c" + begun.id;
  PutU32(&chunk, 1);
  std::string altered = Chunk(bytes, 1);
  altered[5] ^= 1;
  put(chunk, altered);
  EXPECT_THAT(Faults(), ElementsAre("the bytes have another SHA-256"));
  put(chunk, "short");
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("another size")));
  put(chunk, std::nullopt);
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("not here any more")));
  put(chunk, Chunk(bytes, 1));
  std::string stray = "c" + begun.id;
  PutU32(&stray, 3);
  put(stray, "x");
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("belongs to no bytes")));
  put(stray, std::nullopt);
  put("m" + HashOf(bytes), "\x01");
  EXPECT_THAT(Faults(), Contains(HasSubstr("manifest of an attachment's bytes is damaged")));
}

// --- With records ------------------------------------------------------------------------------------------------------------------------

class AttachmentsTest : public ::testing::Test {
 protected:
  using Site = TestNetwork::Site;

  absl::StatusOr<WriteResult> Engage(Node& node, const std::string& title, const std::vector<std::string>& audience = {}) {
    clock_.Advance(absl::Milliseconds(10));
    v1::Engagement engagement;
    engagement.set_title(title);
    for (const std::string& site : audience) engagement.add_audience(site);
    return Write(node, RequestFor(node, kSubject, engagement, {"title", "audience"}, clock_.RequestId()));
  }
  absl::StatusOr<WriteResult> Attach(Node& node, const std::string& name, const std::string& bytes,
                                     const std::vector<std::string>& audience = {}) {
    clock_.Advance(absl::Milliseconds(10));
    v1::Attachment attachment;
    attachment.set_subject(kSubject);
    attachment.set_file_name(name + ".txt");
    attachment.set_media_type("text/plain");
    attachment.set_size_bytes(static_cast<int64_t>(bytes.size()));
    attachment.set_sha256(HashOf(bytes));
    for (const std::string& site : audience) attachment.add_audience(site);
    return Write(node, RequestFor(node, "attachments/" + name, attachment,
                                  {"subject", "file_name", "media_type", "size_bytes", "sha256", "audience"}, clock_.RequestId()));
  }
  void Upload(Node& node, const std::string& bytes) {
    const auto begun = node.contents().Begin(kOfficer, HashOf(bytes), bytes.size(), kNoLimit);
    ASSERT_TRUE(begun.ok()) << begun.status();
    for (uint64_t at = 0; at < bytes.size(); at += kContentChunkBytes) {
      ASSERT_TRUE(node.contents().Append(begun->id, at, bytes.substr(at, kContentChunkBytes)).ok());
    }
    ASSERT_TRUE(node.contents().Complete(**node.contents().Find(begun->id)).ok());
  }
  absl::StatusOr<WriteResult> Erase(Node& node, Dot entry) {
    clock_.Advance(absl::Milliseconds(10));
    WriteRequest request;
    request.actor = "hq/records/clerk";
    request.request_id = clock_.RequestId();
    request.method = "fairlead.v1.RecordService/EraseRevision";
    request.mutations = MutationsOf(ErasureOf(network_.roster(), *DecodePayload(**node.ReadPayload(entry)), entry, "a spill", "ruling 7"));
    return Write(node, std::move(request));
  }
  static std::vector<std::string> Wanted(Node& node) {
    std::vector<std::string> wanted;
    const auto listed = node.contents().ListWanted("", 100);
    EXPECT_TRUE(listed.ok()) << listed.status();
    for (const Contents::Wanted& each : listed.value_or(std::vector<Contents::Wanted>())) wanted.push_back(each.sha256);
    return wanted;
  }
  // Lets the node take what was erased out of its files.
  static void Purge(Node& node) {
    node.Purge(nullptr);  // removes the bytes
    node.Purge(nullptr);  // and where they lay
  }
  std::vector<std::string> Fsck(const Node& node) {
    std::vector<std::string> findings;
    storage::MemoryStore scratch;
    FsckOptions options;
    options.roster = &network_.roster();
    options.registry = &node.registry();
    options.now = clock_.Now();
    options.on_finding = [&](const Finding& finding) { findings.push_back(ToString(finding)); };
    const auto report = node::Fsck(node.store(), &scratch, options);
    EXPECT_TRUE(report.ok()) << report.status();
    return findings;
  }

  static constexpr char kSubject[] = "engagements/E";
  TestNetwork network_{{"apac", "eame", "hq"}};
  ManualClock& clock_ = network_.clock();
  Site apac_ = network_.Open("apac");
  Site hq_ = network_.Open("hq");
};

TEST_F(AttachmentsTest, TheRecordSaysWhatIsDueAndTheBytesFollow) {
  const std::string bytes = Bytes();
  ASSERT_TRUE(Engage(*apac_.node, "a visit").ok());
  Upload(*apac_.node, bytes);
  ASSERT_TRUE(Attach(*apac_.node, "one", bytes).ok());
  ASSERT_TRUE(Attach(*apac_.node, "two", bytes).ok());
  EXPECT_THAT(Wanted(*apac_.node), IsEmpty());
  Sync(*apac_.node, *hq_.node);
  const auto due = hq_.node->contents().ListWanted("", 100);
  ASSERT_TRUE(due.ok());
  ASSERT_THAT(*due, SizeIs(1));
  EXPECT_EQ(due->front().sha256, HashOf(bytes));
  EXPECT_EQ(due->front().bytes_max, bytes.size());
  EXPECT_EQ(hq_.node->contents().wanted(), 1);
  const auto attachments = AttachmentsWith(hq_.node->store(), HashOf(bytes));
  ASSERT_TRUE(attachments.ok());
  ASSERT_THAT(*attachments, SizeIs(2));
  EXPECT_EQ(*BytesStateOf(hq_.node->store(), attachments->front()), v1::BYTES_STATE_AWAITED);
  EXPECT_THAT(Fsck(*hq_.node), IsEmpty());

  Upload(*hq_.node, bytes);
  EXPECT_EQ(*BytesStateOf(hq_.node->store(), attachments->front()), v1::BYTES_STATE_HELD);
  EXPECT_THAT(Wanted(*hq_.node), IsEmpty());
  EXPECT_THAT(Fsck(*hq_.node), IsEmpty());
  EXPECT_EQ(Digests(*apac_.node), Digests(*hq_.node));
}

TEST_F(AttachmentsTest, WhatIsDueAndNotListedIsFoundAndListedAgain) {
  ASSERT_TRUE(Engage(*apac_.node, "a visit").ok());
  ASSERT_TRUE(Attach(*apac_.node, "one", Bytes()).ok());
  auto batch = apac_.store->NewBatch();
  batch->Delete(Cf::kMeta, std::string(storage::kMetaFetchPrefix) + HashOf(Bytes()));
  ASSERT_TRUE(apac_.store->Write(batch.get(), storage::Sync::kYes).ok());
  EXPECT_THAT(Fsck(*apac_.node), ElementsAre(HasSubstr("neither here nor listed as wanted")));
  ASSERT_TRUE(apac_.node->contents().Sweep(absl::InfinitePast()).ok());
  EXPECT_THAT(Wanted(*apac_.node), ElementsAre(HashOf(Bytes())));
  EXPECT_THAT(Fsck(*apac_.node), IsEmpty());
}

TEST_F(AttachmentsTest, BytesAreForTheSitesOfTheAttachmentAndOfItsSubject) {
  ASSERT_TRUE(Engage(*apac_.node, "a visit", {"apac", "hq"}).ok());
  ASSERT_TRUE(Attach(*apac_.node, "one", Bytes(), {"apac", "hq"}).ok());
  const auto are_for = [&](const std::string& site) { return *BytesAreFor(apac_.node->store(), HashOf(Bytes()), site, {}); };
  EXPECT_TRUE(are_for("hq"));
  EXPECT_FALSE(are_for("eame"));
  EXPECT_FALSE(*BytesAreFor(apac_.node->store(), HashOf("other bytes"), "hq", {}));
  // What may be erased counts for nobody: a value of apac's log, but none of eame's.
  EXPECT_FALSE(*BytesAreFor(apac_.node->store(), HashOf(Bytes()), "hq", {network_.log("apac")}));
  EXPECT_TRUE(*BytesAreFor(apac_.node->store(), HashOf(Bytes()), "hq", {network_.log("eame")}));
  // The subject alone is narrowed: its attachments follow.
  ASSERT_TRUE(Engage(*apac_.node, "a visit", {"apac"}).ok());
  EXPECT_FALSE(are_for("hq"));
  EXPECT_TRUE(are_for("apac"));
}

TEST_F(AttachmentsTest, AnErasedAttachmentTakesItsBytesUnlessAnotherHasTheSame) {
  const std::string bytes = Bytes();
  ASSERT_TRUE(Engage(*apac_.node, "a visit").ok());
  Upload(*apac_.node, bytes);
  const auto one = Attach(*apac_.node, "one", bytes);
  const auto two = Attach(*apac_.node, "two", bytes);
  ASSERT_TRUE(one.ok() && two.ok());
  ASSERT_TRUE(Erase(*apac_.node, one->dot).ok());
  Purge(*apac_.node);
  EXPECT_EQ(ReadAll(apac_.node->store(), HashOf(bytes)), bytes);
  ASSERT_TRUE(Erase(*apac_.node, two->dot).ok());
  Purge(*apac_.node);
  EXPECT_EQ(ReadAll(apac_.node->store(), HashOf(bytes)), "absent");
  EXPECT_EQ(Keys(apac_.node->store()), 0);
  EXPECT_EQ(apac_.node->contents().bytes_held(), 0);
  EXPECT_THAT(Fsck(*apac_.node), IsEmpty());
}

TEST_F(AttachmentsTest, AnErasureIsNotVouchedForBeforeItsBytesAreGone) {
  ASSERT_TRUE(Engage(*apac_.node, "a visit").ok());
  Upload(*apac_.node, Bytes());
  const auto one = Attach(*apac_.node, "one", Bytes());
  ASSERT_TRUE(one.ok());
  const auto erased = Erase(*apac_.node, one->dot);
  ASSERT_TRUE(erased.ok());
  const SiteId self = network_.roster().FindSite("apac")->id;
  {
    const Contents::Pin pin(&apac_.node->contents(), HashOf(Bytes()));
    for (int i = 0; i < 3; ++i) {
      clock_.Advance(absl::Seconds(1));
      apac_.node->Purge(nullptr);
      apac_.node->Tick();
    }
    const auto cosigned = apac_.node->Cosigned(apac_.node->own_log());
    const auto word = cosigned.find(self);
    EXPECT_TRUE(word == cosigned.end() || word->second <= erased->dot.seq);
    EXPECT_EQ(ReadAll(apac_.node->store(), HashOf(Bytes())), Bytes());
  }
  for (int i = 0; i < 3; ++i) {
    clock_.Advance(absl::Seconds(1));
    apac_.node->Purge(nullptr);
    apac_.node->Tick();
  }
  EXPECT_EQ(Keys(apac_.node->store()), 0);
  EXPECT_GT(apac_.node->Cosigned(apac_.node->own_log()).at(self), erased->dot.seq);
}

TEST_F(AttachmentsTest, AnErasedSubjectTakesTheBytesOfItsAttachments) {
  const std::string bytes = Bytes();
  const auto made = Engage(*apac_.node, "a visit");
  const auto renamed = Engage(*apac_.node, "another title");
  ASSERT_TRUE(made.ok() && renamed.ok());
  Upload(*apac_.node, bytes);
  ASSERT_TRUE(Attach(*apac_.node, "one", bytes).ok());
  Sync(*apac_.node, *hq_.node);
  Upload(*hq_.node, bytes);

  ASSERT_TRUE(Erase(*apac_.node, renamed->dot).ok());  // a later revision says nothing of the record as such
  Purge(*apac_.node);
  EXPECT_EQ(ReadAll(apac_.node->store(), HashOf(bytes)), bytes);

  ASSERT_TRUE(Erase(*apac_.node, made->dot).ok());
  Sync(*apac_.node, *hq_.node);
  for (Node* node : {apac_.node.get(), hq_.node.get()}) {
    Purge(*node);
    EXPECT_EQ(Keys(node->store()), 0);
    EXPECT_THAT(Wanted(*node), IsEmpty()) << "they come no more";
    EXPECT_THAT(Fsck(*node), IsEmpty());
  }
  v1::Attachment one;
  one.set_subject(kSubject);
  one.set_sha256(HashOf(bytes));
  EXPECT_EQ(*BytesStateOf(hq_.node->store(), one), v1::BYTES_STATE_ERASED);
}

}  // namespace
}  // namespace fairlead::node
