// The fold's own format, and the fold over payloads of others.
//
// A state that decodes is written in one way, and can be read like any other. (Stored states are a node's own: nobody sends them.) A
// payload whose mutations the fold takes gives the same state in any order, twice as well as once.

#include <algorithm>

#include "api/entry.h"
#include "server/node/fold.h"
#include "tests/fuzz/property.h"

namespace fairlead::fuzz {
namespace {

void Read(const node::RecordState& state) {
  for (const auto& [number, view] : node::ViewOf(state)) {
    Require(!view.live.empty() || !view.pending.empty() || !view.pending_removals.empty(), "a field in view holds something");
  }
  node::SealableValues(state);
  node::SpanOf(state);
}

void TryState(std::string_view bytes) {
  auto state = node::DecodeState(bytes);
  if (!state.ok()) return RequireError(state.status(), {absl::StatusCode::kDataLoss});
  const std::string encoded = node::EncodeState(*state);
  auto again = node::DecodeState(encoded);
  Require(again.ok() && *again == *state, "decode(encode(state)) is the state");
  Require(node::EncodeState(*again) == encoded && node::EtagOf(*state) == node::EtagOfBytes(encoded), "a state is written in one way");
  Read(*state);
}

struct Folded {
  const Mutation* mutation = nullptr;
  MutationId id{};
  Hlc time;
  Dot dot;
};

void FoldAll(const std::vector<Folded>& mutations, node::RecordState* state) {
  const node::ValueFetcher fetch = [&](const ValueId& id, Dot) -> std::optional<std::string> {
    for (const Folded& folded : mutations) {
      if (folded.id == id.mutation && id.op < folded.mutation->ops.size()) return folded.mutation->ops[id.op].value;
    }
    return std::nullopt;
  };
  for (const Folded& folded : mutations) node::Fold(*folded.mutation, folded.id, folded.time, folded.dot, state, fetch);
}

void TryPayload(std::string_view bytes) {
  auto payload = DecodePayload(bytes);
  if (!payload.ok() || payload->mutations.size() > 16) return;
  std::vector<Folded> foldable;
  for (size_t i = 0; i < payload->mutations.size(); ++i) {
    const Mutation& mutation = payload->mutations[i];
    absl::Status status = node::CheckFoldable(mutation);
    if (!status.ok()) {
      RequireError(status, {absl::StatusCode::kInvalidArgument, absl::StatusCode::kUnimplemented});
      continue;
    }
    const Seq seq(i);
    foldable.push_back({&mutation, MutationIdOf("test.example", *payload, i), Hlc(i + 1), {LogId(1), seq}});
  }
  if (foldable.empty()) return;

  node::RecordState state;
  FoldAll(foldable, &state);
  const std::string encoded = node::EncodeState(state);
  TryState(encoded);
  Require(*node::DecodeState(encoded) == state, "decode(encode(state)) is the state");
  FoldAll(foldable, &state);
  Require(node::EncodeState(state) == encoded, "the fold is idempotent");
  std::reverse(foldable.begin(), foldable.end());
  node::RecordState reversed;
  FoldAll(foldable, &reversed);
  Require(node::EncodeState(reversed) == encoded, "the fold commutes");
}

}  // namespace
}  // namespace fairlead::fuzz

// The first byte says which it is.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return -1;
  const std::string_view bytes = fairlead::fuzz::AsText(data + 1, size - 1);
  if (data[0] == 's') {
    fairlead::fuzz::TryState(bytes);
  } else if (data[0] == 'p') {
    fairlead::fuzz::TryPayload(bytes);
  } else {
    return -1;
  }
  return 0;
}
