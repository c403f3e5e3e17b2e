#include "api/entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>

#include "api/bytes.h"
#include "api/crypto.h"

namespace fairlead {
namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kAudienceAll = 0;
constexpr uint8_t kAudienceSites = 1;
constexpr uint8_t kFlagValue = 1;
constexpr uint8_t kFlagSeals = 2;
constexpr size_t kValueIdBytes = 18;

absl::Status Bad(const char* format, const char* part) { return absl::DataLossError(fmt::format("{}: {} is not canonical", format, part)); }

template <class T, size_t N>
void PutArray(std::string* out, const std::array<T, N>& a) {
  out->append(reinterpret_cast<const char*>(a.data()), N);
}

template <size_t N>
std::array<uint8_t, N> GetArray(Reader* in) {
  std::array<uint8_t, N> a{};
  const std::string_view bytes = in->Fixed(N);
  std::copy(bytes.begin(), bytes.end(), a.begin());
  return a;
}

// A varint that must fit T.
template <class T>
T GetNumber(Reader* in) {
  const uint64_t v = in->Varint();
  if (v > std::numeric_limits<T>::max()) {
    in->Fail();
    return 0;
  }
  return static_cast<T>(v);
}

// A count of items that take at least `item_bytes_min` each. Bounded by what is there, so that no count makes a reader reserve memory.
size_t GetCount(Reader* in, size_t max, size_t item_bytes_min) {
  const uint64_t n = in->Varint();
  if (n > max || n > in->left() / item_bytes_min) {
    in->Fail();
    return 0;
  }
  return static_cast<size_t>(n);
}

template <class T>
bool Ascends(const std::vector<T>& v) {
  return std::adjacent_find(v.begin(), v.end(), [](const T& a, const T& b) { return !(a < b); }) == v.end();
}

void PutValueIds(std::string* out, const std::vector<ValueId>& ids) {
  assert(Ascends(ids));
  PutVarint(out, ids.size());
  for (const ValueId& id : ids) {
    PutArray(out, id.mutation);
    PutU16(out, id.op);
  }
}

std::vector<ValueId> GetValueIds(Reader* in) {
  std::vector<ValueId> ids(GetCount(in, kValueIdsMax, kValueIdBytes));
  for (ValueId& id : ids) {
    id.mutation = GetArray<16>(in);
    id.op = in->U16();
  }
  if (!Ascends(ids)) in->Fail();
  return ids;
}

void PutOp(std::string* out, const Op& op) {
  assert(op.has_value || op.value.empty());
  assert(op.seals || op.sealed.empty());
  PutVarint(out, op.field);
  PutU8(out, static_cast<uint8_t>(op.kind));
  PutU8(out, static_cast<uint8_t>((op.has_value ? kFlagValue : 0) | (op.seals ? kFlagSeals : 0)));
  if (op.has_value) PutBytes(out, op.value);
  PutValueIds(out, op.replaces);
  if (op.seals) PutValueIds(out, op.sealed);
}

Op GetOp(Reader* in) {
  Op op;
  op.field = GetNumber<uint32_t>(in);
  op.kind = static_cast<MergeKind>(in->U8());
  const uint8_t flags = in->U8();
  if ((flags & ~(kFlagValue | kFlagSeals)) != 0) in->Fail();
  op.has_value = (flags & kFlagValue) != 0;
  if (op.has_value) op.value = in->Bytes();
  op.replaces = GetValueIds(in);
  op.seals = (flags & kFlagSeals) != 0;
  if (op.seals) op.sealed = GetValueIds(in);
  return op;
}

void PutMutation(std::string* out, const Mutation& mutation) {
  PutVarint(out, mutation.type);
  PutBytes(out, mutation.record);
  PutValueIds(out, mutation.seen_seals);
  PutVarint(out, mutation.ops.size());
  for (const Op& op : mutation.ops) PutOp(out, op);
}

Mutation GetMutation(Reader* in) {
  constexpr size_t kOpBytesMin = 4;
  Mutation mutation;
  mutation.type = GetNumber<uint32_t>(in);
  mutation.record = in->Bytes();
  mutation.seen_seals = GetValueIds(in);
  const size_t n = GetCount(in, kOpsMax, kOpBytesMin);
  for (size_t i = 0; i < n && in->ok(); ++i) mutation.ops.push_back(GetOp(in));
  return mutation;
}

}  // namespace

std::string EncodeHeader(const Header& header) {
  assert(header.deps.Get(header.log) == Seq(0));
  assert(Ascends(header.audience.sites));
  assert(!header.audience.all || header.audience.sites.empty());
  std::string out;
  PutU8(&out, kVersion);
  PutVarint(&out, header.log.value());
  PutVarint(&out, header.seq.value());
  PutU64(&out, header.time.raw());
  PutVarint(&out, header.deps.entries().size());
  for (const auto& [log, size] : header.deps.entries()) {
    PutVarint(&out, log.value());
    PutVarint(&out, size.value());
  }
  if (header.audience.all) {
    PutU8(&out, kAudienceAll);
  } else {
    PutU8(&out, kAudienceSites);
    PutVarint(&out, header.audience.sites.size());
    for (SiteId site : header.audience.sites) PutVarint(&out, site.value());
  }
  PutArray(&out, header.payload_digest);
  return out;
}

