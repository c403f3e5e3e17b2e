#include "tests/bench/deliveries.h"

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <utility>

namespace fairlead::bench {

class Deliveries::Stream : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Stream(Deliveries* owner, const std::shared_ptr<grpc::Channel>& channel, Reads reads) : owner_(owner), stub_(channel), reads_(reads) {
    grpc::Slice slice(owner->options_.request);
    request_ = grpc::ByteBuffer(&slice, 1);
  }
  void Start() {
    stub_.PrepareBidiStreamingCall(&context_, owner_->options_.method, {}, this);
    if (owner_->options_.half_closes) {
      StartWriteLast(&request_, grpc::WriteOptions());
    } else {
      StartWrite(&request_);
    }
    if (reads_ == Reads::kAll) StartRead(&message_);
    StartCall();
  }
  void Cancel() { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    grpc::Slice bytes;
    if (message_.TrySingleSlice(&bytes).ok() || message_.DumpToSingleSlice(&bytes).ok()) {
      owner_->events_ += owner_->options_.events(std::string(reinterpret_cast<const char*>(bytes.begin()), bytes.size()));
      if (!std::exchange(begun_, true)) ++owner_->begun_;
    }
    StartRead(&message_);
  }
  void OnDone(const grpc::Status&) override {
    absl::MutexLock lock(&owner_->mu_);
    --owner_->open_;
  }

 private:
  Deliveries* const owner_;
  grpc::GenericStub stub_;
  const Reads reads_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer message_;
  bool begun_ = false;
};

Deliveries::Deliveries(Options options) : options_(std::move(options)) {}

Deliveries::~Deliveries() {
  for (const auto& stream : streams_) stream->Cancel();
  absl::MutexLock lock(&mu_);
  auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return open_ == 0; };
  mu_.Await(absl::Condition(&none));
}

void Deliveries::Open(const std::shared_ptr<grpc::Channel>& channel, Reads reads) {
  streams_.push_back(std::make_unique<Stream>(this, channel, reads));
  {
    absl::MutexLock lock(&mu_);
    ++open_;
  }
  streams_.back()->Start();
}

int64_t Deliveries::open() const {
  absl::MutexLock lock(&mu_);
  return open_;
}

}  // namespace fairlead::bench
