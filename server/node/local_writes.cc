// What this site writes: one request becomes an entry, and perhaps companions in other streams, all of them or none.

#include <fmt/format.h>

#include <algorithm>

#include "api/errors.h"
#include "server/node/assembly.h"
#include "server/node/conflicts.h"

namespace fairlead::node {

VersionVector Committer::Assembly::DepsOf(const RosterLog& log, Seq seq) const {
  VersionVector deps;
  if (log.stream == kMainStream) {
    for (LogId each : committer_.main_logs_) {
      if (each != log.id) deps.Set(each, committed_.applied.Get(each));
    }
  } else if (seq == Seq(0)) {
    // How far its predecessors went; later entries follow none, so that they say nothing of what else goes on.
    for (const RosterLog& each : options_.roster.logs()) {
      if (each.site == log.site && each.stream == log.stream && each.epoch < log.epoch) deps.Set(each.id, committed_.applied.Get(each.id));
    }
  }
  return deps;
}

absl::StatusOr<Hlc> Committer::Assembly::LatestBefore(const LocalEntry& entry, Seq seq) const {
  const RosterLog& log = *options_.roster.FindLog(entry.log);
  if (log.stream == kMainStream || IsErasure(entry.payload)) return committed_.last_time;
  Hlc latest;
  VersionVector follows = DepsOf(log, seq);
  follows.Set(log.id, seq);
  for (const auto& [id, size] : follows.entries()) {
    if (size == Seq(0)) continue;
    auto header = HeaderOf({id, Seq(size.value() - 1)});
    if (!header.ok()) return header.status();
    if (header->has_value()) latest = std::max(latest, (*header)->time);
  }
  return latest;
}

absl::StatusOr<Committer::Assembly::Planned> Committer::Assembly::Plan(const LocalEntry& entry, Seq seq, Hlc time) {
  const auto own = [](const absl::Status& status) {
    return status.code() == absl::StatusCode::kDataLoss ? status : Error(Reason::kInternal, std::string(status.message()));
  };
  Planned planned{.entry = &entry, .header = {}, .parts = {}, .effect = {}, .erasing = {}};
  Header& header = planned.header;
  header.log = entry.log;
  header.seq = seq;
  header.time = time;
  header.deps = DepsOf(*options_.roster.FindLog(entry.log), seq);
  header.payload_digest = entry.digest;
  if (IsErasure(entry.payload)) {
    auto read = ErasureIn(entry.payload);
    if (!read.ok()) return own(read.status());
    // What it erases must have come before it, in whatever stream that is.
    const LogId erased_log = read->entry.log;
    if (erased_log != header.log) header.deps.Set(erased_log, committed_.applied.Get(erased_log));
    // The shape is for those who had the content.
    auto erased = HeaderOf(read->entry);
    if (!erased.ok()) return erased.status();
    if (erased->has_value()) header.audience = (*erased)->audience;
    auto outcome = ErasedOutcome(entry.payload, header);
    if (!outcome.ok()) return own(outcome.status());
    planned.erasing = *std::move(outcome);
    return planned;
  }
  planned.parts = PartsOf(entry.payload, entry.mutation_ids);
  auto outcome = Outcome(planned.parts, /*is_shape=*/false, time, {header.log, seq});
  if (!outcome.ok()) return own(outcome.status());
  planned.effect = *std::move(outcome);
  if (!planned.effect.unauthorised.empty()) {
    const auto& [index, ops] = *planned.effect.unauthorised.begin();
    const Mutation& mutation = entry.payload.mutations[index];
    const std::string field = committer_.authority_.FieldName(mutation.type, mutation.ops[ops.front()].field);
    return FieldError(Reason::kPermissionDenied, field,
                      fmt::format("{} of {} is not written at {}: it is for the site it belongs to, or for headquarters", field,
                                  mutation.record, options_.site));
  }
  return planned;
}

absl::Status Committer::Assembly::Append(Planned planned) {
  const LocalEntry& entry = *planned.entry;
  const Header& header = planned.header;
  if (absl::Status status = AppendEntry(header, EncodeHeader(header), &entry.bytes); !status.ok()) return status;
  const Dot dot{header.log, header.seq};
  payloads_[dot] = &entry.payload;
  if (planned.erasing) return AdoptErasure(*std::move(planned.erasing), entry.payload, header);
  return Adopt(std::move(planned.effect), planned.parts, header.time, dot);
}

absl::StatusOr<std::optional<Dot>> Committer::Assembly::WrittenBefore(const LocalWrite& write) {
  const WriteRequest& request = write.request;
  if (request.request_digest != kCompanionDigest) {
    auto known = StoredRequest(RequestKey(request.actor, request.request_id));
    if (!known.ok()) return known.status();
    if (!known->has_value()) return std::nullopt;
    return ReadRequest(**known, request.request_digest);
  }
  // A companion that is written anew, by itself: its request's id is that of another entry.
  const LocalEntry& entry = write.entries.front();
  for (const Mutation& mutation : entry.payload.mutations) {
    auto record = Load(mutation.record);
    if (!record.ok()) return record.status();
    if (!(*record)->state) continue;
    for (const auto& [number, field] : (*record)->state->fields) {
      for (const auto& [id, value] : field.values) {
        if (std::find(entry.mutation_ids.begin(), entry.mutation_ids.end(), id.mutation) != entry.mutation_ids.end()) return value.dot;
      }
    }
  }
  return std::nullopt;
}

absl::StatusOr<WriteResult> Committer::Assembly::AddLocal(const LocalWrite& write) {
  const WriteRequest& request = write.request;
  if (!read_only_.empty()) return Error(Reason::kNodeReadOnly, read_only_);
  if (!clock_disagrees_.empty()) return Error(Reason::kClockDisagrees, clock_disagrees_);
  WriteResult result;
  auto known = WrittenBefore(write);
  if (!known.ok()) return known.status();
  if (known->has_value()) {
    result.dot = **known;
    result.replayed = true;
    return result;
  }
  for (const Expectation& expectation : request.expectations) {
    auto record = Load(expectation.record);
    if (!record.ok()) return record.status();
    const std::optional<RecordState>& state = (*record)->state;
    if (expectation.etag.empty()) {
      if (state) return Error(Reason::kRecordExists, fmt::format("{} exists", expectation.record), {{"name", expectation.record}});
      continue;
    }
    if (!state) return Error(Reason::kRecordNotFound, fmt::format("there is no {}", expectation.record), {{"name", expectation.record}});
    if (expectation.field != 0) {
      if (FieldEtagOf(*state, expectation.field) == expectation.etag) continue;
      return Error(Reason::kEtagMismatch, fmt::format("the conflict in {} has changed since it was read", expectation.record),
                   {{"name", expectation.record}});
    }
    std::string etag = (*record)->changed ? EtagOf(*state) : EtagOfBytes((*record)->stored);
    if (etag != expectation.etag) {
      return Error(Reason::kEtagMismatch, fmt::format("{} has changed since it was read", expectation.record),
                   {{"name", expectation.record}});
    }
  }

  uint64_t now_ms = static_cast<uint64_t>(absl::ToUnixMillis(options_.clock->Now()));
  const uint64_t bound_ms = now_ms + static_cast<uint64_t>(absl::ToInt64Milliseconds(options_.future_bound));
  // All that can be refused is, before any of it is appended.
  std::vector<Planned> plan;
  std::map<LogId, Seq> ends;
  std::set<std::string> written;
  for (const LocalEntry& entry : write.entries) {
    Seq& end = ends.try_emplace(entry.log, committed_.applied.Get(entry.log)).first->second;
    auto after = LatestBefore(entry, end);
    if (!after.ok()) return after.status();
    for (const Planned& other : plan) {
      if (entry.log == other.header.log) after = std::max(*after, other.header.time);
    }
    const Hlc time = std::max(Hlc::FromMillis(now_ms), Hlc(after->raw() + 1));
    if (time.millis() > bound_ms) {
      return Error(Reason::kClockDrift, fmt::format("this node's clock is {} ms behind what it has seen", time.millis() - now_ms));
    }
    auto planned = Plan(entry, end, time);
    if (!planned.ok()) return planned.status();
    ++end;
    if (plan.empty()) {
      std::optional<Dot> before = ErasedBefore(entry.mutation_ids, planned->states());
      if (before) {
        result.dot = *before;  // accepted elsewhere, and erased since
        result.replayed = true;
        return result;
      }
    }
    for (const auto& [name, state] : planned->states()) {
      if (!written.insert(name).second) return Error(Reason::kInternal, fmt::format("two entries of one request write {}", name));
    }
    if (!planned->erasing) {
      auto audience = AudienceOf(planned->effect.states);
      if (!audience.ok()) return audience.status();
      planned->header.audience = *std::move(audience);
    }
    plan.push_back(*std::move(planned));
  }
  const size_t replicas_max = ReplicaSites(options_.roster, plan.front().header.audience, committer_.site_).size();
  if (request.replicas > 0 && static_cast<size_t>(request.replicas) > replicas_max) {
    return FieldError(Reason::kFieldInvalid, kDurabilityField,
                      fmt::format("asks for {} other sites; the entry is for {}", request.replicas, replicas_max));
  }

  result.dot = {plan.front().header.log, plan.front().header.seq};
  result.time = plan.front().header.time;
  for (const auto& [name, state] : plan.front().states()) result.records.try_emplace(name);
  for (size_t i = 0; i < plan.size(); ++i) {
    if (i > 0) result.companions.push_back({plan[i].header.log, plan[i].header.seq});
    broken_.Update(Append(std::move(plan[i])));
    if (!broken_.ok()) return broken_;
  }
  RememberRequest(write.entries.front().payload, result.dot);
  return result;
}

}  // namespace fairlead::node
