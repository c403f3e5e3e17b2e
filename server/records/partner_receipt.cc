// What a partner nation submitted and was sent.

#include "server/records/partner_receipt.h"

#include <absl/time/time.h>

#include "fairlead/v1/partner_receipt.pb.h"
#include "server/records/checks.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using v1::PartnerReceipt;

void Validate(const PartnerReceipt& receipt, Checks* checks) {
  checks->Reference("nation", receipt.nation(), kCountries, Need::kRequired);
  checks->NotZero("kind", receipt.kind(), "is required: what it is for");
  checks->Line("method", receipt.method(), Need::kRequired, kShortCharsMax);
  checks->Line("record", receipt.record(), Need::kOptional, kShortCharsMax);
  checks->Line("revision", receipt.revision(), Need::kOptional, kShortCharsMax);
  checks->Line("message_type", receipt.message_type(), Need::kRequired, kShortCharsMax);
  if (!receipt.has_time()) checks->Fail(Reason::kFieldRequired, "time", "is required");
}

std::string SortByTime(const PartnerReceipt& receipt) {
  const absl::Time time = absl::FromUnixSeconds(receipt.time().seconds()) + absl::Nanoseconds(receipt.time().nanos());
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3S", time, absl::UTCTimeZone());
}

}  // namespace

std::string ReceiptSubject(std::string_view nation, std::string_view record) { return std::string(nation).append(" ").append(record); }

RecordType PartnerReceiptType() {
  RecordType type;
  type.number = 55;
  type.prototype = &PartnerReceipt::default_instance();
  type.pattern = "partnerReceipts/{partner_receipt}";
  type.counted = false;
  type.validate = ValidateWith<PartnerReceipt>(Validate);
  type.indexes = {{.number = kReceiptsByNation,
                   .filter = "nation",
                   .values = On<PartnerReceipt>([](const PartnerReceipt& r) { return Values{r.nation()}; }),
                   .sort = On<PartnerReceipt>(SortByTime)},
                  {.number = kReceiptsByRecord,
                   .filter = "record",
                   .values = On<PartnerReceipt>([](const PartnerReceipt& r) { return Values{ReceiptSubject(r.nation(), r.record())}; }),
                   .sort = On<PartnerReceipt>(SortByTime)}};
  return type;
}

}  // namespace fairlead::records
