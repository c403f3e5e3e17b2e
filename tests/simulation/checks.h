// The promises that a simulation holds the product to: at every step, at every start of a site, and when all is healed.
//
// Thread safety: none. Ownership: borrows world and clients.

#ifndef FAIRLEAD_TESTS_SIMULATION_CHECKS_H_
#define FAIRLEAD_TESTS_SIMULATION_CHECKS_H_

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "api/note.h"
#include "tests/simulation/clients.h"
#include "tests/simulation/world.h"

namespace fairlead::simulation {

inline std::string Show(Dot dot) { return fmt::format("{}/{}", dot.log.value(), dot.seq.value()); }
inline std::string Show(const absl::Status& status) { return std::string(status.message()); }
bool Owns(const Site& site, LogId log);

class Checks : public Watcher {
 public:
  explicit Checks(World* world);

  void OnStart(Site& site, bool restored) override;
  void OnCommit(Site& site) override;
  void OnSend(Site& from, Site& to, const v1::ReplicateResponse& message) override;
  void OnAsk(Site& from, Site& to, const v1::ReplicateRequest& message) override;
  void OnMemberTick(Site& site) override;

  // After healing: REQUIRES: the world has converged.
  void Final(const Clients& clients);
  int64_t conflicts() const { return conflicts_; }
  int64_t companions() const { return companions_; }

 private:
  bool IsMain(LogId log) const;
  // An entry as first seen anywhere.
  struct Entry {
    std::string header_bytes;
    Header header;
    std::optional<Payload> payload;     // unset while no site that has it has shown it
    std::vector<MutationId> mutations;  // of the payload
  };
  // A site's journal, followed item by item.
  struct Reader {
    Position position;
    VersionVector applied;
    std::set<MutationId> mutations;
    std::set<Dot> pending;  // due there, and not there yet
  };
  struct Told {
    note::Checkpoint checkpoint;
    std::vector<note::Signature> signatures;
  };
  // What a site has let others see of what it signs.
  struct Said {
    uint64_t time_s = 0;
    uint64_t size = 0;      // of the statement of time_s
    uint64_t size_max = 0;  // of any
  };

  void FollowJournal(Site& site, bool catching_up);
  // What the entry says, or said before it was erased, as the site's reader may know it.
  void Learn(Site& site, Dot dot, Reader* reader);
  // That an entry which its own site has just written is for no site that its records are not for, by all that the site knew of them.
  void CheckAudience(const Site& site, Dot dot, const Reader& reader);
  // Whether an entry that the reader waits for brings the mutation.
  bool IsPending(const Reader& reader, const MutationId& id) const;
  // Freshness that a site claims: the origin has said so, and of no more than the site holds.
  void CheckFreshness(Site& site);
  // Whatever it holds of others' logs it can prove to others.
  void CheckProofs(Site& site);
  // The erased texts are in no part of the site's store, and its history tells of the erasures.
  void CheckErased(Site& site, const Clients& clients);
  // The whole store against its entries: trees, notes, records, indexes, figures, digests, opaque entries, request ids.
  void CheckStore(Site& site);
  void CheckTree(Site& site, const RosterLog& log, const std::vector<std::string>& headers);
  void CheckDerived(Site& site, const std::map<std::string, std::string>& states);
  // What a site has lost for good when it is restored from an old copy: entries, and statements about them, that nobody else has.
  void ForgetLost(Site& site);
  // What a note says, read once however often it is sent; null when it is no signed checkpoint.
  const Told* Read(const std::string& note);
  void OnCosignature(Site& from, LogId log, const std::string& note);
  // Whether another site that runs knows that the log had so many entries. One that was told may have a disk that could not keep it.
  bool Remembers(const Site& origin, LogId log, uint64_t size) const;
  // One root for each size of a log, whoever of its site's machines signed it.
  void NoteRoot(const Site& from, LogId log, const note::Checkpoint& checkpoint);
  // --- Of a site of several machines (member_checks.cc)
  // Its journal is what the log on etcd has, and what it keeps as signed is so.
  void CheckMember(Site& site, Position from);
  // What such a site has signed, the log on etcd has; a site that says that its log had ended as of a time speaks of all that was in it.
  void CheckMemberCosignature(const Site& site, LogId log, uint64_t size, uint64_t time_s);
  void CheckMembersAgree();
  void OnCheckpoint(Site& from, LogId log, const std::string& note);
  void Fail(const Site& site, const std::string& what) { world_.Fail(site.label + ": " + what); }

  World& world_;
  std::map<size_t, Reader> readers_;  // by machine
  std::map<Dot, Entry> entries_;
  std::map<std::pair<LogId, uint64_t>, Digest> roots_;  // signed and shown by the log's own site
  std::map<std::tuple<SiteId, LogId, uint64_t>, Digest> cosigned_;
  std::map<std::pair<SiteId, LogId>, Said> said_;
  std::map<LogId, std::map<uint64_t, uint64_t>> origin_said_;  // seconds and size of each statement of an origin about its own log
  std::unordered_map<std::string, std::optional<Told>> told_;  // by the bytes of the note
  std::set<std::string> lost_;                                 // requests that only a restored site had
  std::set<SiteId> restored_;
  // Logs of restored sites of which others know checkpoints of up to so many entries, which no store had then. Unless they come all the
  // same, from where they had arrived and not been applied, their site may not write again but in a new epoch.
  std::map<LogId, uint64_t> bereft_;
  std::map<std::string, std::set<Dot>> audience_said_;  // by record: the entries that say whom it is for
  std::set<MutationId> alone_;                          // of entries of other streams than main, which nothing follows
  int64_t conflicts_ = 0;
  int64_t companions_ = 0;
  int64_t commits_ = 0;
};

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_CHECKS_H_
