#include "tests/framework/proxy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "tests/framework/eventually.h"
#include "tests/framework/ports.h"

namespace fairlead::framework {
namespace {

constexpr int kPatienceMs = 20'000;
constexpr int kMomentMs = 100;  // long enough for bytes on loopback, were they not held

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }
  bool Readable(int ms) const {
    pollfd p{fd_, POLLIN, 0};
    return poll(&p, 1, ms) > 0;
  }
  void Send(const std::string& bytes) const { ASSERT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), ssize_t(bytes.size())); }
  // The next bytes; "end" and "reset" when there are none.
  std::string Receive() const {
    if (!Readable(kPatienceMs)) return "nothing";
    char bytes[256];
    const ssize_t n = recv(fd_, bytes, sizeof(bytes), 0);
    if (n == 0) return "end";
    return n < 0 ? "reset" : std::string(bytes, static_cast<size_t>(n));
  }

 private:
  int fd_;
};

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

class ProxyTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto port = FreePort();
    ASSERT_TRUE(port.ok()) << port.status();
    const sockaddr_in address = Loopback(*port);
    ASSERT_EQ(bind(target_.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(listen(target_.fd(), 8), 0);
    const auto link = proxy_.AddLink(*port);
    ASSERT_TRUE(link.ok()) << link.status();
    link_ = *link;
  }
  // Whether the proxy takes a connection.
  bool Connects(const Socket& socket) const {
    const sockaddr_in address = Loopback(proxy_.port(link_));
    return connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  Socket Accept() const { return Socket(target_.Readable(kPatienceMs) ? accept(target_.fd(), nullptr, nullptr) : -1); }
  static Socket New() { return Socket(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

  const Socket target_ = New();
  Proxy proxy_;
  Proxy::Link link_ = 0;
};

// An orderly end leaves its socket on the link's port for a while.
TEST_F(ProxyTest, OpensAgainAfterAConnectionThatTheTargetEnded) {
  {
    const Socket client = New();
    ASSERT_TRUE(Connects(client));
    { const Socket served = Accept(); }
    EXPECT_EQ(client.Receive(), "end");
  }
  proxy_.SetState(link_, LinkState::kCut);
  EXPECT_FALSE(Connects(New()));
  proxy_.SetState(link_, LinkState::kOpen);
  EXPECT_TRUE(Connects(New()));
}

TEST_F(ProxyTest, CarriesBytesBothWaysAndCountsThem) {
  const Socket client = New();
  ASSERT_TRUE(Connects(client));
  const Socket server = Accept();
  client.Send("question");
  EXPECT_EQ(server.Receive(), "question");
  server.Send("the answer");
  EXPECT_EQ(client.Receive(), "the answer");
  shutdown(client.fd(), SHUT_WR);
  EXPECT_EQ(server.Receive(), "end");
  server.Send("last word");
  EXPECT_EQ(client.Receive(), "last word");
  const LinkCounts counts = proxy_.counts(link_);
  EXPECT_EQ(counts.connections, 1u);
  EXPECT_EQ(counts.bytes_to_target, 8u);
  EXPECT_EQ(counts.bytes_from_target, 19u);
}

TEST_F(ProxyTest, ACutLinkResetsAndRefusesUntilItIsOpen) {
  const Socket client = New();
  ASSERT_TRUE(Connects(client));
  const Socket server = Accept();
  client.Send("x");
  ASSERT_EQ(server.Receive(), "x");
  proxy_.SetState(link_, LinkState::kCut);
  EXPECT_EQ(client.Receive(), "reset");
  EXPECT_EQ(server.Receive(), "reset");
  EXPECT_FALSE(Connects(New()));
  proxy_.SetState(link_, LinkState::kOpen);
  EXPECT_TRUE(Connects(New()));
}

TEST_F(ProxyTest, AStalledLinkHoldsWhatIsSent) {
  const Socket client = New();
  ASSERT_TRUE(Connects(client));
  const Socket server = Accept();
  proxy_.SetState(link_, LinkState::kStalled);
  client.Send("held");
  const Socket late = New();
  EXPECT_TRUE(Connects(late));
  EXPECT_FALSE(server.Readable(kMomentMs));
  EXPECT_FALSE(target_.Readable(0));
  proxy_.SetState(link_, LinkState::kOpen);
  EXPECT_EQ(server.Receive(), "held");
  EXPECT_GE(Accept().fd(), 0);
}

TEST_F(ProxyTest, ADelayHoldsBytesForThatLong) {
  const Socket client = New();
  ASSERT_TRUE(Connects(client));
  const Socket server = Accept();
  proxy_.SetDelay(link_, absl::Milliseconds(150));
  const absl::Time start = absl::Now();
  client.Send("later");
  EXPECT_EQ(server.Receive(), "later");
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(150));
}

TEST_F(ProxyTest, AOneWayLinkDeliversToTheTargetAlone) {
  const Socket client = New();
  ASSERT_TRUE(Connects(client));
  const Socket server = Accept();
  proxy_.SetState(link_, LinkState::kOneWay);
  client.Send("question");
  EXPECT_EQ(server.Receive(), "question");
  server.Send("answer");
  EXPECT_FALSE(client.Readable(kMomentMs));
  proxy_.SetState(link_, LinkState::kOpen);
  EXPECT_EQ(client.Receive(), "answer");
}

TEST_F(ProxyTest, AResetEndsWhatIsThereAndLetsNewConnectionsIn) {
  const Socket client = New();
  ASSERT_TRUE(Connects(client));
  const Socket server = Accept();
  proxy_.ResetConnections(link_);
  EXPECT_EQ(client.Receive(), "reset");
  EXPECT_EQ(server.Receive(), "reset");
  const Socket next = New();
  ASSERT_TRUE(Connects(next));
  const Socket served = Accept();
  next.Send("again");
  EXPECT_EQ(served.Receive(), "again");
}

TEST_F(ProxyTest, ASlowLinkTricklesInOrder) {
  const Socket client = New();
  ASSERT_TRUE(Connects(client));
  const Socket server = Accept();
  proxy_.SetRate(link_, 1000);
  proxy_.SetDelay(link_, absl::ZeroDuration(), absl::Milliseconds(20));
  const std::string sent = "0123456789abcdefghijklmnopqrstuvwxyz" + std::string(264, '.');
  const absl::Time start = absl::Now();
  client.Send(sent);
  std::string received;
  while (received.size() < sent.size()) {
    const std::string piece = server.Receive();
    ASSERT_LE(piece.size(), 200u);
    received += piece;
  }
  EXPECT_EQ(received, sent);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(250));  // the first piece leaves at once
}

TEST_F(ProxyTest, ATargetThatIsDownResets) {
  shutdown(target_.fd(), SHUT_RDWR);
  const Socket client = New();
  ASSERT_TRUE(Connects(client));
  EXPECT_EQ(client.Receive(), "reset");
  EXPECT_EQ(proxy_.counts(link_).connections, 0u);
}

}  // namespace
}  // namespace fairlead::framework
