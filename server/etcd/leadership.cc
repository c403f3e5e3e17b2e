#include "server/etcd/leadership.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "api/bytes.h"
#include "api/crypto.h"

namespace fairlead::etcd {

namespace {

constexpr size_t kCandidacyBytes = 16;

uint64_t TermOf(const pb::KeyValue* fence) {
  uint64_t term = 0;
  if (fence != nullptr) std::from_chars(fence->value().data(), fence->value().data() + fence->value().size(), term);
  return term;
}

}  // namespace

Leadership::Leadership(Etcd* etcd, LeadershipOptions options) : etcd_(etcd), options_(std::move(options)), keys_(options_.prefix) {}

// Name, candidacy, address.
void Leadership::Note(std::string_view value) {
  const size_t name_end = value.find(' ');
  leader_ = value.substr(0, name_end);
  const size_t candidacy_end = name_end == std::string_view::npos ? name_end : value.find(' ', name_end + 1);
  leader_address_ = candidacy_end == std::string_view::npos ? "" : value.substr(candidacy_end + 1);
}

absl::StatusOr<std::optional<Fence>> Leadership::Campaign() {
  pb::TxnRequest look;
  *look.add_success() = Get(keys_.leader());
  *look.add_success() = Get(keys_.fence());
  auto seen = etcd_->Txn(look);
  if (!seen.ok()) return seen.status();
  if (const pb::KeyValue* leads = Found(*seen, 0)) {
    Note(leads->value());
    return std::nullopt;
  }
  const pb::KeyValue* fence = Found(*seen, 1);
  const uint64_t term = TermOf(fence) + 1;
  const auto lease = etcd_->Grant(options_.ttl);
  if (!lease.ok()) return lease.status();
  const std::string candidacy = fmt::format("{} {} {}", options_.member, HexEncode(RandomBytes(kCandidacyBytes)), options_.address);

  pb::TxnRequest stand;
  *stand.add_compare() = ChangedAt(keys_.leader(), 0);
  *stand.add_compare() = ChangedAt(keys_.fence(), fence == nullptr ? 0 : fence->mod_revision());
  *stand.add_success() = Put(keys_.leader(), candidacy, *lease);
  *stand.add_success() = Put(keys_.fence(), fmt::format("{} {}", term, options_.member));
  *stand.add_failure() = Get(keys_.leader());
  absl::Status failed;
  for (int attempt = 0; attempt < options_.attempts_max; ++attempt) {
    if (attempt > 0) etcd_->Pause(attempt);
    const auto answer = etcd_->Txn(stand);
    if (!answer.ok()) {
      failed = answer.status();
      if (Refused(failed)) break;
      continue;
    }
    const pb::KeyValue* leads = answer->succeeded() ? nullptr : Found(*answer, 0);
    // An earlier attempt whose answer was lost.
    const bool before = leads != nullptr && leads->value() == candidacy;
    if (answer->succeeded() || before) {
      lease_ = *lease;
      Note(candidacy);
      return Fence{before ? leads->mod_revision() : answer->header().revision(), term};
    }
    Note(leads == nullptr ? "" : leads->value());
    etcd_->Revoke(*lease).IgnoreError();  // else it ends by itself
    return std::nullopt;
  }
  // Should it have succeeded after all, it ends with its lease.
  etcd_->Revoke(*lease).IgnoreError();
  return failed;
}

absl::Status Leadership::Look() {
  pb::TxnRequest look;
  *look.add_success() = Get(keys_.leader());
  const auto seen = etcd_->Txn(look);
  if (!seen.ok()) return seen.status();
  const pb::KeyValue* leads = Found(*seen, 0);
  Note(leads == nullptr ? "" : leads->value());
  return absl::OkStatus();
}

absl::StatusOr<absl::Duration> Leadership::Renew() {
  if (lease_ == 0) return absl::NotFoundError("this member has no lease");
  auto left = etcd_->KeepAlive(lease_);
  if (absl::IsNotFound(left.status())) lease_ = 0;
  return left;
}

absl::Status Leadership::Resign() {
  if (lease_ == 0) return absl::OkStatus();
  const absl::Status status = etcd_->Revoke(lease_);
  if (status.ok()) lease_ = 0;
  return status;
}

}  // namespace fairlead::etcd
