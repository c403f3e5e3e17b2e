// Checks of a site of several machines: that its machines have one journal, sign one history, and say nothing that its log on etcd belies.

#include <fmt/format.h>

#include <algorithm>

#include "api/bytes.h"
#include "api/note.h"
#include "tests/simulation/checks.h"

namespace fairlead::simulation {

void Checks::CheckMember(Site& site, Position from) {
  const std::vector<Dot>& log = site.members->journal();
  const Position end = site.node->JournalEnd();
  if (end.value() > log.size()) {
    return Fail(site, fmt::format("has a journal of {} items, and the log on etcd ever had {}", end.value(), log.size()));
  }
  const auto journal = site.node->ReadJournal(from, end.value() - from.value());
  if (!journal.ok()) return Fail(site, "the journal cannot be read: " + Show(journal.status()));
  for (size_t i = 0; i < journal->size(); ++i) {
    const size_t at = from.value() + i;
    if ((*journal)[i] == log[at]) continue;
    return Fail(site, fmt::format("has entry {} at position {}, and the log on etcd has {}", Show((*journal)[i]), at, Show(log[at])));
  }
  for (const auto& [stream, own] : site.logs) {
    const auto note = site.node->CheckpointNote(own);
    if (!note) continue;
    const Told* told = Read(*note);
    if (told == nullptr) return Fail(site, "keeps a malformed checkpoint of its own");
    NoteRoot(site, own, told->checkpoint);
    if (Seq(told->checkpoint.size) > site.members->SizeOf(own)) {
      return Fail(site, fmt::format("has signed {} entries of log {}, and the log on etcd ever had {}", told->checkpoint.size, own.value(),
                                    site.members->SizeOf(own).value()));
    }
  }
}

void Checks::OnMemberTick(Site& site) {
  const note::Verifier& verifier = world_.roster().FindCosigner(site.id)->verifier;
  for (const auto& [stream, own] : site.logs) {
    for (const replication::HeldCosignature& held : site.node->CosignaturesOf(own)) {
      if (held.site != site.id) continue;
      const Told* told = Read(held.note);
      if (told == nullptr) return Fail(site, "keeps a malformed cosignature");
      NoteRoot(site, own, told->checkpoint);
      for (const note::Signature& signature : told->signatures) {
        if (signature.name != verifier.name()) continue;
        CheckMemberCosignature(site, own, told->checkpoint.size, fairlead::Reader(signature.bytes).U64());
      }
    }
  }
}

void Checks::CheckMemberCosignature(const Site& site, LogId log, uint64_t size, uint64_t time_s) {
  const MemberSite& members = *site.members;
  const Seq had = members.SizeOf(log);
  if (Seq(size) > had) {
    return Fail(site, fmt::format("cosigns log {} up to {}, and the log on etcd ever had {}", log.value(), size, had.value()));
  }
  if (!Owns(site, log) || Seq(size) == had || members.clocks_jumped()) return;
  const absl::Time as_of = absl::FromUnixSeconds(static_cast<int64_t>(time_s)) - MemberSite::kClockOffsetMax;
  if (members.AppendedAt({log, Seq(size)}) >= as_of) return;
  Fail(site, fmt::format("says that log {} ended at {} as of {} ms after the log on etcd had more", log.value(), size,
                         absl::ToInt64Milliseconds(as_of - members.AppendedAt({log, Seq(size)}))));
}

void Checks::CheckMembersAgree() {
  if (world_.member_site() == nullptr) return;
  const std::vector<Site*>& machines = world_.member_site()->machines();
  const auto digests_of = [](const Site& site) {
    std::map<std::string, std::pair<Digest, int64_t>> digests;
    for (const node::ClassDigestInfo& info : site.node->StateDigests().second) digests[info.audience] = {info.digest, info.records};
    return digests;
  };
  for (Site* machine : machines) {
    if (machine->node->JournalEnd().value() != world_.member_site()->journal().size()) {
      Fail(*machine, "does not have all that its log on etcd had");
    }
    if (digests_of(*machine) != digests_of(*machines.front())) Fail(*machine, "differs from " + machines.front()->label);
  }
}

}  // namespace fairlead::simulation
