#include "api/state_digest.h"

#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace fairlead {
namespace {

struct Listed {
  const v1::ClassDigest* digest;
  std::set<std::string> partly;
};

std::map<std::string, Listed> ClassesOf(const v1::StateDigest& state) {
  std::map<std::string, Listed> classes;
  for (const v1::ClassDigest& digest : state.classes()) {
    AudienceClass parsed = ParseClass(digest.audience());
    classes[parsed.sites] = {&digest, std::move(parsed.partly)};
  }
  return classes;
}

// Whether a node that lists `classes` says that `site` may hold records of the class `sites` in part. What it says of a class that it has
// no records of, it says of the narrowest.
bool SaysInPart(const std::map<std::string, Listed>& classes, const std::string& sites, const std::string& site) {
  const auto listed = classes.find(sites);
  if (listed != classes.end()) return listed->second.partly.contains(site);
  return std::any_of(classes.begin(), classes.end(), [&](const auto& one) {
    return (one.first == "*") == (sites == "*") && ClassHolds(sites, one.first) && one.second.partly.contains(site);
  });
}

}  // namespace

bool ClassHolds(std::string_view wide, std::string_view narrow) {
  if (wide == "*" || narrow == "*") return wide == "*";
  const std::string sites = fmt::format(",{},", wide);
  while (!narrow.empty()) {
    const std::string_view site = narrow.substr(0, narrow.find(','));
    if (sites.find(fmt::format(",{},", site)) == std::string::npos) return false;
    narrow.remove_prefix(std::min(narrow.size(), site.size() + 1));
  }
  return true;
}

AudienceClass ParseClass(const std::string& audience) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(audience, absl::MaxSplits(" but ", 1));
  return {parts.first, absl::StrSplit(parts.second, ',', absl::SkipEmpty())};
}

ClassComparison CompareClasses(const v1::StateDigest& one, const v1::StateDigest& other) {
  const std::map<std::string, Listed> ones = ClassesOf(one);
  const std::map<std::string, Listed> others = ClassesOf(other);
  std::set<std::string> all;
  for (const auto* classes : {&ones, &others}) {
    for (const auto& [sites, listed] : *classes) all.insert(sites);
  }
  ClassComparison out;
  for (const std::string& sites : all) {
    if (!ClassHolds(sites, one.site()) || !ClassHolds(sites, other.site())) continue;
    const auto digest_of = [&sites](const std::map<std::string, Listed>& classes) {
      const auto found = classes.find(sites);
      const bool has = found != classes.end() && found->second.digest->records() > 0;
      return has ? std::pair(found->second.digest->records(), found->second.digest->digest()) : std::pair(int64_t{0}, std::string());
    };
    const auto here = digest_of(ones);
    const auto there = digest_of(others);
    if (here.first == 0 && there.first == 0) continue;
    if (SaysInPart(ones, sites, other.site()) || SaysInPart(others, sites, one.site())) {
      out.in_part.insert(sites);
    } else {
      (here == there ? out.same : out.different).insert(sites);
    }
  }
  return out;
}

}  // namespace fairlead
