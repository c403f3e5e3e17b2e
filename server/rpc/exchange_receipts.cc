#include "server/rpc/exchange_receipts.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "api/errors.h"
#include "server/exchange/projection.h"
#include "server/node/derived.h"
#include "server/records/partner_receipt.h"
#include "server/rpc/read_methods.h"
#include "server/rpc/wire_forms.h"
#include "storage/schema.h"

namespace fairlead::rpc {
namespace {

constexpr std::string_view kInside = "partnerReceipts/";
constexpr std::string_view kOutside = "exchangeReceipts/";
constexpr absl::Duration kCoveredSoon = absl::Seconds(1);

std::string LogName(const RosterLog& log) { return fmt::format("{}/{}/{}", log.site_name, log.epoch, log.stream); }

}  // namespace

void ExchangeReceipts::Register(Dispatcher* dispatcher) const {
  const std::string service = "fairlead.v1.ExchangeService/";
  dispatcher->Unary<v1::ListExchangeReceiptsRequest, v1::ListExchangeReceiptsResponse>(
      service + "ListExchangeReceipts",
      [this](const Call& call, const v1::ListExchangeReceiptsRequest& request) { return List(call, request); });
  dispatcher->Unary<v1::GetExchangeReceiptRequest, v1::Receipt>(
      service + "GetExchangeReceipt",
      [this](const Call& call, const v1::GetExchangeReceiptRequest& request) { return Get(call, request); });
  dispatcher->Unary<v1::GetExchangeConsistencyProofRequest, v1::ConsistencyProof>(
      service + "GetExchangeConsistencyProof",
      [this](const Call& call, const v1::GetExchangeConsistencyProofRequest& request) { return Prove(call, request); });
}

std::optional<Dot> ExchangeReceipts::EntryOf(const Call& call, const Loaded& loaded) const {
  const Dot dot = node::SpanOf(loaded.state).first;
  const RosterLog* log = door_.node().roster().FindLog(dot.log);
  if (log == nullptr || log->stream != PartnerStream(call.identity.scope)) return std::nullopt;
  return dot;
}

absl::StatusOr<v1::ListExchangeReceiptsResponse> ExchangeReceipts::List(const Call& call,
                                                                        const v1::ListExchangeReceiptsRequest& request) const {
  const absl::StatusOr<int> page_size = PageSize(request);
  if (!page_size.ok()) return page_size.status();
  if (request.record().size() > kSubjectCharsMax) return FieldError(Reason::kFieldTooLarge, "record", "is longer than any name");
  if (std::any_of(request.record().begin(), request.record().end(), [](char c) { return absl::ascii_iscntrl(c); }))
    return FieldError(Reason::kFieldInvalid, "record", "must have no control characters");
  const std::string filter = request.record().empty() ? "" : " of " + request.record();
  const absl::StatusOr<std::string> last = door_.OpenToken(call, request.page_token(), filter);
  if (!last.ok()) return last.status();
  if (!door_.receipts().Keeps(call.identity.scope)) return Error(Reason::kStreamMissing, "this site keeps no receipts for the nation yet");
  const std::unique_ptr<storage::Snapshot> view = door_.node().store().NewSnapshot();
  const records::RecordType& type = door_.TypeOf("PartnerReceipt");
  const std::string nation = NationOfCaller(call);
  const std::string prefix = request.record().empty()
                                 ? node::IndexPrefix(records::kReceiptsByNation, nation)
                                 : node::IndexPrefix(records::kReceiptsByRecord, records::ReceiptSubject(nation, request.record()));
  const auto it = view->Iterate(storage::Cf::kIndexes, last->empty() ? prefix : prefix + *last + '\0', storage::PrefixEnd(prefix));
  v1::ListExchangeReceiptsResponse page;
  std::string given;  // key of the last of the page, without the prefix
  for (it->SeekToFirst(); it->Valid() && !call.cancelled(); it->Next()) {
    const std::string key(it->key());
    const absl::StatusOr<std::optional<Loaded>> loaded = Load(door_.node(), *view, type, key.substr(key.rfind('\0') + 1));
    if (!loaded.ok()) return loaded.status();
    if (!loaded->has_value()) continue;
    const std::optional<Dot> dot = EntryOf(call, **loaded);
    if (!dot) continue;
    // Only now, when there is another one: a token never leads to nothing.
    if (page.receipts_size() == *page_size) {
      page.set_next_page_token(door_.SealToken(call, given, filter));
      return page;
    }
    const auto& receipt = static_cast<const v1::PartnerReceipt&>(*(*loaded)->message);
    v1::ExchangeReceipt& out = *page.add_receipts();
    out.set_name(Renamed(receipt.name(), kInside, kOutside));
    out.set_kind(static_cast<v1::ExchangeReceiptKind>(receipt.kind()));
    out.set_record(receipt.record());
    out.set_revision(receipt.revision());
    out.set_marking(exchange::MarkingText(receipt.marking()));
    out.set_method(receipt.method());
    *out.mutable_time() = receipt.time();
    out.set_log(LogName(*door_.node().roster().FindLog(dot->log)));
    out.set_sequence(static_cast<int64_t>(dot->seq.value()));
    given = key.substr(prefix.size());
  }
  if (!it->status().ok()) return it->status();
  return page;
}

absl::StatusOr<v1::Receipt> ExchangeReceipts::Get(const Call& call, const v1::GetExchangeReceiptRequest& request) const {
  if (request.name().empty()) return FieldError(Reason::kFieldRequired, "name", "is required");
  const records::RecordType& type = door_.TypeOf("PartnerReceipt");
  const std::string inside = Renamed(request.name(), kOutside, kInside);
  if (!CheckName(door_.node().registry(), type, inside, "name").ok()) return NotFound(request.name());
  const absl::StatusOr<std::optional<Loaded>> loaded = Load(door_.node(), door_.node().store(), type, inside);
  if (!loaded.ok()) return loaded.status();
  const std::optional<Dot> dot = loaded->has_value() ? EntryOf(call, **loaded) : std::nullopt;
  if (!dot) return NotFound(request.name());
  absl::StatusOr<v1::Receipt> receipt = proofs_.ReceiptOf(*dot);
  if (!receipt.ok() && ReasonOf(receipt.status()) == ReasonName(Reason::kRecordNotFound)) {
    return RetryAfter(Error(Reason::kNotYetProven, "no checkpoint covers it yet: ask again"), kCoveredSoon);
  }
  return receipt;
}

absl::StatusOr<v1::ConsistencyProof> ExchangeReceipts::Prove(const Call& call,
                                                             const v1::GetExchangeConsistencyProofRequest& request) const {
  if (request.log().empty()) return FieldError(Reason::kFieldRequired, "log", "is required");
  for (const RosterLog& log : door_.node().roster().logs()) {
    if (log.stream != PartnerStream(call.identity.scope) || request.log() != LogName(log)) continue;
    absl::StatusOr<v1::ConsistencyProof> proof = proofs_.ConsistencyOf(log, request.old_size());
    // A log of the nation's that this site holds nothing of, in the words of one that there is not.
    if (!proof.ok() && ReasonOf(proof.status()) == ReasonName(Reason::kRecordNotFound)) break;
    return proof;
  }
  return NotFound(request.log());
}

}  // namespace fairlead::rpc
