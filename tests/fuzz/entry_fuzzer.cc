// Headers, payloads and their mutations: what decodes has one encoding, and the ids of its mutations can be had.

#include "api/entry.h"
#include "tests/fuzz/property.h"

namespace fairlead::fuzz {
namespace {

void TryHeader(std::string_view bytes) {
  auto header = DecodeHeader(bytes);
  if (!header.ok()) return RequireError(header.status(), {absl::StatusCode::kDataLoss});
  const std::string again = EncodeHeader(*header);
  Require(again == bytes, "a header has one encoding");
  Require(*DecodeHeader(again) == *header, "decode(encode(header)) is the header");
  Require(header->deps.Get(header->log) == Seq(0), "a header does not depend on its own log");
}

void TryPayload(std::string_view bytes) {
  auto payload = DecodePayload(bytes);
  if (!payload.ok()) return RequireError(payload.status(), {absl::StatusCode::kDataLoss});
  const std::string again = EncodePayload(*payload);
  Require(again == bytes, "a payload has one encoding");
  Require(*DecodePayload(again) == *payload, "decode(encode(payload)) is the payload");

  // An id follows what a mutation says and neither nonce nor the site's own clock.
  Payload other = *payload;
  other.nonce.fill(0xa5);
  for (size_t i = 0; i < payload->mutations.size(); ++i) {
    Require(MutationIdOf("test.example", *payload, i) == MutationIdOf("test.example", other, i), "the nonce takes no part in an id");
  }
}

}  // namespace
}  // namespace fairlead::fuzz

// The first byte says which it is.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return -1;
  const std::string_view bytes = fairlead::fuzz::AsText(data + 1, size - 1);
  if (data[0] == 'h') {
    fairlead::fuzz::TryHeader(bytes);
  } else if (data[0] == 'p') {
    fairlead::fuzz::TryPayload(bytes);
  } else {
    return -1;
  }
  return 0;
}
