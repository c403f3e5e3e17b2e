// Rosters. The input is a roster's text, which the network's root key signs: what is fuzzed are the rules behind the signature.

#include "api/note.h"
#include "api/roster.h"
#include "api/test_log.h"
#include "tests/fuzz/property.h"

namespace fairlead::fuzz {
namespace {

const TestLog& Log() {
  static const TestLog* const log = new TestLog;
  return *log;
}

void TryRoster(const std::string& text) {
  const TestLog& log = Log();
  const std::string bytes = note::Format({text, {note::Sign(log.root.name(), log.root_key, text)}});
  auto roster = Roster::Open(bytes, log.root);
  if (!roster.ok()) {
    RequireError(roster.status(), {absl::StatusCode::kInvalidArgument, absl::StatusCode::kUnauthenticated});
    return;
  }
  if (text.find("\nfold 1\n") != std::string::npos) {
    Require(Roster::Text(roster->network(), roster->version(), roster->sites(), roster->logs(), roster->cosigners()) == text,
            "a roster has one text");
  }
  for (const RosterSite& site : roster->sites()) {
    Require(roster->FindSite(site.id) == &site && roster->FindSite(site.name) == &site, "a site is found by its id and by its name");
  }
  for (const RosterLog& entry : roster->logs()) {
    Require(roster->FindLog(entry.id) == &entry, "a log is found by its id");
    const RosterLog* current = roster->CurrentLog(entry.site, entry.stream);
    Require(current != nullptr && current->epoch >= entry.epoch, "the current log is of the newest epoch");
    Require(entry.verifier.key().raw() != log.root.key().raw(), "no log has the root's key");
  }
  for (const RosterCosigner& cosigner : roster->cosigners()) {
    Require(roster->FindCosigner(cosigner.site) == &cosigner, "a cosigner is found by its site");
  }
}

}  // namespace
}  // namespace fairlead::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fairlead::fuzz::TryRoster(std::string(fairlead::fuzz::AsText(data, size)));
  return 0;
}
