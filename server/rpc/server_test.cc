#include "server/rpc/server.h"

#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <thread>

#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "server/rpc/policy.h"
#include "server/rpc/rpc_fixture.h"
#include "server/rpc/services.h"

namespace fairlead::rpc {
namespace {

using grpc::reflection::v1alpha::ServerReflection;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;
using ::testing::Contains;

constexpr char kGet[] = "fairlead.v1.ReferenceService/GetCountry";

// A server of the dispatcher alone.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest() : dispatcher_(DispatcherOptions{.network = kTestNetwork, .authorize = Authorize}) {}

  static ServerOptions Options() { return {.address = "127.0.0.1:0", .credentials = &TestCerts::Get().Live("node/apac")}; }
  void Open(ServerOptions options) {
    auto server = Server::Start(std::move(options), &dispatcher_, {});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  Client As(const std::string& identity) const { return Client(server_->port(), TestCerts::Get().Of(identity)); }

  Dispatcher dispatcher_;
  std::unique_ptr<Server> server_;
};

// --- Health ------------------------------------------------------------------------------------------------------------------------

// grpc.health.v1.HealthCheckResponse by its bytes: field 1, a ServingStatus.
constexpr char kServing[] = "\x08\x01";
constexpr char kNotServing[] = "\x08\x02";

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

// Watches the health of the whole server.
class HealthWatch : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit HealthWatch(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    stub_.PrepareBidiStreamingCall(&context_, "/grpc.health.v1.Health/Watch", {}, this);
    StartWriteLast(&request_, {});
    StartRead(&response_);
    StartCall();
  }
  ~HealthWatch() override {
    context_.TryCancel();
    done_.WaitForNotification();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    absl::MutexLock lock(&mu_);
    heard_.push_back(BytesOf(response_));
    StartRead(&response_);
  }
  void OnDone(const grpc::Status&) override { done_.Notify(); }
  // Everything heard, once there are `n`.
  std::vector<std::string> Await(size_t n) {
    absl::MutexLock lock(&mu_);
    wanted_ = n;
    EXPECT_TRUE(mu_.AwaitWithTimeout(absl::Condition(
                                         +[](HealthWatch* watch) { return watch->heard_.size() >= watch->wanted_; }, this),
                                     kPatience));
    return heard_;
  }

 private:
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_ = grpc::ByteBuffer(nullptr, 0);  // no service named: all of them
  grpc::ByteBuffer response_;
  absl::Notification done_;
  absl::Mutex mu_;
  size_t wanted_ = 0;
  std::vector<std::string> heard_;
};

TEST_F(ServerTest, HealthIsToldUntilTheServerGoesAndDoesNotHoldItUp) {
  Open(Options());
  const Client caller = As("officer/apac/watch");
  HealthWatch watch(caller.channel());
  EXPECT_THAT(watch.Await(1), ::testing::ElementsAre(kServing));
  const absl::Time begin = absl::Now();
  server_->Shutdown(kPatience);
  EXPECT_LT(absl::Now() - begin, kPatience / 2);
  EXPECT_THAT(watch.Await(2), ::testing::ElementsAre(kServing, kNotServing));
}

TEST_F(ServerTest, AShutdownWaitsForTheCallsInFlight) {
  absl::Notification held;
  Reply reply;
  dispatcher_.Handle(kGet, [&](const std::shared_ptr<Call>&, const google::protobuf::Message&, Reply its_reply) {
    reply = std::move(its_reply);
    held.Notify();
  });
  Open(Options());
  const Client caller = As("officer/apac/watch");
  absl::StatusOr<v1::Country> answer = absl::UnknownError("not yet");
  std::thread calling([&] { answer = caller.Call<v1::Country>("ReferenceService/GetCountry", v1::GetCountryRequest()); });
  held.WaitForNotification();
  std::thread shutting_down([&] { server_->Shutdown(kPatience); });
  // New calls are refused while the one in flight goes on.
  const auto refused = [&] {
    v1::GetCountryRequest request;
    return ReasonOf(caller.Call<v1::Country>("ReferenceService/GetPort", request).status());
  };
  const absl::Time until = absl::Now() + kPatience;
  while (refused() == "METHOD_UNKNOWN" && absl::Now() < until) {
  }
  EXPECT_EQ(refused(), "SHUTTING_DOWN");
  EXPECT_EQ(dispatcher_.in_flight(), 1);
  auto country = std::make_unique<v1::Country>();
  country->set_name("countries/JP");
  reply(std::move(country));
  calling.join();
  shutting_down.join();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->name(), "countries/JP");
}

