#include "server/rpc/wire_forms.h"

#include <fmt/format.h>

#include <charconv>

namespace fairlead::rpc {

void SetTimestamp(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  absl::Duration rest;
  out->set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

absl::Time TimeOf(Hlc time) { return absl::FromUnixMillis(static_cast<int64_t>(time.millis())); }

void AddEncoded(const google::protobuf::FieldDescriptor* field, const std::string& bytes, google::protobuf::Message* message) {
  // A length-delimited field has one wire form, known or not.
  message->GetReflection()->MutableUnknownFields(message)->AddLengthDelimited(field->number(), bytes);
}

std::string SiteName(const Roster& roster, LogId log) {
  const RosterLog* found = roster.FindLog(log);
  return found == nullptr ? "" : found->site_name;
}

std::string EntryName(const Roster& roster, Dot dot) {
  const RosterLog* log = roster.FindLog(dot.log);
  if (log == nullptr) return fmt::format("/0/{}", dot.seq.value());
  const std::string stream = log->stream == kMainStream ? "" : log->stream + "/";
  return fmt::format("{}/{}/{}{}", log->site_name, log->epoch, stream, dot.seq.value());
}

std::optional<Dot> ParseEntryName(const Roster& roster, std::string_view name) {
  const size_t last = name.rfind('/');
  if (last == std::string_view::npos) return std::nullopt;
  const std::string_view digits = name.substr(last + 1);
  uint64_t seq = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seq);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  for (const RosterLog& log : roster.logs()) {
    const Dot dot{log.id, Seq(seq)};
    if (name == EntryName(roster, dot)) return dot;
  }
  return std::nullopt;
}

}  // namespace fairlead::rpc
