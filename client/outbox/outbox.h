// Changes that were made without a node, kept until one has taken them; and records that were read before, to look at and to change.
//
// A change is a request of the API with its request id, which no attempt to send it alters: whatever becomes of an answer, it has one
// effect. It keeps the basis upon which it was made: the revision that its author had read, and the author's own changes since. A record
// that it creates has its name at once, which later changes may use.
//
// Every method that changes the outbox is durable when it returns OK, and has done nothing otherwise. An outbox belongs to one identity of
// one network; changes say at which site's node they are to be made.
//
// Thread safety: one thread. Ownership: owns its database, which one process at a time may have open.

#ifndef FAIRLEAD_CLIENT_OUTBOX_OUTBOX_H_
#define FAIRLEAD_CLIENT_OUTBOX_OUTBOX_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/outbox/database.h"
#include "client/outbox/messages.h"

namespace fairlead::client {

// Nodes remember request ids for so long, and refuse older ones (api/PROTOCOL.md, rule 9).
inline constexpr absl::Duration kRequestLifetime = absl::Hours(24 * 30);
// From this age on a change that waits should be spoken of.
inline constexpr absl::Duration kAgeToWarn = absl::Hours(24 * 20);
// Of one record, upon one reading of it.
inline constexpr size_t kChangesOfRecordMax = 100;
inline constexpr size_t kRequestBytesMax = 4 << 20;  // as a node takes

// Numbers are stored.
enum class ChangeState : int {
  kWaiting = 1,
  kSent = 2,     // the node may have taken it; it is sent again
  kDone = 3,     // the node has answered
  kRefused = 4,  // the node has refused it, and a person decides
};

struct Change {
  int64_t position = 0;  // ascending, never used again
  std::string site;
  const google::protobuf::MethodDescriptor* method = nullptr;
  std::string record;  // the name of what it changes or creates
  std::string request_id;
  MessagePtr request;
  // Request ids of the author's changes that this one follows, beside what its etag names. None: it creates the record.
  std::optional<std::vector<std::string>> after;
  absl::Time recorded;
  ChangeState state = ChangeState::kWaiting;
  absl::Time ended;                    // when it was answered or refused
  absl::Status error;                  // of a refusal, as the node gave it
  MessagePtr answer;                   // when it is done
  std::vector<std::string> conflicts;  // names of those that it led to
  int unanswered = 0;                  // times that it was sent and nothing was heard

  // What the call presents as metadata `fairlead-basis`; empty for a create.
  std::string Basis() const;
  bool open() const { return state != ChangeState::kDone; }
};

// A record as it was read.
struct KeptRecord {
  MessagePtr record;
  absl::Time read;
};

// A record as it will be once the changes that wait have been made.
struct ExpectedRecord {
  MessagePtr record;
  std::optional<absl::Time> read;  // nullopt: it is made by a change that waits
  std::vector<int64_t> changes;    // positions of those that wait
};

struct OutboxOptions {
  std::string folder;  // created when it is not there
  std::string network;
  std::string actor;  // "officer/apac/watch"
  std::function<absl::Time()> now = absl::Now;
};

class Outbox {
 public:
  // UNAVAILABLE when another process has it open; FAILED_PRECONDITION when it is another identity's, or of a later version; DATA_LOSS.
  static absl::StatusOr<std::unique_ptr<Outbox>> Open(OutboxOptions options);
  static bool Exists(const std::string& folder);
  const std::string& folder() const { return options_.folder; }

  // --- Recording ---------------------------------------------------------------------------------------------------------------
  // Keeps a Create, Update, Withdraw or lifecycle request for `site`. `record` is the name of what it changes or creates; of a create
  // that leaves the id to the service, its collection with a slash at the end: `engagements/`. Sets the request id when it has none, and
  // the etag when it has none and the record is kept. The same request id again gives the change that it named before. Errors:
  // INVALID_ARGUMENT for a method that cannot wait and a request id used for something else; NOT_FOUND when the record is neither kept nor
  // made by a change that waits; ALREADY_EXISTS when a create names such a one; RESOURCE_EXHAUSTED beyond a limit.
  absl::StatusOr<Change> Record(const google::protobuf::MethodDescriptor& method, const google::protobuf::Message& request,
                                const std::string& record, const std::string& site);

