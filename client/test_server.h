// Serves a test's own gRPC service on a free port of the loopback address, without TLS.
//
// As a service's last member it ends before what the service answers from. Thread safety: any thread. Ownership: borrows the service.

#ifndef FAIRLEAD_CLIENT_TEST_SERVER_H_
#define FAIRLEAD_CLIENT_TEST_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace fairlead::client {

class TestServer {
 public:
  explicit TestServer(grpc::Service* service) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(service);
    server_ = builder.BuildAndStart();
  }
  ~TestServer() { server_->Shutdown(); }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace fairlead::client

#endif  // FAIRLEAD_CLIENT_TEST_SERVER_H_
