#include "server/rpc/basis.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "api/errors.h"
#include "server/node/materialise.h"
#include "server/rpc/record_access.h"

namespace fairlead::rpc {
namespace {

constexpr std::string_view kKept = "kept";
// Candidates for one etag. A history without concurrent edits has one for each revision.
constexpr size_t kCandidatesMax = 1024;

// The entries that wrote to a record, and the revisions that they can have come to: sets of entries that hold, with each, what it follows.
class Revisions {
 public:
  static absl::StatusOr<Revisions> Of(const node::Node& node, const node::RecordState& state) {
    Revisions revisions(node, state);
    std::map<LogId, std::set<Seq>> entries;
    for (const auto& [number, field] : state.fields) {
      for (const auto& [id, value] : field.values) entries[value.dot.log].insert(value.dot.seq);
    }
    for (const auto& [log, seqs] : entries) revisions.logs_.push_back({log, {seqs.begin(), seqs.end()}, {}});
    for (Log& log : revisions.logs_) {
      for (const Seq seq : log.seqs) {
        const absl::StatusOr<std::vector<std::string>> bytes = node.ReadHeaders(log.id, seq, seq + 1);
        if (!bytes.ok()) return bytes.status();
        const absl::StatusOr<Header> header = DecodeHeader(bytes->front());
        if (!header.ok()) return Error(Reason::kStoreDamaged, "the header of a revision is damaged");
        std::vector<size_t> follows;
        for (const Log& other : revisions.logs_) {
          const Seq size = header->deps.Get(other.id);
          follows.push_back(static_cast<size_t>(std::lower_bound(other.seqs.begin(), other.seqs.end(), size) - other.seqs.begin()));
        }
        log.follows.push_back(std::move(follows));
      }
    }
    return revisions;
  }

  // The entries of the revision with this etag; nullopt when none of the candidates has it. The newest are tried first.
  std::optional<std::set<Dot>> Find(const std::string& etag) {
    Cut all;
    for (const Log& log : logs_) all.push_back(log.seqs.size());
    std::set<Cut> seen = {all};
    std::deque<Cut> waiting = {all};
    for (; !waiting.empty(); waiting.pop_front()) {
      const Cut& cut = waiting.front();
      std::set<Dot> entries = EntriesOf(cut);
      if (!entries.empty() && node::EtagOf(At(entries)) == etag) return entries;
      for (size_t i = 0; i < logs_.size() && seen.size() < kCandidatesMax; ++i) {
        if (!CanLeave(cut, i)) continue;
        Cut without = cut;
        --without[i];
        if (seen.insert(without).second) waiting.push_back(std::move(without));
      }
    }
    return std::nullopt;
  }

  // What `actor` wrote by these requests.
  absl::StatusOr<std::set<Dot>> EntriesBy(std::string_view actor, const std::vector<std::string>& requests) {
    std::set<Dot> entries;
    for (const Log& log : logs_) {
      for (const Seq seq : log.seqs) {
        const absl::StatusOr<std::optional<Payload>*> payload = PayloadOf({log.id, seq});
        if (!payload.ok()) return payload.status();
        if (!(*payload)->has_value() || (**payload)->actor != actor) continue;
        if (std::find(requests.begin(), requests.end(), (**payload)->request_id) != requests.end()) entries.insert({log.id, seq});
      }
    }
    return entries;
  }

  node::RecordState At(const std::set<Dot>& entries) {
    return node::Restrict(
        state_, [&entries](Dot dot) { return entries.contains(dot); }, [this](const ValueId& id, Dot dot) { return ValueOf(id, dot); });
  }

  size_t size() const {
    size_t size = 0;
    for (const Log& log : logs_) size += log.seqs.size();
    return size;
  }

 private:
  struct Log {
    LogId id;
    std::vector<Seq> seqs;                     // ascending
    std::vector<std::vector<size_t>> follows;  // of each: how many of each log it comes after
  };
  using Cut = std::vector<size_t>;  // how many of each log

  Revisions(const node::Node& node, const node::RecordState& state) : node_(node), state_(state) {}

