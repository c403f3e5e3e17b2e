#include "server/rpc/dispatcher.h"

#include <google/protobuf/empty.pb.h>
#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr char kGet[] = "fairlead.v1.ReferenceService/GetCountry";
constexpr char kWatch[] = "fairlead.v1.RecordService/WatchRecords";
constexpr char kGetShort[] = "ReferenceService/GetCountry";

MessagePtr Named(const std::string& name) {
  auto country = std::make_unique<v1::Country>();
  country->set_name(name);
  return country;
}

v1::GetCountryRequest Asking(const std::string& name) {
  v1::GetCountryRequest request;
  request.set_name(name);
  return request;
}

// A GetCountry that is under way.
class OpenCall {
 public:
  explicit OpenCall(const Client& caller, std::optional<absl::Duration> time = kPatience)
      : request_(Asking("countries/JP")), stub_(caller.channel()) {
    if (time) context_.set_deadline(absl::ToChronoTime(absl::Now() + *time));
    stub_.UnaryCall(&context_, std::string("/") + kGet, {}, &request_, &response_, [this](grpc::Status status) {
      status_ = std::move(status);
      done_.Notify();
    });
  }
  ~OpenCall() { done_.WaitForNotification(); }
  void Cancel() { context_.TryCancel(); }
  absl::StatusOr<v1::Country> End() {
    done_.WaitForNotification();
    if (!status_.ok()) return FromGrpc(status_);
    return response_;
  }

 private:
  grpc::ClientContext context_;
  v1::GetCountryRequest request_;
  v1::Country response_;
  grpc::Status status_;
  absl::Notification done_;
  grpc::TemplatedGenericStub<v1::GetCountryRequest, v1::Country> stub_;
};

// A WatchRecords that is under way.
class OpenStream {
 public:
  explicit OpenStream(const Client& caller) : stub_(v1::RecordService::NewStub(caller.channel())) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    reader_ = stub_->WatchRecords(&context_, {});
  }
  ~OpenStream() {
    if (!reader_) return;
    context_.TryCancel();
    End().IgnoreError();
  }
  bool Read(v1::WatchRecordsResponse* event) { return reader_->Read(event); }
  void Cancel() { context_.TryCancel(); }
  absl::Status End() {
    v1::WatchRecordsResponse event;
    while (reader_->Read(&event)) {
    }
    const grpc::Status status = reader_->Finish();
    reader_.reset();
    return FromGrpc(status);
  }

 private:
  grpc::ClientContext context_;
  const std::unique_ptr<v1::RecordService::Stub> stub_;
  std::unique_ptr<grpc::ClientReader<v1::WatchRecordsResponse>> reader_;
};

// Sends `messages` messages of `bytes` each; then waits, or ends when told so. Counts what is asked of it.
class TestSource : public Source {
 public:
  TestSource(int messages, size_t bytes, std::optional<absl::Status> end) : left_(messages), bytes_(bytes), end_(std::move(end)) {}
  void Next(std::function<void(absl::StatusOr<MessagePtr>)> ready) override {
    ++asked_;
    if (left_-- > 0) {
      auto event = std::make_unique<v1::WatchRecordsResponse>();
      event->set_resume_token(std::string(bytes_, 'x'));
      return ready(std::move(event));
    }
    if (!end_) return;
    if (end_->ok()) return ready(nullptr);
    ready(*end_);
  }
  void Cancel() override {
    std::call_once(told_, [this] { cancelled_.Notify(); });
  }
  int asked() const { return asked_.load(); }
  bool AwaitCancel() { return cancelled_.WaitForNotificationWithTimeout(kPatience); }

 private:
  int left_;
  const size_t bytes_;
  const std::optional<absl::Status> end_;
  std::atomic<int> asked_{0};
  std::once_flag told_;
  absl::Notification cancelled_;
};

// A server of the dispatcher alone, with handlers of the test.
class DispatcherTest : public ::testing::Test {
 protected:
  struct Held {
    std::shared_ptr<Call> call;
    Reply reply;
  };