  // --- What there is -----------------------------------------------------------------------------------------------------------
  // In the order in which they were made; those that are done only when asked for.
  absl::StatusOr<std::vector<Change>> Changes(bool with_done) const;
  // NOT_FOUND when there is none.
  absl::StatusOr<Change> Find(int64_t position) const;
  // How many are not done.
  absl::StatusOr<int64_t> Waiting() const;
  // Since the oldest that is not done was recorded; zero when there is none.
  absl::StatusOr<absl::Duration> OldestAge() const;

  // --- Sending (sync.h) --------------------------------------------------------------------------------------------------------
  absl::Status MarkSent(int64_t position);
  // With the node's answer and consistency token. Keeps the answer as the record that was read.
  absl::Status MarkDone(int64_t position, const google::protobuf::Message& answer, const std::string& token);
  absl::Status MarkRefused(int64_t position, const absl::Status& error);
  // The consistency token of the newest answer; empty before the first.
  absl::StatusOr<std::string> Token() const;

  // --- A person's decisions ----------------------------------------------------------------------------------------------------
  // FAILED_PRECONDITION says why not.
  // Has a refused change sent again.
  absl::Status Retry(int64_t position);
  // Puts `request` in place of the change's own, with its request id and basis, and has it sent. Not when it may have been taken already.
  absl::Status Replace(int64_t position, const google::protobuf::Message& request);
  // Makes the change upon the record as it is kept now: what others wrote and the author has seen since is replaced.
  absl::Status Rebase(int64_t position);
  // Gives the change a new request id, and the record that it creates a new name, wherever later changes use it. Not when it may have been
  // taken already, unless `even_if_sent`. The change as it is now.
  absl::StatusOr<Change> Renew(int64_t position, bool even_if_sent);
  // Takes the change out. Not a create that others need; not when it may have been taken already, unless `even_if_sent`.
  absl::Status Drop(int64_t position, bool even_if_sent);
  // Takes out what was done before `time`. How many.
  absl::StatusOr<int64_t> Forget(absl::Time time);

  // --- Records that were read --------------------------------------------------------------------------------------------------
  absl::Status Keep(const google::protobuf::Message& record);
  absl::Status Unkeep(const std::string& name);
  absl::StatusOr<std::vector<KeptRecord>> Kept() const;
  // NOT_FOUND when it is neither kept nor made by a change that waits.
  absl::StatusOr<ExpectedRecord> Expect(const std::string& name) const;
  // Every record of the type.
  absl::StatusOr<std::vector<ExpectedRecord>> ExpectAll(const google::protobuf::Descriptor& type) const;

 private:
  explicit Outbox(OutboxOptions options, std::unique_ptr<Database> database)
      : options_(std::move(options)), database_(std::move(database)) {}
  absl::Status Prepare();
  absl::StatusOr<std::string> Meta(const std::string& key) const;
  absl::Status SetMeta(const std::string& key, const std::string& value);
  // Changes that satisfy `where`, whose parameter, if it has one, is `value`; in order.
  absl::StatusOr<std::vector<Change>> Select(const std::string& where, const std::optional<std::string>& value = std::nullopt) const;
  absl::StatusOr<std::vector<Change>> OpenChangesOf(const std::string& record) const;
  absl::StatusOr<std::optional<KeptRecord>> FindKept(const std::string& name) const;
  absl::Status Store(const Change& change);
  absl::Status StoreKept(const google::protobuf::Message& record);
  absl::StatusOr<ExpectedRecord> Expected(std::optional<KeptRecord> kept, const std::vector<Change>& open, const std::string& name) const;

  const OutboxOptions options_;
  const std::unique_ptr<Database> database_;
};

}  // namespace fairlead::client

#endif  // FAIRLEAD_CLIENT_OUTBOX_OUTBOX_H_
