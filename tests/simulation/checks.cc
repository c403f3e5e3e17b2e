#include "tests/simulation/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/note.h"
#include "api/state_digest.h"
#include "server/node/assembly.h"
#include "server/node/lattice_hash.h"
#include "server/node/materialise.h"
#include "tests/simulation/reference.h"

namespace fairlead::simulation {

using storage::Cf;

namespace {

// The values that the mutation says its author had read.
std::set<ValueId> Cited(const Mutation& mutation) {
  std::set<ValueId> ids(mutation.seen_seals.begin(), mutation.seen_seals.end());
  for (const Op& op : mutation.ops) {
    ids.insert(op.replaces.begin(), op.replaces.end());
    ids.insert(op.sealed.begin(), op.sealed.end());
  }
  return ids;
}

node::LogInfo InfoOf(const node::Node& node, LogId log) {
  std::vector<node::LogInfo> logs = node.Logs();
  return *std::find_if(logs.begin(), logs.end(), [log](const node::LogInfo& info) { return info.log->id == log; });
}

v1::StateDigest DigestOf(const Site& site) {
  v1::StateDigest digest;
  digest.set_site(site.name);
  for (const node::ClassDigestInfo& info : site.node->StateDigests().second) {
    v1::ClassDigest* one = digest.add_classes();
    one->set_audience(info.audience);
    one->set_digest(HexEncode(AsView(info.digest)));
    one->set_records(info.records);
  }
  return digest;
}

}  // namespace

bool Owns(const Site& site, LogId log) {
  return std::any_of(site.logs.begin(), site.logs.end(), [log](const auto& own) { return own.second == log; });
}

bool Checks::IsMain(LogId log) const { return world_.roster().FindLog(log)->stream == kMainStream; }

Checks::Checks(World* world) : world_(*world) { world_.set_watcher(this); }

void Checks::OnStart(Site& site, bool restored) {
  Reader& reader = readers_[site.number];
  if (restored) {
    reader = {};
    if (site.members == nullptr) ForgetLost(site);  // else etcd and the others have it
  } else if (site.node->JournalEnd() < reader.position) {
    Fail(site, fmt::format("has {} durable entries after a restart, and had {}", site.node->JournalEnd().value(), reader.position.value()));
    return;
  }
  // Nothing that was said may have become untrue.
  for (const auto& [key, root] : roots_) {
    const auto& [log, size] = key;
    if (!Owns(site, log) || restored_.contains(site.id)) continue;
    if (site.node->Applied().Get(log) < Seq(size)) {
      if (site.members != nullptr) continue;  // another of its machines has signed it, and the log on etcd has it
      return Fail(site, fmt::format("has signed a checkpoint of log {} of size {} and holds {}", log.value(), size,
                                    site.node->Applied().Get(log).value()));
    }
    auto held = site.node->RootAt(log, Seq(size));
    if (!held.ok() || *held != root) return Fail(site, fmt::format("has signed another history of size {}", size));
  }
  for (const auto& [key, said] : said_) {
    const auto& [signer, log] = key;
    if (signer != site.id || site.members != nullptr || restored_.contains(site.id) || site.node->Applied().Get(log) >= Seq(said.size_max))
      continue;
    return Fail(
        site, fmt::format("has cosigned log {} up to {} and holds {}", log.value(), said.size_max, site.node->Applied().Get(log).value()));
  }
  FollowJournal(site, /*catching_up=*/true);
  CheckProofs(site);
  CheckStore(site);
}

void Checks::ForgetLost(Site& site) {
  restored_.insert(site.id);
  std::erase_if(said_, [&site](const auto& said) { return said.first.first == site.id; });
  for (const auto& own : site.logs) {
    const LogId log = own.second;
    uint64_t held = site.node->Applied().Get(log).value();
    uint64_t known = held;
    for (const auto& other : world_.sites()) {
      if (other.get() == &site) continue;
      held = std::max(held, readers_[other->number].applied.Get(log).value());
      if (other->node != nullptr) known = std::max(known, InfoOf(*other->node, log).known_size.value());
    }
    known = std::max(known, held);
    if (known > held) bereft_[log] = known;
    std::erase_if(roots_, [&](const auto& root) { return root.first.first == log && root.first.second > known; });
    for (auto it = entries_.lower_bound({log, Seq(held)}); it != entries_.end() && it->first.log == log;) {
      lost_.insert(it->second.payload ? it->second.payload->request_id : "");
      it = entries_.erase(it);
    }
  }
}

void Checks::OnCommit(Site& site) {
  FollowJournal(site, /*catching_up=*/false);
  if (++commits_ % 16 == 0) {
    CheckFreshness(site);
    CheckProofs(site);
  }
}

void Checks::CheckProofs(Site& site) {
  const VersionVector applied = site.node->Applied();
  for (const auto& [log, size] : applied.entries()) {
    if (Owns(site, log)) continue;
    const auto note = site.node->CheckpointNote(log);
    const uint64_t complete = note ? note::ParseCheckpoint(note::Parse(*note)->text)->size : 0;
    if (complete >= size.value()) continue;
    const auto proven = site.node->Proven(log);
    if (!proven.ok() || !proven->has_value() || (*proven)->size < size) {
      Fail(site, fmt::format("holds {} entries of log {} and cannot prove them to others", size.value(), log.value()));
    }
  }
}

void Checks::CheckFreshness(Site& site) {
  for (const node::LogInfo& info : site.node->Logs()) {
    if (info.log->site == site.id) continue;
    if (!info.as_of) continue;
    // A statement of an origin whose clock is ahead stands for what it says, and is shown as of now (rule 18).
    const std::map<uint64_t, uint64_t>& said = origin_said_[info.log->id];
    const auto second = static_cast<uint64_t>(absl::ToUnixSeconds(*info.as_of));
    const bool capped = *info.as_of == site.clock.Now();
    const auto end = capped ? said.end() : said.upper_bound(second);
    const bool vouched =
        std::any_of(said.lower_bound(second), end, [&](const auto& statement) { return statement.second <= info.size.value(); });
    if (!vouched) return Fail(site, fmt::format("presents log {} as of a time that its origin has not vouched for", info.log->origin()));
  }
}

void Checks::FollowJournal(Site& site, bool catching_up) {
  Reader& reader = readers_[site.number];
  if (site.members != nullptr) CheckMember(site, reader.position);
  auto journal = site.node->ReadJournal(reader.position, site.node->JournalEnd().value() - reader.position.value());
  if (!journal.ok()) return Fail(site, "the journal cannot be read: " + Show(journal.status()));
  const Hlc bound = Hlc::FromMillis(static_cast<uint64_t>(absl::ToUnixMillis(site.clock.Now() + absl::Seconds(5))));
  for (const Dot& dot : *journal) {
    if (reader.pending.contains(dot)) {
      // Its payload came late, and is news.
      reader.pending.erase(dot);
      Learn(site, dot, &reader);
      if (!world_.failures().empty()) return;
      if (reader.pending.contains(dot)) return Fail(site, fmt::format("entry {} is told of twice, and has no payload", Show(dot)));
      ++reader.position;
      continue;
    }
    if (dot.seq < reader.applied.Get(dot.log) && site.members != nullptr) {
      // Its payload came late, and was there when the first was read. What a member is told of twice, MemberSite looks at.
      ++reader.position;
      continue;
    }
    if (dot.seq != reader.applied.Get(dot.log)) return Fail(site, fmt::format("entry {} is not the next of its log", Show(dot)));
    auto headers = site.node->ReadHeaders(dot.log, dot.seq, dot.seq + 1);
    if (!headers.ok()) return Fail(site, fmt::format("entry {} cannot be read", Show(dot)));
    auto header = DecodeHeader(headers->at(0));
    if (!header.ok()) return Fail(site, fmt::format("the header of entry {} is malformed", Show(dot)));
    if (!reader.applied.Covers(header->deps)) return Fail(site, fmt::format("entry {} came before entries it follows", Show(dot)));
    // A member follows whatever the leader's clock had let in; MemberSite looks at that.
    if (!catching_up && site.members == nullptr && !Owns(site, dot.log) && header->time > bound) {
      return Fail(site, fmt::format("entry {} of the future was applied", Show(dot)));
    }
    if (!IsMain(dot.log) && !header->deps.entries().empty()) {
      return Fail(site, fmt::format("entry {} tells who is shown it how far other logs were", Show(dot)));
    }
    const Entry& first = entries_.try_emplace(dot, Entry{headers->at(0), *header, std::nullopt, {}}).first->second;
    if (first.header_bytes != headers->at(0)) return Fail(site, fmt::format("there are two entries {}", Show(dot)));
    Learn(site, dot, &reader);
    if (!catching_up && site.members == nullptr && Owns(site, dot.log)) CheckAudience(site, dot, reader);
    if (!world_.failures().empty()) return;
    reader.applied.Set(dot.log, dot.seq + 1);
    ++reader.position;
  }
  // One that is due and not there is wanted; one that came is told of.
  if (reader.pending.empty()) return;
  const std::vector<Dot> wanted = site.node->WantedPayloads(std::nullopt, 1'000'000);
  for (const Dot& dot : std::set<Dot>(reader.pending)) {
    if (std::find(wanted.begin(), wanted.end(), dot) != wanted.end()) continue;
    auto payload = site.node->ReadPayload(dot);
    if (!payload.ok() || payload->has_value())
      return Fail(site, fmt::format("the payload of entry {} came, and nobody is told", Show(dot)));
    reader.pending.erase(dot);
    Learn(site, dot, &reader);
    if (reader.pending.contains(dot)) return Fail(site, fmt::format("entry {} has no payload, and it is not asked for", Show(dot)));
  }
}

void Checks::Learn(Site& site, Dot dot, Reader* reader) {
  Entry& entry = entries_.at(dot);
  auto bytes = site.node->ReadPayload(dot);
  if (!bytes.ok()) return Fail(site, fmt::format("entry {} cannot be read", Show(dot)));
  if (!bytes->has_value()) {
    if (!entry.header.audience.Includes(site.id)) return;
    auto erased = site.node->Erased(dot);
    if (!erased.ok() || !*erased) {
      reader->pending.insert(dot);
      return;
    }
    reader->mutations.insert(entry.mutations.begin(), entry.mutations.end());
    return;
  }
  if (Sha256(**bytes) != entry.header.payload_digest) return Fail(site, fmt::format("the payload of entry {} is not its own", Show(dot)));
  auto decoded = DecodePayload(**bytes);
  if (!decoded.ok()) return Fail(site, fmt::format("the payload of entry {} is malformed", Show(dot)));
  if (!entry.payload) {
    entry.payload = *decoded;
    for (size_t i = 0; i < decoded->mutations.size(); ++i) {
      entry.mutations.push_back(MutationIdOf(world_.roster().network(), *decoded, i));
      for (const Op& op : decoded->mutations[i].ops) {
        if (op.kind == MergeKind::kRestrictIntersect) audience_said_[decoded->mutations[i].record].insert(dot);
      }
    }
    if (!IsMain(dot.log)) alone_.insert(entry.mutations.begin(), entry.mutations.end());
  }
  for (size_t i = 0; i < decoded->mutations.size(); ++i) {
    for (const ValueId& id : Cited(decoded->mutations[i])) {
      if (reader->mutations.contains(id.mutation) || IsPending(*reader, id.mutation)) continue;
      if (alone_.contains(id.mutation)) continue;
      return Fail(site, fmt::format("entry {} was shown before a value that its author had read", Show(dot)));
    }
    reader->mutations.insert(entry.mutations[i]);
  }
}

bool Checks::IsPending(const Reader& reader, const MutationId& id) const {
  return std::any_of(reader.pending.begin(), reader.pending.end(), [&](const Dot& dot) {
    const std::vector<MutationId>& mutations = entries_.at(dot).mutations;
    return std::find(mutations.begin(), mutations.end(), id) != mutations.end();
  });
}

void Checks::OnSend(Site& from, Site& to, const v1::ReplicateResponse& message) {
  if (message.has_cosignature()) OnCosignature(from, LogId(message.cosignature().log()), message.cosignature().note());
  for (const v1::HeaderPackage& package : message.entries().packages()) {
    if (!package.checkpoint().empty()) OnCheckpoint(from, LogId(package.log()), package.checkpoint());
  }
  const auto check = [&](const v1::PayloadFrame& payload) {
    if (payload.payload().empty()) return;
    auto entry = entries_.find({LogId(payload.log()), Seq(payload.seq())});
    if (entry == entries_.end()) return;
    if (!entry->second.header.audience.Includes(to.id)) {
      Fail(from, fmt::format("sends the payload of entry {} to {}, which may not have it", Show(entry->first), to.name));
    }
    auto erased = from.node->Erased(entry->first);
    if (erased.ok() && *erased && Sha256(payload.payload()) == entry->second.header.payload_digest) {
      Fail(from, fmt::format("sends the payload of entry {} to {}, and has erased it", Show(entry->first), to.name));
    }
  };
  for (const v1::PayloadFrame& payload : message.entries().payloads()) check(payload);
  if (message.has_wanted()) check(message.wanted());
}

void Checks::OnAsk(Site& from, Site&, const v1::ReplicateRequest& message) {
  if (message.has_cosignature()) OnCosignature(from, LogId(message.cosignature().log()), message.cosignature().note());
}

const Checks::Told* Checks::Read(const std::string& note) {
  auto [it, fresh] = told_.try_emplace(note);
  if (fresh) {
    auto parsed = note::Parse(note);
    auto checkpoint = parsed.ok() ? note::ParseCheckpoint(parsed->text) : parsed.status();
    if (checkpoint.ok()) it->second = Told{*std::move(checkpoint), std::move(parsed->signatures)};
  }
  return it->second ? &*it->second : nullptr;
}

void Checks::OnCheckpoint(Site& from, LogId log, const std::string& note) {
  if (!Owns(from, log)) return;
  const Told* told = Read(note);
  if (told == nullptr) return Fail(from, "sends a malformed checkpoint of its log");
  const note::Checkpoint& checkpoint = told->checkpoint;
  NoteRoot(from, log, checkpoint);
}

bool Checks::Remembers(const Site& origin, LogId log, uint64_t size) const {
  return std::any_of(world_.sites().begin(), world_.sites().end(), [&](const auto& other) {
    return other->id != origin.id && other->node != nullptr && InfoOf(*other->node, log).known_size.value() >= size;
  });
}

void Checks::NoteRoot(const Site& from, LogId log, const note::Checkpoint& checkpoint) {
  Digest& root = roots_.try_emplace({log, checkpoint.size}, checkpoint.root).first->second;
  if (root == checkpoint.root) return;
  // With its disk it lost what it had signed, and whoever had been told could not keep it and has forgotten it, too. Should somebody who is
  // down have kept it, he finds two histories.
  const bool remembered = !restored_.contains(from.id) || Remembers(from, log, checkpoint.size);
  if (remembered) return Fail(from, fmt::format("has signed two histories of log {} of size {}", log.value(), checkpoint.size));
  root = checkpoint.root;
}

void Checks::OnCosignature(Site& from, LogId log, const std::string& note) {
  OnCheckpoint(from, log, note);
  const Told* told = Read(note);
  if (told == nullptr) return Fail(from, "sends a malformed cosignature");
  const note::Verifier& verifier = world_.roster().FindCosigner(from.id)->verifier;
  const uint64_t size = told->checkpoint.size;
  for (const note::Signature& signature : told->signatures) {
    if (signature.name != verifier.name()) continue;
    const uint64_t time_s = fairlead::Reader(signature.bytes).U64();
    if (cosigned_.try_emplace({from.id, log, size}, told->checkpoint.root).first->second != told->checkpoint.root &&
        !restored_.contains(world_.SiteOf(log).id)) {
      return Fail(from, fmt::format("cosigns two histories of log {} of size {}", log.value(), size));
    }
    if (Owns(from, log)) {
      uint64_t& said = origin_said_[log].try_emplace(time_s, size).first->second;
      said = std::min(said, size);
    }
    if (from.members != nullptr) {
      CheckMemberCosignature(from, log, size, time_s);
      continue;
    }
    if (restored_.contains(from.id)) continue;  // its peers may have told it what it has vouched for before
    if (Seq(size) > from.node->Applied().Get(log)) {
      return Fail(from, fmt::format("cosigns log {} up to {} and holds {}", log.value(), size, from.node->Applied().Get(log).value()));
    }
    Said& said = said_[{from.id, log}];
    if (time_s > said.time_s && size < said.size) {
      return Fail(from, fmt::format("cosigns log {} up to {}, and had cosigned it up to {}", log.value(), size, said.size));
    }
    if (time_s >= said.time_s) {
      said.time_s = time_s;
      said.size = size;
    }
    said.size_max = std::max(said.size_max, size);
  }
}

void Checks::Final(const Clients& clients) {
  CheckMembersAgree();
  std::vector<v1::StateDigest> digests;
  for (const auto& site : world_.sites()) {
    CheckStore(*site);
    CheckErased(*site, clients);
    CheckFreshness(*site);
    for (const Dot& dot : readers_[site->number].pending) {
      // Only what a site alone had, and lost, may be missed for good.
      const auto& sites = world_.sites();
      const bool there = std::any_of(sites.begin(), sites.end(), [&](const auto& other) {
        auto payload = other->node->ReadPayload(dot);
        return !payload.ok() || payload->has_value();
      });
      if (there || restored_.empty()) Fail(*site, fmt::format("entry {} has no payload, though the site is in its audience", Show(dot)));
    }
    for (const RosterLog& log : world_.roster().logs()) {
      if (site->node->Quarantined(log.id)) Fail(*site, fmt::format("log {} is quarantined, and nobody forked it", log.origin()));
      auto root = site->node->RootAt(log.id, site->node->Applied().Get(log.id));
      auto expected = world_.sites()[0]->node->RootAt(log.id, site->node->Applied().Get(log.id));
      if (!root.ok() || !expected.ok() || *root != *expected) Fail(*site, fmt::format("log {} has another history", log.origin()));
    }
    // What it has signed and lost may have been known on the way, or to a site that was down.
    const bool behind = std::any_of(site->logs.begin(), site->logs.end(), [&](const auto& own) {
      const node::LogInfo info = InfoOf(*site->node, own.second);
      return info.known_size > info.size;
    });
    const bool lacks = std::any_of(site->logs.begin(), site->logs.end(), [&](const auto& own) {
      const auto known = bereft_.find(own.second);
      if (known == bereft_.end()) return false;
      const auto root = site->node->RootAt(own.second, Seq(known->second));
      if (!root.ok()) return Remembers(*site, own.second, known->second);
      const auto was = roots_.find({own.second, known->second});
      return was != roots_.end() && *root != was->second;
    });
    const bool bereft = lacks || (restored_.contains(site->id) && behind);
    if (!world_.Leads(*site)) continue;  // nor has it digests of its own: CheckMembersAgree
    if (std::string reason = site->node->UnwritableReason(); reason.empty() == bereft) {
      Fail(*site, reason.empty() ? "writes on where it has signed what is lost" : "takes no writes: " + reason);
    }
    if (site->node->OpaqueCount() != 0) continue;  // nor are its digests comparable
    const v1::StateDigest digest = DigestOf(*site);
    for (const v1::StateDigest& other : digests) {
      for (const std::string& sites : CompareClasses(digest, other).different) {
        Fail(*site, fmt::format("the state of class {} differs from that of {}", sites, other.site()));
      }
    }
    digests.push_back(digest);
  }

  // What the logs say about each request.
  struct Written {
    std::map<SiteId, std::set<std::string>> streams;                        // that hold an entry of it
    std::map<std::string, std::vector<std::vector<MutationId>>> by_stream;  // of each of its entries
    std::vector<MutationId> mutations;                                      // of one of each stream
  };
  std::map<std::string, Written> requests;
  std::map<std::string, ReferenceRecord> records;
  for (const RosterLog& log : world_.roster().logs()) {
    Site& site = world_.SiteOf(log.id);
    for (uint64_t seq = 0; seq < site.node->Applied().Get(log.id).value(); ++seq) {
      const Dot dot{log.id, Seq(seq)};
      const Entry& entry = entries_.at(dot);
      if (readers_[site.number].pending.contains(dot)) {
        if (entry.payload) lost_.insert(entry.payload->request_id);
        continue;
      }
      if (!entry.payload) return Fail(site, fmt::format("entry {} of its own has no payload", Show(dot)));
      const Payload& payload = *entry.payload;
      const Header& header = entry.header;
      auto request = clients.requests().find(payload.request_id);
      if (request == clients.requests().end()) return Fail(site, fmt::format("entry {} is of a request that nobody made", Show(dot)));
      Written& written = requests[payload.request_id];
      if (!written.streams[site.id].insert(log.stream).second) {
        Fail(site, fmt::format("its log {} holds request {} twice", log.stream, payload.request_id));
      }
      std::vector<MutationId>& mutations = written.by_stream[log.stream].emplace_back();
      for (size_t i = 0; i < payload.mutations.size(); ++i) {
        const Mutation& mutation = payload.mutations[i];
        const MutationId id = MutationIdOf(world_.roster().network(), payload, i);
        mutations.push_back(id);
        written.mutations.push_back(id);
        records[mutation.record].Add(mutation, id, header.time, dot);
        auto basis = request->second.basis.find(mutation.record);
        if (basis == request->second.basis.end()) {
          Fail(site, fmt::format("entry {} writes {}, which its request did not name", Show(dot), mutation.record));
          continue;
        }
        for (const ValueId& cited : Cited(mutation)) {
          if (!basis->second.all.contains(cited)) Fail(site, fmt::format("entry {} cites a value that its author had not read", Show(dot)));
        }
        for (const Op& op : mutation.ops) {
          for (const ValueId& replaced : op.replaces) {
            if (basis->second.shown.contains(replaced)) continue;
            Fail(site, fmt::format("entry {} removes a value that its author had not read", Show(dot)));
          }
        }
      }
    }
  }
  for (const auto& [name, record] : records) {
    for (const auto& [number, view] : record.Views()) conflicts_ += view.live.size() + view.pending.size() > 1;
  }
  for (const auto& [id, request] : clients.requests()) {
    auto found = requests.find(id);
    if (found == requests.end()) {
      // One that changes nothing is answered and not written.
      const bool writes = !request.written.empty() || request.kind == Request::Kind::kErase;
      if (request.acknowledged && writes && !lost_.contains(id)) world_.Fail(fmt::format("request {} was acknowledged and is lost", id));
      continue;
    }
    if (request.open == 0) world_.Fail(fmt::format("request {} was refused and is there", id));
    std::set<std::string> expected = {request.pair.stream};
    for (const node::CompanionWrite& companion : request.pair.companions) expected.insert(companion.stream);
    companions_ += static_cast<int64_t>(expected.size() - 1);
    for (const auto& [site, streams] : found->second.streams) {
      if (streams != expected && !lost_.contains(id)) world_.Fail(fmt::format("request {} is there in part at site {}", id, site.value()));
    }
    for (const auto& [stream, entries] : found->second.by_stream) {
      for (const auto& mutations : entries) {
        if (mutations != entries.front()) world_.Fail(fmt::format("request {} is there with two meanings", id));
      }
    }
    if (found->second.by_stream.size() != expected.size()) continue;  // lost, or told of already
    const std::vector<MutationId>& mutations = found->second.mutations;
    for (const auto& [record, text] : request.written) {
      int values = 0;
      for (const auto& [number, field] : records[record].fields()) {
        for (const auto& [value_id, value] : field.values) {
          // Others who settle a conflict may write the same again.
          const bool own = std::find(mutations.begin(), mutations.end(), value_id.mutation) != mutations.end();
          values += own && value.bytes.find(text) != std::string::npos;
        }
      }
      if (values != 1) world_.Fail(fmt::format("what request {} wrote in {} is there {} times", id, record, values));
    }
  }
}

}  // namespace fairlead::simulation
