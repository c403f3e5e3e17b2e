// A signed log in memory and the roster it belongs to, for tests of evidence. Its keys are always the same, and so are its bytes.
//
// Thread safety: one thread. Ownership: value.

#ifndef FAIRLEAD_API_TEST_LOG_H_
#define FAIRLEAD_API_TEST_LOG_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/crypto.h"
#include "api/entry.h"
#include "api/evidence.h"
#include "api/merkle.h"
#include "api/note.h"
#include "api/roster.h"

namespace fairlead {

class TestLog {
 public:
  static constexpr char kNetwork[] = "test.example";
  static constexpr char kOrigin[] = "test.example/apac/1/main";
  static constexpr uint64_t kTimeS = 1'800'000'000;

  // `variant`: another has other keys.
  explicit TestLog(char variant = 0)
      : root_key(Key('r' ^ variant)),
        log_key(Key('l' ^ variant)),
        hq_key(Key('h' ^ variant)),
        apac_mirror(Key('a' ^ variant)),
        hq_mirror(Key('m' ^ variant)) {
    const auto verifier = [](const std::string& name, uint8_t algorithm, const SigningKey& key) {
      return note::Verifier::Make(name, algorithm, *VerifyKey::FromRaw(key.public_raw()));
    };
    root = verifier("test.example/root", note::kEd25519, root_key);
    const std::vector<RosterSite> sites = {{SiteId(1), "apac"}, {SiteId(2), "hq"}};
    const std::vector<RosterLog> logs = {
        {LogId(1), SiteId(1), "apac", 1, "main", verifier(kOrigin, note::kEd25519, log_key)},
        {LogId(2), SiteId(2), "hq", 1, "main", verifier("test.example/hq/1/main", note::kEd25519, hq_key)}};
    const std::vector<RosterCosigner> cosigners = {{SiteId(1), verifier("test.example/apac/mirror", note::kCosignatureV1, apac_mirror)},
                                                   {SiteId(2), verifier("test.example/hq/mirror", note::kCosignatureV1, hq_mirror)}};
    const std::string text = Roster::Text(kNetwork, 1, sites, logs, cosigners);
    roster_note = note::Format({text, {note::Sign("test.example/root", root_key, text)}});
    roster = *Roster::Open(roster_note, root);
  }

  // The next entry; `change` may alter its header before it is written.
  void Add(const std::string& payload, const std::function<void(Header*)>& change = nullptr) {
    Header header;
    header.log = LogId(1);
    header.seq = Seq(headers.size());
    header.time = Hlc::FromMillis(kTimeS * 1000 + headers.size());
    header.payload_digest = Sha256(payload);
    if (change) change(&header);
    headers.push_back(EncodeHeader(header));
    payloads.push_back(payload);
    frontier_.Append(merkle::LeafHash(headers.back()), [this](int level, uint64_t index, const Digest& hash) {
      nodes_[{level, index}] = hash;
    });
  }
  void AddMany(size_t n) {
    for (size_t i = 0; i < n; ++i) Add("payload " + std::to_string(headers.size()));
  }

  merkle::SubtreeFn Subtrees() const {
    return [this](int level, uint64_t index) -> absl::StatusOr<Digest> { return nodes_.at({level, index}); };
  }
  Digest RootAt(uint64_t size) const { return size == 0 ? merkle::EmptyRoot() : *merkle::RangeRoot(0, size, Subtrees()); }
  std::string Text(uint64_t size) const { return note::CheckpointText({kOrigin, size, RootAt(size)}); }
  // Signed, and cosigned by hq.
  std::string Checkpoint(uint64_t size) const { return Sign(Text(size)); }
  std::string Sign(const std::string& text) const {
    return note::Format({text, {note::Sign(kOrigin, log_key, text), note::Cosign("test.example/hq/mirror", hq_mirror, text, kTimeS)}});
  }
  evidence::Receipt Receipt(uint64_t index) const {
    return {index, *merkle::InclusionProof(index, headers.size(), Subtrees()), headers[index], payloads[index], Checkpoint(headers.size())};
  }

  SigningKey root_key, log_key, hq_key, apac_mirror, hq_mirror;
  note::Verifier root;
  std::string roster_note;
  Roster roster;
  std::vector<std::string> headers;
  std::vector<std::string> payloads;

 private:
  static SigningKey Key(int seed) { return *SigningKey::FromSeed(std::string(32, static_cast<char>(seed))); }

  merkle::Frontier frontier_;
  std::map<std::pair<int, uint64_t>, Digest> nodes_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_API_TEST_LOG_H_