TEST_F(ServerTest, TwoServersDoNotShareAPort) {
  Open(Options());
  ServerOptions options = Options();
  options.address = "127.0.0.1:" + std::to_string(server_->port());
  Dispatcher other({.network = kTestNetwork, .authorize = Authorize});
  EXPECT_EQ(Server::Start(options, &other, {}).status().code(), absl::StatusCode::kUnavailable);
}

// --- Reflection --------------------------------------------------------------------------------------------------------------------

// One conversation; ends with the stream's status.
class Questions {
 public:
  explicit Questions(const Client& caller) : stub_(ServerReflection::NewStub(caller.channel())) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    stream_ = stub_->ServerReflectionInfo(&context_);
  }
  ServerReflectionResponse Ask(const ServerReflectionRequest& request) {
    ServerReflectionResponse response;
    EXPECT_TRUE(stream_->Write(request));
    EXPECT_TRUE(stream_->Read(&response));
    return response;
  }
  absl::Status End() {
    stream_->WritesDone();
    return FromGrpc(stream_->Finish());
  }

 private:
  grpc::ClientContext context_;
  const std::unique_ptr<ServerReflection::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<ServerReflectionRequest, ServerReflectionResponse>> stream_;
};

TEST_F(ServerTest, ReflectionDescribesWhatIsServed) {
  ServerOptions options = Options();
  options.reflection = true;
  Open(options);
  Questions questions(As("hq/analyst/desk"));
  ServerReflectionRequest request;
  request.set_list_services("");
  const ServerReflectionResponse services = questions.Ask(request);
  std::vector<std::string> names;
  for (const auto& service : services.list_services_response().service()) names.push_back(service.name());
  for (const auto* service : Services()) EXPECT_THAT(names, Contains(service->full_name()));

  request.set_file_containing_symbol("fairlead.v1.ReferenceService.GetPort");
  std::vector<std::string> files;
  const ServerReflectionResponse described = questions.Ask(request);
  for (const std::string& bytes : described.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(bytes));
    files.push_back(file.name());
  }
  // The file and all it imports, each once.
  EXPECT_EQ(files.front(), "fairlead/v1/reference_service.proto");
  EXPECT_THAT(files, Contains("google/type/latlng.proto"));
  std::sort(files.begin(), files.end());
  EXPECT_EQ(std::adjacent_find(files.begin(), files.end()), files.end());

  request.mutable_file_containing_extension()->set_containing_type("google.protobuf.FieldOptions");
  request.mutable_file_containing_extension()->set_extension_number(51001);
  EXPECT_GT(questions.Ask(request).file_descriptor_response().file_descriptor_proto_size(), 0);
  request.set_all_extension_numbers_of_type("google.protobuf.FieldOptions");
  EXPECT_THAT(questions.Ask(request).all_extension_numbers_response().extension_number(), Contains(51001));
  request.set_file_by_filename("fairlead/v1/island.proto");
  EXPECT_EQ(questions.Ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  request.clear_message_request();
  EXPECT_EQ(questions.Ask(request).error_response().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(questions.End().ok());

  EXPECT_THAT(Questions(As("partner/JP/registry")).End(), FailsWith("PERMISSION_DENIED"));
  EXPECT_THAT(Questions(As("node/eame")).End(), FailsWith("PERMISSION_DENIED"));
}

TEST_F(ServerTest, ReflectionIsOffUnlessAskedFor) {
  Open(Options());
  EXPECT_THAT(Questions(As("hq/analyst/desk")).End(), FailsWith("METHOD_UNKNOWN"));
}

}  // namespace
}  // namespace fairlead::rpc
