#include "client/dashboard/sessions.h"

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/errors.h"

namespace fairlead::dashboard {
namespace {

constexpr size_t kSecretBytes = 32;

std::string NewSecret() { return HexEncode(RandomBytes(kSecretBytes)); }

std::string KeyOf(std::string_view secret) {
  const Digest digest = Sha256(secret);
  return std::string(digest.begin(), digest.end());
}

}  // namespace

bool Sessions::Ended(const Kept& kept, absl::Time now) const { return now >= kept.session.expire_time || now - kept.used >= options_.idle; }

absl::StatusOr<std::string> Sessions::Open(const std::string& viewer, const std::string& binding) {
  const absl::Time now = options_.now();
  absl::MutexLock lock(&mu_);
  if (sessions_.size() >= options_.sessions_max) {
    std::erase_if(sessions_, [&](const auto& each) { return Ended(each.second, now); });
    if (sessions_.size() >= options_.sessions_max) return Error(Reason::kOverloaded, "too many sessions");
  }
  std::string secret = NewSecret();
  sessions_[KeyOf(secret)] = {{viewer, binding, NewSecret(), "", now + options_.lifetime}, now};
  return secret;
}

std::optional<Session> Sessions::Find(std::string_view secret) {
  const absl::Time now = options_.now();
  absl::MutexLock lock(&mu_);
  const auto it = sessions_.find(KeyOf(secret));
  if (it == sessions_.end()) return std::nullopt;
  if (Ended(it->second, now)) {
    sessions_.erase(it);
    return std::nullopt;
  }
  it->second.used = now;
  return it->second.session;
}

void Sessions::SetToken(std::string_view secret, const std::string& token) {
  absl::MutexLock lock(&mu_);
  if (const auto it = sessions_.find(KeyOf(secret)); it != sessions_.end()) it->second.session.token = token;
}

void Sessions::Close(std::string_view secret) {
  absl::MutexLock lock(&mu_);
  sessions_.erase(KeyOf(secret));
}

std::string Sessions::NewLink(const std::string& viewer) {
  std::string secret = NewSecret();
  absl::MutexLock lock(&mu_);
  links_[KeyOf(secret)] = {viewer, options_.now() + options_.link_lifetime};
  return secret;
}

std::optional<std::string> Sessions::RedeemLink(std::string_view secret) {
  const absl::Time now = options_.now();
  absl::MutexLock lock(&mu_);
  const auto it = links_.find(KeyOf(secret));
  if (it == links_.end()) return std::nullopt;
  const Link link = it->second;
  links_.erase(it);
  if (now >= link.expire_time) return std::nullopt;
  return link.viewer;
}

}  // namespace fairlead::dashboard
