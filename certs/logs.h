// The logs of a network folder's roster: their keys and licences in the folders of their sites.
//
// Thread safety: pure functions but for the files, which whoever calls has locked. Ownership: values.

#ifndef FAIRLEAD_CERTS_LOGS_H_
#define FAIRLEAD_CERTS_LOGS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "api/roster.h"
#include "certs/files.h"

namespace fairlead::certs {

std::filesystem::path NodeFolder(const std::filesystem::path& folder, const std::string& site);
// INVALID_ARGUMENT unless it is the stream of a partner nation.
absl::Status CheckPartnerStream(std::string_view stream);
// Adds a log with the next id and a new key, which replaces that of the site's log of this stream in the site's folder.
absl::StatusOr<RosterLog> MakeLog(const std::filesystem::path& folder, std::string_view network, const RosterSite& site, uint32_t epoch,
                                  const std::string& stream, std::vector<RosterLog>* logs);
// For an epoch that begins now with the main log of this origin.
absl::Status WriteLicence(const std::filesystem::path& node, const std::string& origin, absl::Time now, IfExists if_exists);

}  // namespace fairlead::certs

#endif  // FAIRLEAD_CERTS_LOGS_H_