absl::StatusOr<Header> DecodeHeader(std::string_view bytes) {
  constexpr char kFormat[] = "header";
  if (bytes.size() > kHeaderBytesMax)
    return absl::DataLossError(fmt::format("header: {} bytes, at most {}", bytes.size(), kHeaderBytesMax));
  Reader in(bytes);
  Header header;
  if (in.U8() != kVersion) return Bad(kFormat, "version");
  header.log = LogId(GetNumber<uint32_t>(&in));
  header.seq = Seq(in.Varint());
  header.time = Hlc(in.U64());
  if (!in.ok()) return Bad(kFormat, "position");

  const size_t deps = GetCount(&in, kDepsMax, 2);
  for (size_t i = 0; i < deps; ++i) {
    const LogId log(GetNumber<uint32_t>(&in));
    const Seq size(in.Varint());
    const auto& before = header.deps.entries();
    if (!in.ok() || size == Seq(0) || log == header.log || (!before.empty() && log <= before.back().first)) return Bad(kFormat, "deps");
    header.deps.Set(log, size);
  }
  if (!in.ok()) return Bad(kFormat, "deps");

  const uint8_t audience = in.U8();
  if (audience == kAudienceSites) {
    header.audience.all = false;
    header.audience.sites.resize(GetCount(&in, kHeaderBytesMax, 1));
    for (SiteId& site : header.audience.sites) site = SiteId(GetNumber<uint16_t>(&in));
  }
  if (!in.ok() || audience > kAudienceSites || !Ascends(header.audience.sites)) return Bad(kFormat, "audience");

  header.payload_digest = GetArray<32>(&in);
  if (!in.Done()) return Bad(kFormat, "digest or end");
  return header;
}

std::string EncodePayload(const Payload& payload) {
  thread_local std::string out;  // one that grew before grows no more
  out.clear();
  PutU8(&out, kVersion);
  PutArray(&out, payload.nonce);
  PutBytes(&out, payload.actor);
  PutBytes(&out, payload.request_id);
  PutArray(&out, payload.request_digest);
  PutBytes(&out, payload.method);
  PutVarint(&out, payload.mutations.size());
  for (const Mutation& mutation : payload.mutations) PutMutation(&out, mutation);
  return out;
}

absl::StatusOr<Payload> DecodePayload(std::string_view bytes) {
  constexpr char kFormat[] = "payload";
  constexpr size_t kMutationBytesMin = 4;
  if (bytes.size() > kPayloadBytesMax) {
    return absl::DataLossError(fmt::format("payload: {} bytes, at most {}", bytes.size(), kPayloadBytesMax));
  }
  Reader in(bytes);
  Payload payload;
  if (in.U8() != kVersion) return Bad(kFormat, "version");
  payload.nonce = GetArray<16>(&in);
  payload.actor = in.Bytes();
  payload.request_id = in.Bytes();
  payload.request_digest = GetArray<16>(&in);
  payload.method = in.Bytes();
  if (!in.ok()) return Bad(kFormat, "origin of the request");
  const size_t n = GetCount(&in, kMutationsMax, kMutationBytesMin);
  if (!in.ok()) return Bad(kFormat, "count of mutations");
  for (size_t i = 0; i < n; ++i) {
    payload.mutations.push_back(GetMutation(&in));
    if (!in.ok()) return absl::DataLossError(fmt::format("payload: mutation {} is not canonical", i));
  }
  if (!in.Done()) return Bad(kFormat, "end");
  return payload;
}

std::string EncodeMutation(const Mutation& mutation) {
  std::string out;
  PutMutation(&out, mutation);
  return out;
}

absl::StatusOr<Mutation> DecodeMutation(std::string_view bytes) {
  Reader in(bytes);
  Mutation mutation = GetMutation(&in);
  if (!in.Done()) return Bad("mutation", "an op or the end");
  return mutation;
}

MutationId MutationIdOf(std::string_view network, const Payload& payload, size_t index) {
  assert(index < payload.mutations.size());
  thread_local std::string in;
  in.clear();
  for (std::string_view part : {std::string_view("fairlead/mutation/v1"), network, std::string_view(payload.actor),
                                std::string_view(payload.method), std::string_view(payload.request_id)}) {
    PutBytes(&in, part);
  }
  PutVarint(&in, index);
  PutMutation(&in, payload.mutations[index]);
  const Digest digest = Sha256(in);
  MutationId id;
  std::memcpy(id.data(), digest.data(), id.size());
  return id;
}

}  // namespace fairlead
