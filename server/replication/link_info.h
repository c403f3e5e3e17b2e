// What a node knows of one replication link, as its receiver.
//
// Thread safety: value. Ownership: value.

#ifndef FAIRLEAD_SERVER_REPLICATION_LINK_INFO_H_
#define FAIRLEAD_SERVER_REPLICATION_LINK_INFO_H_

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace fairlead::replication {

struct LinkInfo {
  std::string peer;  // site name
  std::string address;
  bool connected = false;                     // the peer has answered Hello and the stream is up
  std::optional<absl::Time> last_contact;     // when anything was last heard
  absl::Duration rtt;                         // of the last heartbeat; zero before the first
  std::optional<absl::Duration> clock_ahead;  // the peer's clock beside this node's, as of the last heartbeat
  uint64_t entries_behind = 0;                // held by the peer, as it last said or showed, and not applied here
  uint64_t entries_received = 0;              // over all streams of the link, new here or not
  uint64_t bytes_received = 0;                // likewise
  // The journal position kept for this peer led past entries that later ones follow: the next stream begins at the start of the journal.
  bool position_doubted = false;
  absl::Status last_error;
  std::optional<absl::Time> last_error_time;
  std::map<std::string, absl::Status> refused;  // by origin line: logs of which no more is taken on the stream that is up, and why
  std::map<std::string, uint64_t> errors;       // over all streams: what went wrong, by reason (Reason, or else the code's name)
};

}  // namespace fairlead::replication

#endif  // FAIRLEAD_SERVER_REPLICATION_LINK_INFO_H_
