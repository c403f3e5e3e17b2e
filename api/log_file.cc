#include "api/log_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/merkle.h"

namespace fairlead {
namespace {

constexpr std::string_view kMagic = "fairlead log v1\n";

// What follows a header.
constexpr uint8_t kWithheld = 0;
constexpr uint8_t kPayload = 1;
constexpr uint8_t kErased = 2;

// Reads from a stream as Reader does from bytes.
class StreamReader {
 public:
  explicit StreamReader(std::istream* in) : in_(*in) {}

  uint8_t U8() {
    const int c = in_.get();
    if (c == std::istream::traits_type::eof()) ok_ = false;
    return ok_ ? static_cast<uint8_t>(c) : 0;
  }
  uint64_t Varint() {
    std::string bytes;
    do {
      bytes.push_back(static_cast<char>(U8()));
    } while (ok_ && (bytes.back() & 0x80) != 0 && bytes.size() < 10);
    Reader in(bytes);
    const uint64_t value = in.Varint();
    if (!in.Done()) ok_ = false;
    return ok_ ? value : 0;
  }
  std::string Fixed(size_t n) {
    std::string bytes(n, '\0');
    in_.read(bytes.data(), static_cast<std::streamsize>(n));
    if (static_cast<size_t>(in_.gcount()) != n) ok_ = false;
    return ok_ ? bytes : std::string();
  }
  // At most `max` bytes.
  std::string Bytes(size_t max) {
    const uint64_t n = Varint();
    if (n > max) ok_ = false;
    return ok_ ? Fixed(static_cast<size_t>(n)) : std::string();
  }
  Digest Hash() {
    Digest hash{};
    const std::string bytes = Fixed(hash.size());
    std::copy(bytes.begin(), bytes.end(), hash.begin());
    return hash;
  }
  bool ok() const { return ok_; }
  bool AtEnd() { return in_.peek() == std::istream::traits_type::eof(); }

 private:
  std::istream& in_;
  bool ok_ = true;
};

}  // namespace

LogFileWriter::LogFileWriter(std::string_view checkpoint, std::ostream* out) : out_(out) {
  std::string head(kMagic);
  PutBytes(&head, checkpoint);
  Write(head);
}

void LogFileWriter::AddEntry(std::string_view header, const std::optional<std::string>& payload, bool erased) {
  std::string entry(AsView(merkle::LeafHash(header)));
  PutBytes(&entry, header);
  PutU8(&entry, payload ? kPayload : erased ? kErased : kWithheld);
  if (payload) PutBytes(&entry, *payload);
  Write(entry);
}

void LogFileWriter::EndBlock(const std::vector<Digest>& proof) {
  std::string bytes;
  PutVarint(&bytes, proof.size());
  for (const Digest& hash : proof) bytes += AsView(hash);
  Write(bytes);
}

absl::StatusOr<VerifiedLog> VerifyLogFile(
    std::istream& in, const Roster& roster,
    const std::function<void(const Header& header, const std::optional<std::string>& payload)>& on_entry) {
  StreamReader reader(&in);
  if (reader.Fixed(kMagic.size()) != kMagic) return absl::InvalidArgumentError("not an exported log: it does not begin as one");
  const std::string signed_note = reader.Bytes(note::kNoteBytesMax);
  if (!reader.ok()) return absl::DataLossError("the file ends or is damaged in its checkpoint");
  absl::StatusOr<evidence::Checkpoint> checkpoint = evidence::VerifyCheckpoint(signed_note, roster);
  if (!checkpoint.ok()) return checkpoint.status();
  const RosterLog& log = *checkpoint->log;
  VerifiedLog out{.checkpoint = *checkpoint};

  for (uint64_t start = 0; start < checkpoint->size; start += merkle::kBlockLeaves) {
    const uint64_t end = std::min(start + merkle::kBlockLeaves, checkpoint->size);
    std::vector<Digest> leaves;
    std::vector<std::pair<Header, std::optional<std::string>>> entries;
    for (uint64_t seq = start; seq < end; ++seq) {
      const auto fails = [&](const std::string& rule) {
        return absl::DataLossError(fmt::format("entry {} of {}: {}", seq, log.origin(), rule));
      };
      leaves.push_back(reader.Hash());
      const std::string header_bytes = reader.Bytes(kHeaderBytesMax);
      const uint8_t payload_kind = reader.U8();
      std::optional<std::string> payload;
      if (payload_kind == kPayload) payload = reader.Bytes(kPayloadBytesMax);
      if (!reader.ok() || payload_kind > kErased) return fails("the file ends or is damaged in it");
      if (merkle::LeafHash(header_bytes) != leaves.back()) return fails("its header does not have the leaf hash written beside it");
      absl::StatusOr<Header> header = evidence::HeaderOf(log, seq, header_bytes);
      if (!header.ok()) return header.status();
      if (seq > 0 && header->time <= out.last_time) return fails("its time is not later than that of the entry before");
      if (seq == 0) out.first_time = header->time;
      out.last_time = header->time;
      if (payload && Sha256(*payload) != header->payload_digest) {
        return fails("its payload does not have the digest that its header states");
      }
      if (payload) ++out.payloads;
      if (payload_kind == kErased) ++out.erased;
      if (on_entry) entries.emplace_back(*std::move(header), std::move(payload));
    }
    const auto fails = [&](const std::string& rule) {
      return absl::DataLossError(fmt::format("entries [{}, {}) of {}: {}", start, end, log.origin(), rule));
    };
    const uint64_t hashes = reader.Varint();
    if (!reader.ok() || hashes > evidence::kProofHashesMax) return fails("the file ends or is damaged in their proof");
    std::vector<Digest> proof;
    for (uint64_t i = 0; i < hashes; ++i) proof.push_back(reader.Hash());
    if (!reader.ok()) return fails("the file ends in their proof");
    const absl::Status proven =
        merkle::VerifyBlock(merkle::BlockRoot(leaves), start / merkle::kBlockLeaves, checkpoint->size, proof, checkpoint->root);
    if (!proven.ok()) {
      return fails(fmt::format("their proof does not lead to the root of the checkpoint of size {}: {}", checkpoint->size,
                               std::string(proven.message())));
    }
    for (const auto& [header, payload] : entries) on_entry(header, payload);
  }
  if (!reader.AtEnd()) return absl::DataLossError(fmt::format("{}: bytes follow the last of {} entries", log.origin(), checkpoint->size));
  return out;
}

}  // namespace fairlead
