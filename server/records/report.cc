// Reports and the log of who received them.

#include <fmt/format.h>

#include "fairlead/v1/report.pb.h"
#include "server/records/checks.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using v1::Delivery;
using v1::Report;

constexpr size_t kHtmlBytesMax = 600'000;
constexpr size_t kCsvBytesMax = 300'000;

void ValidateReport(const Report& report, const Report* previous, Checks* checks) {
  checks->NotZero("kind", report.kind(), "is required: what span it is about");
  checks->Line("period", report.period(), Need::kRequired, kShortCharsMax);
  checks->Reference("nation", report.nation(), kCountries, Need::kOptional);
  if ((report.region() == v1::REGION_UNSPECIFIED) == report.nation().empty()) {
    checks->Fail(Reason::kFieldRequired, "region", "exactly one of region and nation must be set: for whom it is");
  }
  if (report.html().size() > kHtmlBytesMax) {
    checks->Fail(Reason::kFieldTooLarge, "html", fmt::format("is more than {} bytes", kHtmlBytesMax));
  }
  if (report.csv().size() > kCsvBytesMax) checks->Fail(Reason::kFieldTooLarge, "csv", fmt::format("is more than {} bytes", kCsvBytesMax));
  if (report.statement().empty()) checks->Fail(Reason::kFieldRequired, "statement", "is required: PrepareReport signs it");
  if (previous != nullptr &&
      (previous->statement() != report.statement() || previous->html() != report.html() || previous->csv() != report.csv())) {
    checks->Fail(Reason::kFieldImmutable, "html", "a report stays as it was made: prepare another");
  }
}

void ValidateDelivery(const Delivery& delivery, Checks* checks) {
  const std::string_view parent = ParentOf(delivery.name());
  const auto report = FindAs<Report>(checks->reader(), parent);
  if (report == nullptr) {
    checks->Fail(Reason::kReferenceNotFound, "name", fmt::format("there is no report {}", parent));
  } else if (report->withdrawn()) {
    checks->Fail(Reason::kStateForbids, "name", fmt::format("{} was withdrawn", parent));
  }
  checks->Line("recipient", delivery.recipient(), Need::kRequired, kShortCharsMax);
  checks->Prose("remark", delivery.remark(), Need::kOptional, kReasonCharsMax);
}

// What tells of a report is for the sites that hold it.
void CompleteDelivery(Delivery* next, const Delivery* previous, const RecordReader& reader, absl::Time now) {
  if (previous != nullptr) return;
  if (!next->has_delivered_time()) next->mutable_delivered_time()->set_seconds(absl::ToUnixSeconds(now));
  if (const auto report = FindAs<Report>(reader, ParentOf(next->name()))) *next->mutable_audience() = report->audience();
}

std::string SortByTime(const Delivery& delivery) {
  // Of a fixed width, for times from 1970 on.
  return absl::FormatTime("%Y-%m-%dT%H:%M:%S", absl::FromUnixSeconds(delivery.delivered_time().seconds()), absl::UTCTimeZone());
}

}  // namespace

RecordType ReportType() {
  RecordType type;
  type.number = 60;
  type.prototype = &Report::default_instance();
  type.pattern = "reports/{report}";
  type.validate = ValidateChange<Report>(ValidateReport);
  type.indexes = {
      {.number = 600, .filter = "period", .values = On<Report>([](const Report& r) { return Values{r.period()}; })},
      {.number = 601, .filter = "nation", .values = On<Report>([](const Report& r) { return Values{r.nation()}; })},
      {.number = 602, .filter = "region", .values = On<Report>([](const Report& r) { return Values{DecimalOf(r.region())}; })},
  };
  return type;
}

RecordType DeliveryType() {
  RecordType type;
  type.number = 61;
  type.prototype = &Delivery::default_instance();
  type.pattern = "reports/{report}/deliveries/{delivery}";
  type.validate = ValidateWith<Delivery>(ValidateDelivery);
  type.complete = CompleteWith<Delivery>(CompleteDelivery);
  type.indexes = {
      {.number = 610,
       .filter = "parent",
       .values = On<Delivery>([](const Delivery& d) { return Values{std::string(ParentOf(d.name()))}; }),
       .sort = On<Delivery>(SortByTime)},
  };
  return type;
}

}  // namespace fairlead::records
