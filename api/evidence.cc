#include "api/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "api/bytes.h"
#include "api/errors.h"
#include "api/merkle.h"

namespace fairlead::evidence {
namespace {

constexpr std::string_view kReceiptLine = "c2sp.org/tlog-proof@v1";
constexpr std::string_view kExtra = "extra ";
constexpr std::string_view kIndex = "index ";
constexpr std::string_view kOld = "old ";
constexpr uint8_t kExtraVersion = 1;

absl::Status Malformed(std::string_view what, std::string_view rule) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", what, rule));
}

absl::Status Prefixed(const std::string& prefix, const absl::Status& status) {
  return absl::Status(status.code(), fmt::format("{}: {}", prefix, std::string(status.message())));
}

// Lines of a text, each ended by a newline.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}
  // Nullopt at a line without its newline, and at the end.
  std::optional<std::string_view> Next() {
    const size_t end = text_.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return line;
  }
  std::string_view rest() const { return text_; }

 private:
  std::string_view text_;
};

std::optional<uint64_t> Decimal(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  return value;
}

std::optional<uint64_t> NumberAfter(std::string_view keyword, const std::optional<std::string_view>& line) {
  if (!line || !line->starts_with(keyword)) return std::nullopt;
  return Decimal(line->substr(keyword.size()));
}

// The hashes up to the empty line.
absl::StatusOr<std::vector<Digest>> Hashes(std::string_view what, Lines* lines) {
  std::vector<Digest> hashes;
  for (;;) {
    const std::optional<std::string_view> line = lines->Next();
    if (!line) return Malformed(what, "ends before its checkpoint");
    if (line->empty()) return hashes;
    std::string bytes;
    if (!Base64Decode(*line, &bytes) || bytes.size() != sizeof(Digest)) {
      return Malformed(what, fmt::format("hash {} is not base 64 of 32 bytes", hashes.size() + 1));
    }
    if (hashes.size() == kProofHashesMax) return Malformed(what, fmt::format("more than {} hashes", kProofHashesMax));
    Digest& hash = hashes.emplace_back();
    std::copy(bytes.begin(), bytes.end(), hash.begin());
  }
}

void PutHashes(const std::vector<Digest>& hashes, std::string* out) {
  for (const Digest& hash : hashes) *out += Base64Encode(AsView(hash)) + "\n";
}

}  // namespace

absl::StatusOr<Checkpoint> VerifyCheckpoint(std::string_view signed_note, const Roster& roster) {
  const absl::StatusOr<note::Note> parsed = note::Parse(signed_note);
  if (!parsed.ok()) return Prefixed("checkpoint", parsed.status());
  const absl::StatusOr<note::Checkpoint> checkpoint = note::ParseCheckpoint(parsed->text);
  if (!checkpoint.ok()) return Prefixed("checkpoint", checkpoint.status());
  const auto log =
      std::find_if(roster.logs().begin(), roster.logs().end(), [&](const RosterLog& l) { return l.origin() == checkpoint->origin; });
  if (log == roster.logs().end()) {
    return absl::DataLossError(fmt::format("checkpoint: its origin {} is no log of the roster of {} (version {})", checkpoint->origin,
                                           roster.network(), roster.version()));
  }
  const auto is_by = [](const note::Verifier& verifier) {
    return [&verifier](const note::Signature& s) { return s.name == verifier.name() && s.key_id == verifier.key_id(); };
  };
  const auto signed_by = [&](const note::Verifier& verifier) {
    return std::any_of(parsed->signatures.begin(), parsed->signatures.end(), is_by(verifier));
  };
  const std::string what = fmt::format("checkpoint of {} of size {}", checkpoint->origin, checkpoint->size);
  if (!signed_by(log->verifier)) return Error(Reason::kSignatureInvalid, fmt::format("{}: is not signed by its log's key", what));
  if (!note::Verify(*parsed, log->verifier)) {
    return Error(Reason::kSignatureInvalid, fmt::format("{}: the signature by {} does not verify", what, log->verifier.name()));
  }
  Checkpoint out{.log = &*log, .size = checkpoint->size, .root = checkpoint->root};
  for (const RosterCosigner& cosigner : roster.cosigners()) {
    if (!signed_by(cosigner.verifier)) continue;
    uint64_t time_s = 0;
    if (!note::Verify(*parsed, cosigner.verifier, &time_s)) {
      return Error(Reason::kSignatureInvalid, fmt::format("{}: the cosignature by {} does not verify", what, cosigner.verifier.name()));
    }
    const RosterSite* site = roster.FindSite(cosigner.site);
    out.cosignatures.push_back({site == nullptr ? cosigner.verifier.name() : site->name, time_s});
  }
  return out;
}

