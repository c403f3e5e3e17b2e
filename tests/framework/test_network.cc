#include "tests/framework/test_network.h"

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "api/tls.h"
#include "certs/files.h"
#include "certs/identity.h"
#include "certs/x509.h"
#include "storage/scratch_directory.h"

namespace fairlead::framework {
namespace {

constexpr absl::Duration kRootAge = absl::Hours(48);

Credentials In(const std::filesystem::path& folder, const std::filesystem::path& ca) {
  return {(folder / "tls.crt").string(), (folder / "tls.key").string(), ca.string()};
}

}  // namespace

const TestNetwork& TestNetwork::Get() {
  static const storage::ScratchDirectory directory;
  static const TestNetwork network = [] {
    absl::StatusOr<TestNetwork> made = Make(std::filesystem::path(directory.path()) / "certs", kNetworkName);
    if (!made.ok()) {
      fmt::print(stderr, "the test network cannot be made: {}\n", made.status().ToString());
      std::exit(1);
    }
    return *std::move(made);
  }();
  return network;
}

absl::StatusOr<TestNetwork> TestNetwork::Make(const std::filesystem::path& folder, const std::string& name) {
  certs::CreateOptions options;
  options.network = name;
  options.sites = {"apac", "eame", "csa", "hq"};
  options.loopback = true;
  options.partners = {"AU", "DE", "JP"};
  if (names_headquarters) options.headquarters = "hq";
  if (absl::Status made = certs::Network::Create(folder, options, absl::Now() - kRootAge); !made.ok()) return made;
  absl::StatusOr<certs::Network> opened = certs::Network::Open(folder);
  if (!opened.ok()) return opened.status();
  return TestNetwork(folder, *std::move(opened));
}

absl::StatusOr<Credentials> TestNetwork::Of(const std::string& identity) const {
  const std::filesystem::path certificate = folder_ / identity / "tls.crt";
  if (std::filesystem::exists(certificate)) return In(folder_ / identity, folder_ / "ca/ca.crt");
  return Issue(identity, absl::Now(), absl::Hours(24));
}

absl::StatusOr<Credentials> TestNetwork::Issue(const std::string& identity, absl::Time now, absl::Duration lifetime) const {
  const absl::StatusOr<certs::Identity> parsed = certs::Identity::Parse(identity);
  if (!parsed.ok()) return parsed.status();
  certs::IssueOptions options;
  options.lifetime = lifetime;
  options.replace = true;
  if (absl::StatusOr<certs::Issued> issued = network_.Issue(*parsed, options, now); !issued.ok()) return issued.status();
  return In(folder_ / identity, folder_ / "ca/ca.crt");
}

absl::StatusOr<Credentials> TestNetwork::Foreign(const std::string& identity, const std::string& network_name) const {
  const absl::StatusOr<certs::Identity> parsed = certs::Identity::Parse(identity);
  if (!parsed.ok()) return parsed.status();
  const absl::StatusOr<std::string> root_pem = certs::ReadFile(folder_ / "ca/ca.key");
  if (!root_pem.ok()) return root_pem.status();
  const absl::StatusOr<certs::Key> root_key = certs::KeyFromPem(*root_pem);
  if (!root_key.ok()) return root_key.status();
  const absl::StatusOr<certs::Key> key = certs::GenerateKey();
  if (!key.ok()) return key.status();
  const absl::Time now = absl::Now();
  const certs::LeafOptions options{.network = network_name, .identity = *parsed, .validity = {now - absl::Hours(1), now + absl::Hours(1)}};
  const absl::StatusOr<certs::Certificate> leaf = certs::MakeLeaf(options, *key, network_.root(), *root_key);
  if (!leaf.ok()) return leaf.status();
  const absl::StatusOr<std::string> leaf_pem = certs::CertificateToPem(*leaf);
  if (!leaf_pem.ok()) return leaf_pem.status();
  const absl::StatusOr<std::string> key_pem = certs::KeyToPem(*key);
  if (!key_pem.ok()) return key_pem.status();

  const std::filesystem::path folder = folder_ / "foreign" / network_name / identity;
  std::filesystem::create_directories(folder);
  const Credentials out = In(folder, folder_ / "ca/ca.crt");
  for (const auto& [file, bytes] : {std::pair(out.certificate_file, *leaf_pem), std::pair(out.key_file, *key_pem)}) {
    if (absl::Status written = certs::WriteFile(file, bytes, certs::Access::kOwnerOnly, certs::IfExists::kReplace); !written.ok()) {
      return written;
    }
  }
  return out;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> ChannelTo(const Credentials& credentials, const std::string& site,
                                                         const std::string& address) {
  RequireTls13();
  grpc::SslCredentialsOptions ssl;
  for (const auto& [file, text] :
       {std::pair(&credentials.ca_file, &ssl.pem_root_certs), std::pair(&credentials.certificate_file, &ssl.pem_cert_chain),
        std::pair(&credentials.key_file, &ssl.pem_private_key)}) {
    if (file->empty()) continue;
    absl::StatusOr<std::string> bytes = certs::ReadFile(*file);
    if (!bytes.ok()) return bytes.status();
    *text = *std::move(bytes);
  }
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride(fmt::format("{}.node.{}", site, kNetworkName));
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(64 << 20);
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(ssl), arguments);
}

}  // namespace fairlead::framework
