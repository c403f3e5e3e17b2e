#include "api/roster.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <set>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/entry.h"
#include "api/merkle.h"

namespace fairlead {
namespace {

constexpr std::string_view kTitle = "fairlead roster v1";
constexpr std::string_view kPartnerPrefix = "partner-";
constexpr size_t kNameMax = 63;

bool IsName(std::string_view name, bool dots) {
  return !name.empty() && name.size() <= kNameMax && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || (dots && c == '.');
  });
}

bool IsCapital(char c) { return c >= 'A' && c <= 'Z'; }

std::string OriginLine(std::string_view network, std::string_view site, uint32_t epoch, std::string_view stream) {
  return fmt::format("{}/{}/{}/{}", network, site, epoch, stream);
}

// A canonical decimal number from `min` to the greatest of T.
template <class T>
bool ParseNumber(std::string_view text, T min, T* out) {
  if (text.empty() || (text.front() == '0' && text.size() > 1)) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size() && *out >= min;
}

// The words of the text's lines, one line at a time.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) { Next(); }
  bool Done() const { return done_; }
  const std::vector<std::string_view>& words() const { return words_; }
  // Whether the line has `count` words and the first is `keyword`.
  bool Is(std::string_view keyword, size_t count) const { return !done_ && words_.size() == count && words_[0] == keyword; }
  void Next() {
    words_.clear();
    ++number_;
    const size_t end = text_.find('\n');
    if (end == std::string_view::npos) {
      done_ = true;
      return;
    }
    std::string_view line = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    for (size_t space; (space = line.find(' ')) != std::string_view::npos; line.remove_prefix(space + 1)) {
      words_.push_back(line.substr(0, space));
    }
    words_.push_back(line);
  }
  absl::Status Bad(std::string_view what) const { return absl::InvalidArgumentError(fmt::format("roster line {}: {}", number_, what)); }

 private:
  std::string_view text_;
  std::vector<std::string_view> words_;
  int number_ = 0;
  bool done_ = false;
};

absl::StatusOr<note::Verifier> ParseVkey(const Lines& lines, std::string_view vkey, std::string_view name, uint8_t algorithm) {
  absl::StatusOr<note::Verifier> verifier = note::Verifier::FromVkey(vkey);
  if (!verifier.ok()) return lines.Bad(std::string(verifier.status().message()));
  if (verifier->name() != name) return lines.Bad(fmt::format("the key's name is not {}", name));
  if (verifier->algorithm() != algorithm) return lines.Bad(fmt::format("the key's algorithm is not {}", algorithm));
  return verifier;
}

}  // namespace

std::string PartnerStream(std::string_view country) { return std::string(kPartnerPrefix).append(country); }

bool IsStreamName(std::string_view name) {
  if (IsName(name, /*dots=*/true)) return true;
  return name.size() == kPartnerPrefix.size() + 2 && name.starts_with(kPartnerPrefix) && IsCapital(name[name.size() - 2]) &&
         IsCapital(name.back());
}

std::string LogKeyPath(const std::string& main, std::string_view stream) {
  if (stream == kMainStream) return main;
  const std::filesystem::path path(main);
  return path.parent_path() / fmt::format("{}.{}{}", path.stem().string(), stream, path.extension().string());
}

