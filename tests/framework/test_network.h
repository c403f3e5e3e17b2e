// The certificates and keys of the network that all clusters of a test program are: made once, in a folder of the program's own.
//
// Thread safety: one thread at a time. Ownership: values; the folder is removed when the program ends.

#ifndef FAIRLEAD_TESTS_FRAMEWORK_TEST_NETWORK_H_
#define FAIRLEAD_TESTS_FRAMEWORK_TEST_NETWORK_H_

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <grpcpp/channel.h>

#include <filesystem>
#include <memory>
#include <string>

#include "certs/network.h"

namespace fairlead::framework {

inline constexpr char kNetworkName[] = "test.fairlead.example";

// A caller's files.
struct Credentials {
  std::string certificate_file;
  std::string key_file;
  std::string ca_file;
};

// A channel of its own to the node of `site` at `address`, for calls that the client library does not make. Any thread.
absl::StatusOr<std::shared_ptr<grpc::Channel>> ChannelTo(const Credentials& credentials, const std::string& site,
                                                         const std::string& address);

class TestNetwork {
 public:
  // The one of the sites apac, eame, csa and hq. Its root is two days old, so that a certificate can have ended. Ends the program, saying
  // why, when it cannot be made.
  static const TestNetwork& Get();
  // Whether the roster of Get() names hq as headquarters, which then limits who may write what. Set before its first use.
  static inline bool names_headquarters = false;
  // Another: in `folder`, with its own root.
  static absl::StatusOr<TestNetwork> Make(const std::filesystem::path& folder, const std::string& name);

  const std::filesystem::path& folder() const { return folder_; }
  const certs::Network& network() const { return network_; }
  // Those of `identity` ("officer/apac/watch"), issued when first asked for.
  absl::StatusOr<Credentials> Of(const std::string& identity) const;
  // New ones, with a certificate of this validity, in place of those that were issued before.
  absl::StatusOr<Credentials> Issue(const std::string& identity, absl::Time now, absl::Duration lifetime) const;
  // A certificate by this network's root that names an identity of another network.
  absl::StatusOr<Credentials> Foreign(const std::string& identity, const std::string& network_name) const;

 private:
  TestNetwork(std::filesystem::path folder, certs::Network network) : folder_(std::move(folder)), network_(std::move(network)) {}

  std::filesystem::path folder_;
  certs::Network network_;
};

}  // namespace fairlead::framework

#endif  // FAIRLEAD_TESTS_FRAMEWORK_TEST_NETWORK_H_
