// Another system as a process of its own on loopback, to be measured beside Fairlead: its folder, its certificates and its end.
//
// Thread safety: one thread at a time. Ownership: a PeerHome owns its folder; a process started in it must end before it does.

#ifndef FAIRLEAD_TESTS_BENCH_PEER_H_
#define FAIRLEAD_TESTS_BENCH_PEER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>
#include <string>
#include <vector>

#include "storage/scratch_directory.h"
#include "tests/framework/process.h"

namespace fairlead::bench {

// NOT_FOUND, naming Debian's package, unless its program is there.
absl::Status RequireProgram(const std::string& path, const std::string& package);

// Whom a program runs as. PostgreSQL refuses root; then it is the user that its package has made.
enum class RunAs { kSelf, kPostgres };

class PeerHome {
 public:
  // With a certificate authority of its own and one certificate for both sides of each connection: for 127.0.0.1 and these
  // addresses, common name kPeerUser.
  static absl::StatusOr<std::unique_ptr<PeerHome>> Make(RunAs run_as = RunAs::kSelf, const std::vector<std::string>& hosts = {});

  const std::string& path() const { return scratch_.path(); }
  std::string ca_file() const { return path() + "/ca.crt"; }
  std::string certificate_file() const { return path() + "/peer.crt"; }
  std::string key_file() const { return path() + "/peer.key"; }

  // A file of the folder, readable by whoever the programs run as.
  absl::Status Write(const std::string& name, const std::string& text) const;
  // What it writes goes to `log` in the folder.
  absl::StatusOr<std::unique_ptr<framework::Process>> Start(const std::vector<std::string>& arguments, const std::string& log) const;
  // An error with all it wrote unless it ends with exit code 0.
  absl::Status Run(const std::vector<std::string>& arguments) const;
  // `status` and the end of the log, to say why a program is not what it should be.
  absl::Status WithLog(const absl::Status& status, const std::string& log) const;

 private:
  explicit PeerHome(RunAs run_as) : run_as_(run_as) {}
  std::vector<std::string> Command(std::vector<std::string> arguments) const;
  absl::Status GiveAway(const std::string& file) const;
  absl::Status MakeCertificates(const std::vector<std::string>& hosts) const;

  const storage::ScratchDirectory scratch_;
  const RunAs run_as_;
};

inline constexpr char kPeerUser[] = "fairlead";
inline constexpr absl::Duration kPeerStartTimeout = absl::Seconds(60);

// Asks a process to end by `signal` and waits; one that does not is killed by its destructor.
void EndPeer(framework::Process* process, int signal);
// Whether somebody listens on this port.
bool Listens(int port, const std::string& host = "127.0.0.1");

}  // namespace fairlead::bench

#endif  // FAIRLEAD_TESTS_BENCH_PEER_H_
