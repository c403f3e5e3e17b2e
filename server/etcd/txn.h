// Keys of a site in etcd, and the parts of the transactions on them.
//
//   {prefix}instance              16 bytes: the journal's instance
//   {prefix}batches/{position}    items from there on (packing.h); the first that is there is where the log begins
//   {prefix}tail                  position at which the next batch is appended, and the chain there (packing.h)
//   {prefix}leader                who leads: name, candidacy, address; with his lease (leadership.h)
//   {prefix}fence                 how often the leader has changed; the key's revision is what an append compares
//   {prefix}members/{name}        position before which that member has all durably
//   {prefix}ended                 instead of instance, batches, tail and members: who ended the log, at which position and chain
//
// A position is written with 20 decimal digits, so that the order of keys is theirs and an operator can read them.
//
// Thread safety: pure functions.

#ifndef FAIRLEAD_SERVER_ETCD_TXN_H_
#define FAIRLEAD_SERVER_ETCD_TXN_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/ids.h"
#include "server/etcd/etcd.h"

namespace fairlead::etcd {

struct Keys {
  explicit Keys(std::string prefix) : prefix(std::move(prefix)) {}
  const std::string prefix;  // of all that is the site's: "fairlead/{network}/{site}/"

  std::string instance() const { return prefix + "instance"; }
  std::string Batch(Position first) const;
  std::string batches() const { return prefix + "batches/"; }
  std::string batches_end() const { return prefix + "batches0"; }  // '0' comes after '/'
  std::string tail() const { return prefix + "tail"; }
  std::string leader() const { return prefix + "leader"; }
  std::string fence() const { return prefix + "fence"; }
  std::string members() const { return prefix + "members/"; }
  std::string members_end() const { return prefix + "members0"; }
  std::string ended() const { return prefix + "ended"; }
  // The position in a key that Batch made. DATA_LOSS when it is none.
  absl::StatusOr<Position> PositionOf(std::string_view batch_key) const;
};

std::string PositionText(Position position);
// DATA_LOSS, naming `what`, when the text is not PositionText's.
absl::StatusOr<Position> ReadPosition(std::string_view text, std::string_view what);

// A value of `tail`: the position, and the chain as hexadecimal digits.
struct Tail {
  Position position;
  std::string chain;
  bool Has(const Digest& at) const { return chain == HexEncode(AsView(at)); }
};
std::string TailText(Position position, const Digest& chain);
// DATA_LOSS when the text is not TailText's.
absl::StatusOr<Tail> ReadTail(std::string_view text);

pb::Compare HasValue(const std::string& key, const std::string& value);
// The key was last changed by the transaction of this revision. Revision 0: it is not there.
pb::Compare ChangedAt(const std::string& key, int64_t revision);
// There are keys in [key, end), and each has a value that is after this one.
pb::Compare AllAfter(const std::string& key, const std::string& end, const std::string& value);

pb::RequestOp Put(const std::string& key, const std::string& value, int64_t lease = 0);
pb::RequestOp Get(const std::string& key);
enum class With { kKeys, kValues };
// Keys of [key, end) in order; 0: all of them.
pb::RequestOp GetRange(const std::string& key, const std::string& end, int64_t limit, With with = With::kValues);
pb::RequestOp Delete(const std::string& key);
pb::RequestOp DeleteRange(const std::string& key, const std::string& end);

// What the index-th operation of a transaction, a Get, found; null when the key is not there. REQUIRES: the transaction had that operation.
const pb::KeyValue* Found(const pb::TxnResponse& response, int index);

}  // namespace fairlead::etcd

#endif  // FAIRLEAD_SERVER_ETCD_TXN_H_