  void Open(DispatcherOptions options) {
    options.network = kTestNetwork;
    if (!options.authorize) options.authorize = [](const Identity&, std::string_view) { return absl::OkStatus(); };
    options.on_finish = [this](const CallSummary& summary) {
      absl::MutexLock lock(&mu_);
      ended_.emplace_back(summary.method, summary.code);
    };
    dispatcher_ = std::make_unique<Dispatcher>(std::move(options));
  }
  // After the handlers are there.
  Client Serve() {
    auto server = Server::Start({.address = "127.0.0.1:0", .credentials = &TestCerts::Get().Live("node/apac")}, dispatcher_.get(), {});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    return Client(server_->port(), TestCerts::Get().Of("officer/apac/watch"));
  }
  void EchoGet() {
    dispatcher_->Handle(kGet, [](const std::shared_ptr<Call>&, const google::protobuf::Message& request, const Reply& reply) {
      reply(Named(static_cast<const v1::GetCountryRequest&>(request).name()));
    });
  }
  // GetCountry is answered by the test.
  void HoldGet() {
    dispatcher_->Handle(kGet, [this](std::shared_ptr<Call> call, const google::protobuf::Message&, Reply reply) {
      absl::MutexLock lock(&mu_);
      held_.push_back({std::move(call), std::move(reply)});
    });
  }
  Held NextHeld() {
    absl::MutexLock lock(&mu_);
    const bool some = mu_.AwaitWithTimeout(absl::Condition(
                                               +[](std::deque<Held>* held) { return !held->empty(); }, &held_),
                                           kPatience);
    EXPECT_TRUE(some);
    Held held = some ? std::move(held_.front()) : Held();
    if (some) held_.pop_front();
    return held;
  }
  void ServeSource(std::shared_ptr<Source> source) {
    dispatcher_->HandleStream(kWatch, [source](const std::shared_ptr<Call>&, const google::protobuf::Message&) { return source; });
  }
  // How the first `n` calls ended.
  std::vector<std::pair<std::string, grpc::StatusCode>> AwaitEnded(size_t n) {
    absl::MutexLock lock(&mu_);
    wanted_ = n;
    EXPECT_TRUE(mu_.AwaitWithTimeout(absl::Condition(
                                         +[](DispatcherTest* test) { return test->ended_.size() >= test->wanted_; }, this),
                                     kPatience));
    return ended_;
  }

  absl::Mutex mu_;
  std::vector<std::pair<std::string, grpc::StatusCode>> ended_;
  size_t wanted_ = 0;
  std::deque<Held> held_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Server> server_;
};

TEST_F(DispatcherTest, AHandlerSeesWhoCallsAndAnswers) {
  Open({});
  HoldGet();
  const Client caller = Serve();
  OpenCall call(caller);
  const Held held = NextHeld();
  EXPECT_EQ(held.call->method, kGet);
  EXPECT_EQ(held.call->identity.path, "officer/apac/watch");
  EXPECT_LE(held.call->deadline, absl::Now() + kPatience);
  EXPECT_FALSE(held.call->cancelled());
  EXPECT_EQ(dispatcher_->in_flight(), 1);
  held.reply(Named("countries/JP"));
  const auto country = call.End();
  ASSERT_TRUE(country.ok()) << country.status();
  EXPECT_EQ(country->name(), "countries/JP");
  EXPECT_THAT(AwaitEnded(1), ElementsAre(Pair(kGet, grpc::StatusCode::OK)));
  EXPECT_EQ(dispatcher_->in_flight(), 0);
}