std::string FormatReceipt(const Receipt& receipt) {
  std::string extra;
  PutU8(&extra, kExtraVersion);
  PutBytes(&extra, receipt.header);
  PutU8(&extra, receipt.payload.has_value());
  if (receipt.payload) PutBytes(&extra, *receipt.payload);
  std::string out = fmt::format("{}\n{}{}\n{}{}\n", kReceiptLine, kExtra, Base64Encode(extra), kIndex, receipt.index);
  PutHashes(receipt.audit_path, &out);
  return out + "\n" + receipt.checkpoint;
}

absl::StatusOr<Receipt> ParseReceipt(std::string_view text) {
  constexpr std::string_view kWhat = "receipt";
  if (text.size() > kReceiptBytesMax) return Malformed(kWhat, fmt::format("larger than {} bytes", kReceiptBytesMax));
  Lines lines(text);
  if (lines.Next() != kReceiptLine) return Malformed(kWhat, fmt::format("the first line is not '{}'", kReceiptLine));
  Receipt receipt;
  const std::optional<std::string_view> extra_line = lines.Next();
  std::string extra;
  if (!extra_line || !extra_line->starts_with(kExtra) || !Base64Decode(extra_line->substr(kExtra.size()), &extra)) {
    return Malformed(kWhat, "the second line is not 'extra ' and base 64");
  }
  Reader in(extra);
  if (in.U8() != kExtraVersion) in.Fail();
  receipt.header = std::string(in.Bytes());
  const uint8_t has_payload = in.U8();
  if (has_payload > 1) in.Fail();
  if (has_payload == 1) receipt.payload = std::string(in.Bytes());
  if (!in.Done()) return Malformed(kWhat, "its extra data is not an entry");
  const std::optional<uint64_t> index = NumberAfter(kIndex, lines.Next());
  if (!index) return Malformed(kWhat, "the third line is not 'index ' and a decimal number");
  receipt.index = *index;
  absl::StatusOr<std::vector<Digest>> hashes = Hashes(kWhat, &lines);
  if (!hashes.ok()) return hashes.status();
  receipt.audit_path = *std::move(hashes);
  receipt.checkpoint = std::string(lines.rest());
  return receipt;
}

absl::StatusOr<Header> HeaderOf(const RosterLog& log, uint64_t seq, std::string_view header) {
  const std::string what = fmt::format("entry {} of {}", seq, log.origin());
  absl::StatusOr<Header> decoded = DecodeHeader(header);
  if (!decoded.ok()) return absl::DataLossError(fmt::format("{}: {}", what, std::string(decoded.status().message())));
  if (decoded->log != log.id || decoded->seq != Seq(seq)) {
    return absl::DataLossError(
        fmt::format("{}: its header is that of entry {} of log {}", what, decoded->seq.value(), decoded->log.value()));
  }
  return decoded;
}

