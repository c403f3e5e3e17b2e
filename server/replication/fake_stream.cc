#include "server/replication/fake_stream.h"

#include <gtest/gtest.h>

#include <set>

namespace fairlead::replication {

bool FakeStream::Connect() {
  if (batch_out_) return false;
  ++generation_;
  up_ = true;
  sender_status = receiver_status = absl::OkStatus();
  up_wire_.clear();
  down_wire_.clear();
  info.peer = from_.roster().FindSite(from_.site())->name;
  sender_.emplace(sender_options, &from_, &from_, to_.site(), now_);
  receiver_.emplace(receiver_options, &to_, &to_, info);
  receiver_->SetDirectLogs(direct_logs);
  receiver_->Start(now_);
  return true;
}

void FakeStream::Drop() {
  up_ = false;
  up_wire_.clear();
  down_wire_.clear();
}

void FakeStream::End() {
  receiver_->OnEnd(sender_status, now_);
  info = receiver_->info();
  Drop();
}

bool FakeStream::Pump() {
  if (!up_) return false;
  bool moved = false;
  v1::ReplicateRequest request;
  auto asked = receiver_->Pump(now_, &request);
  if (!asked.ok()) {
    receiver_status = asked.status();
    End();
    return true;
  }
  if (*asked) {
    moved = true;
    if (!tamper_up || tamper_up(&request)) up_wire_.push_back(request.SerializeAsString());
  }
  v1::ReplicateResponse response;
  auto answered = sender_->Pump(now_, &response);
  if (!answered.ok()) {
    sender_status = answered.status();
    End();
    return true;
  }
  if (*answered) {
    moved = true;
    for (const v1::PayloadFrame& payload : response.entries().payloads()) ++payloads_sent[LogId(payload.log())];
    if (!tamper_down || tamper_down(&response)) {
      down_wire_.push_back(response.SerializeAsString());
      down_log.push_back(down_wire_.back());
    }
  }
  if (auto batch = receiver_->TakeBatch()) {
    moved = true;
    batch_out_ = true;
    to_.ApplyRemote(*std::move(batch), [this, generation = generation_](ApplyResult result) {
      batch_out_ = false;
      if (generation != generation_ || !up_) return;
      receiver_status = receiver_->OnApplied(result, now_);
      if (!receiver_status.ok()) End();
    });
  }
  return moved;
}

bool FakeStream::DeliverUp() {
  if (!up_ || up_wire_.empty()) return false;
  v1::ReplicateRequest request;
  EXPECT_TRUE(request.ParseFromString(up_wire_.front()));
  up_wire_.pop_front();
  sender_status = sender_->OnMessage(request, now_);
  if (!sender_status.ok()) End();
  return true;
}

bool FakeStream::DeliverDown() {
  if (!up_ || down_wire_.empty()) return false;
  v1::ReplicateResponse response;
  EXPECT_TRUE(response.ParseFromString(down_wire_.front()));
  down_wire_.pop_front();
  receiver_status = receiver_->OnMessage(std::move(response), now_);
  if (!receiver_status.ok()) End();
  return true;
}

void FakeStream::Tick() {
  if (!up_) return;
  sender_status = sender_->OnTick(now_);
  receiver_status = receiver_->OnTick(now_);
  if (!sender_status.ok() || !receiver_status.ok()) End();
}

void FakeStream::Wake() {
  if (!up_) return;
  sender_->OnJournalAdvanced(now_);
  receiver_status = receiver_->OnAppliedChanged(now_);
  if (!receiver_status.ok()) End();
}

FakeStream* World::Add(FakeNode* from, FakeNode* to) {
  streams.push_back(std::make_unique<FakeStream>(from, to, &now));
  streams.back()->Connect();
  return streams.back().get();
}

void World::Settle() {
  std::set<FakeNode*> nodes;
  for (const auto& stream : streams) nodes.insert({&stream->from(), &stream->to()});
  for (const auto& stream : streams) stream->Wake();
  bool moved = true;
  while (moved) {
    moved = false;
    for (const auto& stream : streams) {
      moved |= stream->Pump();
      moved |= stream->DeliverUp();
      moved |= stream->DeliverDown();
    }
    if (!apply) continue;
    bool applied = false;
    for (FakeNode* node : nodes) applied |= node->Apply();
    if (!applied) continue;
    moved = true;
    // As the owner of the links does; a sink that only refuses is asked again at the next tick.
    for (const auto& stream : streams) {
      if (stream->up()) stream->sender().OnJournalAdvanced(now);
    }
  }
}

void World::Advance(absl::Duration duration) {
  const absl::Time end = now + duration;
  while (now < end) {
    now = std::min(now + absl::Milliseconds(50), end);
    for (const auto& stream : streams) stream->Tick();
    Settle();
  }
}

}  // namespace fairlead::replication
