#include "certs/identity.h"

#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <algorithm>

namespace fairlead::certs {
namespace {

constexpr size_t kNameBytesMax = 63;  // a DNS label (RFC 1035, 2.3.4) and below the 64 of an X.520 name

bool IsName(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax || name.front() == '-' || name.back() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

bool IsCountry(std::string_view name) {
  return name.size() == 2 && std::all_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

std::vector<std::string> Split(std::string_view text, char by) { return absl::StrSplit(std::string(text), by); }

}  // namespace

const std::array<Profile, 5>& Profiles() {
  static const std::array<Profile, 5> profiles = {{
      {Kind::kNode, "node/<site>", true, true, absl::Hours(24 * 90)},
      {Kind::kOfficer, "officer/<site>/<name>", false, true, absl::Hours(24 * 90)},
      {Kind::kHq, "hq/<role>/<name>", false, false, absl::Hours(24 * 90)},
      {Kind::kGateway, "gateway/<name>", false, false, absl::Hours(24 * 90)},
      {Kind::kPartner, "partner/<ISO2>/<system>", false, false, absl::Hours(24 * 365)},
  }};
  return profiles;
}

absl::Status CheckName(std::string_view what, std::string_view name) {
  if (IsName(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} \"{}\": a name is 1 to {} of [a-z0-9-] and neither starts nor ends in \"-\"", what, name, kNameBytesMax));
}

absl::Status CheckNetworkName(std::string_view network) {
  const std::vector<std::string> labels = Split(network, '.');
  if (network.size() <= kNameBytesMax && std::all_of(labels.begin(), labels.end(), IsName)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("network \"{}\": a network's name is 1 to {} of [a-z0-9.-], and no part between dots is empty or starts or ends in \"-\"",
                  network, kNameBytesMax));
}

absl::StatusOr<Identity> Identity::Parse(std::string_view text) {
  Identity identity;
  identity.parts_ = Split(text, '/');
  const std::vector<std::string>& parts = identity.parts_;
  for (const Profile& profile : Profiles()) {
    const std::vector<std::string> form = Split(profile.form, '/');
    if (form[0] != parts[0]) continue;
    if (parts.size() != form.size()) {
      return absl::InvalidArgumentError(fmt::format("identity \"{}\": it has the form {}", text, profile.form));
    }
    for (size_t i = 1; i < form.size(); ++i) {
      if (form[i] == "<ISO2>") {
        if (!IsCountry(parts[i])) {
          return absl::InvalidArgumentError(
              fmt::format("identity \"{}\": \"{}\" is not a country as two of [A-Z] (ISO 3166-1 alpha-2)", text, parts[i]));
        }
      } else if (absl::Status status = CheckName(fmt::format("identity \"{}\": {}", text, form[i]), parts[i]); !status.ok()) {
        return status;
      }
    }
    identity.profile_ = &profile;
    return identity;
  }
  std::vector<std::string> forms;
  for (const Profile& profile : Profiles()) forms.emplace_back(profile.form);
  return absl::InvalidArgumentError(fmt::format("identity \"{}\": it is one of {}", text, absl::StrJoin(forms, ", ")));
}

std::string Identity::ToString() const { return absl::StrJoin(parts_, "/"); }

std::string Identity::Uri(std::string_view network) const { return fmt::format("spiffe://{}/{}", network, ToString()); }

std::string Identity::DnsName(std::string_view network) const { return fmt::format("{}.node.{}", parts_[1], network); }

}  // namespace fairlead::certs
