// Whom an entry tells: its header's audience is no wider than its records'.

#include <fmt/format.h>

#include <optional>
#include <set>
#include <string>

#include "api/bytes.h"
#include "api/erasure.h"
#include "server/node/fold.h"
#include "tests/simulation/checks.h"
#include "tests/simulation/reference.h"

namespace fairlead::simulation {
namespace {

// The sites that the record is for; nullopt: all.
std::optional<std::set<std::string>> SitesOf(const ReferenceRecord& record) {
  std::optional<std::set<std::string>> sites;
  const auto views = record.Views();
  const auto view = views.find(node::kAudienceField);
  if (view == views.end()) return sites;
  for (const ValueId& id : view->second.live) {
    std::set<std::string> next;
    fairlead::Reader in(record.fields().at(node::kAudienceField).values.at(id).bytes);
    while (in.ok() && in.left() > 0) next.emplace(in.Bytes());
    if (!sites) sites = next;
    std::erase_if(*sites, [&next](const std::string& site) { return !next.contains(site); });
  }
  return sites;
}

}  // namespace

void Checks::CheckAudience(const Site& site, Dot dot, const Reader& reader) {
  const Entry& entry = entries_.at(dot);
  if (!entry.payload || IsErasure(*entry.payload)) return;  // an erasure is for those who had the content
  for (const Mutation& mutation : entry.payload->mutations) {
    // What the site knew of the record's audience when it wrote this, and what this says of it.
    ReferenceRecord record;
    for (const Dot& said : audience_said_[mutation.record]) {
      const bool followed = said.log == dot.log ? said.seq <= dot.seq : said.seq < entry.header.deps.Get(said.log);
      const auto by = entries_.find(said);
      if (!followed || by == entries_.end() || !by->second.header.audience.Includes(site.id) || reader.pending.contains(said)) continue;
      const Payload& payload = *by->second.payload;
      for (size_t i = 0; i < payload.mutations.size(); ++i) {
        if (payload.mutations[i].record != mutation.record) continue;
        record.Add(payload.mutations[i], by->second.mutations[i], by->second.header.time, said);
      }
    }
    const std::optional<std::set<std::string>> sites = SitesOf(record);
    if (!sites) continue;
    for (const RosterSite& other : world_.roster().sites()) {
      if (other.id == site.id || sites->contains(other.name) || !entry.header.audience.Includes(other.id)) continue;
      return Fail(site, fmt::format("entry {} tells {} of {}, which is not for it", Show(dot), other.name, mutation.record));
    }
  }
}

}  // namespace fairlead::simulation
