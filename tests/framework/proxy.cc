#include "tests/framework/proxy.h"

#include <absl/time/clock.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "tests/framework/ports.h"

namespace fairlead::framework {
namespace {

constexpr int kBacklog = 64;
constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kPiecesPerSecond = 20;  // of a link whose rate is limited

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

int NewSocket() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd >= 0) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    // Else a connection that is closing on a link's port keeps the link from listening again.
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  }
  return fd;
}

// Closes with a reset instead of an orderly end.
void ResetSocket(int fd) {
  const linger at_once{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  close(fd);
}

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

// What poll is asked for, and where its answers go.
class Proxy::Polled {
 public:
  void Add(int fd, short events, short* answer) {
    *answer = 0;
    if (events == 0) return;  // poll would report a hang-up even so, again and again
    fds_.push_back({fd, events, 0});
    answers_.push_back(answer);
  }
  void Poll(absl::Time until) {
    const absl::Duration left = std::clamp(until - absl::Now(), absl::ZeroDuration(), absl::Minutes(1));
    poll(fds_.data(), fds_.size(), static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1)))));
  }
  void Answer() {
    for (size_t i = 0; i < fds_.size(); ++i) *answers_[i] = fds_[i].revents;
  }

 private:
  std::vector<pollfd> fds_;
  std::vector<short*> answers_;
};

Proxy::Proxy() : wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), thread_([this] { Run(); }) {}

Proxy::~Proxy() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  Wake();
  thread_.join();
  absl::MutexLock lock(&mu_);
  for (LinkData& link : links_) {
    for (Connection& connection : link.connections) Reset(&connection);
    close(link.listener);
  }
  close(wake_fd_);
}

absl::StatusOr<Proxy::Link> Proxy::AddLink(int target_port) {
  const absl::StatusOr<int> port = FreePort();
  if (!port.ok()) return port.status();
  // An explicit port stays bound when the socket stops listening, as a cut link does.
  const sockaddr_in address = Loopback(*port);
  const int fd = NewSocket();
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 || listen(fd, kBacklog) != 0) {
    const absl::Status status = absl::UnavailableError(fmt::format("port {}: {}", *port, strerror(errno)));
    if (fd >= 0) close(fd);
    return status;
  }
  Link link;
  {
    absl::MutexLock lock(&mu_);
    link = links_.size();
    LinkData& data = links_.emplace_back();
    data.listener = fd;
    data.port = *port;
    data.target_port = target_port;
  }
  Wake();
  return link;
}

int Proxy::port(Link link) const {
  absl::MutexLock lock(&mu_);
  return links_[link].port;
}

void Proxy::SetState(Link link, LinkState state) {
  absl::MutexLock lock(&mu_);
  links_[link].wanted = state;
  Wake();
  mu_.Await(absl::Condition(this, &Proxy::Settled));
}

void Proxy::SetDelay(Link link, absl::Duration delay, absl::Duration jitter) {
  absl::MutexLock lock(&mu_);
  links_[link].delay = delay;
  links_[link].jitter = jitter;
}

void Proxy::SetRate(Link link, size_t bytes_per_second) {
  absl::MutexLock lock(&mu_);
  links_[link].bytes_per_second = bytes_per_second;
}

void Proxy::ResetConnections(Link link) {
  absl::MutexLock lock(&mu_);
  links_[link].reset_wanted = true;
  Wake();
  mu_.Await(absl::Condition(this, &Proxy::Settled));
}

LinkCounts Proxy::counts(Link link) const {
  absl::MutexLock lock(&mu_);
  return links_[link].counts;
}

void Proxy::Wake() {
  const uint64_t one = 1;
  (void)!write(wake_fd_, &one, sizeof(one));
}

bool Proxy::Settled() const {
  return std::all_of(links_.begin(), links_.end(), [](const LinkData& link) { return link.state == link.wanted && !link.reset_wanted; });
}

void Proxy::Apply() {
  for (LinkData& link : links_) {
    if (std::exchange(link.reset_wanted, false) || (link.state != link.wanted && link.wanted == LinkState::kCut)) {
      for (Connection& connection : link.connections) Reset(&connection);
      link.connections.clear();
    }
    if (link.state == link.wanted) continue;
    if (link.wanted == LinkState::kCut) {
      shutdown(link.listener, SHUT_RDWR);  // Linux: stops listening, keeps the port
    } else if (link.state == LinkState::kCut) {
      if (listen(link.listener, kBacklog) != 0) {
        perror("a link could not be opened again");
        abort();
      }
    }
    link.state = link.wanted;
  }
}

void Proxy::Reset(Connection* connection) {
  ResetSocket(connection->client);
  ResetSocket(connection->target);
}