absl::StatusOr<ProvenEntry> VerifyReceipt(std::string_view text, const Roster& roster) {
  absl::StatusOr<Receipt> receipt = ParseReceipt(text);
  if (!receipt.ok()) return receipt.status();
  absl::StatusOr<Checkpoint> checkpoint = VerifyCheckpoint(receipt->checkpoint, roster);
  if (!checkpoint.ok()) return checkpoint.status();
  const std::string what = fmt::format("entry {} of {}", receipt->index, checkpoint->log->origin());
  absl::StatusOr<Header> header = HeaderOf(*checkpoint->log, receipt->index, receipt->header);
  if (!header.ok()) return header.status();
  if (receipt->index >= checkpoint->size) {
    return absl::DataLossError(fmt::format("{}: the checkpoint covers {} entries", what, checkpoint->size));
  }
  const absl::Status included =
      merkle::VerifyInclusion(merkle::LeafHash(receipt->header), receipt->index, checkpoint->size, receipt->audit_path, checkpoint->root);
  if (!included.ok()) {
    return absl::DataLossError(
        fmt::format("{}: its audit path does not lead to the checkpoint's root: {}", what, std::string(included.message())));
  }
  if (receipt->payload && Sha256(*receipt->payload) != header->payload_digest) {
    return absl::DataLossError(fmt::format("{}: its payload does not have the digest that its header states", what));
  }
  return ProvenEntry{*std::move(checkpoint), *std::move(header), std::move(receipt->payload)};
}

std::string FormatConsistency(const Consistency& proof) {
  std::string out = fmt::format("{}{}\n", kOld, proof.old_size);
  PutHashes(proof.hashes, &out);
  return out + "\n" + proof.checkpoint;
}

absl::StatusOr<Consistency> ParseConsistency(std::string_view text) {
  constexpr std::string_view kWhat = "consistency proof";
  Lines lines(text);
  Consistency proof;
  const std::optional<uint64_t> old_size = NumberAfter(kOld, lines.Next());
  if (!old_size) return Malformed(kWhat, "the first line is not 'old ' and a decimal number");
  proof.old_size = *old_size;
  absl::StatusOr<std::vector<Digest>> hashes = Hashes(kWhat, &lines);
  if (!hashes.ok()) return hashes.status();
  proof.hashes = *std::move(hashes);
  proof.checkpoint = std::string(lines.rest());
  return proof;
}

absl::StatusOr<Continuation> VerifyConsistency(std::string_view old_checkpoint, std::string_view text, const Roster& roster) {
  absl::StatusOr<Checkpoint> older = VerifyCheckpoint(old_checkpoint, roster);
  if (!older.ok()) return Prefixed("the older", older.status());
  const absl::StatusOr<Consistency> proof = ParseConsistency(text);
  if (!proof.ok()) return proof.status();
  absl::StatusOr<Checkpoint> newer = VerifyCheckpoint(proof->checkpoint, roster);
  if (!newer.ok()) return Prefixed("the newer", newer.status());
  if (older->log != newer->log) {
    return absl::InvalidArgumentError(fmt::format("the checkpoints are of {} and of {}", older->log->origin(), newer->log->origin()));
  }
  if (proof->old_size != older->size) {
    return absl::InvalidArgumentError(
        fmt::format("the proof is from size {}, the older checkpoint of size {}", proof->old_size, older->size));
  }
  if (older->size > newer->size) {
    return absl::InvalidArgumentError(
        fmt::format("the checkpoint said to be older has {} entries, the newer {}", older->size, newer->size));
  }
  absl::Status holds;
  if (older->size == 0) {
    if (older->root != merkle::EmptyRoot()) holds = absl::DataLossError("the older root is not that of the empty tree");
    if (!proof->hashes.empty()) holds = absl::InvalidArgumentError("a proof from the empty tree has no hashes");
  } else {
    holds = merkle::VerifyConsistency(older->size, older->root, newer->size, newer->root, proof->hashes);
  }
  if (!holds.ok()) {
    return absl::DataLossError(fmt::format("the tree of {} of size {} is not shown to be the beginning of that of size {}: {}",
                                           newer->log->origin(), older->size, newer->size, std::string(holds.message())));
  }
  return Continuation{*std::move(older), *std::move(newer)};
}

}  // namespace fairlead::evidence
