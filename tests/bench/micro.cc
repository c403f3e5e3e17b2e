// fairlead-micro: what one create costs, step by step, on one core and without a store. Takes Google Benchmark's flags.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "api/crypto.h"
#include "api/entry.h"
#include "api/merkle.h"
#include "fairlead/v1/engagement.pb.h"
#include "fairlead/v1/options.pb.h"
#include "server/node/fold.h"
#include "server/node/lattice_hash.h"
#include "server/node/materialise.h"
#include "server/records/record_type.h"

namespace fairlead::node {
namespace {

constexpr char kNetwork[] = "bench.fairlead.example";
constexpr char kName[] = "engagements/01h455vb4pex5vsknk084sn02q";
constexpr size_t kRecordBytes = 512;
constexpr uint64_t kNowMs = 1'750'000'000'000;
constexpr size_t kCheckpointBytes = 120;  // of a checkpoint's text, about

const records::RecordType& Type() { return *records::TheRegistry().FindByMessage("Engagement"); }

// The mutation of a create whose record has kRecordBytes in protobuf.
Mutation Create() {
  v1::Engagement engagement;
  engagement.set_marking(v1::MARKING_OFFICIAL);
  engagement.set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  engagement.set_title("Country visit");
  engagement.add_countries("countries/JP");
  engagement.set_region(v1::REGION_APAC);
  engagement.set_state(v1::ENGAGEMENT_STATE_DRAFT);
  engagement.mutable_start_date()->set_year(2026);
  engagement.set_objectives(std::string(kRecordBytes - engagement.ByteSizeLong() - 3, 'o'));
  std::vector<const google::protobuf::FieldDescriptor*> set;
  engagement.GetReflection()->ListFields(engagement, &set);
  return MutationFor(Type(), kName, nullptr, engagement, set);
}

Payload CreatePayload() {
  Payload payload;
  payload.actor = "officer/apac/watch";
  payload.request_id = NewRequestId(kNowMs);
  payload.method = "fairlead.v1.EngagementService/CreateEngagement";
  payload.mutations.push_back(Create());
  return payload;
}

Header CreateHeader() {
  Header header;
  header.log = LogId(1);
  header.seq = Seq(100'000);
  header.time = Hlc::FromMillis(kNowMs);
  for (uint32_t log : {2, 3, 4}) header.deps.Set(LogId(log), Seq(100'000));
  return header;
}

RecordState CreatedState() {
  const Payload payload = CreatePayload();
  RecordState state;
  Fold(payload.mutations[0], MutationIdOf(kNetwork, payload, 0), Hlc::FromMillis(kNowMs), Dot{LogId(1), Seq(0)}, &state);
  return state;
}

void PayloadEncode(benchmark::State& state) {
  const Payload payload = CreatePayload();
  for (auto _ : state) benchmark::DoNotOptimize(EncodePayload(payload));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(EncodePayload(payload).size()));
}
BENCHMARK(PayloadEncode);

void PayloadDecode(benchmark::State& state) {
  const std::string bytes = EncodePayload(CreatePayload());
  for (auto _ : state) {
    auto payload = DecodePayload(bytes);
    if (!payload.ok()) return state.SkipWithError("the payload does not decode");
    benchmark::DoNotOptimize(payload);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}
BENCHMARK(PayloadDecode);

void PayloadDigest(benchmark::State& state) {
  const std::string bytes = EncodePayload(CreatePayload());
  for (auto _ : state) benchmark::DoNotOptimize(Sha256(bytes));
}
BENCHMARK(PayloadDigest);

void MutationIdentity(benchmark::State& state) {
  const Payload payload = CreatePayload();
  for (auto _ : state) benchmark::DoNotOptimize(MutationIdOf(kNetwork, payload, 0));
}
BENCHMARK(MutationIdentity);

void HeaderEncode(benchmark::State& state) {
  const Header header = CreateHeader();
  for (auto _ : state) benchmark::DoNotOptimize(EncodeHeader(header));
}
BENCHMARK(HeaderEncode);

void HeaderDecode(benchmark::State& state) {
  const std::string bytes = EncodeHeader(CreateHeader());
  for (auto _ : state) {
    auto header = DecodeHeader(bytes);
    if (!header.ok()) return state.SkipWithError("the header does not decode");
    benchmark::DoNotOptimize(header);
  }
}
BENCHMARK(HeaderDecode);

void LeafHashAndAppend(benchmark::State& state) {
  const std::string header = EncodeHeader(CreateHeader());
  merkle::Frontier frontier;
  for (auto _ : state) {
    frontier.Append(merkle::LeafHash(header), [](int, uint64_t, const Digest& hash) { benchmark::DoNotOptimize(hash); });
  }
  if (frontier.size() != static_cast<uint64_t>(state.iterations())) state.SkipWithError("leaves are missing");
}
BENCHMARK(LeafHashAndAppend);

void FoldCreate(benchmark::State& state) {
  const Payload payload = CreatePayload();
  const MutationId id = MutationIdOf(kNetwork, payload, 0);
  for (auto _ : state) {
    RecordState record;
    if (!CheckFoldable(payload.mutations[0]).ok()) return state.SkipWithError("the mutation does not fold");
    Fold(payload.mutations[0], id, Hlc::FromMillis(kNowMs), Dot{LogId(1), Seq(0)}, &record);
    benchmark::DoNotOptimize(record);
  }
}
BENCHMARK(FoldCreate);

void StateCopy(benchmark::State& state) {
  const RecordState record = CreatedState();
  for (auto _ : state) {
    RecordState copy = record;
    benchmark::DoNotOptimize(copy);
  }
}
BENCHMARK(StateCopy);

void StateEncode(benchmark::State& state) {
  const RecordState record = CreatedState();
  for (auto _ : state) benchmark::DoNotOptimize(EncodeState(record));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(EncodeState(record).size()));
}
BENCHMARK(StateEncode);

void StateDecode(benchmark::State& state) {
  const std::string bytes = EncodeState(CreatedState());
  for (auto _ : state) {
    auto record = DecodeState(bytes);
    if (!record.ok()) return state.SkipWithError("the state does not decode");
    benchmark::DoNotOptimize(record);
  }
}
BENCHMARK(StateDecode);

void LatticeHashAdd(benchmark::State& state) {
  const std::string element = kName + EncodeState(CreatedState());
  LatticeHash hash;
  for (auto _ : state) hash.Add(element);
  benchmark::DoNotOptimize(hash.Sum());
}
BENCHMARK(LatticeHashAdd);

void MutationOfCreate(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Create());
}
BENCHMARK(MutationOfCreate);

void MaterialiseCreated(benchmark::State& state) {
  const RecordState record = CreatedState();
  const records::RecordType& type = Type();
  for (auto _ : state) benchmark::DoNotOptimize(Materialise(type, kName, record));
}
BENCHMARK(MaterialiseCreated);

void Ed25519Sign(benchmark::State& state) {
  const SigningKey key = SigningKey::Generate();
  const std::string text(kCheckpointBytes, 'c');
  for (auto _ : state) benchmark::DoNotOptimize(key.Sign(text));
}
BENCHMARK(Ed25519Sign);

void Ed25519Verify(benchmark::State& state) {
  const SigningKey key = SigningKey::Generate();
  const auto verifier = VerifyKey::FromRaw(key.public_raw());
  const std::string text(kCheckpointBytes, 'c');
  const std::string signature = key.Sign(text);
  for (auto _ : state) {
    if (!verifier->Verify(text, signature)) return state.SkipWithError("the signature does not verify");
  }
}
BENCHMARK(Ed25519Verify);

}  // namespace
}  // namespace fairlead::node

BENCHMARK_MAIN();
