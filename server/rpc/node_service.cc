#include "server/rpc/node_service.h"

#include <optional>
#include <string>
#include <utility>

#include "api/bytes.h"
#include "api/entry.h"
#include "api/note.h"
#include "server/node/contents.h"
#include "server/rpc/read_methods.h"
#include "server/rpc/wire_forms.h"
#include "storage/schema.h"

namespace fairlead::rpc {

void NodeService::Register(Dispatcher* dispatcher) {
  dispatcher->Unary<v1::GetNodeStatusRequest, v1::NodeStatus>(
      "fairlead.v1.NodeService/GetNodeStatus",
      [this](const Call&, const v1::GetNodeStatusRequest&) -> absl::StatusOr<v1::NodeStatus> { return GetNodeStatus(); });
  dispatcher->Unary<v1::GetStateDigestRequest, v1::StateDigest>(
      "fairlead.v1.NodeService/GetStateDigest",
      [this](const Call&, const v1::GetStateDigestRequest&) -> absl::StatusOr<v1::StateDigest> { return GetStateDigest(); });
  dispatcher->Unary<v1::ListOpaqueEntriesRequest, v1::ListOpaqueEntriesResponse>(
      "fairlead.v1.NodeService/ListOpaqueEntries",
      [this](const Call& call, const v1::ListOpaqueEntriesRequest& request) { return ListOpaqueEntries(call, request); });
}

v1::NodeStatus NodeService::GetNodeStatus() const {
  v1::NodeStatus status;
  status.set_site(node_->options().site);
  status.set_network(node_->roster().network());
  status.set_version(options_.version);
  SetTimestamp(options_.start_time, status.mutable_start_time());
  SetTimestamp(node_->options().clock->Now(), status.mutable_time());
  std::string unwritable = options_.unwritable_reason ? options_.unwritable_reason() : node_->UnwritableReason();
  if (unwritable.empty() && !options_.unwritable_reason) unwritable = node_->ClockTrouble();
  status.set_unwritable_reason(std::move(unwritable));
  status.set_writable(status.unwritable_reason().empty());
  status.set_journal_size(static_cast<int64_t>(node_->JournalEnd().value()));
  for (const node::LogInfo& info : node_->Logs()) {
    v1::LogStatus* log = status.add_logs();
    log->set_origin(info.log->origin());
    log->set_site(info.log->site_name);
    log->set_size(static_cast<int64_t>(info.size.value()));
    if (const absl::StatusOr<note::Note> signed_note = note::Parse(info.checkpoint_note); signed_note.ok()) {
      if (const absl::StatusOr<note::Checkpoint> checkpoint = note::ParseCheckpoint(signed_note->text); checkpoint.ok()) {
        log->set_checkpoint_size(static_cast<int64_t>(checkpoint->size));
        log->set_checkpoint_root(Base64Encode(AsView(checkpoint->root)));
      }
    }
    for (const auto& [site, cosigned] : info.cosignatures) {
      const RosterSite* cosigner = node_->roster().FindSite(site);
      if (cosigner == nullptr) continue;
      v1::CosignatureStatus* cosignature = log->add_cosignatures();
      cosignature->set_site(cosigner->name);
      cosignature->set_size(static_cast<int64_t>(cosigned.first.value()));
      SetTimestamp(cosigned.second, cosignature->mutable_time());
    }
    log->set_quarantine(info.quarantine);
    for (const std::string& signed_note : info.fork_notes) log->add_fork_notes(signed_note);
    if (info.log->closing) {
      log->set_closed(true);
      log->set_closed_size(static_cast<int64_t>(info.log->closing->size.value()));
      log->set_void_entries(static_cast<int64_t>(info.void_entries.value()));
    }
    SetDuration(info.oldest_unapplied_age, log->mutable_oldest_unapplied_age());
  }
  if (options_.links) {
    for (v1::LinkStatus& link : options_.links()) *status.add_links() = std::move(link);
  }
  status.set_opaque_entries(node_->OpaqueCount());
  status.set_roster_version(static_cast<int64_t>(node_->roster().version()));
  status.set_unauthorised_changes(node_->UnauthorisedCount());
  status.set_clock_disagreement(node_->ClockDisagreement());
  status.set_attachment_bytes_held(node_->contents().bytes_held());
  status.set_attachments_wanted(node_->contents().wanted());
  if (options_.search) *status.mutable_search() = options_.search();
  if (options_.membership) *status.mutable_membership() = options_.membership();
  if (options_.certificate_expiry) SetTimestamp(options_.certificate_expiry(), status.mutable_certificate_expire_time());
  return status;
}

v1::StateDigest NodeService::GetStateDigest() const {
  v1::StateDigest digest;
  digest.set_site(node_->options().site);
  digest.set_fold_version(kFoldVersion);
  const auto [vector, classes] = node_->StateDigests();
  for (const auto& [id, size] : vector.entries()) {
    const RosterLog* log = node_->roster().FindLog(id);
    if (log == nullptr) continue;
    v1::LogPosition* position = digest.add_vector();
    position->set_origin(log->origin());
    position->set_size(static_cast<int64_t>(size.value()));
  }
  for (const node::ClassDigestInfo& info : classes) {
    v1::ClassDigest* one = digest.add_classes();
    one->set_audience(info.audience);
    one->set_digest(HexEncode(AsView(info.digest)));
    one->set_records(info.records);
  }
  digest.set_opaque_entries(node_->OpaqueCount());
  return digest;
}

absl::StatusOr<v1::ListOpaqueEntriesResponse> NodeService::ListOpaqueEntries(const Call& call,
                                                                             const v1::ListOpaqueEntriesRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  const absl::StatusOr<std::string> position = OpenPageToken(*sealer_, call.method, request);
  if (!position.ok()) return position.status();
  std::optional<Dot> after;
  if (!position->empty()) {
    Reader reader(*position);
    after = storage::ReadDot(&reader);
  }
  // One more than the page holds, to know whether there is another.
  const std::vector<node::OpaqueInfo> found = node_->OpaqueEntries(after, static_cast<size_t>(*page_size) + 1);
  v1::ListOpaqueEntriesResponse response;
  for (size_t i = 0; i < found.size(); ++i) {
    if (response.opaque_entries_size() == *page_size) {
      response.set_next_page_token(SealPageToken(*sealer_, call.method, request, storage::DotKey(found[i - 1].dot)));
      break;
    }
    v1::OpaqueEntry* entry = response.add_opaque_entries();
    entry->set_entry(EntryName(node_->roster(), found[i].dot));
    entry->set_cause(found[i].cause);
    entry->set_detail(found[i].detail);
  }
  return response;
}

}  // namespace fairlead::rpc