absl::StatusOr<Roster> Roster::Open(std::string_view signed_note, const note::Verifier& root) {
  absl::StatusOr<note::Note> note = note::Parse(signed_note);
  if (!note.ok()) return note.status();
  if (root.algorithm() != note::kEd25519 || !note::Verify(*note, root)) {
    return absl::UnauthenticatedError(fmt::format("the roster is not signed by {}", root.name()));
  }

  Roster roster;
  roster.digest_ = Sha256(note->text);
  Lines lines(note->text);
  if (!lines.Is("fairlead", 3) || lines.words()[1] != "roster" || lines.words()[2] != "v1") return lines.Bad("not a roster of version 1");
  lines.Next();
  if (!lines.Is("network", 2) || !IsName(lines.words()[1], /*dots=*/true)) return lines.Bad("no network");
  roster.network_ = lines.words()[1];
  if (root.name() != roster.network_ + "/root") return lines.Bad("another network than the root key's");
  lines.Next();
  if (!lines.Is("version", 2) || !ParseNumber<uint64_t>(lines.words()[1], 0, &roster.version_)) return lines.Bad("no version");
  lines.Next();
  if (!lines.Is("fold", 2) || !ParseNumber<int>(lines.words()[1], 1, &roster.fold_)) return lines.Bad("no fold version");
  lines.Next();

  for (; lines.Is("site", 3); lines.Next()) {
    uint16_t id = 0;
    if (!ParseNumber<uint16_t>(lines.words()[1], 0, &id)) return lines.Bad("no site id");
    if (!roster.sites_.empty() && SiteId(id) <= roster.sites_.back().id) return lines.Bad("site ids do not ascend");
    const std::string_view name = lines.words()[2];
    if (!IsName(name, /*dots=*/false)) return lines.Bad("no site name");
    if (roster.FindSite(name) != nullptr) return lines.Bad("a site of that name is listed already");
    roster.sites_.push_back({SiteId(id), std::string(name)});
  }

  if (lines.Is("headquarters", 2)) {
    if (roster.FindSite(lines.words()[1]) == nullptr) return lines.Bad("no such site");
    roster.headquarters_ = lines.words()[1];
    lines.Next();
  }

  std::set<std::string> origins;
  std::set<std::string> keys = {root.key().raw()};
  for (; lines.Is("log", 6); lines.Next()) {
    const auto& words = lines.words();
    uint32_t id = 0;
    uint32_t epoch = 0;
    if (!ParseNumber<uint32_t>(words[1], 0, &id)) return lines.Bad("no log id");
    if (!roster.logs_.empty() && LogId(id) <= roster.logs_.back().id) return lines.Bad("log ids do not ascend");
    const RosterSite* site = roster.FindSite(words[2]);
    if (site == nullptr) return lines.Bad("no such site");
    if (!ParseNumber<uint32_t>(words[3], 1, &epoch)) return lines.Bad("no epoch");
    if (!IsStreamName(words[4])) return lines.Bad("no stream");
    const std::string origin = OriginLine(roster.network_, site->name, epoch, words[4]);
    if (!origins.insert(origin).second) return lines.Bad("a log of that site, epoch and stream is listed already");
    absl::StatusOr<note::Verifier> verifier = ParseVkey(lines, words[5], origin, note::kEd25519);
    if (!verifier.ok()) return verifier.status();
    if (!keys.insert(verifier->key().raw()).second) return lines.Bad("a key that is listed already");
    roster.logs_.push_back({LogId(id), site->id, site->name, epoch, std::string(words[4]), *std::move(verifier), {}});
  }

  std::optional<LogId> last_closed;
  for (; lines.Is("close", 4); lines.Next()) {
    uint32_t id = 0;
    uint64_t size = 0;
    if (!ParseNumber<uint32_t>(lines.words()[1], 0, &id)) return lines.Bad("no log id");
    const auto log = std::find_if(roster.logs_.begin(), roster.logs_.end(), [id](const RosterLog& l) { return l.id == LogId(id); });
    if (log == roster.logs_.end()) return lines.Bad("no such log");
    if (last_closed && log->id <= *last_closed) return lines.Bad("closings do not ascend");
    last_closed = log->id;
    if (!ParseNumber<uint64_t>(lines.words()[2], 0, &size)) return lines.Bad("no size");
    std::string root;
    LogClosing closing{Seq(size), {}};
    if (!Base64Decode(lines.words()[3], &root) || root.size() != closing.root.size()) return lines.Bad("no root");
    std::copy(root.begin(), root.end(), closing.root.begin());
    if (size == 0 && closing.root != merkle::EmptyRoot()) return lines.Bad("not the root of an empty log");
    log->closing = closing;
  }

  for (; lines.Is("cosigner", 3); lines.Next()) {
    const RosterSite* site = roster.FindSite(lines.words()[1]);
    if (site == nullptr) return lines.Bad("no such site");
    if (!roster.cosigners_.empty() && site->id <= roster.cosigners_.back().site) return lines.Bad("cosigners do not ascend");
    absl::StatusOr<note::Verifier> verifier =
        ParseVkey(lines, lines.words()[2], fmt::format("{}/{}/mirror", roster.network_, site->name), note::kCosignatureV1);
    if (!verifier.ok()) return verifier.status();
    if (!keys.insert(verifier->key().raw()).second) return lines.Bad("a key that is listed already");
    roster.cosigners_.push_back({site->id, *std::move(verifier)});
  }
  if (!lines.Done()) return lines.Bad("not a site, headquarters, log, closing or cosigner in its place");
  return roster;
}