TEST_F(DispatcherTest, UnknownMethodsAreCountedUnderOneName) {
  Open({});
  EchoGet();
  const Client caller = Serve();
  const auto refused = caller.Call<v1::Country>("ReferenceService/GetIsland", Asking("islands/1"));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(refused, FailsWith("METHOD_UNKNOWN"));
  // Linked, and not handled here.
  EXPECT_THAT(caller.Call<v1::Port>("ReferenceService/GetPort", v1::GetPortRequest()), FailsWith("METHOD_UNKNOWN"));
  EXPECT_THAT(AwaitEnded(2),
              ElementsAre(Pair("unknown", grpc::StatusCode::UNIMPLEMENTED), Pair("unknown", grpc::StatusCode::UNIMPLEMENTED)));
}

TEST_F(DispatcherTest, WithoutAPolicyNobodyIsAdmitted) {
  Open({.authorize = [](const Identity&, std::string_view) { return Error(Reason::kPermissionDenied, "not permitted"); }});
  EchoGet();
  EXPECT_THAT(Serve().Call<v1::Country>(kGetShort, Asking("countries/JP")), FailsWith("PERMISSION_DENIED"));
}

TEST_F(DispatcherTest, BytesThatAreNotTheRequestAreRefused) {
  Open({});
  EchoGet();
  const Client caller = Serve();
  for (const std::string& bytes : {
           std::string("\xff\xff\xff"),         // no tag
           std::string("\x0a\x05JP", 4),        // shorter than it says
           std::string("\x0a\x02\xc3\x28", 4),  // a name that is not UTF-8
       }) {
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    EXPECT_THAT(caller.Call<grpc::ByteBuffer>(kGetShort, request), FailsWith("MESSAGE_MALFORMED"));
  }
  const auto served = caller.Call<v1::Country>(kGetShort, Asking("countries/JP"));
  ASSERT_TRUE(served.ok()) << served.status();
}

TEST_F(DispatcherTest, ARequestIsOfBoundedSize) {
  Open({.request_bytes_max = 1000});
  EchoGet();
  const Client caller = Serve();
  EXPECT_TRUE(caller.Call<v1::Country>(kGetShort, Asking(std::string(997, 'x'))).ok());  // tag and length: 1,000 bytes
  const auto refused = caller.Call<v1::Country>(kGetShort, Asking(std::string(998, 'x')));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(refused, FailsWith("MESSAGE_TOO_LARGE"));
}

