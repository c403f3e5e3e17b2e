#include "tests/simulation/plants.h"

#include <algorithm>
#include <set>
#include <utility>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/entry.h"
#include "server/node/fold.h"
#include "server/rpc/record_access.h"
#include "storage/schema.h"
#include "tests/simulation/member_plants.h"

namespace fairlead::simulation {

using storage::Cf;
using storage::Sync;

namespace {

// The states of records in a write, changed by `change`.
template <class Fn>
Disk::Rewrite StatesChangedBy(Fn change) {
  return [change](std::vector<Change>* changes, Sync*) {
    for (Change& each : *changes) {
      if (each.cf != Cf::kRecords || !each.value) continue;
      auto state = node::DecodeState(*each.value);
      if (!state.ok()) continue;
      change(&*state);
      each.value = node::EncodeState(*state);
    }
  };
}

void ForgetChanges(std::vector<Change>* changes, Cf cf, bool deletions_only) {
  std::erase_if(*changes, [=](const Change& change) { return change.cf == cf && (!deletions_only || !change.value); });
}

std::vector<Plant> MakePlants() {
  std::vector<Plant> plants;
  auto add = [&plants](std::string_view name, std::string_view rule, std::vector<std::string_view> expects) -> Plant& {
    Plant& plant = plants.emplace_back();
    plant.name = name;
    plant.rule = rule;
    plant.expects = std::move(expects);
    return plant;
  };

  add("accepts-future", "18: one fast clock decides every conflict for as long as it is ahead", {"of the future was applied"}).options =
      [](node::NodeOptions* options) { options->future_bound = absl::Hours(1); };

  add("trusts-a-clone", "7: a site restored from an old copy forks its own log", {"there are two entries"}).options =
      [](node::NodeOptions* options) { options->licence = nullptr; };
  plants.back().everywhere = true;
  plants.back().restores = true;
  plants.back().seeds_max = 40;

  add("log-begun-anew", "1: one number of a log means two entries after its site began anew", {"there are two entries"}).options =
      [](node::NodeOptions* options) { options->licence = nullptr; };
  plants.back().everywhere = true;
  plants.back().restores = true;
  plants.back().forgets = true;
  plants.back().seeds_max = 40;

  // The fork is rare: the other streams' entries come with main's. As often the logs whose size nobody tells stay incomplete.
  add("recovers-main-alone", "7: a site that lost its disk forks the logs of its other streams, or they stay incomplete",
      {"there are two entries", "the sites do not agree"})
      .response = [](const node::Node& node, SiteId, v1::ReplicateResponse* response) {
    const auto hide = [&node](auto* message) {
      auto* logs = message->mutable_logs();
      logs->erase(
          std::remove_if(logs->begin(), logs->end(),
                         [&node](const v1::LogState& state) { return node.roster().FindLog(LogId(state.log()))->stream != kMainStream; }),
          logs->end());
      message->clear_other_own_checkpoints();
    };
    if (response->has_welcome()) hide(response->mutable_welcome());
    if (response->has_heartbeat()) hide(response->mutable_heartbeat());
    return true;
  };
  plants.back().everywhere = true;
  plants.back().restores = true;
  plants.back().forgets = true;
  plants.back().seeds_max = 200;

  add("companions-dropped", "1: what a nation submitted is in the records, and its receipt is not", {"is there in part at site"}).write =
      [](node::WriteRequest* request) { request->companions.clear(); };

  add("request-ids-forgotten", "9: a request repeated at the same site is there twice", {"is forgotten"}).disk =
      [](std::vector<Change>* changes, Sync*) { ForgetChanges(changes, Cf::kRequests, false); };

  Plant& by_site =
      add("requests-by-site", "9: a request that is repeated across a broken link is there twice", {"is there with two meanings"});
  by_site.everywhere = true;
  by_site.call = [](const node::Node& node, rpc::Call* call) {
    // The name of a created engagement follows from its author.
    if (!call->method.ends_with("CreateEngagement")) call->identity.path = "gateway/" + node.options().site;
  };

  add("etag-refreshed", "8: an edit removes values that its author never saw", {"that its author had not read"}).request =
      [](const node::Node& node, google::protobuf::Message* request) {
        google::protobuf::Message* record = request;
        std::vector<const google::protobuf::FieldDescriptor*> fields;
        request->GetReflection()->ListFields(*request, &fields);
        for (const auto* field : fields) {
          if (field->message_type() != nullptr && field->message_type()->FindFieldByName("etag") != nullptr && !field->is_repeated()) {
            record = request->GetReflection()->MutableMessage(request, field);
          }
        }
        const auto* etag = rpc::Field(*record, "etag");
        if (etag == nullptr || rpc::Field(*record, "name") == nullptr) return;
        auto state = node.GetState(node.store(), rpc::GetString(*record, "name"));
        if (state.ok() && state->has_value()) record->GetReflection()->SetString(record, etag, node::EtagOf(**state));
      };
  plants.back().everywhere = true;

  add("last-writer-wins", "8: of two values one is dropped in silence", {"by its entries it holds", "the state digest of class"}).disk =
      StatesChangedBy([](node::RecordState* state) {
        const auto views = node::ViewOf(*state);
        for (const auto& [number, view] : views) {
          if (view.kind != MergeKind::kRegister) continue;
          for (size_t i = 1; i < view.live.size(); ++i) state->fields[number].values.erase(view.live[i].first);
        }
      });

  add("seals-ignored", "10: an edit made elsewhere changes a closed report", {"by its entries it holds", "the state digest of class"})
      .disk = StatesChangedBy([](node::RecordState* state) { state->seals.clear(); });
  plants.back().seeds_max = 200;

  add("state-by-clock", "10: a fast clock opens a closed report again", {"by its entries it holds", "the state digest of class"}).disk =
      StatesChangedBy([](node::RecordState* state) {
        for (const auto& [number, view] : node::ViewOf(*state)) {
          if (view.kind != MergeKind::kState) continue;
          auto newest = std::max_element(view.live.begin(), view.live.end(),
                                         [](const auto& a, const auto& b) { return a.second->time < b.second->time; });
          const std::vector<std::pair<ValueId, const node::FieldValue*>> live = view.live;
          const ValueId kept = newest == view.live.end() ? ValueId() : newest->first;
          for (const auto& [id, value] : live) {
            if (id != kept) state->fields[number].values.erase(id);
          }
        }
      });
  plants.back().seeds_max = 60;

  add("audience-forgotten", "3: a header with too wide an audience takes what a record says to sites that may not know of it",
      {"which is not for it"})
      .disk = StatesChangedBy([](node::RecordState* state) { state->fields.erase(node::kAudienceField); });
  plants.back().everywhere = true;
  plants.back().seeds_max = 40;

  add("half-an-entry", "5: of two records that one request writes, one changes", {"by its entries it holds"}).disk =
      [](std::vector<Change>* changes, Sync*) {
        auto is_record = [](const Change& change) { return change.cf == Cf::kRecords; };
        if (std::count_if(changes->begin(), changes->end(), is_record) > 1)
          changes->erase(std::find_if(changes->begin(), changes->end(), is_record));
      };

  add("torn-batch", "5, 26: records change without the entries that changed them", {"durable entries after a restart"}).disk =
      [](std::vector<Change>* changes, Sync* sync) {
        // The records go with some later write.
        if (*sync == Sync::kYes)
          *sync =
              std::any_of(changes->begin(), changes->end(), [](const Change& c) { return c.cf == Cf::kRecords; }) ? Sync::kNo : Sync::kYes;
      };

  add("never-syncs", "19: a power cut takes entries that were acknowledged and signed", {"durable entries after a restart"}).disk =
      [](std::vector<Change>*, Sync* sync) { *sync = Sync::kNo; };

  add("index-orphans", "16: an index keeps what the record has left", {"the indexes are not those of the records"}).disk =
      [](std::vector<Change>* changes, Sync*) { ForgetChanges(changes, Cf::kIndexes, true); };

  add("figures-drift", "16: a counter differs after a crash", {"the figures are not the sums"}).disk =
      [](std::vector<Change>* changes, Sync*) { ForgetChanges(changes, Cf::kAggregates, true); };

  add("digest-drift", "17: two nodes differ and their digests do not say so", {"state digest of class"}).disk =
      [](std::vector<Change>* changes, Sync*) {
        std::erase_if(*changes,
                      [](const Change& change) { return change.cf == Cf::kMeta && change.key.starts_with(storage::kMetaDigestPrefix); });
      };

  add("journal-out-of-order", "4, 26: an answer is sent on before its question", {"came before entries it follows"}).disk =
      [](std::vector<Change>* changes, Sync*) {
        std::vector<Change*> items;
        for (Change& change : *changes) {
          if (change.cf == Cf::kJournal) items.push_back(&change);
        }
        for (size_t i = 0; i + 1 < items.size(); ++i) {
          auto log_of = [](const Change* item) { return item->value->substr(0, sizeof(uint32_t)); };
          if (log_of(items[i]) != log_of(items[i + 1])) return std::swap(items[i]->value, items[i + 1]->value);
        }
      };

  add("journal-gap", "24: a journal is read on from where it lacks an item", {"came before entries it follows"}).disk =
      [](std::vector<Change>* changes, Sync*) {
        std::erase_if(*changes,
                      [](const Change& change) { return change.cf == Cf::kJournal && static_cast<uint8_t>(change.key.back()) % 16 == 15; });
      };

  add("deps-ignored", "4: an entry is applied before those it follows", {"came before entries it follows"}).batch =
      [](const node::Node&, replication::RemoteBatch* batch) {
        // Log by log, as if nothing followed from anything.
        std::stable_sort(batch->entries.begin(), batch->entries.end(), [](const auto& a, const auto& b) { return a.dot.log > b.dot.log; });
        for (replication::VerifiedEntry& entry : batch->entries) entry.header.deps = {};
      };

  add("payload-not-checked", "3: a relay changes what an entry says", {"is not its own"}).batch = [](const node::Node&,
                                                                                                     replication::RemoteBatch* batch) {
    for (replication::VerifiedEntry& entry : batch->entries) {
      if (!entry.payload || entry.dot.seq.value() % 5 != 4) continue;
      auto payload = DecodePayload(*entry.payload);
      if (!payload.ok() || payload->mutations.empty() || payload->mutations[0].ops.empty()) continue;
      payload->actor = "officer/apac/nobody";
      entry.payload = EncodePayload(*payload);
    }
  };

  add("payload-dropped", "13: an entry that is due is left out and not missed", {"the sites do not agree"}).batch =
      [](const node::Node&, replication::RemoteBatch* batch) {
        for (replication::VerifiedEntry& entry : batch->entries) {
          if (entry.dot.seq.value() % 5 == 4) entry.payload.reset();
        }
      };
  plants.back().ask = [](const node::Node&, v1::ReplicateRequest* request) { return !request->has_want(); };

  add("erased-kept", "14: a site says that it has erased, and holds it still", {"is erased and there"}).disk =
      [](std::vector<Change>* changes, Sync*) { ForgetChanges(changes, Cf::kPayloads, true); };

  add("erased-revives", "14: what an erased value had replaced is shown again",
      {"by its entries it holds", "the state digest of class", "the figures are not the sums"})
      .disk = StatesChangedBy([](node::RecordState* state) {
    for (auto& [number, field] : state->fields) {
      std::set<ValueId> erased;
      for (const auto& [id, value] : field.values) {
        if (value.erased) erased.insert(id);
      }
      std::erase_if(field.values, [&](const auto& value) { return erased.contains(value.first); });
      std::erase_if(field.edges, [&](const auto& edge) { return erased.contains(edge.second); });
    }
  });

  add("erased-forgotten", "14: a node is given what others have erased, and keeps it", {"entries are opaque,"}).disk =
      [](std::vector<Change>* changes, Sync*) {
        // It takes an erasure for an entry like any other.
        std::erase_if(*changes, [](const Change& change) {
          return change.cf == Cf::kMeta &&
                 (change.key.starts_with(storage::kMetaErasedPrefix) || change.key.starts_with(storage::kMetaErasurePrefix));
        });
      };

  add("stalls-on-withheld", "13: one entry that is not for this site stops all that come after it", {"the sites do not agree"}).batch =
      [](const node::Node&, replication::RemoteBatch* batch) {
        auto withheld = std::find_if(batch->entries.begin(), batch->entries.end(), [](const auto& entry) { return !entry.payload; });
        batch->entries.erase(withheld, batch->entries.end());
      };
  plants.back().everywhere = true;
  plants.back().seeds_max = 40;

  add("entries-renumbered", "2: an entry stands where another belongs", {"is not the next of its log"}).batch =
      [](const node::Node& node, replication::RemoteBatch* batch) {
        // Skips one entry and closes the gap.
        for (size_t i = 0; i + 1 < batch->entries.size(); ++i) {
          replication::VerifiedEntry& entry = batch->entries[i];
          const replication::VerifiedEntry& next = batch->entries[i + 1];
          if (entry.dot.log != next.dot.log || entry.dot.seq < node.Applied().Get(entry.dot.log)) continue;
          entry.header_bytes = next.header_bytes;
          entry.header = next.header;
          entry.payload = next.payload;
          return;
        }
      };

  add("audience-ignored", "27: a payload leaves for a site outside its audience", {"which may not have it"}).response =
      [](const node::Node& node, SiteId, v1::ReplicateResponse* response) {
        if (!response->has_entries()) return true;
        for (v1::PayloadFrame& payload : *response->mutable_entries()->mutable_payloads()) {
          if (!payload.withheld()) continue;
          auto bytes = node.ReadPayload({LogId(payload.log()), Seq(payload.seq())});
          if (!bytes.ok() || !bytes->has_value()) continue;
          payload.set_payload(**bytes);
          payload.set_withheld(false);
        }
        return true;
      };
  plants.back().everywhere = true;
  plants.back().seeds_max = 40;

  add("headers-rewritten", "11: a relay writes entries in its own way, and their signatures are lost", {"the sites do not agree"})
      .response = [](const node::Node&, SiteId, v1::ReplicateResponse* response) {
    if (!response->has_entries()) return true;
    for (v1::HeaderPackage& package : *response->mutable_entries()->mutable_packages()) {
      for (std::string& header : *package.mutable_headers()) header.push_back('\0');
    }
    return true;
  };

  add("checkpoints-held-back", "23: a relay keeps the checkpoint that its receiver needs", {"the sites do not agree"}).response =
      [](const node::Node&, SiteId, v1::ReplicateResponse* response) {
        if (!response->has_entries()) return true;
        for (const v1::HeaderPackage& package : response->entries().packages()) {
          if (package.first() > 0 && !package.checkpoint().empty()) return false;
        }
        return true;
      };

  add("proofs-forgotten", "23: of a log whose site is lost, what others hold in part reaches no one else", {"cannot prove them to others"})
      .disk = [](std::vector<Change>* changes, Sync*) {
    std::erase_if(*changes,
                  [](const Change& change) { return change.cf == Cf::kMeta && change.key.starts_with(storage::kMetaProvenPrefix); });
  };

  add("credit-withheld", "23: a receiver waits for a package that its credit does not admit", {"the sites do not agree"}).ask =
      [](const node::Node& node, v1::ReplicateRequest* request) { return !request->has_credit() || node.JournalEnd() < Position(3); };

  add("cosigns-on-receipt", "20: what was counted as replicated is lost", {"cosigns log"}).cosigns_on_receipt = true;

  for (Plant& plant : MemberPlants()) plants.push_back(std::move(plant));
  return plants;
}

}  // namespace

const std::vector<Plant>& Plants() {
  static const std::vector<Plant>* const kPlants = new std::vector<Plant>(MakePlants());
  return *kPlants;
}

const Plant* FindPlant(std::string_view name) {
  for (const Plant& plant : Plants()) {
    if (plant.name == name) return &plant;
  }
  return nullptr;
}

}  // namespace fairlead::simulation