std::string Roster::Text(std::string_view network, uint64_t version, const std::vector<RosterSite>& sites,
                         const std::vector<RosterLog>& logs, const std::vector<RosterCosigner>& cosigners, std::string_view headquarters) {
  std::string out = fmt::format("{}\nnetwork {}\nversion {}\nfold {}\n", kTitle, network, version, kFoldVersion);
  for (const RosterSite& site : sites) out += fmt::format("site {} {}\n", site.id.value(), site.name);
  if (!headquarters.empty()) out += fmt::format("headquarters {}\n", headquarters);
  for (const RosterLog& log : logs) {
    out += fmt::format("log {} {} {} {} {}\n", log.id.value(), log.site_name, log.epoch, log.stream, log.verifier.ToVkey());
  }
  for (const RosterLog& log : logs) {
    if (!log.closing) continue;
    out += fmt::format("close {} {} {}\n", log.id.value(), log.closing->size.value(), Base64Encode(AsView(log.closing->root)));
  }
  for (const RosterCosigner& cosigner : cosigners) {
    const auto site = std::find_if(sites.begin(), sites.end(), [&](const RosterSite& s) { return s.id == cosigner.site; });
    if (site != sites.end()) out += fmt::format("cosigner {} {}\n", site->name, cosigner.verifier.ToVkey());
  }
  return out;
}

const RosterSite* Roster::FindSite(std::string_view name) const {
  const auto it = std::find_if(sites_.begin(), sites_.end(), [&](const RosterSite& s) { return s.name == name; });
  return it == sites_.end() ? nullptr : &*it;
}

const RosterSite* Roster::FindSite(SiteId id) const {
  const auto it = std::find_if(sites_.begin(), sites_.end(), [&](const RosterSite& s) { return s.id == id; });
  return it == sites_.end() ? nullptr : &*it;
}

const RosterLog* Roster::FindLog(LogId id) const {
  const auto it = std::find_if(logs_.begin(), logs_.end(), [&](const RosterLog& l) { return l.id == id; });
  return it == logs_.end() ? nullptr : &*it;
}

const RosterCosigner* Roster::FindCosigner(SiteId site) const {
  const auto it = std::find_if(cosigners_.begin(), cosigners_.end(), [&](const RosterCosigner& c) { return c.site == site; });
  return it == cosigners_.end() ? nullptr : &*it;
}

const RosterLog* Roster::CurrentLog(SiteId site, std::string_view stream) const {
  const RosterLog* current = nullptr;
  for (const RosterLog& log : logs_) {
    if (log.site == site && log.stream == stream && (current == nullptr || log.epoch > current->epoch)) current = &log;
  }
  return current == nullptr || current->closing ? nullptr : current;
}

std::vector<const RosterLog*> Roster::CurrentLogs(SiteId site) const {
  std::vector<const RosterLog*> current;
  for (const RosterLog& log : logs_) {
    if (log.site == site && CurrentLog(site, log.stream) == &log) current.push_back(&log);
  }
  return current;
}

bool Roster::Voids(Dot dot) const {
  const RosterLog* log = FindLog(dot.log);
  return log != nullptr && log->Voids(dot.seq);
}

Seq Roster::Standing(LogId id, Seq size) const {
  const RosterLog* log = FindLog(id);
  return log == nullptr ? size : log->Standing(size);
}

}  // namespace fairlead
