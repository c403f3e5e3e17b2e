// For tests: replication streams between fake nodes, message by message, with a clock that moves only when told.
//
// Every message crosses as bytes, so what a test sees is what a wire would carry.
// Thread safety: none. Ownership: a World owns its streams and borrows the nodes.

#ifndef FAIRLEAD_SERVER_REPLICATION_FAKE_STREAM_H_
#define FAIRLEAD_SERVER_REPLICATION_FAKE_STREAM_H_

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/replication/fake_log.h"
#include "server/replication/receiver.h"
#include "server/replication/sender.h"

namespace fairlead::replication {

class FakeStream {
 public:
  FakeStream(FakeNode* from, FakeNode* to, const absl::Time* now) : from_(*from), to_(*to), now_(*now) {}

  // Opens the stream, unless a batch of the one before is still at the sink.
  bool Connect();
  void Drop();
  bool up() const { return up_; }

  // Moves what the machines have to say onto the wire, one message at a time from each side; false when there was nothing.
  bool Pump();
  // Delivers the oldest message; false when there is none. A side that fails ends the stream.
  bool DeliverUp();    // to the sender
  bool DeliverDown();  // to the receiver
  void Tick();
  void Wake();

  FakeNode& from() { return from_; }
  FakeNode& to() { return to_; }
  Receiver& receiver() { return *receiver_; }
  Sender& sender() { return *sender_; }

  SenderOptions sender_options;
  ReceiverOptions receiver_options;
  std::vector<LogId> direct_logs;
  // May change messages on the wire; false swallows the message.
  std::function<bool(v1::ReplicateResponse*)> tamper_down;
  std::function<bool(v1::ReplicateRequest*)> tamper_up;

  absl::Status sender_status;         // of the last stream
  absl::Status receiver_status;       // of the last stream
  std::vector<std::string> down_log;  // every message sent down, as bytes
  std::map<LogId, int> payloads_sent;
  LinkInfo info;

 private:
  void End();

  FakeNode& from_;
  FakeNode& to_;
  const absl::Time& now_;
  bool up_ = false;
  int generation_ = 0;
  bool batch_out_ = false;
  std::optional<Sender> sender_;
  std::optional<Receiver> receiver_;
  std::deque<std::string> up_wire_;
  std::deque<std::string> down_wire_;
};

class World {
 public:
  // What `to` receives from `from`.
  FakeStream* Add(FakeNode* from, FakeNode* to);
  // Everything that can happen without time passing.
  void Settle();
  // Lets time pass, in ticks of 50 ms, settling at each.
  void Advance(absl::Duration duration);

  absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  std::vector<std::unique_ptr<FakeStream>> streams;
  bool apply = true;  // sinks apply what they are offered
};

}  // namespace fairlead::replication

#endif  // FAIRLEAD_SERVER_REPLICATION_FAKE_STREAM_H_
