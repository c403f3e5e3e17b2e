#include "server/node/contents.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/errors.h"
#include "api/sha256_stream.h"
#include "server/node/attachments.h"
#include "server/node/derived.h"
#include "server/records/attachment.h"
#include "storage/schema.h"

namespace fairlead::node {
namespace {

using storage::Cf;

constexpr uint8_t kVersion = 1;
constexpr size_t kTransferBytes = 16;
constexpr size_t kSha256Chars = 64;
constexpr std::string_view kManifests = "m";
constexpr std::string_view kTransfers = "t";
constexpr std::string_view kChunks = "c";

std::string ManifestKey(std::string_view sha256) { return std::string(kManifests).append(sha256); }
std::string TransferKey(std::string_view id) { return std::string(kTransfers).append(id); }
std::string ChunkPrefix(std::string_view id) { return std::string(kChunks).append(id); }
std::string ChunkKey(std::string_view id, uint64_t index) {
  std::string key = ChunkPrefix(id);
  PutU32(&key, static_cast<uint32_t>(index));
  return key;
}
std::string FetchKey(std::string_view sha256) { return std::string(storage::kMetaFetchPrefix).append(sha256); }

uint64_t ChunkCount(uint64_t size) { return (size + kContentChunkBytes - 1) / kContentChunkBytes; }

uint64_t Millis(absl::Time time) { return static_cast<uint64_t>(std::max<int64_t>(0, absl::ToUnixMillis(time))); }
absl::Time TimeFrom(uint64_t millis) { return absl::FromUnixMillis(static_cast<int64_t>(millis)); }

absl::Status Damaged(const std::string& what) { return Error(Reason::kStoreDamaged, what); }

std::string EncodeManifest(const Content& content) {
  std::string out;
  PutU8(&out, kVersion);
  PutU64(&out, content.size);
  out += content.transfer;
  PutU64(&out, Millis(content.since));
  return out;
}

absl::StatusOr<Content> DecodeManifest(std::string_view bytes) {
  Reader in(bytes);
  Content content;
  const uint8_t version = in.U8();
  content.size = in.U64();
  content.transfer = in.Fixed(kTransferBytes);
  content.since = TimeFrom(in.U64());
  if (!in.Done() || version != kVersion || content.size == 0) return Damaged("the manifest of an attachment's bytes is damaged");
  return content;
}

std::string EncodeTransfer(const Transfer& transfer) {
  std::string out;
  PutU8(&out, kVersion);
  out += transfer.sha256;
  PutU64(&out, transfer.size);
  PutU32(&out, static_cast<uint32_t>(ChunkCount(transfer.offset)));
  PutU64(&out, Millis(transfer.touched));
  PutBytes(&out, transfer.source);
  return out;
}

absl::StatusOr<Transfer> DecodeTransfer(std::string_view id, std::string_view bytes) {
  Reader in(bytes);
  Transfer transfer;
  transfer.id = id;
  const uint8_t version = in.U8();
  transfer.sha256 = in.Fixed(kSha256Chars);
  transfer.size = in.U64();
  transfer.offset = std::min(uint64_t{in.U32()} * kContentChunkBytes, transfer.size);
  transfer.touched = TimeFrom(in.U64());
  transfer.source = in.Bytes();
  if (!in.Done() || version != kVersion || transfer.size == 0) return Damaged("the state of a transfer of bytes is damaged");
  return transfer;
}

}  // namespace

uint64_t ChunkSize(uint64_t size, uint64_t index) { return std::min(kContentChunkBytes, size - index * kContentChunkBytes); }

std::string TransferId(std::string_view source, std::string_view sha256) {
  const Digest digest = Sha256({source, std::string_view("\0", 1), sha256});
  return std::string(AsView(digest).substr(0, kTransferBytes));
}

absl::StatusOr<std::optional<Content>> FindContent(const storage::View& view, std::string_view sha256) {
  const absl::StatusOr<std::optional<std::string>> bytes = view.Get(Cf::kContents, ManifestKey(sha256));
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return std::nullopt;
  absl::StatusOr<Content> content = DecodeManifest(**bytes);
  if (!content.ok()) return content.status();
  return *std::move(content);
}

absl::StatusOr<std::string> ReadChunk(const storage::View& view, const Content& content, uint64_t index) {
  absl::StatusOr<std::optional<std::string>> chunk = view.Get(Cf::kContents, ChunkKey(content.transfer, index));
  if (!chunk.ok()) return chunk.status();
  if (!chunk->has_value()) return Error(Reason::kRecordNotFound, "the bytes are not here any more");
  if ((*chunk)->size() != ChunkSize(content.size, index)) return Damaged("a chunk of an attachment's bytes has another size");
  return **std::move(chunk);
}

absl::Status VisitChunks(const storage::View& view, const Content& content, const std::function<absl::Status(std::string_view)>& visit) {
  for (uint64_t index = 0; index < ChunkCount(content.size); ++index) {
    const absl::StatusOr<std::string> chunk = ReadChunk(view, content, index);
    if (!chunk.ok()) return chunk.status();
    if (absl::Status status = visit(*chunk); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckContents(const storage::View& store,
                           const std::function<void(const std::string& key, const std::string& rule)>& on_fault) {
  std::map<std::string, uint64_t> sizes;  // by transfer
  const auto manifests = store.Iterate(Cf::kContents, kManifests, storage::PrefixEnd(kManifests));
  for (manifests->SeekToFirst(); manifests->Valid(); manifests->Next()) {
    const std::string sha256(manifests->key().substr(kManifests.size()));
    const absl::StatusOr<Content> content = DecodeManifest(manifests->value());
    if (!content.ok()) {
      on_fault(sha256, std::string(content.status().message()));
      continue;
    }
    sizes[content->transfer] = content->size;
    Sha256Stream hash;
    const absl::Status read = VisitChunks(store, *content, [&hash](std::string_view chunk) {
      hash.Append(chunk);
      return absl::OkStatus();
    });
    if (!read.ok()) {
      on_fault(sha256, std::string(read.message()));
    } else if (HexEncode(AsView(hash.Finish())) != sha256) {
      on_fault(sha256, "the bytes have another SHA-256");
    }
  }
  if (!manifests->status().ok()) return manifests->status();
  const auto transfers = store.Iterate(Cf::kContents, kTransfers, storage::PrefixEnd(kTransfers));
  for (transfers->SeekToFirst(); transfers->Valid(); transfers->Next()) {
    const std::string id(transfers->key().substr(kTransfers.size()));
    const absl::StatusOr<Transfer> transfer = DecodeTransfer(id, transfers->value());
    if (!transfer.ok()) {
      on_fault(HexEncode(id), std::string(transfer.status().message()));
    } else {
      sizes[id] = transfer->offset;
    }
  }
  if (!transfers->status().ok()) return transfers->status();
  const auto chunks = store.Iterate(Cf::kContents, kChunks, storage::PrefixEnd(kChunks));
  for (chunks->SeekToFirst(); chunks->Valid(); chunks->Next()) {
    Reader in(chunks->key().substr(kChunks.size()));
    const std::string id(in.Fixed(kTransferBytes));
    const uint64_t index = in.U32();
    const auto size = sizes.find(id);
    if (!in.Done() || size == sizes.end() || index >= ChunkCount(size->second)) {
      on_fault(fmt::format("{} chunk {}", HexEncode(id), index), "belongs to no bytes that are here or on their way");
    }
  }
  if (!chunks->status().ok()) return chunks->status();
  const std::string index_prefix = [] {
    std::string prefix;
    PutU16(&prefix, records::kAttachmentsByContent);
    return prefix;
  }();
  const auto due = store.Iterate(Cf::kIndexes, index_prefix, storage::PrefixEnd(index_prefix));
  for (due->SeekToFirst(); due->Valid(); due->Next()) {
    const std::string sha256(ContentOfIndexKey(due->key()));
    const auto manifest = store.Get(Cf::kContents, ManifestKey(sha256));
    const auto listed = store.Get(Cf::kMeta, FetchKey(sha256));
    if (!manifest.ok() || !listed.ok()) return manifest.ok() ? listed.status() : manifest.status();
    if (manifest->has_value() || listed->has_value()) continue;
    const auto needing = AttachmentsWith(store, sha256);
    if (needing.ok() && !needing->empty()) on_fault(sha256, "is due here, and neither here nor listed as wanted");
  }
  return due->status();
}

// --- Transfers -----------------------------------------------------------------------------------------------------------------------

absl::Status Contents::Load() {
  int64_t held = 0;
  const auto it = store_->Iterate(Cf::kContents, kManifests, storage::PrefixEnd(kManifests));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const absl::StatusOr<Content> content = DecodeManifest(it->value());
    if (!content.ok()) return content.status();
    held += static_cast<int64_t>(content->size);
  }
  bytes_held_ = held;
  return it->status();
}

absl::StatusOr<std::vector<Transfer>> Contents::Transfers() const {
  std::vector<Transfer> all;
  const auto it = store_->Iterate(Cf::kContents, kTransfers, storage::PrefixEnd(kTransfers));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    absl::StatusOr<Transfer> transfer = DecodeTransfer(it->key().substr(kTransfers.size()), it->value());
    if (!transfer.ok()) return transfer.status();
    all.push_back(*std::move(transfer));
  }
  if (!it->status().ok()) return it->status();
  return all;
}

absl::StatusOr<std::optional<Transfer>> Contents::Find(std::string_view id) const {
  const absl::StatusOr<std::optional<std::string>> bytes = store_->Get(Cf::kContents, TransferKey(id));
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return std::nullopt;
  absl::StatusOr<Transfer> transfer = DecodeTransfer(id, **bytes);
  if (!transfer.ok()) return transfer.status();
  return *std::move(transfer);
}

absl::StatusOr<Transfer> Contents::Begin(std::string_view source, std::string_view sha256, uint64_t size, size_t transfers_max) {
  absl::MutexLock lock(&mu_);
  const std::string id = TransferId(source, sha256);
  absl::StatusOr<std::vector<Transfer>> all = Transfers();
  if (!all.ok()) return all.status();
  size_t others = 0;
  for (const Transfer& transfer : *all) {
    if (transfer.id != id) {
      others += transfer.source == source ? 1 : 0;
    } else if (transfer.size == size) {
      return transfer;
    } else if (absl::Status dropped = DropLocked(id, transfer); !dropped.ok()) {
      return dropped;
    }
  }
  if (others >= transfers_max) {
    return Error(Reason::kLimitReached, fmt::format("{} uploads are unfinished: finish one, or wait until it expires", others),
                 {{"limit", "attachments.uploads_max"}, {"value", std::to_string(transfers_max)}});
  }
  Transfer begun{.id = id,
                 .sha256 = std::string(sha256),
                 .size = size,
                 .offset = 0,
                 .source = std::string(source),
                 .touched = TimeFrom(Millis(clock_->Now()))};
  auto batch = store_->NewBatch();
  batch->Put(Cf::kContents, TransferKey(id), EncodeTransfer(begun));
  if (absl::Status written = store_->Write(batch.get(), storage::Sync::kYes); !written.ok()) return written;
  return begun;
}

absl::StatusOr<Transfer> Contents::Append(std::string_view id, uint64_t offset, std::string_view data) {
  absl::MutexLock lock(&mu_);
  absl::StatusOr<std::optional<Transfer>> found = Find(id);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return Error(Reason::kRecordNotFound, "there is no such upload");
  Transfer& transfer = **found;
  if (offset % kContentChunkBytes != 0) {
    return FieldError(Reason::kFieldInvalid, "offset", fmt::format("must be a multiple of {}", kContentChunkBytes));
  }
  if (offset > transfer.offset || offset >= transfer.size) {
    return FieldError(Reason::kFieldInvalid, "offset", fmt::format("{} of {} bytes are here: go on there", transfer.offset, transfer.size));
  }
  const uint64_t index = offset / kContentChunkBytes;
  if (const uint64_t due = ChunkSize(transfer.size, index); data.size() != due) {
    return FieldError(Reason::kFieldInvalid, "data", fmt::format("must be {} bytes", due));
  }
  if (offset < transfer.offset) return transfer;
  transfer.offset += data.size();
  transfer.touched = TimeFrom(Millis(clock_->Now()));  // as it is kept
  auto batch = store_->NewBatch();
  batch->Put(Cf::kContents, ChunkKey(id, index), data);
  batch->Put(Cf::kContents, TransferKey(id), EncodeTransfer(transfer));
  if (absl::Status written = store_->Write(batch.get(), storage::Sync::kYes); !written.ok()) return written;
  return transfer;
}

absl::Status Contents::Complete(const Transfer& transfer, const std::function<absl::Status(std::string_view)>& visit) {
  // Chunks do not change: what is read here is what the manifest will name.
  Content content{.size = transfer.size, .transfer = transfer.id, .since = clock_->Now()};
  Sha256Stream hash;
  absl::Status wrong;
  absl::Status read = VisitChunks(*store_, content, [&](std::string_view chunk) {
    hash.Append(chunk);
    if (visit) wrong = visit(chunk);
    return wrong;
  });
  if (read.ok()) {
    if (const std::string sha256 = HexEncode(AsView(hash.Finish())); sha256 != transfer.sha256) {
      wrong = absl::InvalidArgumentError(fmt::format("the bytes have the SHA-256 {}", sha256));
    }
  }
  if (!wrong.ok()) {
    if (absl::Status dropped = Drop(transfer.id); !dropped.ok()) return dropped;
    return wrong;
  }
  if (!read.ok()) return read;

  absl::MutexLock lock(&mu_);
  const absl::StatusOr<std::optional<Transfer>> still = Find(transfer.id);
  if (!still.ok()) return still.status();
  const absl::StatusOr<std::optional<Content>> held = FindContent(*store_, transfer.sha256);
  if (!held.ok()) return held.status();
  // Begun anew meanwhile, its chunks are others, or not there yet.
  const bool same =
      still->has_value() && (*still)->size == transfer.size && (*still)->offset == transfer.offset && (*still)->touched == transfer.touched;
  if (!same) return held->has_value() ? absl::OkStatus() : Error(Reason::kRecordNotFound, "there is no such upload");
  absl::StatusOr<std::vector<Transfer>> all = Transfers();
  if (!all.ok()) return all.status();
  if (!held->has_value()) {
    auto batch = store_->NewBatch();
    batch->Put(Cf::kContents, ManifestKey(transfer.sha256), EncodeManifest(content));
    batch->Delete(Cf::kContents, TransferKey(transfer.id));
    batch->Delete(Cf::kMeta, FetchKey(transfer.sha256));
    if (absl::Status written = store_->Write(batch.get(), storage::Sync::kYes); !written.ok()) return written;
    bytes_held_ += static_cast<int64_t>(content.size);
  }
  for (const Transfer& other : *all) {
    if (other.sha256 != transfer.sha256 || (other.id == transfer.id && !held->has_value())) continue;
    if (absl::Status dropped = DropLocked(other.id, other); !dropped.ok()) return dropped;
  }
  return absl::OkStatus();
}

absl::Status Contents::Drop(std::string_view id) {
  absl::MutexLock lock(&mu_);
  const absl::StatusOr<std::optional<Transfer>> found = Find(id);
  if (!found.ok()) return found.status();
  return found->has_value() ? DropLocked(id, **found) : absl::OkStatus();
}

absl::Status Contents::DropLocked(std::string_view id, const Transfer& transfer) {
  auto batch = store_->NewBatch();
  batch->Delete(Cf::kContents, TransferKey(id));
  for (uint64_t index = 0; index < ChunkCount(transfer.offset); ++index) batch->Delete(Cf::kContents, ChunkKey(id, index));
  return store_->Write(batch.get(), storage::Sync::kNo);
}

// --- What is needed ------------------------------------------------------------------------------------------------------------------

Contents::Pin::Pin(Contents* contents, std::string sha256) : contents_(contents), sha256_(std::move(sha256)) {
  absl::MutexLock lock(&contents_->mu_);
  contents_->pinned_.insert(sha256_);
}

Contents::Pin::~Pin() {
  absl::MutexLock lock(&contents_->mu_);
  contents_->pinned_.erase(contents_->pinned_.find(sha256_));
}

absl::Status Contents::RemoveUnneeded(std::string_view sha256, const std::function<void(std::string_view key, storage::Batch*)>& deleted) {
  absl::MutexLock lock(&mu_);
  if (pinned_.contains(std::string(sha256))) return absl::UnavailableError("a record that may need the bytes is being written");
  const absl::StatusOr<std::vector<v1::Attachment>> needing = AttachmentsWith(*store_, sha256);
  if (!needing.ok()) return needing.status();
  if (!needing->empty()) return absl::OkStatus();
  const absl::StatusOr<std::optional<Content>> content = FindContent(*store_, sha256);
  if (!content.ok()) return content.status();
  const absl::StatusOr<std::vector<Transfer>> transfers = Transfers();
  if (!transfers.ok()) return transfers.status();

  auto batch = store_->NewBatch();
  const auto remove = [&](const std::string& transfer, uint64_t size) {
    for (uint64_t index = 0; index < ChunkCount(size); ++index) batch->Delete(Cf::kContents, ChunkKey(transfer, index));
    if (deleted) deleted(ChunkPrefix(transfer), batch.get());
  };
  if (content->has_value()) {
    batch->Delete(Cf::kContents, ManifestKey(sha256));
    remove((*content)->transfer, (*content)->size);
  }
  for (const Transfer& transfer : *transfers) {
    if (transfer.sha256 != sha256) continue;
    batch->Delete(Cf::kContents, TransferKey(transfer.id));
    remove(transfer.id, transfer.offset);
  }
  batch->Delete(Cf::kMeta, FetchKey(sha256));
  if (absl::Status written = store_->Write(batch.get(), storage::Sync::kYes); !written.ok()) return written;
  if (content->has_value()) bytes_held_ -= static_cast<int64_t>((*content)->size);
  return absl::OkStatus();
}

absl::Status Contents::Sweep(absl::Time idle_since) {
  std::vector<std::string> old;
  {
    absl::MutexLock lock(&mu_);
    const absl::StatusOr<std::vector<Transfer>> transfers = Transfers();
    if (!transfers.ok()) return transfers.status();
    for (const Transfer& transfer : *transfers) {
      if (transfer.touched >= idle_since) continue;
      if (absl::Status dropped = DropLocked(transfer.id, transfer); !dropped.ok()) return dropped;
    }
    const auto it = store_->Iterate(Cf::kContents, kManifests, storage::PrefixEnd(kManifests));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const absl::StatusOr<Content> content = DecodeManifest(it->value());
      if (content.ok() && content->since < idle_since) old.emplace_back(it->key().substr(kManifests.size()));
    }
    if (!it->status().ok()) return it->status();
  }
  for (const std::string& sha256 : old) {
    if (absl::Status removed = RemoveUnneeded(sha256); !removed.ok() && !absl::IsUnavailable(removed)) return removed;
  }
  std::string prefix;
  PutU16(&prefix, records::kAttachmentsByContent);
  std::string last;
  const auto it = store_->Iterate(Cf::kIndexes, prefix, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string sha256(ContentOfIndexKey(it->key()));
    if (sha256 == std::exchange(last, sha256)) continue;
    absl::MutexLock lock(&mu_);
    const absl::StatusOr<std::optional<Content>> content = FindContent(*store_, sha256);
    if (!content.ok()) return content.status();
    if (content->has_value()) continue;
    auto batch = store_->NewBatch();
    batch->Put(Cf::kMeta, FetchKey(sha256), {});
    if (absl::Status written = store_->Write(batch.get(), storage::Sync::kNo); !written.ok()) return written;
  }
  return it->status();
}

absl::StatusOr<std::vector<Contents::Wanted>> Contents::ListWanted(std::string_view after, size_t max) {
  absl::MutexLock lock(&mu_);
  std::vector<Wanted> wanted;
  auto batch = store_->NewBatch();
  const std::string from = after.empty() ? std::string(storage::kMetaFetchPrefix) : FetchKey(after) + '\0';
  const auto it = store_->Iterate(Cf::kMeta, from, storage::PrefixEnd(storage::kMetaFetchPrefix));
  for (it->SeekToFirst(); it->Valid() && wanted.size() < max; it->Next()) {
    const std::string sha256(it->key().substr(storage::kMetaFetchPrefix.size()));
    const absl::StatusOr<std::optional<Content>> content = FindContent(*store_, sha256);
    if (!content.ok()) return content.status();
    uint64_t size = 0;
    if (!content->has_value()) {
      const absl::StatusOr<std::vector<v1::Attachment>> needing = AttachmentsWith(*store_, sha256);
      if (!needing.ok()) return needing.status();
      for (const v1::Attachment& attachment : *needing) {
        const int64_t bytes = attachment.size_bytes();
        if (bytes > 0 && bytes <= records::kContentBytesMax) size = std::max(size, static_cast<uint64_t>(bytes));
      }
    }
    if (size > 0) {
      wanted.push_back({sha256, size});
    } else {
      batch->Delete(Cf::kMeta, it->key());  // should a commit list it at this moment, the next sweep lists it again
    }
  }
  if (!it->status().ok()) return it->status();
  if (batch->bytes() == 0) return wanted;
  if (absl::Status written = store_->Write(batch.get(), storage::Sync::kNo); !written.ok()) return written;
  return wanted;
}

int64_t Contents::wanted() const {
  int64_t count = 0;
  const auto it = store_->Iterate(Cf::kMeta, storage::kMetaFetchPrefix, storage::PrefixEnd(storage::kMetaFetchPrefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string sha256(it->key().substr(storage::kMetaFetchPrefix.size()));
    const auto content = FindContent(*store_, sha256);
    const auto needing = AttachmentsWith(*store_, sha256);
    if (content.ok() && !content->has_value() && needing.ok() && !needing->empty()) ++count;
  }
  return count;
}

}  // namespace fairlead::node