  std::set<Dot> EntriesOf(const Cut& cut) const {
    std::set<Dot> entries;
    for (size_t i = 0; i < cut.size(); ++i) {
      for (size_t n = 0; n < cut[i]; ++n) entries.insert({logs_[i].id, logs_[i].seqs[n]});
    }
    return entries;
  }

  // Whether nothing else of the cut comes after its last entry of this log. Later entries of a log come after no less than earlier ones.
  bool CanLeave(const Cut& cut, size_t log) const {
    if (cut[log] == 0) return false;
    for (size_t i = 0; i < cut.size(); ++i) {
      if (i != log && cut[i] > 0 && logs_[i].follows[cut[i] - 1][log] >= cut[log]) return false;
    }
    return true;
  }

  absl::StatusOr<std::optional<Payload>*> PayloadOf(Dot dot) {
    auto it = payloads_.find(dot);
    if (it == payloads_.end()) {
      absl::StatusOr<std::optional<Payload>> payload = ReadEntry(node_, dot);
      if (!payload.ok()) return payload.status();
      it = payloads_.emplace(dot, *std::move(payload)).first;
    }
    return &it->second;
  }

  // Of a value that was replaced since: the state has kept its id alone.
  std::optional<std::string> ValueOf(const ValueId& id, Dot dot) {
    const absl::StatusOr<std::optional<Payload>*> payload = PayloadOf(dot);
    if (!payload.ok() || !(*payload)->has_value()) return std::nullopt;
    const std::vector<Mutation>& mutations = (**payload)->mutations;
    for (size_t i = 0; i < mutations.size(); ++i) {
      if (id.op < mutations[i].ops.size() && MutationIdOf(node_.roster().network(), ***payload, i) == id.mutation) {
        return mutations[i].ops[id.op].value;
      }
    }
    return std::nullopt;
  }

  const node::Node& node_;
  const node::RecordState& state_;
  std::vector<Log> logs_;
  std::map<Dot, std::optional<Payload>> payloads_;
};

}  // namespace

absl::StatusOr<Basis> ParseBasis(std::string_view text) {
  Basis basis;
  if (text == kKept) return basis;
  const auto invalid = [](const std::string& rule) { return FieldError(Reason::kFieldInvalid, kBasisMetadata, rule); };
  if (!text.starts_with(kKept) || text[kKept.size()] != ' ') return invalid("must be kept, or kept and request ids");
  for (text.remove_prefix(kKept.size() + 1);;) {
    const size_t end = std::min(text.find(','), text.size());
    if (RequestIdMillis(std::string(text.substr(0, end))) < 0) return invalid("names a request by what is no UUID version 7");
    if (basis.requests.size() == kBasisRequestsMax) return invalid("names more than " + std::to_string(kBasisRequestsMax) + " requests");
    basis.requests.emplace_back(text.substr(0, end));
    if (end == text.size()) return basis;
    text.remove_prefix(end + 1);
  }
}

absl::StatusOr<Loaded> AtBasis(const node::Node& node, const records::RecordType& type, const std::string& name, const std::string& etag,
                               const Basis& basis, std::string_view actor, Loaded now) {
  now.expected = false;
  if (etag == node::EtagOf(now.state)) return now;
  absl::StatusOr<Revisions> revisions = Revisions::Of(node, now.state);
  if (!revisions.ok()) return revisions.status();
  std::set<Dot> entries;
  if (!etag.empty()) {
    std::optional<std::set<Dot>> read = revisions->Find(etag);
    if (!read) return Error(Reason::kEtagMismatch, "this node knows no revision of the record that has this etag", {{"name", name}});
    entries = *std::move(read);
  }
  if (!basis.requests.empty()) {
    const absl::StatusOr<std::set<Dot>> own = revisions->EntriesBy(actor, basis.requests);
    if (!own.ok()) return own.status();
    entries.insert(own->begin(), own->end());
  }
  if (entries.empty())
    return Error(Reason::kEtagMismatch, "this node knows none of the requests that the change follows", {{"name", name}});
  if (entries.size() == revisions->size()) return now;
  Loaded then;
  then.state = revisions->At(entries);
  then.message = node::Materialise(type, name, then.state);
  then.expected = false;
  then.now = std::make_unique<Loaded>(std::move(now));
  return then;
}

}  // namespace fairlead::rpc
