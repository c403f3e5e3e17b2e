// Writes the samples of corpus/ that are encoded or signed: fuzz_corpus FOLDER. The others are written by hand.

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "api/bytes.h"
#include "api/entry.h"
#include "api/licence.h"
#include "api/log_file.h"
#include "api/test_log.h"
#include "api/vectors.h"
#include "server/node/fold.h"

namespace fairlead::fuzz {
namespace {

class Corpus {
 public:
  explicit Corpus(std::filesystem::path folder) : folder_(std::move(folder)) {}
  void Put(const std::string& fuzzer, const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories(folder_ / fuzzer);
    std::ofstream(folder_ / fuzzer / name, std::ios::binary) << bytes;
  }

 private:
  const std::filesystem::path folder_;
};

ValueId Id(uint8_t byte, uint16_t op) {
  ValueId id;
  id.mutation.fill(byte);
  id.op = op;
  return id;
}

// A report that is written, changed, closed and changed again by one who had not seen the close.
Payload Sample() {
  Payload payload;
  payload.actor = "officer/apac/watch";
  payload.request_id = "018f4e2a-7c00-7abc-8def-0123456789ab";
  payload.method = "fairlead.v1.EngagementService/CloseEngagement";
  const std::string record = "engagements/01hxyz";
  const auto first = [&](uint16_t op) { return ValueId{MutationIdOf("test.example", payload, 0), op}; };
  Mutation create{4, record, {}, {}};
  create.ops.push_back({2, MergeKind::kRegister, true, "\x12\x05hello", {}, false, {}});
  create.ops.push_back({9, MergeKind::kSet, true, FromHex("4a0141"), {}, false, {}});
  create.ops.push_back({20, MergeKind::kRestrictMax, true, "\x03", {}, false, {}});
  create.ops.push_back({21, MergeKind::kRestrictIntersect, true, FromHex("046170616302") + "hq", {}, false, {}});
  create.ops.push_back({5, MergeKind::kState, true, FromHex("0101"), {}, false, {}});
  payload.mutations = {create};
  payload.mutations.push_back({4, record, {}, {{2, MergeKind::kRegister, true, "\x12\x02yo", {first(0)}, false, {}}}});
  payload.mutations.push_back({4, record, {}, {{5, MergeKind::kState, true, FromHex("1e03"), {first(4)}, true, {first(0), first(1)}}}});
  payload.mutations.push_back({4, record, {}, {{9, MergeKind::kSet, false, "", {first(1)}, false, {}}}});
  return payload;
}

void PutEntries(const Corpus& corpus) {
  for (const VectorCase& vector : ReadVectors("entry.txt")) {
    const bool header = vector.name.starts_with("header");
    if (header || vector.name.starts_with("payload")) {
      corpus.Put("entry", vector.name, (header ? "h" : "p") + FromHex(vector.at("bytes")));
      if (!header) corpus.Put("state", vector.name, "p" + FromHex(vector.at("bytes")));
    }
  }
  const Payload payload = Sample();
  corpus.Put("entry", "payload-lifecycle", "p" + EncodePayload(payload));
  corpus.Put("state", "payload-lifecycle", "p" + EncodePayload(payload));
  node::RecordState state;
  for (size_t i = 0; i < payload.mutations.size(); ++i) {
    node::Fold(payload.mutations[i], MutationIdOf("test.example", payload, i), Hlc(i + 1), {LogId(1), Seq(i)}, &state);
    corpus.Put("state", fmt::format("state-{}", i), "s" + node::EncodeState(state));
  }
  Payload conflict = payload;
  conflict.mutations[1].ops[0].replaces = {Id(0x11, 0)};
  corpus.Put("state", "payload-conflict", "p" + EncodePayload(conflict));
}

void PutNotes(const Corpus& corpus, const TestLog& log) {
  corpus.Put("note", "checkpoint", log.Checkpoint(log.headers.size()));
  corpus.Put("note", "checkpoint-text", log.Text(3));
  corpus.Put("note", "vkey", log.root.ToVkey());
  corpus.Put("note", "cosigner-vkey", log.roster.cosigners()[0].verifier.ToVkey());
  corpus.Put("note", "roster", log.roster_note);
  corpus.Put("roster", "two-sites", note::Parse(log.roster_note)->text);
  const Roster& roster = log.roster;
  std::vector<RosterLog> logs = roster.logs();
  RosterLog next = logs[0];
  next.id = LogId(3);
  next.epoch = 2;
  const SigningKey key = *SigningKey::FromSeed(std::string(32, 'n'));
  next.verifier = note::Verifier::Make("test.example/apac/2/main", note::kEd25519, *VerifyKey::FromRaw(key.public_raw()));
  logs.push_back(next);
  corpus.Put("roster", "second-epoch", Roster::Text(roster.network(), 7, roster.sites(), logs, roster.cosigners()));
}

std::string LogFile(const TestLog& log, uint64_t size) {
  // As the fuzzer reads it: the text of the checkpoint, then what follows the checkpoint in the file.
  std::ostringstream out;
  LogFileWriter writer("", &out);
  const size_t begin = out.str().size();
  for (uint64_t i = 0; i < size; ++i) {
    writer.AddEntry(log.headers[i], i % 3 == 1 ? std::nullopt : std::optional(log.payloads[i]));
    if ((i + 1) % merkle::kBlockLeaves == 0 || i + 1 == size) {
      writer.EndBlock(*merkle::BlockProof(i / merkle::kBlockLeaves, size, log.Subtrees()));
    }
  }
  std::string bytes;
  PutBytes(&bytes, log.Text(size));
  return bytes + out.str().substr(begin);
}

void PutEvidence(const Corpus& corpus, const TestLog& log) {
  const uint64_t size = log.headers.size();
  corpus.Put("evidence", "checkpoint", "c" + log.Checkpoint(size));
  for (uint64_t index : {uint64_t{0}, uint64_t{255}, size - 1}) {
    corpus.Put("evidence", fmt::format("receipt-{}", index), "r" + evidence::FormatReceipt(log.Receipt(index)));
  }
  evidence::Receipt withheld = log.Receipt(7);
  withheld.payload.reset();
  corpus.Put("evidence", "receipt-withheld", "r" + evidence::FormatReceipt(withheld));
  for (uint64_t old : {uint64_t{1}, uint64_t{128}, uint64_t{257}}) {
    corpus.Put("evidence", fmt::format("consistency-{}", old),
               "o" + evidence::FormatConsistency({old, *merkle::ConsistencyProof(old, size, log.Subtrees()), log.Checkpoint(size)}));
  }
  for (uint64_t n : {uint64_t{0}, uint64_t{1}, uint64_t{5}, uint64_t{260}}) {
    corpus.Put("evidence", fmt::format("log-{}", n), "l" + LogFile(log, n));
  }
}

void PutLicences(const Corpus& corpus) {
  Licence unused;
  unused.origin = TestLog::kOrigin;
  unused.unused_until = absl::FromUnixSeconds(1'800'000'000);
  corpus.Put("licence", "unused", FormatLicence(unused));
  Licence used;
  used.origin = TestLog::kOrigin;
  used.id = std::string(kLicenceIdBytes, '\x5a');
  used.size = Seq(42);
  corpus.Put("licence", "used", FormatLicence(used));
}

}  // namespace
}  // namespace fairlead::fuzz

int main(int argc, char** argv) {
  using namespace fairlead::fuzz;
  if (argc != 2) {
    fmt::print(stderr, "usage: fuzz_corpus FOLDER (from the root of the repository)\n");
    return 2;
  }
  const Corpus corpus(argv[1]);
  fairlead::TestLog log;
  log.AddMany(300);
  PutEntries(corpus);
  PutNotes(corpus, log);
  PutEvidence(corpus, log);
  PutLicences(corpus);
  return 0;
}
