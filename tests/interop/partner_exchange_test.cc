// The partners' client in C++ before a node that ends a watch together with a message.

#include <absl/synchronization/notification.h>
#include <absl/time/clock.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>

#include "certs/identity.h"
#include "certs/x509.h"
#include "client/partners/cpp/exchange.h"

namespace fairlead_partner {
namespace {

using fairlead::certs::Certificate;
using fairlead::certs::Key;

constexpr char kNetwork[] = "test.fairlead.example";

// A watch is one message with its end right behind it; a record is given once the end of the first watch has been sent.
class EndingService : public v1::ExchangeService::WithCallbackMethod_WatchReleasedRecords<v1::ExchangeService::Service> {
 public:
  grpc::ServerWriteReactor<v1::WatchReleasedRecordsResponse>* WatchReleasedRecords(grpc::CallbackServerContext*,
                                                                                   const v1::WatchReleasedRecordsRequest*) override {
    class Watch : public grpc::ServerWriteReactor<v1::WatchReleasedRecordsResponse> {
     public:
      explicit Watch(EndingService* service) : service_(service) {
        response_.set_complete(true);
        response_.set_resume_token("here");
        StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
      }
      void OnDone() override {
        std::call_once(service_->told_, [this] { service_->ended_.Notify(); });
        delete this;
      }

     private:
      EndingService* const service_;
      v1::WatchReleasedRecordsResponse response_;
    };
    return new Watch(this);
  }
  grpc::Status GetReleasedRecord(grpc::ServerContext*, const v1::GetReleasedRecordRequest*, v1::ReleasedRecord*) override {
    ended_.WaitForNotification();
    return grpc::Status::OK;
  }

 private:
  std::once_flag told_;
  absl::Notification ended_;
};

TEST(PartnerExchange, AWatchThatEndsWhileItsMessageIsLookedAtGoesOn) {
  const absl::Time now = absl::Now();
  const Key root_key = *fairlead::certs::GenerateKey(), key = *fairlead::certs::GenerateKey();
  const Certificate root = *fairlead::certs::MakeRoot(kNetwork, root_key, {now - absl::Hours(2), now + absl::Hours(48)});
  const Certificate leaf = *fairlead::certs::MakeLeaf(
      {kNetwork, *fairlead::certs::Identity::Parse("node/apac"), {now - absl::Hours(1), now + absl::Hours(24)}}, key, root, root_key);
  const std::string root_pem = *fairlead::certs::CertificateToPem(root), leaf_pem = *fairlead::certs::CertificateToPem(leaf);
  const std::string key_pem = *fairlead::certs::KeyToPem(key);

  EndingService service;
  grpc::SslServerCredentialsOptions tls;
  tls.pem_key_cert_pairs.push_back({key_pem, leaf_pem});
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(tls), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);

  Exchange exchange({kNetwork, leaf_pem, key_pem, root_pem, {{"apac", "127.0.0.1:" + std::to_string(port)}}});
  int messages = 0;
  const grpc::Status watched = exchange.Watch("", [&](const v1::WatchReleasedRecordsResponse& response) {
    EXPECT_TRUE(response.complete());
    v1::ReleasedRecord record;
    // On the same connection: when it is here, the end of the first watch is here.
    const grpc::Status got = exchange.GetRecord("releasedRecords/1", &record);
    EXPECT_TRUE(got.ok()) << Describe(got);
    return ++messages < 3;
  });
  EXPECT_TRUE(watched.ok()) << Describe(watched);
  EXPECT_EQ(messages, 3);
  server->Shutdown();
}

}  // namespace
}  // namespace fairlead_partner
