// Checks of a site's whole store: that it is what its entries say, and that nothing erased is left in it.

#include <fmt/format.h>

#include <algorithm>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/note.h"
#include "api/state_digest.h"
#include "server/node/assembly.h"
#include "server/node/derived.h"
#include "server/node/lattice_hash.h"
#include "server/node/materialise.h"
#include "tests/simulation/checks.h"
#include "tests/simulation/reference.h"

namespace fairlead::simulation {

using storage::Cf;

namespace {

// MTH of RFC 6962, section 2.1, as it is written there.
Digest TreeHash(const std::vector<Digest>& leaves, size_t begin, size_t end) {
  if (begin == end) return Sha256("");
  if (end - begin == 1) return leaves[begin];
  size_t k = 1;
  while (k * 2 < end - begin) k *= 2;
  const Digest left = TreeHash(leaves, begin, begin + k);
  const Digest right = TreeHash(leaves, begin + k, end);
  return Sha256({std::string_view("\x01", 1), AsView(left), AsView(right)});
}

// What Clients::Text has made.
void TextsIn(std::string_view bytes, std::set<std::string>* out) {
  constexpr std::string_view kBegin = "text";
  for (size_t at = bytes.find(kBegin); at != std::string_view::npos; at = bytes.find(kBegin, at + 1)) {
    const size_t end = bytes.find('.', at);
    if (end == std::string_view::npos) return;
    out->emplace(bytes.substr(at, end + 1 - at));
  }
}

}  // namespace

void Checks::CheckTree(Site& site, const RosterLog& log, const std::vector<std::string>& headers) {
  std::vector<Digest> leaves;
  for (const std::string& header : headers) leaves.push_back(Sha256({std::string_view("\x00", 1), header}));
  auto root = site.node->RootAt(log.id, Seq(headers.size()));
  if (!root.ok() || *root != TreeHash(leaves, 0, leaves.size()))
    return Fail(site, fmt::format("the tree of log {} is wrong", log.origin()));
  auto note = site.node->CheckpointNote(log.id);
  if (!note) return;
  auto parsed = note::Parse(*note);
  auto checkpoint = parsed.ok() ? note::ParseCheckpoint(parsed->text) : parsed.status();
  if (!checkpoint.ok() || !note::Verify(*parsed, log.verifier) || checkpoint->origin != log.origin()) {
    return Fail(site, fmt::format("the checkpoint of log {} does not verify", log.origin()));
  }
  if (checkpoint->size > leaves.size() || checkpoint->root != TreeHash(leaves, 0, checkpoint->size)) {
    Fail(site, fmt::format("the checkpoint of log {} is not of its entries", log.origin()));
  }
}

void Checks::CheckDerived(Site& site, const std::map<std::string, std::string>& states) {
  std::set<std::string> indexes;
  std::map<std::string, int64_t> figures;
  std::map<std::string, std::pair<node::LatticeHash, int64_t>> classes;
  for (const auto& [name, bytes] : states) {
    auto state = node::DecodeState(bytes);
    if (!state.ok()) return Fail(site, fmt::format("the state of {} is malformed", name));
    if (node::EncodeState(*state) != bytes) return Fail(site, fmt::format("the state of {} is not canonical", name));
    const records::RecordType* type = records::TheRegistry().FindByNumber(state->type);
    node::Derived derived = node::DeriveFrom(*type, world_.roster(), name, *state);
    if (!node::AddPartly(world_.roster(), *state, node::AudiencesIn(site.node->store()), &derived).ok()) {
      return Fail(site, fmt::format("an entry of {} has no header", name));
    }
    indexes.insert(derived.index_keys.begin(), derived.index_keys.end());
    for (const auto& [key, amount] : derived.figures) figures[key] += amount;
    const auto record = node::Materialise(*type, name, *state);
    const auto* audience = rpc::Field(*record, "audience");
    std::string sites;
    for (int i = 0; i < record->GetReflection()->FieldSize(*record, audience); ++i) {
      sites += (i == 0 ? "" : ",") + record->GetReflection()->GetRepeatedString(*record, audience, i);
    }
    auto& [hash, count] = classes[sites.empty() ? "*" : sites];
    std::string element;
    PutBytes(&element, name);
    hash.Add(element + bytes);
    ++count;
  }
  std::erase_if(figures, [](const auto& figure) { return figure.second == 0; });
  const auto held_figures = site.node->Aggregates("");
  if (std::map<std::string, int64_t>(held_figures.begin(), held_figures.end()) != figures) {
    return Fail(site, "the figures are not the sums of what the records contribute");
  }
  std::set<std::string> held_indexes;
  auto it = site.node->store().Iterate(Cf::kIndexes, {}, {});
  for (it->SeekToFirst(); it->Valid(); it->Next()) held_indexes.emplace(it->key());
  if (held_indexes != indexes) return Fail(site, "the indexes are not those of the records");
  for (const node::ClassDigestInfo& info : site.node->StateDigests().second) {
    if (info.records == 0 && info.digest == node::LatticeHash().Sum()) continue;  // of others it says whom it cannot be compared with
    auto found = classes.find(ParseClass(info.audience).sites);
    if (found == classes.end() || found->second.first.Sum() != info.digest || found->second.second != info.records) {
      return Fail(site, fmt::format("the state digest of class {} is not that of its records", info.audience));
    }
    classes.erase(found);
  }
  if (!classes.empty()) Fail(site, fmt::format("there is no state digest of class {}", classes.begin()->first));
}

void Checks::CheckStore(Site& site) {
  const node::Node& node = *site.node;
  std::map<std::string, ReferenceRecord> records;
  std::set<Dot> withheld;
  int64_t due = 0;  // of them, what a site that may not have it has passed on, and no other yet
  for (const RosterLog& log : world_.roster().logs()) {
    const Seq size = node.Applied().Get(log.id);
    auto headers = node.ReadHeaders(log.id, Seq(0), size);
    if (!headers.ok()) return Fail(site, fmt::format("log {} cannot be read: {}", log.origin(), Show(headers.status())));
    CheckTree(site, log, *headers);
    for (uint64_t seq = 0; seq < size.value(); ++seq) {
      const Dot dot{log.id, Seq(seq)};
      const Header header = *DecodeHeader(headers->at(seq));
      auto bytes = node.ReadPayload(dot);
      if (!bytes.ok()) return Fail(site, fmt::format("the payload of entry {} cannot be read", Show(dot)));
      auto erased = node.Erased(dot);
      if (!erased.ok()) return Fail(site, fmt::format("whether entry {} is erased cannot be read", Show(dot)));
      if (*erased) {
        if (bytes->has_value()) return Fail(site, fmt::format("entry {} is erased and there", Show(dot)));
        const Entry& entry = entries_.at(dot);
        if (!entry.payload) return Fail(site, fmt::format("entry {} is erased, and nobody ever had it", Show(dot)));
        for (size_t i = 0; i < entry.mutations.size(); ++i) {
          const Mutation& mutation = entry.payload->mutations[i];
          records[mutation.record].Add(mutation, entry.mutations[i], header.time, dot, /*erased=*/true);
        }
        continue;
      }
      if (!bytes->has_value()) {
        withheld.insert(dot);
        due += header.audience.Includes(site.id) ? 1 : 0;
        continue;
      }
      auto payload = DecodePayload(**bytes);
      if (!payload.ok()) return Fail(site, fmt::format("the payload of entry {} is malformed", Show(dot)));
      for (size_t i = 0; i < payload->mutations.size(); ++i) {
        const Mutation& mutation = payload->mutations[i];
        records[mutation.record].Add(mutation, MutationIdOf(world_.roster().network(), *payload, i), header.time, dot);
      }
      if (payload->request_digest == kCompanionDigest) continue;  // its request is answered by another entry
      auto request = node.store().Get(Cf::kRequests, node::RequestKey(payload->actor, payload->request_id));
      if (!request.ok() || !request->has_value()) return Fail(site, fmt::format("request {} is forgotten", payload->request_id));
    }
  }
  std::set<Dot> journal;
  const auto items = node.ReadJournal(Position(0), node.JournalEnd().value());
  if (!items.ok()) return Fail(site, "the journal cannot be read: " + Show(items.status()));
  for (const Dot& dot : *items) journal.insert(dot);  // again, when its payload came late: FollowJournal has seen to that
  const VersionVector applied = node.Applied();
  for (const auto& [log, size] : applied.entries()) {
    for (uint64_t seq = 0; seq < size.value(); ++seq) {
      if (!journal.contains({log, Seq(seq)})) return Fail(site, fmt::format("entry {} is not in the journal", Show({log, Seq(seq)})));
    }
  }
  std::set<Dot> opaque;
  auto listed = node.store().Iterate(Cf::kOpaque, {}, {});
  for (listed->SeekToFirst(); listed->Valid(); listed->Next()) {
    fairlead::Reader key(listed->key());
    opaque.insert(storage::ReadDot(&key));
  }
  if (opaque != withheld) return Fail(site, fmt::format("{} entries are opaque, {} are withheld", opaque.size(), withheld.size()));
  const auto told = static_cast<int64_t>(node.OpaqueEntries(std::nullopt, opaque.size() + 1).size());
  if (node.OpaqueCount() != due || told != due) {
    return Fail(site, fmt::format("{} entries that are due here are opaque; it counts {} and lists {}", due, node.OpaqueCount(), told));
  }
  std::map<std::string, std::string> states;
  auto it = node.store().Iterate(Cf::kRecords, {}, {});
  for (it->SeekToFirst(); it->Valid(); it->Next()) states.emplace(it->key(), it->value());
  for (const auto& [name, bytes] : states) {
    auto record = records.find(name);
    const std::string wrong = Compare(node, name, record == records.end() ? nullptr : &record->second);
    if (!wrong.empty()) return Fail(site, fmt::format("{} {}", name, wrong));
  }
  for (const auto& [name, record] : records) {
    if (!states.contains(name)) return Fail(site, fmt::format("{} is not there", name));
  }
  CheckDerived(site, states);
}

void Checks::CheckErased(Site& site, const Clients& clients) {
  const node::Node& node = *site.node;
  std::set<std::string> erased;  // texts
  std::set<std::string> kept;    // texts that another entry has, too
  for (const auto& [dot, entry] : entries_) {
    if (!entry.payload) continue;
    std::vector<std::string> texts;
    auto request = clients.requests().find(entry.payload->request_id);
    auto gone = node.Erased(dot);
    if (gone.ok() && *gone && request != clients.requests().end()) {
      for (const auto& [record, text] : request->second.written) erased.insert(text);
      for (const Mutation& mutation : entry.payload->mutations) {
        std::string key = mutation.record;
        PutU8(&key, 0);
        PutU64(&key, entry.header.time.raw());
        key += storage::DotKey(dot);
        auto revision = node.store().Get(Cf::kRevisions, key);
        if (!revision.ok() || !revision->has_value()) {
          return Fail(site, fmt::format("the history of {} does not have entry {}, which is erased", mutation.record, Show(dot)));
        }
      }
    } else if (!gone.ok() || !*gone) {
      TextsIn(EncodePayload(*entry.payload), &kept);
    }
  }
  for (const std::string& text : kept) erased.erase(text);
  if (erased.empty()) return;
  std::set<std::string> held;
  for (size_t cf = 0; cf < storage::kCfCount; ++cf) {
    auto it = node.store().Iterate(static_cast<Cf>(cf), {}, {});
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      TextsIn(it->key(), &held);
      TextsIn(it->value(), &held);
    }
  }
  for (const std::string& text : erased) {
    if (held.contains(text)) return Fail(site, fmt::format("holds {}, which is erased", text));
  }
}

}  // namespace fairlead::simulation