TEST_F(DispatcherTest, ErrorsArriveWithTheirDetails) {
  Open({});
  dispatcher_->Unary<v1::GetCountryRequest, v1::Country>(
      kGet, [](const Call&, const v1::GetCountryRequest& request) -> absl::StatusOr<v1::Country> {
        if (request.name() == "field") return FieldError(Reason::kFieldTooLarge, "country.display_name", "is too long");
        if (request.name() == "state") return Error(Reason::kStateForbids, "not now", {{"from", "DRAFT"}});
        return absl::InternalError("no detail");
      });
  const Client caller = Serve();
  const auto field = caller.Call<v1::Country>(kGetShort, Asking("field"));
  EXPECT_EQ(field.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(field.status().message(), "is too long");
  EXPECT_THAT(field, FailsWith("FIELD_TOO_LARGE", "country.display_name"));
  const auto state = caller.Call<v1::Country>(kGetShort, Asking("state"));
  EXPECT_EQ(state.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(state, FailsWith("STATE_FORBIDS"));
  EXPECT_THAT(ToProto(state.status()).details(0).value(), ::testing::HasSubstr("DRAFT"));
  EXPECT_THAT(caller.Call<v1::Country>(kGetShort, Asking("bare")), FailsWith("INTERNAL"));
}

TEST_F(DispatcherTest, ACallWithoutADeadlineGetsOne) {
  Open({.default_deadline = absl::Milliseconds(50)});
  HoldGet();
  const Client caller = Serve();
  OpenCall call(caller, std::nullopt);
  const Held held = NextHeld();
  EXPECT_EQ(call.End().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(AwaitEnded(1), ElementsAre(Pair(kGet, grpc::StatusCode::DEADLINE_EXCEEDED)));
  EXPECT_EQ(dispatcher_->in_flight(), 0);
  EXPECT_TRUE(held.call->cancelled());
  held.reply(Named("too late"));
}

TEST_F(DispatcherTest, AReplyMayComeLateOrNever) {
  Open({});
  HoldGet();
  const Client caller = Serve();
  OpenCall late(caller);
  const Held held = NextHeld();
  late.Cancel();
  EXPECT_EQ(late.End().status().code(), absl::StatusCode::kCancelled);
  AwaitEnded(1);
  EXPECT_TRUE(held.call->cancelled());
  held.reply(Named("too late"));

  OpenCall never(caller);
  NextHeld();  // and lets go of it
  never.Cancel();
  EXPECT_EQ(never.End().status().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(AwaitEnded(2), ElementsAre(Pair(kGet, grpc::StatusCode::CANCELLED), Pair(kGet, grpc::StatusCode::CANCELLED)));
  EXPECT_EQ(dispatcher_->in_flight(), 0);
}

TEST_F(DispatcherTest, MoreThanTheLimitIsRefusedAtOnce) {
  Open({.unary_in_flight_max = 2});
  HoldGet();
  const Client caller = Serve();
  OpenCall first(caller);
  const Held one = NextHeld();
  OpenCall second(caller);
  const Held two = NextHeld();
  OpenCall third(caller);
  const auto refused = third.End();
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(refused, FailsWith("OVERLOADED"));
  AwaitEnded(1);
  one.reply(Named("countries/JP"));
  EXPECT_TRUE(first.End().ok());
  AwaitEnded(2);
  OpenCall fourth(caller);
  NextHeld().reply(Named("countries/JP"));
  EXPECT_TRUE(fourth.End().ok());
  two.reply(Named("countries/JP"));
  EXPECT_TRUE(second.End().ok());
}

TEST_F(DispatcherTest, StreamsHaveALimitOfTheirOwn) {
  Open({.unary_in_flight_max = 1, .streams_max = 1});
  HoldGet();
  const auto source = std::make_shared<TestSource>(1, 1, std::nullopt);
  ServeSource(source);
  const Client caller = Serve();
  OpenStream open(caller);
  v1::WatchRecordsResponse event;
  ASSERT_TRUE(open.Read(&event));
  EXPECT_THAT(OpenStream(caller).End(), FailsWith("OVERLOADED"));
  OpenCall call(caller);
  NextHeld().reply(Named("countries/JP"));
  EXPECT_TRUE(call.End().ok());
}

TEST_F(DispatcherTest, AStreamEndsAsItsSourceDoes) {
  Open({});
  ServeSource(std::make_shared<TestSource>(3, 1, Error(Reason::kStoreDamaged, "a key is damaged")));
  const Client caller = Serve();
  OpenStream stream(caller);
  v1::WatchRecordsResponse event;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(stream.Read(&event)) << i;
  EXPECT_FALSE(stream.Read(&event));
  EXPECT_THAT(stream.End(), FailsWith("STORE_DAMAGED"));
}

TEST_F(DispatcherTest, WhatAHandlerThrowsEndsItsCallAlone) {
  class Throwing : public Source {
    void Next(std::function<void(absl::StatusOr<MessagePtr>)>) override { throw std::out_of_range("inner words"); }
    void Cancel() override {}
  };
  Open({.unary_in_flight_max = 1, .streams_max = 1});
  dispatcher_->Handle(kGet, [](const std::shared_ptr<Call>&, const google::protobuf::Message& request, const Reply& reply) {
    const std::string& name = static_cast<const v1::GetCountryRequest&>(request).name();
    if (name == "countries/JP") throw std::out_of_range("inner words");
    reply(Named(name));
    throw std::out_of_range("after the answer");
  });
  ServeSource(std::make_shared<Throwing>());
  const Client caller = Serve();
  const auto thrown = caller.Call<v1::Country>(kGetShort, Asking("countries/JP"));
  EXPECT_THAT(thrown, FailsWith("INTERNAL"));
  EXPECT_THAT(std::string(thrown.status().message()), ::testing::Not(::testing::HasSubstr("inner words")));
  EXPECT_THAT(AwaitEnded(1), ElementsAre(Pair(kGet, grpc::StatusCode::INTERNAL)));
  EXPECT_EQ(dispatcher_->in_flight(), 0);
  const auto answered = caller.Call<v1::Country>(kGetShort, Asking("countries/KR"));
  ASSERT_TRUE(answered.ok()) << answered.status();
  EXPECT_EQ(answered->name(), "countries/KR");
  AwaitEnded(2);
  OpenStream stream(caller);
  EXPECT_THAT(stream.End(), FailsWith("INTERNAL"));
  EXPECT_THAT(AwaitEnded(3).back(), Pair(kWatch, grpc::StatusCode::INTERNAL));
}

TEST_F(DispatcherTest, ASlowReaderIsSentOneMessageAtATime) {
  Open({});
  constexpr int kMessages = 20;
  const auto source = std::make_shared<TestSource>(kMessages, 3 << 20, absl::OkStatus());
  ServeSource(source);
  Serve();
  // With windows that do not grow, each message is larger than the room between the two ends: few are on their way.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  const Client caller(Dial(server_->port(), CallerCredentials(TestCerts::Get().Of("officer/apac/watch")), arguments));
  constexpr int kOnTheirWay = 4;
  OpenStream stream(caller);
  v1::WatchRecordsResponse event;
  for (int read = 1; read <= kMessages; ++read) {
    ASSERT_TRUE(stream.Read(&event));
    EXPECT_EQ(event.resume_token().size(), size_t{3 << 20});
    EXPECT_LE(source->asked(), read + kOnTheirWay);
  }
  EXPECT_TRUE(stream.End().ok());
  EXPECT_EQ(source->asked(), kMessages + 1);
}

TEST_F(DispatcherTest, ASourceHearsThatItsReaderHasGone) {
  Open({});
  const auto source = std::make_shared<TestSource>(1, 1, std::nullopt);
  ServeSource(source);
  const Client caller = Serve();
  OpenStream stream(caller);
  v1::WatchRecordsResponse event;
  ASSERT_TRUE(stream.Read(&event));
  stream.Cancel();
  EXPECT_TRUE(source->AwaitCancel());
  EXPECT_EQ(stream.End().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(AwaitEnded(1), ElementsAre(Pair(kWatch, grpc::StatusCode::CANCELLED)));
}

TEST_F(DispatcherTest, DrainingEndsStreamsRefusesCallsAndLetsThoseInFlightFinish) {
  Open({});
  HoldGet();
  const auto source = std::make_shared<TestSource>(1, 1, std::nullopt);
  ServeSource(source);
  const Client caller = Serve();
  OpenStream stream(caller);
  v1::WatchRecordsResponse event;
  ASSERT_TRUE(stream.Read(&event));
  OpenCall in_flight(caller);
  const Held held = NextHeld();
  dispatcher_->Drain();
  EXPECT_THAT(stream.End(), FailsWith("SHUTTING_DOWN"));
  EXPECT_TRUE(source->AwaitCancel());
  OpenCall refused(caller);
  EXPECT_THAT(refused.End(), FailsWith("SHUTTING_DOWN"));
  EXPECT_THAT(OpenStream(caller).End(), FailsWith("SHUTTING_DOWN"));
  held.reply(Named("countries/JP"));
  EXPECT_TRUE(in_flight.End().ok());
}

TEST_F(DispatcherTest, AShutdownCancelsWhatDoesNotEndInTime) {
  Open({});
  HoldGet();
  const Client caller = Serve();
  OpenCall call(caller);
  const Held held = NextHeld();
  server_->Shutdown(absl::Milliseconds(50));
  EXPECT_FALSE(call.End().ok());
  EXPECT_TRUE(held.call->cancelled());
  EXPECT_EQ(dispatcher_->in_flight(), 0);
  held.reply(Named("too late"));
}

}  // namespace
}  // namespace fairlead::rpc
