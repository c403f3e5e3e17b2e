// The commands `fairlead certs init|issue|list|renew|revoke|crl|root|epoch|show`, over certs/network.h.
//
// Thread safety: none is needed; a program adds them once, before it parses. Ownership: `app`, `out` and `result` are borrowed and must
// outlive the parse.

#ifndef FAIRLEAD_CERTS_COMMANDS_H_
#define FAIRLEAD_CERTS_COMMANDS_H_

#include <absl/status/status.h>

#include <CLI/CLI.hpp>
#include <ostream>

namespace fairlead::certs {

// Adds the subcommand `certs` to `app`. The command that was asked for runs while `app` parses, writes what it has to tell to `*out` and
// how it ended to `*result`, which stays as it was when another command was asked for. Prints no errors: they are the caller's to show.
void AddCertsCommands(CLI::App* app, std::ostream* out, absl::Status* result);

}  // namespace fairlead::certs

#endif  // FAIRLEAD_CERTS_COMMANDS_H_
