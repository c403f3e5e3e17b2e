#include "tests/soak/weather.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "tests/framework/eventually.h"

namespace fairlead::soak {

namespace fs = std::filesystem;
using framework::LinkState;

namespace {

constexpr absl::Duration kHealPatience = absl::Minutes(3);  // peers dial again after up to half a minute, and may have much to say

}  // namespace

Weather::Weather(framework::Cluster* cluster, Load* load, uint64_t seed, std::function<bool(absl::Duration)> wait,
                 std::function<void(const std::string&)> say)
    : cluster_(cluster), load_(load), random_(static_cast<uint32_t>(seed) | 1), wait_(std::move(wait)), say_(std::move(say)) {}

absl::Status Weather::Next() {
  if (!wait_(Between(absl::Milliseconds(200), absl::Seconds(3)))) return absl::OkStatus();
  const std::string& site = cluster_->sites()[Draw(static_cast<uint32_t>(cluster_->sites().size()))];
  const uint32_t network = Draw(4);
  if (network == 0) Partition();
  if (network == 1) Rough();
  absl::Status status;
  switch (Draw(10)) {
    case 0:
    case 1:
    case 2:
      status = Crash(site);
      break;
    case 3:
    case 4:
      status = Stop(site);
      break;
    case 5:
    case 6:
      Pause(site);
      break;
    case 7:
      status = LoseDisk(site, false);
      break;
    case 8:
      status = LoseDisk(site, true);
      break;
    default:
      break;
  }
  if (network <= 1) wait_(Between(absl::Seconds(1), absl::Seconds(12)));
  Heal();
  return status;
}

void Weather::Heal() {
  ForEachLink([this](const std::string& receiver, const std::string& peer) {
    cluster_->SetLink(receiver, peer, LinkState::kOpen);
    cluster_->SetDelay(receiver, peer, absl::ZeroDuration());
    cluster_->SetRate(receiver, peer, 0);
  });
}

absl::Status Weather::Crash(const std::string& site) {
  say_("kill " + site);
  ++counts_["kill"];
  cluster_->Kill(site);
  wait_(Between(absl::ZeroDuration(), absl::Seconds(4)));
  return cluster_->StartNode(site);
}

absl::Status Weather::Stop(const std::string& site) {
  say_("stop " + site);
  ++counts_["stop"];
  if (const auto exit = cluster_->Stop(site, absl::Minutes(1)); !exit.ok()) return exit.status();
  std::error_code ignored;
  fs::remove_all(CopyOf(site), ignored);
  fs::copy(cluster_->data_folder(site), CopyOf(site), fs::copy_options::recursive);
  wait_(Between(absl::ZeroDuration(), absl::Seconds(4)));
  return cluster_->StartNode(site);
}

void Weather::Pause(const std::string& site) {
  say_("pause " + site);
  ++counts_["pause"];
  cluster_->Pause(site);
  wait_(Between(absl::Milliseconds(100), absl::Seconds(14)));
  cluster_->Resume(site);
}

absl::Status Weather::LoseDisk(const std::string& site, bool to_old_copy) {
  if (to_old_copy && !fs::exists(CopyOf(site))) return absl::OkStatus();
  Heal();
  load_->Hold();
  absl::Status status = cluster_->WaitForConvergence({}, kHealPatience);
  if (status.ok()) {
    say_((to_old_copy ? "old copy " : "lost disk ") + site);
    ++counts_[to_old_copy ? "old copy" : "lost disk"];
    cluster_->Kill(site);
    fs::remove_all(cluster_->data_folder(site));
    if (to_old_copy) fs::rename(CopyOf(site), cluster_->data_folder(site));
    status = cluster_->StartNode(site);
  }
  load_->Resume();
  return status.ok() ? AwaitWritable(site) : status;
}

absl::Status Weather::AwaitWritable(const std::string& site) {
  std::string why = "it does not answer";
  const auto writable = [&] {
    const auto status = cluster_->Status(site);
    if (status.ok()) why = status->unwritable_reason();
    return status.ok() && status->writable();
  };
  if (framework::Eventually(writable, kHealPatience)) return absl::OkStatus();
  return absl::DeadlineExceededError(fmt::format("{} takes no writes: {}", site, why));
}

void Weather::Partition() {
  say_("partition");
  ++counts_["partition"];
  ForEachLink([this](const std::string& receiver, const std::string& peer) {
    constexpr LinkState kStates[] = {LinkState::kOpen, LinkState::kOpen,    LinkState::kCut,
                                     LinkState::kCut,  LinkState::kStalled, LinkState::kOneWay};
    cluster_->SetLink(receiver, peer, kStates[Draw(std::size(kStates))]);
  });
}

void Weather::Rough() {
  say_("rough links");
  ++counts_["rough"];
  ForEachLink([this](const std::string& receiver, const std::string& peer) {
    cluster_->SetDelay(receiver, peer, absl::Milliseconds(Draw(200)), absl::Milliseconds(Draw(100)));
    if (Draw(4) == 0) cluster_->SetRate(receiver, peer, 10'000 + Draw(100'000));
    if (Draw(3) == 0) cluster_->ResetConnections(receiver, peer);
  });
}

void Weather::ForEachLink(const std::function<void(const std::string& receiver, const std::string& peer)>& visit) {
  for (const std::string& receiver : cluster_->sites()) {
    for (const std::string& peer : cluster_->sites()) {
      if (peer != receiver) visit(receiver, peer);
    }
  }
}

absl::Duration Weather::Between(absl::Duration least, absl::Duration most) {
  return least + std::uniform_real_distribution<double>(0, 1)(random_) * (most - least);
}

}  // namespace fairlead::soak
