#include "server/replication/backoff.h"

#include <algorithm>
#include <utility>

namespace fairlead::replication {

Backoff::Backoff(const BackoffOptions& options, std::function<double()> uniform)
    : options_(options), uniform_(std::move(uniform)), ceiling_(std::min(options.first_max, options.max)) {}

absl::Duration Backoff::Next() {
  const absl::Duration delay = ceiling_ * uniform_();
  ceiling_ = std::min(ceiling_ * options_.factor, options_.max);
  return delay;
}

void Backoff::Reset() { ceiling_ = std::min(options_.first_max, options_.max); }

}  // namespace fairlead::replication