void Proxy::Accept(LinkData* link) {
  for (;;) {
    const int client = accept4(link->listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) return;
    const int on = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const sockaddr_in address = Loopback(link->target_port);
    const int target = NewSocket();
    if (target < 0 || (connect(target, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 && errno != EINPROGRESS)) {
      ResetSocket(client);
      if (target >= 0) close(target);
      continue;
    }
    Connection connection;
    connection.client = client;
    connection.target = target;
    connection.out.from = connection.back.to = client;
    connection.out.to = connection.back.from = target;
    link->connections.push_back(std::move(connection));
  }
}

// Reads what has arrived. False when the connection is broken.
bool Proxy::Take(const LinkData& link, Pipe* pipe, absl::Time now, uint64_t* count) {
  if (pipe->from_events == 0) return true;
  const size_t rate = link.bytes_per_second;
  std::string bytes(rate == 0 ? kReadBytes : std::clamp<size_t>(rate / kPiecesPerSecond, 1, kReadBytes), '\0');
  const ssize_t n = recv(pipe->from, bytes.data(), bytes.size(), 0);
  if (n < 0) return WouldBlock();
  if (n == 0) {
    pipe->ended = true;
    return true;
  }
  bytes.resize(static_cast<size_t>(n));
  *count += bytes.size();
  pipe->held_bytes += bytes.size();
  absl::Time due = now + link.delay + std::uniform_real_distribution<double>(0, 1)(random_) * link.jitter;
  due = std::max(due, pipe->last_due);
  if (rate != 0) due = std::max(due, pipe->last_due + absl::Seconds(1) * static_cast<double>(bytes.size()) / static_cast<double>(rate));
  pipe->last_due = due;
  pipe->held.push_back({due, std::move(bytes)});
  return true;
}

// Writes what is due. False when the connection is broken.
bool Proxy::Give(Pipe* pipe, absl::Time now) {
  while (!pipe->held.empty() && pipe->held.front().due <= now) {
    Chunk& chunk = pipe->held.front();
    const ssize_t n = send(pipe->to, chunk.bytes.data() + chunk.sent, chunk.bytes.size() - chunk.sent, MSG_NOSIGNAL);
    if (n < 0) return WouldBlock();
    chunk.sent += static_cast<size_t>(n);
    pipe->held_bytes -= static_cast<size_t>(n);
    if (chunk.sent < chunk.bytes.size()) return true;
    pipe->held.pop_front();
  }
  if (pipe->held.empty() && pipe->ended && !pipe->end_sent) {
    pipe->end_sent = true;
    shutdown(pipe->to, SHUT_WR);
  }
  return true;
}

void Proxy::Serve(LinkData* link, absl::Time now) {
  for (auto it = link->connections.begin(); it != link->connections.end();) {
    Connection& connection = *it;
    bool alive = true;
    if (!connection.connected && connection.out.to_events != 0) {
      int error = 0;
      socklen_t size = sizeof(error);
      getsockopt(connection.target, SOL_SOCKET, SO_ERROR, &error, &size);
      alive = error == 0;
      connection.connected = alive;
      link->counts.connections += alive ? 1 : 0;
    }
    if (alive && connection.connected) {
      alive = Take(*link, &connection.out, now, &link->counts.bytes_to_target) && Give(&connection.out, now);
      if (alive && link->state == LinkState::kOpen) {
        alive = Take(*link, &connection.back, now, &link->counts.bytes_from_target) && Give(&connection.back, now);
      }
    }
    if (alive && connection.out.end_sent && connection.back.end_sent) {
      close(connection.client);
      close(connection.target);
      it = link->connections.erase(it);
    } else if (!alive) {
      Reset(&connection);
      it = link->connections.erase(it);
    } else {
      ++it;
    }
  }
}

void Proxy::Run() {
  for (;;) {
    Polled polled;
    short woken = 0;
    absl::Time until = absl::InfiniteFuture();
    std::deque<short> accepts;
    {
      absl::MutexLock lock(&mu_);
      if (stopping_) return;
      Apply();
      const absl::Time now = absl::Now();
      polled.Add(wake_fd_, POLLIN, &woken);
      for (LinkData& link : links_) {
        const bool accepts_now = link.state == LinkState::kOpen || link.state == LinkState::kOneWay;
        polled.Add(link.listener, accepts_now ? POLLIN : 0, &accepts.emplace_back());
        for (Connection& connection : link.connections) {
          for (Pipe* pipe : {&connection.out, &connection.back}) {
            const bool open = link.state == LinkState::kOpen || (link.state == LinkState::kOneWay && pipe == &connection.out);
            const bool room = pipe->held_bytes < kHeldBytesMax && !pipe->ended;
            bool due = !pipe->held.empty() && pipe->held.front().due <= now;
            if (open && !due && !pipe->held.empty()) until = std::min(until, pipe->held.front().due);
            due |= !connection.connected && pipe == &connection.out;
            polled.Add(pipe->from, open && connection.connected && room ? POLLIN : 0, &pipe->from_events);
            polled.Add(pipe->to, open && due ? POLLOUT : 0, &pipe->to_events);
          }
        }
      }
    }
    polled.Poll(until);  // only this thread touches the connections
    absl::MutexLock lock(&mu_);
    polled.Answer();
    if (woken != 0) {
      uint64_t count;
      (void)!read(wake_fd_, &count, sizeof(count));
    }
    const absl::Time now = absl::Now();
    for (size_t i = 0; i < accepts.size(); ++i) {
      LinkData& link = links_[i];
      if (link.state != LinkState::kOpen && link.state != LinkState::kOneWay) continue;
      Serve(&link, now);
      if (accepts[i] != 0) Accept(&link);
    }
  }
}

}  // namespace fairlead::framework
